"""Finite values and gradients, or an error in words, on generated inputs. More of them: JAXSURR_EXAMPLES=10000."""

import functools
import os

import jax
import jax.numpy as jnp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jaxsurr import spaces, surrogates
from tests.long import inputs, properties
from tests.long.inputs import Recipe

EXAMPLES = int(os.environ.get("JAXSURR_EXAMPLES", "15"))
few = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)

CASES = list(properties.cases())
VALUE_CASES = [case for case in CASES if case.name not in properties.SURROGATES]
# One metric a surrogate: every compilation takes seconds. The study tries them on all spaces.
SURROGATE_CASES = [
    next(case for case in CASES if (case.name, case.metric) == (name, metric))
    for name in properties.SURROGATES
    for metric in ["quadratic_weighted_kappa" if "counts" in name else "error_rate"]
]


def recipes(kinds, predictions):
    """Recipes of few shapes and dtypes, which share compilations."""
    words = map(st.sampled_from, (predictions, inputs.TARGETS, inputs.MASKS))
    seeds = st.integers(0, 2**31 - 1)
    return st.builds(lambda kind, *rest: Recipe(*kind, *rest), st.sampled_from(kinds), *words, seeds)


def examine(case, kinds):
    exercise = functools.cache(lambda shape, dtype: jax.jit(jax.vmap(case.exercise)))

    @few
    @given(recipes(kinds, case.predictions))
    def holds(recipe):
        assert list(properties.failures(case, [recipe], exercise(recipe.shape, recipe.dtype))) == []

    holds()


@pytest.mark.parametrize("case", VALUE_CASES, ids=lambda case: case.name)
def test_metric_or_loss(case):
    shapes = properties.shapes_of(case)
    examine(case, [(shapes[0], "bfloat16"), (shapes[2], "float16")])


@pytest.mark.parametrize("case", SURROGATE_CASES, ids=lambda case: case.name)
def test_surrogate(case):
    examine(case, [(inputs.SHAPES["class_logits"][2], "float32")])


@pytest.mark.parametrize(
    "metric, recipe",
    [
        ("mean_iou", Recipe((8, 3, 3, 4), "float16", "constant", "first", "some", 15089967)),
        ("quadratic_weighted_kappa", Recipe((5, 4), "bfloat16", "mixed", "first", "garbage", 98864716)),
    ],
)
def test_inputs_that_failed_once(metric, recipe):
    case = next(case for case in CASES if (case.name, case.metric) == ("value_fit", metric))
    assert list(properties.failures(case, [recipe], jax.jit(jax.vmap(case.exercise)))) == []


def test_every_metric_has_inputs():
    for case in VALUE_CASES:  # fails with the sentence that says what to add where
        assert len(properties.shapes_of(case)) == 4
    assert set(inputs.MAKERS) == set(inputs.SHAPES) <= {*spaces.SPACES, "heatmaps"}


def test_every_surrogate_of_a_metric_is_examined():
    examined = {name.split("(")[0] for name in properties.SURROGATES}
    assert examined == surrogates.METHODS.keys() - {"conventional"}, "add new surrogates to properties.SURROGATES"


def test_a_metric_of_an_unknown_space_is_named():
    case = VALUE_CASES[0]
    with pytest.raises(ValueError, match=r"space 'galaxies', for which .* give it a sample, or add it to SHAPES"):
        properties.shapes_of(case._replace(space="galaxies"))


def test_a_failure_is_found():
    case = VALUE_CASES[0]
    exercise = case.exercise
    line = properties.examine(case._replace(exercise=lambda z, y, w: ({"odd": z.size < 0}, exercise(z, y, w)[1])), 24)
    assert line["inputs"] == line["failures"] == 24
    assert line["first"]["broken"] == ["odd"]


def test_a_result_that_depends_on_what_does_not_count_is_found():
    case = VALUE_CASES[0]._replace(exercise=lambda z, y, w: ({}, jnp.nan_to_num(z).sum(axis=0)))
    line = properties.examine(case, 240)
    assert 0 < line["failures"] < 240
    assert line["first"]["broken"] == ["the same as with zeros where nothing counts"]
    assert line["first"]["recipe"]["mask"] == "garbage"


def test_a_surrogate_that_refuses_a_metric_says_why():
    case = next(c for c in CASES if c.name == "interpolation" and c.metric == "rounded_error")
    assert properties.refusal(case).startswith("ValueError: interpolation cannot rewrite rounded_error")
    assert properties.refusal(VALUE_CASES[0]) is None
