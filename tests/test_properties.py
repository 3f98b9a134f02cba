"""Finite values and gradients, or an error in words, on generated inputs. More of them: JAXSURR_EXAMPLES=10000."""

import functools
import os

import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jaxsurr import spaces, surrogates
from jaxsurr.studies import inputs, properties
from jaxsurr.studies.inputs import Recipe

EXAMPLES = int(os.environ.get("JAXSURR_EXAMPLES", "15"))
few = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)

CASES = list(properties.cases())
METRIC_CASES = [case for case in CASES if not np.isfinite(case.largest)]
# One metric a surrogate: every compilation takes seconds. The study tries them on all spaces.
SURROGATE_CASES = [
    next(case for case in CASES if case.name == name and case.metric.name == "error_rate")
    for name in properties.SURROGATES
]


def recipes(kinds):
    """Recipes of few shapes and dtypes, which share compilations."""
    words = map(st.sampled_from, (inputs.PREDICTIONS, inputs.TARGETS, inputs.MASKS))
    seeds = st.integers(0, 2**31 - 1)
    return st.builds(lambda kind, *rest: Recipe(*kind, *rest), st.sampled_from(kinds), *words, seeds)


def examine(case, kinds):
    exercise = functools.cache(lambda shape, dtype: jax.jit(jax.vmap(case.exercise)))

    @few
    @given(recipes(kinds))
    def holds(recipe):
        assert list(properties.failures(case, [recipe], exercise(recipe.shape, recipe.dtype))) == []

    holds()


@pytest.mark.parametrize("case", METRIC_CASES, ids=lambda case: case.name)
def test_metric(case):
    shapes = properties.shapes_of(case)
    examine(case, [(shapes[0], "bfloat16"), (shapes[2], "float16")])


@pytest.mark.parametrize("case", SURROGATE_CASES, ids=lambda case: case.name)
def test_surrogate(case):
    examine(case, [(inputs.SHAPES["class_logits"][2], "float32")])


@pytest.mark.parametrize(
    "metric, recipe",
    [
        ("mean_iou", Recipe((8, 3, 3, 4), "float16", "constant", "first", "some", 15089967)),
        ("quadratic_weighted_kappa", Recipe((5, 4), "bfloat16", "mixed", "first", "rubbish", 98864716)),
    ],
)
def test_inputs_that_failed_once(metric, recipe):
    case = next(case for case in CASES if (case.name, case.metric.name) == ("value_fit", metric))
    assert list(properties.failures(case, [recipe], jax.jit(jax.vmap(case.exercise)))) == []


def test_every_metric_has_inputs():
    for case in METRIC_CASES:  # fails with the sentence that says what to add where
        assert len(properties.shapes_of(case)) == 4
    assert set(inputs.MAKERS) == set(inputs.SHAPES) <= set(spaces.SPACES)


def test_every_surrogate_of_a_metric_is_examined():
    not_of_a_metric = {"METHODS", "SurrogateState", "conventional", "residual_likelihood"}
    examined = {name.split("(")[0] for name in properties.SURROGATES}
    assert examined == set(surrogates.__all__) - not_of_a_metric, "add new surrogates to properties.SURROGATES"


def test_a_metric_of_an_unknown_space_is_named():
    case = METRIC_CASES[0]
    space = case.metric.space._replace(name="galaxies")
    with pytest.raises(ValueError, match=r"reads the prediction space 'galaxies', for which .* add it to SHAPES"):
        properties.shapes_of(case._replace(metric=case.metric.bind(space=space)))


def test_a_failure_is_found():
    case = METRIC_CASES[0]
    bad = properties.metric_exercise(case.metric)
    case = case._replace(exercise=lambda z, y, w: bad(z * np.inf, y, w) | {"finite values": False})
    line = properties.examine(case, 24)
    assert line["inputs"] == line["failures"] == 24
    assert "finite values" in line["first"]["broken"]


def test_a_surrogate_that_refuses_a_metric_says_why():
    case = next(c for c in CASES if c.name == "interpolation" and c.metric.name == "rounded_error")
    assert properties.refusal(case).startswith("ValueError: interpolation cannot rewrite rounded_error")
    assert properties.refusal(METRIC_CASES[0]) is None
