"""Products in all bits of their dtype, in what other tests do not compile.

Losses and metrics are examined in `tests/core/test_whole.py`, the default surrogate of every space in
`tests/saving/test_every_space.py`.
"""

import jax
import jax.numpy as jnp
import pytest

from jaxsurr import metrics
from jaxsurr.metrics import decoding
from jaxsurr.smoothing import smoothed_metric
from tests.long import properties
from tests.long.inputs import Recipe, make
from tests.products import rounded

CASES = list(properties.cases())
DEFAULTS = [f"correlated_gradients({family}, predictions)" for family in ("decisions", "counts")]


@pytest.fixture(autouse=True)
def _precision_is_not_set_from_outside():
    with jax.default_matmul_precision(None):
        yield


def products_of(function, *arguments):
    return rounded(jax.make_jaxpr(function)(*arguments))


def example(case):
    return make(case.space, Recipe(properties.shapes_of(case)[-1], "float32", "tied", "mixed", "all", 0), 1.0)


def test_the_test_sees_products():
    a = jnp.ones((3, 3))
    assert len(products_of(jax.jit(lambda a: jax.lax.fori_loop(0, 2, lambda i, a: a @ a, a)), a)) == 1
    assert products_of(lambda a: jnp.matmul(a, a, precision="highest"), a) == []


@pytest.mark.parametrize("name", properties.SURROGATES)
def test_surrogate(name):
    """Of one metric that it takes; the families that are defaults, also of one of sets."""
    cases = [case for case in CASES if case.name == name]
    first = next(case for case in cases if properties.refusal(case) is None)
    of_sets = [case for case in cases if case.metric == "quadratic_weighted_kappa"]
    for case in [first] + of_sets * (name in DEFAULTS):
        assert products_of(case.exercise, *example(case)) == [], case.metric


@pytest.mark.parametrize("estimator", ["replace", "functions", "groups"])
def test_estimator_of_sets(estimator):
    def estimate(logits, key):
        options = dict(scale=1.0, num_pairs=4, estimator=estimator)
        return smoothed_metric(metrics.cohen_kappa, logits, jnp.zeros(6, int), key=key, **options)

    assert products_of(estimate, jnp.ones((6, 3)), jax.random.key(0)) == []


def test_decoding_of_heatmaps():
    assert products_of(lambda maps: decoding.soft_argmax(maps, 1.0), jnp.ones((2, 3, 4, 4))) == []
