"""The cases on which peers are checked (`jaxsurr.benchmarks.peers`)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsurr import losses, metrics, models, surrogates
from jaxsurr.benchmarks import peers


@pytest.fixture(scope="module")
def few():
    return peers.strings(0, sizes=(64, 32, 16))


def test_strings_hold_their_digits_in_order(few):
    inputs, targets = np.asarray(few.train.inputs).reshape(-1, 8, 64), few.train.targets
    tokens, lengths = np.asarray(targets.tokens), np.asarray(targets.lengths)
    assert lengths.min() == 2 and lengths.max() == peers.STEPS - 1
    within = np.arange(peers.STEPS)[None] < lengths[:, None]
    assert (tokens[~within] == peers.END).all() and (tokens[within] < peers.END).all()
    images, labels = peers.pools(0)[0]
    for canvas, row, length in zip(inputs[:8], tokens, lengths, strict=False):
        glyphs = [images[labels == token] for token in row[:length]]
        at = 0
        for known in glyphs:  # each glyph begins at most two columns after the one before ended
            starts = [s for s in range(at, at + 3) if (known == canvas[None, :, s : s + 8]).all(axis=(1, 2)).any()]
            assert starts
            at = starts[0] + 8


def test_parts_share_no_digit():
    images = [{image.tobytes() for image in part} for part, _ in peers.pools(3)]
    assert not (images[0] & images[1] or images[0] & images[2] or images[1] & images[2])
    assert [len(part) for part, _ in peers.pools(3)] == [1077, 360, 360]


def test_a_right_reading_has_no_distance_and_little_entropy(few):
    targets = few.test.targets
    logits = 30 * jax.nn.one_hot(targets.tokens, peers.END + 1)
    assert float(metrics.edit_distance.bind(end=peers.END).mean(logits, targets)) == 0
    assert float(jnp.max(peers.token_entropy(logits, targets))) < 1e-6
    here, there = peers.read_strings(logits, targets)
    np.testing.assert_allclose(here, there, atol=1e-6)


def test_a_fit_keeps_what_is_best_on_validation(monkeypatch):
    monkeypatch.setattr(peers, "BURN_IN", 4)
    data, key = peers.single_digits(0), jax.random.key(1)
    data = jax.tree.map(lambda leaf: leaf[:128], data)
    metric, model = metrics.error_rate, models.build("mlp", outputs=10, hidden=(16,))
    params = model.init(key, data.train.inputs[:1])
    start = float(metric.mean(model.apply(params, data.validation.inputs), data.validation.targets))
    options = dict(metric=metric, apply=model.apply, epochs=3)
    entropy = surrogates.conventional(losses.cross_entropy)
    found = peers.best_rate(key, params, data, surrogate=entropy, learn=False, **options)
    assert float(found.validation) < start
    for part, value in ((data.validation, found.validation), (data.test, found.test)):
        again = metric.mean(model.apply(found.params, part.inputs), part.targets)
        assert float(again) == pytest.approx(float(value), abs=1e-6)
    assert found.predictions.shape == (3, 128, 10)
    useless = surrogates.conventional(lambda logits, labels, *, where=None: jnp.sum(logits, axis=1) * 1e3)
    kept = peers.best_rate(key, found.params, data, surrogate=useless, learn=False, **options)
    assert float(kept.validation) <= float(found.validation)
    learned = peers.fit(key, jnp.float32(0.01), params, data, surrogate=surrogates.value_fit(metric), **options)
    assert np.isfinite(learned.predictions).all() and float(learned.validation) <= start


def test_unknown_cases_are_refused(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["peers", "--cases=frozen,letters"])
    with pytest.raises(SystemExit):
        peers.main()
    assert "unknown letters; there are from random weights, frozen, strings" in capsys.readouterr().err
