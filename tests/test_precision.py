"""Products in all bits of their dtype: traced, as only accelerators round what is not asked for."""

import jax
import jax.numpy as jnp
import pytest
from jax.extend.core import ClosedJaxpr, Jaxpr

from jaxsurr import metrics
from jaxsurr.metrics import decoding
from jaxsurr.smoothing import smoothed_metric
from tests.long import properties
from tests.long.inputs import Recipe, make

CASES = list(properties.cases())
DEFAULTS = [f"correlated_gradients({family}, predictions)" for family in ("decisions", "counts")]


@pytest.fixture(autouse=True)
def _precision_is_not_set_from_outside():
    with jax.default_matmul_precision(None):
        yield


def operations(value):
    """All operations of a program and of the programs inside it."""
    if isinstance(value, tuple | list):
        for one in value:
            yield from operations(one)
    elif isinstance(value, ClosedJaxpr):
        yield from operations(value.jaxpr)
    elif isinstance(value, Jaxpr):
        for equation in value.eqns:
            yield equation
            yield from operations(tuple(equation.params.values()))


def rounded(function, *arguments):
    """Products of floats in a function that an accelerator may round."""
    return [
        str(operation)
        for operation in operations(jax.make_jaxpr(function)(*arguments))
        if operation.primitive.name in ("dot_general", "conv_general_dilated")
        and jnp.issubdtype(operation.outvars[0].aval.dtype, jnp.floating)
        and operation.params["precision"] not in (jax.lax.Precision.HIGHEST, (jax.lax.Precision.HIGHEST,) * 2)
    ]


def example(case):
    return make(case.space, Recipe(properties.shapes_of(case)[-1], "float32", "tied", "mixed", "all", 0), 1.0)


def test_the_test_sees_products():
    a = jnp.ones((3, 3))
    assert len(rounded(jax.jit(lambda a: jax.lax.fori_loop(0, 2, lambda i, a: a @ a, a)), a)) == 1
    assert rounded(lambda a: jnp.matmul(a, a, precision="highest"), a) == []


@pytest.mark.parametrize("case", [c for c in CASES if c.name not in properties.SURROGATES], ids=lambda case: case.name)
def test_metric_or_loss(case):
    assert rounded(case.exercise, *example(case)) == []


@pytest.mark.parametrize("name", properties.SURROGATES)
def test_surrogate(name):
    """Of one metric that it takes; the defaults, of a metric of every space."""
    tried = 0
    for case in (case for case in CASES if case.name == name):
        if (name in DEFAULTS or not tried) and properties.refusal(case) is None:
            assert rounded(case.exercise, *example(case)) == [], case.metric
            tried += 1
    assert tried


@pytest.mark.parametrize("estimator", ["replace", "functions", "groups"])
def test_estimator_of_sets(estimator):
    def estimate(logits, key):
        options = dict(scale=1.0, num_pairs=4, estimator=estimator)
        return smoothed_metric(metrics.cohen_kappa, logits, jnp.zeros(6, int), key=key, **options)

    assert rounded(estimate, jnp.ones((6, 3)), jax.random.key(0)) == []


def test_decoding_of_heatmaps():
    assert rounded(lambda maps: decoding.soft_argmax(maps, 1.0), jnp.ones((2, 3, 4, 4))) == []
