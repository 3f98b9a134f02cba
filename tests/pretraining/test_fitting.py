"""Kept losses: fitted from stored predictions or from drawn ones, faithful on held-out rows, the same for a key."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsurr
from jaxsurr import metrics, spaces, surrogates
from jaxsurr.diagnosis.fidelity import fidelity
from jaxsurr.spaces import SPACES

KEY = jax.random.key(0)
LOGITS, LABELS = jaxsurr.sample(spaces.class_logits, jax.random.key(1), 300, 6)
FEW = dict(key=KEY, steps=3, batch_size=8, pairs=8)


@pytest.fixture(scope="module")
def fitted():
    return jaxsurr.fit(metrics.error_rate, LOGITS, LABELS, key=KEY, steps=150, batch_size=64, pairs=1024)


class TestFromStoredPredictions:
    def test_what_it_learned_holds_on_new_predictions(self, fitted):
        surrogate, state, card = fitted
        z, y = jaxsurr.sample(spaces.class_logits, jax.random.key(9), 256, 6)
        scale = 0.15 * float(jnp.sqrt(state.squared_size))
        found = fidelity(surrogate, state, metrics.error_rate, z, y, key=KEY, scale=scale, pairs=1024)
        assert found["gradient"] / found["ceiling"] > 0.9
        assert card["fidelity"][0]["gradient"] / card["fidelity"][0]["ceiling"] > 0.9

    def test_the_card_says_how(self, fitted):
        card = fitted.card
        assert (card["source"], card["rows"], card["heldout_rows"]) == ("stored predictions", 240, 60)
        assert (card["updates"], card["batch_size"], card["key"], card["follows_scale"]) == (150, 64, [0, 0], True)
        assert card["fidelity"][0]["rows"] == 60 and card["fidelity"][0]["pairs"] == 1024
        assert json.loads(json.dumps(card, allow_nan=False)) == card

    def test_it_can_be_kept(self, fitted, tmp_path):
        surrogate, state, card = fitted
        path = jaxsurr.save(tmp_path / "it", surrogate, state, card=card)
        again, same = jaxsurr.load(path)
        assert jaxsurr.read_card(path)["card"] == card
        np.testing.assert_array_equal(
            *(jaxsurr.frozen(s, t)(LOGITS, LABELS) for s, t in ((surrogate, state), (again, same)))
        )

    def test_the_same_key_learns_the_same(self):
        first, second = (jaxsurr.fit(metrics.error_rate, LOGITS, LABELS, **FEW) for _ in range(2))
        for x, y in zip(jax.tree.leaves(first.state), jax.tree.leaves(second.state), strict=True):
            np.testing.assert_array_equal(x, y)
        assert first.card == second.card

    def test_held_out_rows_are_not_learned_from(self):
        """Rows that would spoil everything are told apart by their labels: no batch holds a held-out one."""
        seen = []

        def spying(metric):
            surrogate = surrogates.conventional(jaxsurr.losses.cross_entropy)

            def update(state, key, predictions, targets, where=None, **more):
                jax.debug.callback(lambda z: seen.append(np.asarray(z[:, 0])), predictions)
                return surrogate.update(state, key, predictions, targets, where)

            return surrogate._replace(update=update)

        numbered = LOGITS.at[:, 0].set(jnp.arange(300.0))
        jaxsurr.fit(metrics.error_rate, numbered, LABELS, **FEW | dict(steps=60, batch_size=32), method=spying)
        jax.effects_barrier()
        assert len(np.unique(np.concatenate(seen))) == 240


class TestFromNone:
    @pytest.mark.parametrize("space", [space.name for space in SPACES.values() if space.sample])
    def test_samples_fit_their_space_and_are_right_and_wrong(self, space):
        for size in (2, 9):
            draws = [jaxsurr.sample(SPACES[space], key, 50, size) for key in jax.random.split(KEY, 4)]
            for predictions, targets in draws:
                SPACES[space].check(predictions, targets)
                assert jnp.all(jnp.isfinite(predictions))
            spec = {
                "class_logits": "error_rate",
                "decision_logits": "cost",
                "example_cost_logits": "example_regret",
                "joint_token_logits": "exact_match",
                "token_logits": "token_error",
                "level_logits": "mean_absolute_error",
                "cumulative_logits": "mean_absolute_error?decode=thresholds",
                "level_scores": "mean_absolute_error?decode=rounded&levels=9",
                "keypoint_coordinates": "pck?threshold=0.5",
                "binary_scores": "roc_auc",
                "ranked_lists": "ndcg?k=1",
                "label_logits": "example_f_beta",
                "real_numbers": "within_tolerance?tolerance=1",
                "relative_numbers": "within_relative_tolerance?tolerance=0.3",
                "number_intervals": "interval_coverage",
                "event_order": "concordance_index",
            }[space]
            metric = metrics.get(spec)
            values = jnp.stack([metric(*drawn) for drawn in draws])
            assert 0.1 < float(jnp.mean(values if metric.higher_is_better else values == 0)) < 0.9

    def test_sizes_are_learned_in_turn_and_others_measured(self):
        _, _, card = jaxsurr.fit(metrics.error_rate, **FEW, sizes=(3, 5), measured_sizes=(4,))
        assert card["sizes"] == [3, 5]
        assert [found["size"] for found in card["fidelity"]] == [4]
        assert (card["source"], card["rows"]) == ("samples of class_logits", 24)

    @pytest.mark.parametrize(("name", "size"), [("roc_auc", 2), ("f_beta", 4), ("ndcg", 4)])
    def test_metrics_of_sets_and_lists(self, name, size):
        _, _, card = jaxsurr.fit(metrics.get(name), key=KEY, steps=100, batch_size=32, sizes=size, pairs=256)
        assert card["fidelity"][0]["gradient"] > 0.6

    def test_other_methods(self):
        _, _, card = jaxsurr.fit(metrics.pck, **FEW, sizes=3, method="interpolation")
        assert card["fidelity"][0]["gradient"] <= 1 and not card["follows_scale"]
        assert card["last_update"]["value_error"] is None  # NaN, which JSON does not hold

    def test_several_metrics_have_a_fidelity_each(self):
        _, _, card = jaxsurr.fit(metrics.pck.bind(threshold=(0.2, 0.5)), **FEW, sizes=3)
        assert len(card["fidelity"][0]["gradient"]) == 2


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: jaxsurr.fit(metrics.error_rate, LOGITS, **FEW), "predictions and targets go together"),
        (lambda: jaxsurr.fit(metrics.error_rate, LOGITS[:3], LABELS[:3], **FEW), "3 rows are too few"),
        (
            lambda: jaxsurr.fit(metrics.error_rate, LOGITS.at[3, 1].set(jnp.nan), LABELS, **FEW),
            r"index \(3, 1\)",
        ),
        (lambda: jaxsurr.fit(metrics.pck, LOGITS, LABELS, **FEW), r"predictions must have shape \[B, J, 2\]"),
        (
            lambda: jaxsurr.fit(metrics.error_rate, LOGITS, LABELS, **FEW, heldout=1.0),
            r"heldout must be .* below 1 \(a fraction of the rows\), got 1.0",
        ),
        (lambda: jaxsurr.fit(metrics.error_rate, **FEW | dict(steps=0)), "steps must be an integer of at least 1"),
        (lambda: jaxsurr.fit(metrics.error_rate, **FEW, sizes=()), "sizes must name at least one"),
        (
            lambda: jaxsurr.fit(metrics.error_rate, **FEW, sizes=1),
            r"size must be an integer of at least 2 \(classes, levels or items\)",
        ),
        (lambda: jaxsurr.fit(metrics.error_rate, **FEW, method="conected"), "method is 'conected', which is unknown"),
        (
            lambda: jaxsurr.fit(jaxsurr.metric(lambda z, y: z[:, 0], higher_is_better=True), **FEW),
            "the space 'generic' cannot be sampled",
        ),
    ],
)
def test_refused_in_words(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
