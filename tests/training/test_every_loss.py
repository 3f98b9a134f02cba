"""Every loss by its name, trained for an epoch on a tiny set of its kind; models of the user's own; refusals."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsurr
from jaxsurr import losses, metrics, models
from jaxsurr.comparison import study
from jaxsurr.training import default_config, epochs, loop, prepare, run, update
from jaxsurr.training.config import CONVENTIONAL
from jaxsurr.training.kinds import KINDS, LOSS_KINDS, metric_kinds, usual
from jaxsurr.training.program import at_switch

SETS = {
    "classes": {"data.source": "sklearn:digits", "metric": "error_rate"},
    "scores": {
        "data.source": "sklearn:breast_cancer",
        "metric": "error_rate",
    },
    "labels": {
        "data.source": "sklearn:multilabel",
        "metric": "hamming_error",
    },
    "levels": {"data.source": "sklearn:diabetes", "data.levels": 4, "metric": "mean_absolute_error"},
    "tokens": {
        "data.source": "synthetic:digit_strings",
        "metric": "exact_match",
    },
    "keypoints": {"data.source": "synthetic:stick_figures?n=60&size=16", "metric": "pck"},
    "numbers": {
        "data.source": "sklearn:diabetes?kind=numbers",
        "metric": "within_tolerance?tolerance=30",
    },
}
BINARY = ("auc_margin", "pairwise_auc", "smooth_average_precision", "soft_f_beta")
TINY = {
    "epochs": 1,
    "warm_epochs": 1,
    "batch_size": 16,
    "devices": 1,
    "data.limit": 40,
    "data.label_noise": 0.0,
    "surrogate.num_pairs": 2,
    "surrogate.burn_in": 1,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("lists") / "lists.csv"
    generator = np.random.default_rng(0)
    rows = [f"{number},{place % 4},{generator.normal():.3f}" for number in range(60) for place in range(number % 3 + 2)]
    path.write_text("\n".join(["list,grade,x", *rows]))
    SETS["lists"] = {
        "data.source": f"csv:{path}?target=grade&list=list",
        "metric": "ndcg",
        "model.name": "mlp",
    }
    rows = [f"{number % 9},{number % 3 % 2},{generator.normal():.3f}" for number in range(60)]
    (path.parent / "durations.csv").write_text("\n".join(["week,arrest,x", *rows]))
    SETS["durations"] = {
        "data.source": f"csv:{path.parent / 'durations.csv'}?target=week&event=arrest",
        "metric": "concordance_index",
    }
    costs = (f"{number % 9},{number % 2 * 5},2,{generator.normal() + number % 2:.3f}" for number in range(60))
    (path.parent / "costs.csv").write_text("\n".join(["day,cost_pass,cost_check,x", *costs]))
    SETS["example_costs"] = {
        "data.source": f"csv:{path.parent / 'costs.csv'}?target=cost_*&kind=example_costs&drop=day",
        "metric": "example_cost",
    }
    return {kind: loop.load_data(update(default_config(), **{**TINY, **fields})) for kind, fields in SETS.items()}


def tiny(kind, **fields):
    return update(default_config(), **{**TINY, **SETS[kind], **fields})


def train(config, data, model=None):
    data, program = prepare(config, data=data, model=model)
    return loop.train(config, data, program), program


def of_two_classes(data):
    """The same rows, with even and odd labels."""
    parts = (part._replace(targets=part.targets % 2) for part in data[:3])
    return data._replace(**dict(zip(("train", "validation", "test"), parts, strict=True)), outputs=2, names=())


@pytest.mark.parametrize("name", CONVENTIONAL)
def test_every_loss_trains_by_name(name, data):
    kind = LOSS_KINDS[name][-1 if name in (*losses.numbers.__all__, "interval_score") else 0]
    fields = {"metric": "interval_score"} if name == "interval_score" else {}
    rows = of_two_classes(data[kind]) if name in BINARY else data[kind]
    result, program = train(tiny(kind, loss=name, **fields), rows)
    assert np.isfinite(result["history"][0]["loss"])
    assert np.isfinite([result["validation"], result["test"]]).all()
    of_scores = ("keypoints", "lists", "tokens", "numbers", "durations")
    assert program.metric.higher_is_better == (kind in of_scores and not fields)


ONE_OF_A_FILE = {found.function.__module__: name for name, found in reversed(metrics.METRICS.items())}


@pytest.mark.parametrize("name", ONE_OF_A_FILE.values())
def test_a_metric_of_other_targets_is_refused_with_what_fits_and_what_to_do(name, data):
    """Where it cannot read them; some metrics of numbers can read anything of the shape of predictions."""
    for kind in SETS:
        config = tiny(kind, metric=name, loss="smoothed", conventional=usual(kind, name))
        if kind in metric_kinds(name):
            continue
        try:
            prepare(config, data=data[kind])
        except ValueError as error:
            first, *_ = metric_kinds(name)
            text = str(error)
            assert text.startswith(f"the metric {name} is for {first}")
            assert f"the targets of {config.data.source} are {kind}: use a metric of {kind} (" in text
            assert any(f"{known}" in text for known in metrics.METRICS if kind in metric_kinds(known))
            assert "Tracer" not in text and text.endswith(".") and len(text) < 700


def test_lists_of_levels_are_said_to_be_made_by_a_column(data):
    with pytest.raises(ValueError, match=r"ndcg is for lists, .* are levels: .*, or name the column .*'&list=COLUMN'"):
        prepare(tiny("levels", metric="ndcg", loss="cross_entropy"), data=data["levels"])


@pytest.mark.parametrize("kind", SETS)
def test_metrics_of_a_kind_fit_it(kind, data):
    """Those that are listed for it, with a loss of their own predictions where there is one."""
    for name in ONE_OF_A_FILE.values():
        if kind in metric_kinds(name):
            prepare(tiny(kind, metric=name, loss="smoothed", conventional=usual(kind, name)), data=data[kind])


@pytest.mark.parametrize("name", BINARY)
def test_losses_of_two_classes_train_one_logit(name, data):
    result, program = train(tiny("scores", loss=name, metric="roc_auc"), data["scores"])
    assert np.isfinite([result["history"][0]["loss"], result["test"]]).all()
    assert program.metric.space is jaxsurr.spaces.binary_scores


@pytest.mark.parametrize(
    "conventional",
    [
        "asymmetric",
        "binary_cross_entropy",
        "or_cnn",
        "coral",
        "corn",
        "squared_error",
        "heatmap_mse",
        "residual_likelihood",
    ],
)
def test_a_learned_loss_takes_the_head_of_its_warm_start(conventional, data):
    kind = LOSS_KINDS[conventional][0]
    config = tiny(kind, loss="correlated_gradients", conventional=conventional, epochs=2)
    update(config, **{"surrogate.relative_scale": 1.0})
    result, program = train(config, data[kind])
    assert [entry["phase"] for entry in result["history"]] == ["conventional", "surrogate"]
    assert -1 <= result["gradient_correlation"] <= 1
    assert result["history"][1]["zero_gradient_fraction"] < 1
    assert np.isfinite(result["test"])
    if kind == "levels":
        decoded = "decode=rounded, levels=4" if conventional == "squared_error" else "decode=thresholds"
        assert program.metric.name == f"mean_absolute_error({decoded})"


def test_the_loss_of_a_list_metric_is_learned_and_scores_each_item_alone(data):
    result, program = train(tiny("lists", loss="correlated_gradients", epochs=2), data["lists"])
    assert np.isfinite(result["history"][1]["gradient_correlation"])
    inputs = jnp.asarray(data["lists"].test.inputs)
    params = program.model.init(jax.random.key(0), inputs)
    scores = program.model.apply(params, inputs)
    np.testing.assert_allclose(scores[:, ::-1], program.model.apply(params, inputs[:, ::-1]), rtol=1e-6)
    assert scores.shape == data["lists"].test.targets.relevance.shape


@pytest.mark.parametrize("kind", ["numbers", "durations", "example_costs"])
@pytest.mark.parametrize("loss", ["correlated_gradients", "smoothed"])
def test_the_loss_of_a_metric_of_numbers_durations_or_costs_is_learned(kind, loss, data):
    result, _ = train(tiny(kind, loss=loss, epochs=2), data[kind])
    assert [entry["phase"] for entry in result["history"]] == ["conventional", "surrogate"]
    assert np.isfinite([result["validation"], result["test"], result["history"][1]["loss"]]).all()


def test_models_of_numbers_begin_at_the_mean_of_the_training_rows_in_their_unit(data):
    """Centre and scale are not learned, whatever the weight decay."""
    targets = data["numbers"].train.targets
    for loss, begin in (("squared_error", [0.0]), ("interval_score", [-1.0, 1.0])):
        config = tiny("numbers", loss=loss, metric="interval_score" if len(begin) > 1 else "absolute_error")
        update(config, weight_decay=0.5)
        rows, program = prepare(config, data=data["numbers"])
        state = epochs.fresh_state(config, rows.train, program, program.warm)
        first = program.model.apply(state.params, jnp.asarray(rows.train.inputs[:3]))
        wanted = targets.mean() + targets.std() * np.array(begin)
        np.testing.assert_allclose(first.reshape(3, -1), np.tile(wanted, (3, 1)), rtol=1e-5)
        batch = jax.tree.map(lambda leaf: jnp.asarray(leaf[:16]), tuple(rows.train))
        after, _ = program.steps["conventional"](program.executor.place(state), jaxsurr.Batch(*batch))
        unit = {name: float(value) for name, value in after.params["unit"]["head"].items()}
        exact = targets.astype(np.float64)
        assert unit == {"centre": float(np.float32(exact.mean())), "scale": float(np.float32(exact.std()))}
        moved = program.model.apply(jax.device_get(after.params), jnp.asarray(rows.train.inputs[:3]))
        assert np.abs(moved - first).max() > 0


SEVERAL = {"data.source": "sklearn:linnerud", "data.limit": 0, "batch_size": 8, "epochs": 2}


def several(**fields):
    return update(default_config(), **{**TINY, **SEVERAL, **fields})


def test_models_of_several_numbers_begin_at_the_mean_of_each():
    config = several(metric="r2", loss="huber")
    rows, program = prepare(config)
    targets = rows.train.targets
    state = epochs.fresh_state(config, rows.train, program, program.warm)
    first = program.model.apply(state.params, jnp.asarray(rows.train.inputs[:2]))
    np.testing.assert_allclose(first, np.tile(targets.mean(axis=0), (2, 1)), rtol=1e-5)
    np.testing.assert_allclose(state.params["unit"]["head"]["scale"], targets.std(axis=0)[None], rtol=1e-5)


def test_an_interval_is_of_one_number():
    with pytest.raises(ValueError, match=r"interval_score does not fit .* numbers: .* one number for each row"):
        prepare(several(metric="interval_score", loss="interval_score"))


@pytest.mark.parametrize("loss", ["correlated_gradients", "smoothed", "embedding", "value_fit"])
def test_the_loss_of_a_metric_of_several_numbers_is_learned_and_tuned(loss):
    config = several(metric="absolute_error", loss=loss, tune_threshold=loss == "smoothed")
    data, program = prepare(config)
    result = loop.train(config, data, program)
    assert np.isfinite([result["validation"], result["test"], result["history"][1]["loss"]]).all()
    assert np.shape(result["history"][1].get("shift", [0] * 3)) == (3,)


def test_at_the_switch_the_optimizer_forgets_gradients_in_the_unit_of_the_targets(data):
    for kind, sizes in (("numbers", 0), ("classes", 1)):
        rows, program = prepare(tiny(kind, loss="smoothed", epochs=2), data=data[kind])
        state = epochs.fresh_state(tiny(kind), rows.train, program, program.warm)
        batch = jax.tree.map(lambda leaf: jnp.asarray(leaf[:16]), tuple(rows.train))
        after, _ = program.steps["conventional"](program.executor.place(state), jaxsurr.Batch(*batch))
        before = jax.device_get(after.optimizer)
        adam, *_, schedule = at_switch(program, before).inner_state
        assert all(np.any(leaf) == sizes for leaf in jax.tree.leaves(adam.nu["params"]))
        assert (int(adam.count), int(schedule.count)) == (sizes, 1)


def test_a_loss_of_lists_does_not_serve_classes_and_says_which_do(data):
    with pytest.raises(ValueError, match=r"it is for lists\. Use one of .*cross_entropy"):
        prepare(tiny("classes", loss="list_softmax"), data=data["classes"])
    with pytest.raises(ValueError, match="of two classes"):
        prepare(tiny("classes", loss="pairwise_auc"), data=data["classes"])


def test_residual_likelihood_learns_its_density_from_the_first_step(data):
    config = tiny("keypoints", loss="residual_likelihood?layers=2&width=4")
    _, program = prepare(config, data=data["keypoints"])
    state = epochs.fresh_state(config, data["keypoints"].train, program, program.warm)
    flow = jax.tree.map(np.array, state.surrogate.params)
    batch = jax.tree.map(lambda leaf: jnp.asarray(leaf[:16]), tuple(data["keypoints"].train))
    state, _ = program.steps["conventional"](program.executor.place(state), jaxsurr.Batch(*batch))
    moved = jax.tree.map(lambda new, old: np.max(np.abs(new - old)), state.surrogate.params, flow)
    assert max(jax.tree.leaves(moved)) > 1e-4


# --- the usual loss of a warm start -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_and_a_metric_are_enough_for_every_kind(kind, data, tmp_path):
    """The config that is kept names the loss; a command without it goes on there, and so does one that names it."""
    config = tiny(kind, loss="smoothed")
    assert config.conventional == ""
    result = run(config, tmp_path, data=data[kind])
    usual = KINDS[kind].starts[0].partition("?")[0]
    assert result["config"]["conventional"] == usual
    assert json.loads((tmp_path / "config.json").read_text()) == result["config"]
    assert [entry["phase"] for entry in result["history"]] == ["conventional"] and np.isfinite(result["test"])
    assert run(config, tmp_path) == run(update(config, conventional=usual), tmp_path) == result
    other = "label_smoothing" if usual == "cross_entropy" else "cross_entropy"
    with pytest.raises(ValueError, match=rf"another config: conventional \('{usual}' there, '{other}' here\)"):
        run(update(config, conventional=other), tmp_path)


def test_directories_that_name_the_former_default_go_on_where_it_was_not_used(data, tmp_path):
    config = tiny("keypoints", loss="wing")
    result = run(update(config, conventional="cross_entropy"), tmp_path, data=data["keypoints"])
    assert result["config"]["conventional"] == "cross_entropy"
    assert run(update(config, conventional=""), tmp_path) == result
    assert run(update(config, conventional=""), tmp_path / "new")["config"]["conventional"] == "l1"


def test_the_usual_loss_trains_what_the_metric_reads(data):
    config = tiny("numbers", loss="smoothed", metric="interval_score", epochs=2)
    result, program = train(config, data["numbers"])
    assert np.isfinite(result["test"]) and program.metric.name == "interval_score"


def test_a_comparison_keeps_the_usual_loss_and_goes_on(tmp_path):
    config = tiny("keypoints", losses=("l1", "smoothed"), seeds=1)
    first = study(config, tmp_path)["runs"]
    assert {entry["config"]["conventional"] for entry in first} == {"l1"}
    assert study(config, tmp_path)["runs"] == study(update(config, conventional="l1"), tmp_path)["runs"] == first


REFUSED = {
    "order of classes": (
        "classes",
        {"loss": "coral"},
        "the loss coral does not fit the targets of .* set data.kind=levels",
    ),
    "one logit of classes": (
        "classes",
        {"loss": "binary_cross_entropy"},
        "it is for scores. Use one of .*; or set data.kind=scores, if there are two classes",
    ),
    "points of levels": ("levels", {"loss": "wing"}, "the loss wing does not fit the targets .* it is for keypoints"),
    "likelihood of classes": ("classes", {"loss": "residual_likelihood"}, "which are classes: it is for keypoints"),
    "classes of points": (
        "keypoints",
        {"loss": "focal"},
        "the loss focal does not fit .* Use one of euclidean, heatmap_mse",
    ),
    "warm start": (
        "keypoints",
        {"loss": "smoothed", "conventional": "cross_entropy"},
        "conventional=cross_entropy, which smoothed starts on, does not fit the targets",
    ),
    "head": (
        "levels",
        {"loss": "corn", "model.head": "logits"},
        "the loss corn trains a model with the head conditional, but the model's is 'logits'",
    ),
    "decoding": ("levels", {"loss": "squared_error?decode=median"}, "asks for decode=median.*use one of rounded"),
    "metric": (
        "levels",
        {"loss": "or_cnn", "metric": "error_rate"},
        "the metric error_rate reads logits, .* 'cumulative'",
    ),
    "metric of levels": (
        "numbers",
        {"loss": "squared_error", "metric": "mean_absolute_error"},
        "the metric mean_absolute_error is for levels or classes, .* are numbers: use .* data.kind=levels",
    ),
    "loss of times": (
        "numbers",
        {"loss": "cox"},
        "cox does not fit .* it is for durations. Use one of absolute_error, hub",
    ),
    "errors of times": (
        "durations",
        {"loss": "squared_error"},
        "is for levels or numbers. Use one of cox, pairwise_conco",
    ),
    "start": (
        "durations",
        {"loss": "smoothed", "conventional": "cross_entropy"},
        "Use one of cox, pairwise_concordance",
    ),
    "one number": (
        "numbers",
        {"loss": "interval_score", "metric": "absolute_error"},
        "absolute_error does not read the predictions of the head 'interval', which interval_score trains",
    ),
    "mixture": (
        "keypoints",
        {"loss": "smoothed", "conventional": "heatmap_mse", "mixture": 0.5},
        "heatmap_mse reads the heatmaps of the model .* cannot be mixed",
    ),
    "no model": ("levels", {"model.name": "own"}, "model.name is 'own', but there is no model: pass model="),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_serve_is_refused_in_words(case, data):
    kind, fields, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        prepare(tiny(kind, **{"loss": "cross_entropy", **fields}), data=data[kind])


# --- models of the user's own -----------------------------------------------------------------------------------------


def own(outputs, head="logits", axis_name=None):
    """A linear model without flax, which serves every head of levels that is as wide as it has outputs."""
    width = {"logits": outputs, "cumulative": outputs - 1, "conditional": outputs - 1}[head]

    def init(key, inputs):
        return 0.01 * jax.random.normal(key, (inputs.reshape(len(inputs), -1).shape[1], width))

    return models.Model(init, lambda weights, inputs: inputs.reshape(len(inputs), -1) @ weights)


@pytest.mark.parametrize("loss", ["cross_entropy", "smoothed"])
def test_a_model_of_ones_own(loss, data, tmp_path):
    config = tiny("classes", loss=loss, epochs=2, **{"model.name": "own"})
    result = run(config, tmp_path, model=own(10))
    assert np.isfinite(result["test"])
    assert result["config"]["model"]["name"] == "own"


def test_a_function_that_makes_the_model_serves_losses_of_other_heads(data, tmp_path):
    config = tiny("levels", losses=("cross_entropy", "or_cnn"), **{"model.name": "own"})
    rows = study(config, tmp_path / "study", model=own)["rows"]
    assert {row["loss"] for row in rows} == {"cross_entropy", "or_cnn"}
    result, _ = train(tiny("levels", loss="corn", **{"model.name": "own"}), data["levels"], own)
    assert np.isfinite(result["test"])
    with pytest.raises(ValueError, match=r"or_cnn trains a model with the head cumulative or coral, .* is 'logits'"):
        prepare(tiny("levels", loss="or_cnn", **{"model.name": "own"}), data=data["levels"], model=own(4))


def test_a_model_of_ones_own_is_compared(tmp_path):
    config = tiny("levels", **{"model.name": "own"})
    found = jaxsurr.compare(config, ("or_cnn",), 2, workdir=tmp_path, figures=False, model=own)
    assert {row["loss"] for row in found["rows"]} == {"or_cnn", "cross_entropy", "squared_emd", "smoothed"}


def test_models_that_do_not_fit_the_config_are_refused(data):
    with pytest.raises(ValueError, match=r"model.name is 'linear', which the results would say was trained"):
        prepare(tiny("levels", loss="cross_entropy"), data=data["levels"], model=own(4))
    with pytest.raises(TypeError, match=r"model must be a jaxsurr\.models\.Model or a function that returns one"):
        prepare(tiny("levels", loss="cross_entropy", **{"model.name": "own"}), data=data["levels"], model=lambda **_: 1)
