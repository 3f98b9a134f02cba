"""A diagnosis says nothing of a sound surrogate, and names what is planted in a bad one."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsurr
from jaxsurr import metrics, report, spaces, surrogates
from jaxsurr.diagnosis.advice import Symptoms, advise
from jaxsurr.pretraining import shipped
from tests.figures import LONG, overflowing

KEY = jax.random.key(0)
LOGITS, LABELS = jaxsurr.sample(spaces.class_logits, jax.random.key(1), 96, 5)
SURROGATE, STATE, _ = shipped("error_rate")
FEW = dict(key=KEY, pairs=256)


def names(found):
    return [advice.name for advice in found.advice]


def untold(loss):
    """A loss that says nothing of itself."""
    return jaxsurr.Surrogate(lambda *_: (), lambda state, z, y, where=None, **_: loss(z, y), None)


@pytest.fixture(scope="module")
def healthy():
    return jaxsurr.diagnose(SURROGATE, STATE, LOGITS, LABELS, **FEW, follow=True)


class TestHealthy:
    def test_nothing_stands_out(self, healthy):
        assert healthy.advice == ()
        assert str(healthy).endswith("Nothing stands out.")
        assert healthy.gradient[0] > 0.95 and healthy.value[0] > 0.95

    def test_one_number_an_example_and_a_metric(self, healthy):
        assert healthy.metrics == ("error_rate",)
        assert healthy.by_example.shape == healthy.losses.shape == healthy.values.shape == (96, 1)
        assert healthy.margin.shape == (96,)
        assert np.all(np.abs(healthy.by_example) <= 1 + 1e-5)
        # An example without a gradient has no direction.
        assert np.mean(healthy.by_example[:, 0] == 0) >= healthy.zero_gradient_fraction[0]

    def test_regions_share_the_examples_from_worst_to_best(self, healthy):
        regions = healthy.regions
        assert regions.rows.tolist() == [16] * 6
        assert np.all(regions.low[1:] >= regions.high[:-1])
        assert regions.low[0] == healthy.margin.min() and regions.high[-1] == healthy.margin.max()
        np.testing.assert_allclose(
            np.average(regions.zero_gradient_fraction[:, 0], weights=regions.rows),
            healthy.zero_gradient_fraction[0],
            rtol=1e-6,
        )
        wrong = np.asarray(metrics.error_rate(LOGITS, LABELS))
        assert np.all(wrong[healthy.margin > 1] == 0) and np.all(wrong[healthy.margin < -1] == 1)

    def test_text_says_the_figures(self, healthy):
        text = str(healthy)
        assert "96 examples" in text and f"{healthy.gradient[0]:.3f}" in text and "by margin" in text
        assert len(re.findall(r"no gradient on", text)) == 1 + 6

    def test_the_figure_shows_them(self, healthy):
        by_region, by_example, of_value = report.diagnosis_panels(healthy).axes
        gradient = next(line for line in by_region.lines if line.get_label() == "gradient")
        np.testing.assert_allclose(gradient.get_ydata(), healthy.regions.gradient[:, 0])
        np.testing.assert_allclose(
            [bar.get_height() for bar in by_region.patches], healthy.regions.zero_gradient_fraction[:, 0]
        )
        assert sum(bar.get_height() for bar in by_example.patches) == np.sum(healthy.by_example != 0)
        np.testing.assert_allclose(of_value.lines[1].get_ydata(), healthy.losses[:, 0])
        with pytest.raises(ValueError, match=r"at most 0 \(the diagnosis is of 1 metrics\), got 1"):
            report.diagnosis_panels(healthy, which=1)
        assert overflowing(report.diagnosis_panels(healthy._replace(metrics=(LONG,)))) == []

    def test_rows_that_are_left_out_are_not_looked_at(self, healthy):
        more = jnp.concatenate([LOGITS, jnp.full((4, 5), jnp.nan)]), jnp.concatenate([LABELS, jnp.zeros(4, int)])
        where = jnp.arange(100) < 96
        found = jaxsurr.diagnose(SURROGATE, STATE, *more, where, **FEW, follow=True)
        np.testing.assert_allclose(found.gradient, healthy.gradient, rtol=1e-5)
        assert found.advice == ()

    def test_several_metrics_each(self):
        surrogate = jaxsurr.correlated_gradients(metrics.pck.bind(threshold=(0.3, 0.6)), family="basis")
        z, y = jaxsurr.sample(spaces.keypoint_coordinates, KEY, 24, 2)
        found = jaxsurr.diagnose(surrogate, surrogate.init(KEY, z, y), z, y, **FEW, regions=2)
        assert found.metrics == ("pck(threshold=(0.3, 0.6))[0]", "pck(threshold=(0.3, 0.6))[1]")
        assert found.gradient.shape == (2,) and found.regions.gradient.shape == (2, 2)
        assert names(found) == ["not learned"]

    def test_a_metric_of_sets(self):
        @jaxsurr.metric(higher_is_better=False, space=spaces.class_logits, per_example=False)
        def squared(logits, labels, where=None):
            return metrics.error_rate.mean(logits, labels, where=where) ** 2

        surrogate = surrogates.conventional(jaxsurr.losses.cross_entropy)
        found = jaxsurr.diagnose(surrogate, (), LOGITS[:24], LABELS[:24], **FEW, metric=squared)
        assert np.isnan(found.value[0]) and found.values.shape == (1, 1)
        assert found.gradient[0] > 0.2
        text = str(found)
        assert "nan" not in text and "no correlation" in text and text.count("gradient") > text.count("value") == 1
        assert f"{found.losses[0, 0]:.3f} (smoothed metric {found.values[0, 0]:.3f};" in text
        figure = report.diagnosis_panels(found)
        assert "nan" not in figure.get_suptitle()
        assert "value" not in [text.get_text() for text in figure.legends[0].get_texts()]


class TestAlongFunctions:
    @staticmethod
    @jaxsurr.metric(higher_is_better=False, space=spaces.class_logits, per_example=False)
    def squared(logits, labels, where=None):
        return metrics.error_rate.mean(logits, labels, where=where) ** 2

    Z, Y = LOGITS[:24, :3], LABELS[:24] % 3
    SAID = "along 12 functions of an example's prediction and target: correlation, ceiling, length"

    def of(self, surrogate, **options):
        state = surrogate.init(KEY, self.Z, self.Y)
        return jaxsurr.diagnose(surrogate, state, self.Z, self.Y, **FEW, regions=2, **options)

    def test_the_text_says_what_the_figures_are_about(self):
        found = self.of(jaxsurr.correlated_gradients(self.squared), metric=self.squared)
        assert (found.functions, found.learned_along) == (12, True)
        assert self.SAID in str(found).replace("\n", " ") and "part of it that these functions can express" in str(
            found
        )
        assert np.isfinite(found.update_ceiling[0])
        fixed = self.of(surrogates.conventional(jaxsurr.losses.cross_entropy), metric=self.squared)
        assert self.SAID in str(fixed) and not fixed.learned_along

    def test_the_whole_gradient_where_the_metric_knows_replacements(self):
        found = self.of(jaxsurr.correlated_gradients(metrics.f_beta))
        assert (found.functions, found.learned_along) == (0, False) and "express" not in str(found)
        along = surrogates.Estimation(estimator="functions")
        found = self.of(jaxsurr.correlated_gradients(metrics.f_beta, estimation=along))
        assert (found.functions, found.learned_along) == (0, True)
        assert "learns along functions" in str(found) and "the figures are about all of it" in str(found)
        assert np.isnan(found.update_ceiling[0])  # of an estimate of another kind than the reference

    def test_a_metric_that_depends_on_the_order(self):
        @jaxsurr.metric(higher_is_better=True, space=spaces.class_logits, per_example=False)
        def in_rows(logits, labels, where=None):
            right = jnp.argmax(logits, axis=-1) == labels
            return jnp.mean(right[1:] & right[:-1])

        with pytest.warns(UserWarning, match="in_rows depends on the order"):
            found = self.of(surrogates.conventional(jaxsurr.losses.cross_entropy), metric=in_rows)
        assert found.functions == 0 and "express" not in str(found)


class TestAdvice:
    def test_scale_too_small(self):
        found = jaxsurr.diagnose(SURROGATE, STATE, LOGITS, LABELS, **FEW, scale=0.004)
        assert "scale too small" in names(found) and found.zero_gradient_fraction[0] > 0.9
        assert "Raise relative_scale" in str(found)

    def test_constant_metric(self):
        sure = 1000.0 * jax.nn.one_hot(LABELS, 5)
        found = jaxsurr.diagnose(SURROGATE, STATE, sure, LABELS, **FEW, scale=0.2)
        assert "constant metric" in names(found) and "scale too small" not in names(found)

    def test_stale_surrogate(self):
        found = jaxsurr.diagnose(SURROGATE, STATE, 10 * LOGITS, LABELS, **FEW)
        assert names(found)[0] == "stale surrogate" and "follow_scale" in str(found)
        followed = jaxsurr.diagnose(SURROGATE, STATE, 10 * LOGITS, LABELS, **FEW, follow=True)
        assert followed.advice == ()

    def test_wrong_way_round(self):
        loss = jaxsurr.losses.cross_entropy
        found = jaxsurr.diagnose(untold(lambda z, y: -loss(z, y)), (), LOGITS, LABELS, **FEW, metric=metrics.error_rate)
        assert names(found) == ["wrong direction"] and "higher_is_better" in str(found)
        right = jaxsurr.diagnose(untold(loss), (), LOGITS, LABELS, **FEW, metric=metrics.error_rate)
        assert "wrong direction" not in names(right)

    def test_surrogate_without_gradient(self):
        state = STATE._replace(dot_sg=-jnp.ones(1))
        found = jaxsurr.diagnose(SURROGATE, state, LOGITS, LABELS, **FEW, follow=True)
        assert names(found) == ["surrogate without gradient"] and found.length[0] == 0

    def test_poor_fit(self):
        flat = untold(lambda z, y: jnp.sum(jnp.sin(7 * z), axis=-1))
        assert names(jaxsurr.diagnose(flat, (), LOGITS, LABELS, **FEW, metric=metrics.error_rate)) == ["poor fit"]

    def test_noisy_reference(self):
        z, y = jaxsurr.sample(spaces.class_logits, KEY, 16, 300)
        found = jaxsurr.diagnose(SURROGATE, STATE, z, y, key=KEY, pairs=4, follow=True)
        assert names(found) == ["noisy reference"]

    def test_not_enough_pairs(self):
        rough = SURROGATE._replace(
            settings=jaxsurr.correlated_gradients(metrics.error_rate, num_pairs=1).settings,
            loss=lambda state, z, y, where=None, **_: jaxsurr.losses.cross_entropy(z, y),
        )
        z, y = jaxsurr.sample(spaces.class_logits, KEY, 32, 40)
        found = jaxsurr.diagnose(rough, STATE, z, y, **FEW, scale=0.3)
        assert found.update_ceiling[0] < 0.5
        assert "not enough pairs" in names(found) and "Raise num_pairs" in str(found)

    def test_rules(self):
        """Each rule by itself: what provokes it, and what just does not."""
        fine = Symptoms(
            names=("m",), scale=0.1, spread=1.0, learned_spread=1.0, steps=100, gradient=np.array([0.95]),
            ceiling=np.array([0.99]), zero_gradient_fraction=np.array([0.5]),
            zero_gradient_fraction_wider=np.array([0.1]), update_ceiling=np.array([0.8]),
            no_gradient=np.array([False]), pairs=16,
        )  # fmt: skip
        one = np.array
        for changes, expected in (
            ({}, []),
            (dict(steps=0), ["not learned"]),
            (dict(steps=None), []),
            (dict(spread=1.4), []),
            (dict(spread=1.6), ["stale surrogate"]),
            (dict(spread=0.6), ["stale surrogate"]),
            (dict(learned_spread=np.nan), []),
            (dict(zero_gradient_fraction=one([0.95])), ["scale too small"]),
            (dict(zero_gradient_fraction=one([0.95]), zero_gradient_fraction_wider=one([0.94])), []),
            (dict(zero_gradient_fraction=one([1.0]), zero_gradient_fraction_wider=one([0.7])), ["scale too small"]),
            (dict(zero_gradient_fraction=one([1.0]), zero_gradient_fraction_wider=one([1.0])), ["constant metric"]),
            (dict(gradient=one([-0.05])), ["poor fit"]),
            (dict(gradient=one([-0.5])), ["wrong direction"]),
            (dict(no_gradient=one([True]), gradient=one([0.0])), ["surrogate without gradient"]),
            (dict(gradient=one([0.8])), []),
            (dict(gradient=one([0.6])), ["poor fit"]),
            (dict(gradient=one([0.6]), update_ceiling=one([0.3])), ["not enough pairs"]),
            (dict(gradient=one([0.95]), update_ceiling=one([0.3])), []),
            (dict(update_ceiling=one([np.nan])), []),
            (dict(ceiling=one([0.3]), gradient=one([0.2])), ["noisy reference"]),
            (dict(spread=1.6, gradient=one([0.6])), ["stale surrogate"]),
        ):
            assert [advice.name for advice in advise(fine._replace(**changes))] == expected, changes


@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        (lambda: jaxsurr.diagnose(SURROGATE, STATE, LOGITS[:, :, None], LABELS, **FEW), ValueError, r"\[B, K\]"),
        (lambda: jaxsurr.diagnose(SURROGATE, STATE, LOGITS.at[2, 1].set(jnp.nan), LABELS, **FEW), ValueError, "NaN"),
        (lambda: jaxsurr.diagnose(SURROGATE, STATE, LOGITS, LABELS * 1.0, **FEW), TypeError, "must be integers"),
        (
            lambda: jaxsurr.diagnose(SURROGATE, STATE, LOGITS, LABELS, **FEW, metric=metrics.mean_absolute_error),
            ValueError, "mean_absolute_error reads level_logits and the surrogate class_logits",
        ),
        (
            lambda: jaxsurr.diagnose(untold(None), (), LOGITS, LABELS, **FEW),
            ValueError, "the surrogate names no metric: pass metric=",
        ),
        (
            lambda: jaxsurr.diagnose(SURROGATE, STATE, LOGITS, LABELS, jnp.zeros(96, bool), **FEW),
            ValueError, "where is False in every row",
        ),
        (lambda: jaxsurr.diagnose(SURROGATE, STATE, LOGITS, LABELS, key=KEY, pairs=1), ValueError, "at least 2"),
        (lambda: jaxsurr.diagnose(SURROGATE, STATE, LOGITS, LABELS, **FEW, regions=0), ValueError, "regions must be"),
        (lambda: jaxsurr.diagnose(SURROGATE, STATE, LOGITS, LABELS, **FEW, scale=-1.0), ValueError, "scale must be"),
    ],
)  # fmt: skip
def test_refused_in_words(call, kind, sentence):
    with pytest.raises(kind, match=sentence):
        call()


def test_a_metric_of_ones_own_is_asked_for():
    own = jaxsurr.metric(lambda z, y: z[:, 0], higher_is_better=True, name="mine", space=spaces.class_logits)
    surrogate = jaxsurr.correlated_gradients(own)
    with pytest.raises(ValueError, match="was learned for your metric 'mine': pass metric="):
        jaxsurr.diagnose(surrogate, surrogate.init(KEY, LOGITS, LABELS), LOGITS, LABELS, **FEW)
