"""Figures and tables show what they say: values, slopes and cosines against those of the smoothed metric."""

import dataclasses
import functools
import re
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsurr import losses, metrics, report
from jaxsurr.core.types import Keypoints, Surrogate
from jaxsurr.report import fields, slices
from jaxsurr.report.neighbourhood import about, clearest, estimator, noise, steepest
from jaxsurr.smoothing.smoothed_metric import smoothed_metric, table_directions
from jaxsurr.surrogates import conventional
from tests.figures import LONG, overflowing

NAN = float("nan")


def run(loss, seed, values, **fields):
    entries = [{"epoch": i + 1, "validation": value} for i, value in enumerate(values)]
    for name, series in fields.items():
        for entry, value in zip(entries, series, strict=True):
            entry[name] = value
    return {"loss": loss, "seed": seed, "history": entries}


def exact(metric, scale, num_pairs=1024):
    """A surrogate that is the smoothed metric, with noise of its own."""

    directions = table_directions(2**18, seed=1)

    @jax.jit
    def value(state, predictions, targets, where=None):
        fixed = jax.lax.stop_gradient(predictions)
        options = dict(key=jax.random.key(77), scale=scale, num_pairs=num_pairs, directions=directions)
        out = smoothed_metric(metric, fixed, targets, **options)
        gradient = out.gradient if out.value.ndim == 2 else out.gradient[None]
        change = jnp.sum((gradient * (predictions - fixed)[None]).reshape(*gradient.shape[:2], -1), axis=-1).T
        return metric.sign * (out.value + (change if out.value.ndim == 2 else change[:, 0]))

    return Surrogate(lambda *args: (), value, lambda state, *args: (state, None))


def logits(levels, batch=24):
    first, second = jax.random.split(jax.random.key(0))
    targets = jax.random.randint(first, (batch,), 0, levels)
    return jax.random.normal(second, (batch, levels)) + jax.nn.one_hot(targets, levels), targets


def poses(batch=12, joints=4):
    first, second = jax.random.split(jax.random.key(1))
    points = 100 * jax.random.uniform(first, (batch, joints, 2))
    visible = jnp.ones((batch, joints)).at[:, 1].set(0)
    targets = Keypoints(points, visible, jnp.linspace(15.0, 30.0, batch))
    return points + 10 * jax.random.normal(second, points.shape), targets


CASES = {
    "error_rate": (metrics.error_rate, *logits(5), 0),
    "mean_absolute_error": (metrics.mean_absolute_error, *logits(4), 0),
    "pck": (metrics.pck, *poses(), 0),
    "two pck": (metrics.pck.bind(threshold=(0.3, 0.6)), *poses(), 1),
}


NAMED = dataclasses.replace(metrics.error_rate, name=LONG)


NAMES = [f"correlated_gradients?conventional=generalised_cross_entropy,start=auto,n={i}" for i in range(7)]
RUNS = [run(name, 0, [0.5, 0.3], gradient_correlation=[0.5] * 2, ceiling=[0.8] * 2) for name in NAMES]
ROWS = [
    {"loss": name, "difference": 0.1 - i, "low": -i or None, "high": 0.2 - i, "verdict": "better" if i else "tie"}
    for i, name in enumerate(NAMES)
]
SIZES = [{"axis": name, "metric": LONG, "size": n, "time": n, "bytes": n} for name in NAMES for n in (1, 10)]
FIGURES = {
    "learning_curves": lambda n: report.learning_curves(RUNS[:n], metric=LONG, higher_is_better=True),
    "gradient_correlation_curve": lambda n: report.gradient_correlation_curve(RUNS[:n]),
    "forest_plot": lambda n: report.forest_plot(ROWS[:n], metric=LONG, higher_is_better=False, reference=NAMES[1]),
    "trade_off_curve": lambda n: report.trade_off_curve(
        {name: [[0.1, 0.5], [0.2, 0.2]] for name in NAMES[:n]},
        metrics=(LONG, LONG), higher_is_better=False, labels=["0", "1"],
    ),
    "growth_curves": lambda n: report.growth_curves(SIZES[: 2 * n]),
}  # fmt: skip


class TestLongNames:
    """No name of a metric or of a loss is cut off, and none makes the layout fail, in any figure.

    What is drawn of a surrogate is looked at below, and with the diagnosis.
    """

    @pytest.mark.parametrize("count", [2, 7])
    @pytest.mark.parametrize("name", FIGURES)
    @pytest.mark.filterwarnings("error")  # of a layout that failed
    def test_are_shown_whole(self, name, count):
        assert overflowing(FIGURES[name](count)) == []

    def test_a_difference_that_is_the_same_for_every_seed_has_no_line(self):
        (axes,) = FIGURES["forest_plot"](2).axes
        assert [text.get_text() for text in axes.texts] == ["+0.1000 for every seed: tie"]
        assert len(axes.lines) == 2 + 1  # interval and marker of the other one, and zero

    def test_every_figure_is_looked_at(self):
        elsewhere = {"value_slice", "gradient_fields", "diagnosis_panels"}
        assert {*FIGURES, *elsewhere} == {*report.__all__} - {"save", "summary_table"}

    def test_what_fits_stays_as_it_was(self):
        figure = report.learning_curves([run("a", 0, [0.5])], metric="error rate", higher_is_better=False)
        assert figure.axes[0].get_title() == "Learning curves: error rate"
        assert figure.axes[0].get_ylabel() == "validation error rate\n(lower is better)"
        np.testing.assert_allclose(figure.get_size_inches(), (8.5, 4.2))


class TestLearningCurves:
    runs = (
        run("cross_entropy", 0, [0.5, 0.3, 0.4]),
        run("smoothed", 0, [0.6, 0.2, 0.1]),
        run("cross_entropy", 1, [0.7, 0.5, 0.4]),
    )

    def test_draws_mean_and_band_of_each_loss(self):
        figure = report.learning_curves(self.runs, metric="error rate", higher_is_better=False)
        (axes,) = figure.axes
        first, second = axes.lines
        np.testing.assert_allclose(first.get_xdata(), [1, 2, 3])
        np.testing.assert_allclose(first.get_ydata(), [(0.5 + 0.7) / 2, (0.3 + 0.5) / 2, 0.4])
        np.testing.assert_allclose(second.get_ydata(), [0.6, 0.2, 0.1])
        (band,) = axes.collections
        corners = {(round(x, 6), round(y, 6)) for x, y in band.get_paths()[0].vertices}
        assert corners == {(1, 0.5), (1, 0.7), (2, 0.3), (2, 0.5), (3, 0.4)}

    @pytest.mark.parametrize("higher, best", [(False, 1), (True, 0)])
    def test_marks_the_best_epoch(self, higher, best):
        figure = report.learning_curves([run("a", 0, [0.5, 0.3, 0.4])], metric="m", higher_is_better=higher)
        assert figure.axes[0].lines[0].get_markevery() == [best]
        assert ("higher" if higher else "lower") in figure.axes[0].get_ylabel()

    def test_names_what_is_drawn(self):
        figure = report.learning_curves(self.runs, metric="error rate", higher_is_better=False, switch=2.5)
        (axes,), (legend,) = figure.axes, figure.legends
        texts = [text.get_text() for text in legend.get_texts()]
        assert texts == ["cross_entropy (2 seeds)", "smoothed (1 seed)", "switch to the learned loss"]
        assert "lowest to highest seed" in legend.get_title().get_text()
        assert "epochs" in axes.get_xlabel() and "error rate" in axes.get_ylabel() and axes.get_title()
        np.testing.assert_allclose(axes.lines[2].get_xdata(), 2.5)

    def test_lines_differ_without_colour(self):
        runs = [run(f"loss {i}", 0, [0.1]) for i in range(7)]
        lines = report.learning_curves(runs, metric="m", higher_is_better=False).axes[0].lines
        assert len({(str(line._unscaled_dash_pattern), line.get_marker()) for line in lines}) == 7
        light = [np.dot(line.get_color()[:3], [0.299, 0.587, 0.114]) for line in lines]
        assert (np.diff(light) > 0.02).all()

    def test_uses_the_epochs_that_all_seeds_have(self):
        runs = [run("a", 0, [0.5, 0.3, 0.1]), run("a", 1, [0.7, 0.5])]
        line = report.learning_curves(runs, metric="m", higher_is_better=False).axes[0].lines[0]
        np.testing.assert_allclose(line.get_ydata(), [0.6, 0.4])

    def test_a_seed_that_diverged_leaves_a_gap(self):
        runs = [run("a", 0, [0.5, NAN]), run("a", 1, [0.7, 0.1]), run("b", 0, [NAN, NAN])]
        lines = report.learning_curves(runs, metric="m", higher_is_better=False).axes[0].lines
        np.testing.assert_allclose(lines[0].get_ydata(), [0.6, NAN])
        assert lines[0].get_markevery() == [0] and lines[1].get_markevery() == []

    @pytest.mark.parametrize(
        "runs, message",
        [
            ([], "no runs"),
            ([{"loss": "a", "seed": 0}], "must have 'history'"),
            ([run("a", 0, [])], "is empty"),
            ([run("a", 0, [0.1]), run("a", 0, [0.1])], "two runs with seed 0"),
            (
                [run("a", 0, [0.1]), {"loss": "a", "seed": 1, "history": [{"epoch": 9, "validation": 0.1}]}],
                "no epoch in common",
            ),
        ],
    )
    def test_refuses(self, runs, message):
        with pytest.raises(ValueError, match=message):
            report.learning_curves(runs, metric="m", higher_is_better=False)


class TestGradientCorrelationCurve:
    def test_draws_correlation_ceiling_and_ratio(self):
        runs = [
            run("cross_entropy", 0, [0.1, 0.1, 0.1], gradient_correlation=[NAN] * 3),
            run("learned", 0, [0.1] * 3, gradient_correlation=[None, 0.4, 0.6], ceiling=[None, 0.8, 0.0]),
            run("learned", 1, [0.1] * 3, gradient_correlation=[NAN, 0.2, 0.3], ceiling=[NAN, 0.5, 0.5]),
        ]
        figure = report.gradient_correlation_curve(runs)
        expected = ([NAN, 0.3, 0.45], [NAN, 0.65, 0.25], [NAN, (0.4 / 0.8 + 0.2 / 0.5) / 2, 0.3 / 0.5])
        for axes, values in zip(figure.axes, expected, strict=True):
            assert [line.get_label() for line in axes.lines[:1]] == ["learned"]
            np.testing.assert_allclose(axes.lines[0].get_ydata(), values)
            assert axes.get_title() and "epochs" in axes.get_xlabel()
        assert [text.get_text() for text in figure.legends[0].get_texts()] == ["learned"]
        low, high = figure.axes[0].get_ylim()
        assert low <= 0 and high >= 1

    def test_a_loss_looks_as_among_the_learning_curves(self):
        runs = [run("a", 0, [0.1]), run("b", 0, [0.1], gradient_correlation=[0.5], ceiling=[1.0])]
        here = report.gradient_correlation_curve(runs).axes[0].lines[0]
        there = report.learning_curves(runs, metric="m", higher_is_better=False).axes[0].lines[1]
        assert (here.get_color(), here.get_marker()) == (there.get_color(), there.get_marker())

    def test_takes_one_of_many_metrics(self):
        runs = [run("a", 0, [0.1], gradient_correlation=[[0.2, 0.6]], ceiling=[[0.5, 0.8]])]
        figure = report.gradient_correlation_curve(runs, which=1)
        np.testing.assert_allclose([axes.lines[0].get_ydata()[0] for axes in figure.axes], [0.6, 0.8, 0.75])
        with pytest.raises(ValueError, match="which must be an integer of at least 0 and at most"):
            report.gradient_correlation_curve(runs, which=2)

    def test_refuses_runs_that_learned_nothing(self):
        with pytest.raises(ValueError, match="no run holds"):
            report.gradient_correlation_curve([run("cross_entropy", 0, [0.1])])


class TestNeighbourhood:
    def test_a_step_of_one_is_a_scale_times_the_unit(self):
        predictions, targets = poses()
        direction = jnp.zeros((1, 4, 2)).at[0, 2, 0].set(1.0)
        found = about(metrics.pck, predictions, targets, 3, direction, np.array([[0.0], [2.0]]), 0.25)
        np.testing.assert_allclose(found.predictions[0], predictions[3])
        moved = found.predictions[1] - found.predictions[0]
        np.testing.assert_allclose(moved[2, 0], 2 * 0.25 * targets.scale[3], rtol=1e-4)
        assert np.count_nonzero(moved) == 1
        np.testing.assert_allclose(found.targets.points, jnp.stack([targets.points[3]] * 2))
        components = found.components(jnp.ones((2, 4, 2)))
        np.testing.assert_allclose(components, 0.25 * targets.scale[3] * np.ones((2, 1)), rtol=1e-6)

    def test_steepest_points_where_the_metric_grows(self):
        # Two classes: P(error) of logits (0, a) with label 0 is a function of the difference alone.
        predictions, targets = jnp.array([[30.0, 0.0], [0.0, 0.0]]), jnp.array([0, 0])
        options = dict(key=jax.random.key(0), scale=2.0, num_pairs=4096)
        ((index, direction, slope),) = steepest(metrics.error_rate, predictions, targets, 0, count=2, **options)
        assert index == 1
        np.testing.assert_allclose(direction, np.array([-1, 1]) / np.sqrt(2), atol=1e-5)
        # Along it, noise of deviation s meets the boundary at once: a slope of s times the density 1 / (s sqrt(2 pi)).
        np.testing.assert_allclose(slope, 1 / np.sqrt(2 * np.pi), rtol=0.05)

    def test_clearest_never_takes_a_flat_example(self):
        assert clearest(np.array([0.0, 3.0, 0.0, 0.0]), 3) == [1]


class TestValueSlice:
    @pytest.mark.parametrize("case", ["mean_absolute_error", "two pck"])
    def test_coincides_where_the_loss_is_the_smoothed_metric(self, case):
        metric, predictions, targets, which = CASES[case]
        scale = 0.2 if metric.higher_is_better else 0.8
        surrogate = exact(metric, scale)
        figure = report.value_slice(
            *(surrogate, (), metric, predictions, targets),
            key=jax.random.key(5), scale=scale, examples=2, num_pairs=256, which=which,
        )  # fmt: skip
        assert len(figure.axes) == 2
        spread = 3.0 if "absolute" in metric.name else 1.0
        for axes in figure.axes:
            raw, smooth, learned = (line.get_ydata() for line in axes.lines[:3])
            assert np.ptp(smooth) > 0.1
            np.testing.assert_allclose(learned, smooth, atol=0.12 * spread)
            index = int(re.search(r"example (\d+)", axes.get_title())[1])
            here = np.asarray(metric(predictions, targets))[index]
            assert raw[len(raw) // 2] == pytest.approx(here if np.ndim(here) == 0 else here[which])
            middle = len(smooth) // 2
            assert smooth[middle + 5] > smooth[middle - 5]
            np.testing.assert_allclose(axes.lines[0].get_xdata()[[0, -1]], [-slices.REACH, slices.REACH])
            assert "in smoothing scales" in axes.get_xlabel()
        labels = [text.get_text() for text in figure.legends[0].get_texts()]
        assert labels == ["metric", "smoothed metric", "learned loss" + " times -1" * metric.higher_is_better]
        assert metric.name in figure.axes[0].get_ylabel()

    def test_draws_the_loss_that_is_passed(self):
        predictions, targets = logits(5)
        figure = report.value_slice(
            *(conventional(losses.cross_entropy), (), NAMED, predictions, targets),
            key=jax.random.key(0), scale=1.0, examples=1, num_pairs=64,
        )  # fmt: skip
        assert overflowing(figure) == []
        index = int(re.search(r"example (\d+)", figure.axes[0].get_title())[1])
        learned = figure.axes[0].lines[2].get_ydata()
        expected = losses.cross_entropy(predictions[index : index + 1], targets[index : index + 1])
        np.testing.assert_allclose(learned[len(learned) // 2], expected[0], rtol=1e-4)

    @pytest.mark.parametrize(
        "change, message",
        [
            ({"scale": 0.0}, "scale must be positive and finite"),
            ({"examples": 0}, "examples must be an integer"),
            ({"which": 1}, "which must be an integer of at least 0 and at most 0"),
            ({"predictions": jnp.full((24, 5), NAN)}, "NaN"),
            ({"predictions": 1e6 * jax.nn.one_hot(logits(5)[1], 5)}, "does not change within the noise"),
            ({"metric": metrics.metric(lambda z, y, *, where=None: jnp.mean(z), higher_is_better=True,
                                       name="whole", per_example=False)}, "whole is a set metric"),
        ],
    )  # fmt: skip
    def test_refuses(self, change, message):
        predictions, targets = logits(5)
        given = dict(metric=metrics.error_rate, predictions=predictions, scale=1.0, examples=1, which=0) | change
        metric, predictions = given.pop("metric"), given.pop("predictions")
        with pytest.raises(ValueError, match=message):
            report.value_slice(
                *(conventional(losses.cross_entropy), (), metric, predictions, targets),
                key=jax.random.key(0), num_pairs=16, **given,
            )  # fmt: skip


class TestGradientFields:
    def arrows(self, axes):
        (quiver,) = (c for c in axes.collections if hasattr(c, "U"))
        return np.stack([quiver.U, quiver.V], axis=1), quiver

    @pytest.mark.parametrize("case", ["error_rate", "mean_absolute_error", "pck"])
    def test_title_gives_the_cosine_of_the_arrows(self, case):
        metric, predictions, targets, which = CASES[case]
        scale = 0.2 if metric.higher_is_better else 0.8
        figure = report.gradient_fields(
            *(exact(metric, scale, 256), (), metric, predictions, targets),
            key=jax.random.key(5), scale=scale, num_pairs=256, grid=5, which=which,
        )  # fmt: skip
        left, right = figure.axes[:2]
        (of_metric, first), (of_loss, second) = self.arrows(left), self.arrows(right)
        assert of_metric.shape == (25, 2) and first.scale == second.scale
        cosine = np.sum(of_metric * of_loss) / np.sqrt(np.sum(of_metric**2) * np.sum(of_loss**2))
        written, ceiling = map(float, re.search(r"correlation ([-\d.]+), ceiling ([\d.]+)", right.get_title()).groups())
        assert written == pytest.approx(cosine, abs=6e-4)
        # Two estimates with independent noise of the same size: each costs one ceiling.
        assert written == pytest.approx(ceiling**2, abs=0.08) and written > 0.7
        centre = of_metric[len(of_metric) // 2]
        assert -metric.sign * centre[0] > 0  # at the prediction itself, where the metric improves
        assert left.images[0].get_clim() == right.images[0].get_clim()
        assert all("in smoothing scales" in axes.get_xlabel() for axes in (left, right))
        assert metric.name in figure._suptitle.get_text()

    def test_arrows_are_derivatives_of_the_loss_by_the_plane(self):
        predictions, targets = logits(5)
        plane = (jnp.eye(5)[1], jnp.eye(5)[1] + 2 * jnp.eye(5)[3])  # the second becomes the axis of class 3
        figure = report.gradient_fields(
            *(conventional(losses.cross_entropy), (), NAMED, predictions, targets),
            key=jax.random.key(0), scale=0.5, num_pairs=64, grid=3, plane=plane,
        )  # fmt: skip
        assert overflowing(figure) == []
        down, _ = self.arrows(figure.axes[1])
        index = int(re.search(r"example (\d+)", figure._suptitle.get_text())[1])
        reach = fields.REACH * 0.5
        expected = []
        for y in (-reach, 0, reach):
            for x in (-reach, 0, reach):
                z = predictions[index].at[1].add(x).at[3].add(y)
                gradient = jax.nn.softmax(z) - jax.nn.one_hot(targets[index], 5)
                expected.append([-0.5 * gradient[1], -0.5 * gradient[3]])
        np.testing.assert_allclose(down, expected, atol=1e-5)

    @pytest.mark.parametrize(
        "change, message",
        [
            ({"grid": 1}, "grid must be an integer of at least 2"),
            ({"plane": (jnp.ones(4), jnp.ones(4))}, "shape of one prediction"),
        ],
    )
    def test_refuses(self, change, message):
        predictions, targets = logits(5)
        with pytest.raises(ValueError, match=message):
            report.gradient_fields(
                *(conventional(losses.cross_entropy), (), metrics.error_rate, predictions, targets),
                key=jax.random.key(0), scale=1.0, num_pairs=16, **change,
            )  # fmt: skip

    def test_two_classes_have_no_plane(self):
        predictions, targets = logits(2)
        with pytest.raises(ValueError, match="single free dimension"):
            report.gradient_fields(
                *(conventional(losses.cross_entropy), (), metrics.error_rate, predictions, targets),
                key=jax.random.key(0), scale=1.0, num_pairs=16,
            )  # fmt: skip


def test_estimator_is_the_smoothed_metric_of_one_among_many():
    predictions, targets = poses()
    key, options = jax.random.key(3), dict(scale=0.3, num_pairs=8)
    metric = metrics.pck.bind(threshold=(0.3, 0.6))
    found = estimator(metric, 1, 8)(predictions, targets, key, 0.3)
    single = functools.partial(smoothed_metric, metrics.pck.bind(threshold=0.6), directions=noise(), **options)
    alone = jax.jit(single)(predictions, targets, key=key)
    for got, expected in zip(found, alone, strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-5)


class TestSave:
    figure = report.learning_curves([run("a", 0, [0.5])], metric="m", higher_is_better=False)

    def test_writes_a_png_and_its_folders(self, tmp_path):
        path = report.save(self.figure, tmp_path / "new" / "folder" / "curve.png")
        data = path.read_bytes()
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        width, height = (int.from_bytes(data[i : i + 4], "big") for i in (16, 20))
        assert (width, height) == tuple(150 * self.figure.get_size_inches())

    def test_refuses_another_ending(self, tmp_path):
        with pytest.raises(ValueError, match=r"must end in '\.png'"):
            report.save(self.figure, tmp_path / "curve.pdf")

    def test_leaves_the_global_state_alone(self):
        pyplot = sys.modules.get("matplotlib.pyplot")
        assert pyplot is None or not pyplot.get_fignums()


def test_missing_matplotlib_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install jaxsurr\[train\]"):
        report.learning_curves([run("a", 0, [0.5])], metric="m", higher_is_better=False)


class TestSummaryTable:
    def test_aligns_and_formats(self):
        rows = [
            {"loss": "a|b", "error": 0.5, "seeds": 10, "note": None, "held": True},
            {"loss": "long_name", "error": np.float32(NAN), "seeds": np.int64(3), "note": "tie", "held": False},
            {"held": True, "loss": "c", "error": jnp.float32(-1.25), "seeds": 7, "note": ""},
        ]
        assert report.summary_table(rows).split("\n") == [
            r"| loss      |   error | seeds | note | held  |",
            r"| :-------- | ------: | ----: | :--- | :---- |",
            r"| a\|b      |  0.5000 |    10 |      | True  |",
            r"| long_name |     nan |     3 | tie  | False |",
            r"| c         | -1.2500 |     7 |      | True  |",
        ]

    @pytest.mark.parametrize(
        "rows, message", [([], "at least one row"), ([{}], "column"), ([{"a": 1}, {"b": 1}], "row 1")]
    )
    def test_refuses(self, rows, message):
        with pytest.raises(ValueError, match=message):
            report.summary_table(rows)
