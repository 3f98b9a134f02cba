"""Options are refused by `jaxsurr.core.checks` alone, each range in the same words."""

import ast
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsurr
from jaxsurr.core import checks

PACKAGE = Path(jaxsurr.__file__).parent


@pytest.mark.parametrize(
    "value", [1, 0.5, np.float32(0.5), np.int64(1), jnp.float32(0.5), jnp.bfloat16(1), np.array(1)]
)
def test_numbers_of_python_numpy_and_jax_pass(value):
    checks.number(value, "q", above=0, most=1)


@pytest.mark.parametrize(
    ("value", "limits", "sentence"),
    [
        (0, dict(above=0), "^q must be positive and finite, got 0\\.$"),
        (jnp.float32(0), dict(above=0), "got 0\\.0\\.$"),
        (1, dict(least=0, below=1), "^q must be a finite number of at least 0 and below 1, got 1\\.$"),
        (1.5, dict(above=0, most=1, meaning="a fraction"), r"above 0 and at most 1 \(a fraction\), got 1\.5\.$"),
        (np.nan, dict(least=0), "got nan"),
        (np.inf, dict(least=0), "got inf"),
        (2**127, dict(least=0), "finite number of at least 0"),
        (True, dict(least=0), "got True"),
        ("1", dict(least=0), "got '1'"),
        (None, dict(least=0), "got None"),
        (np.ones(2), dict(least=0), r"got array\(\[1\., 1\.\]\)"),
        (1.0, dict(least=0, integer=True), "^q must be an integer of at least 0, got 1\\.0\\.$"),
        (2**40, dict(least=0, most=2**32 - 1, integer=True), "at most 4294967295, got 1099511627776"),
    ],
)
def test_what_is_no_number_in_range_is_refused(value, limits, sentence):
    with pytest.raises(ValueError, match=sentence):
        checks.number(value, "q", **limits)


def test_a_traced_number_passes_and_a_traced_integer_does_not():
    jax.eval_shape(lambda q: checks.number(q, "q", above=0), jnp.float32(-1))
    with pytest.raises(ValueError, match="size must be an integer of at least 0, got"):
        jax.eval_shape(lambda size: checks.integer(size, "size"), 1)


def test_a_mask_of_traced_values_marks_examples():
    wrong = jnp.array([[False, False], [True, False]])
    assert jax.jit(lambda mask: checks.refuse(mask, str))(wrong).tolist() == [False, True]
    assert checks.refuse(jnp.zeros((2, 2), bool), str) is None
    with pytest.raises(ValueError, match=r"\(1, 0\)"):
        checks.refuse(wrong, str)


def test_either_of_several_masks():
    assert checks.either(None, None) is None
    assert checks.either(None, jnp.array([True, False]), jnp.array([False, False])).tolist() == [True, False]


def of_numbers(test, parameters):
    """Whether a condition only compares arguments of a function with numbers or with each other."""
    if isinstance(test, ast.UnaryOp):
        return of_numbers(test.operand, parameters)
    if isinstance(test, ast.BoolOp):
        return all(of_numbers(part, parameters) for part in test.values)
    if not isinstance(test, ast.Compare):
        return False
    compared = [test.left, *test.comparators]
    numbers = [isinstance(one, ast.Constant) and isinstance(one.value, int | float) for one in compared]
    arguments = [isinstance(one, ast.Name) and one.id in parameters for one in compared]
    return any(arguments) and any(numbers) and all(map(max, numbers, arguments))


def own_refusals(source):
    """Lines of a module on which it refuses an argument out of its range itself."""
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    return [
        node.lineno
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, ast.If)
        and isinstance(node.body[0], ast.Raise)
        and of_numbers(node.test, {one.arg for one in [*function.args.args, *function.args.kwonlyargs]})
    ]


def test_no_module_refuses_a_range_with_code_of_its_own():
    assert own_refusals("def f(q):\n if not 0 <= q <= 1:\n  raise ValueError") == [2]
    assert own_refusals("def f(q):\n if q is None or len(q) < 2:\n  raise ValueError") == []
    files = sorted(PACKAGE.rglob("*.py"))
    found = {str(path.relative_to(PACKAGE)): lines for path in files if (lines := own_refusals(path.read_text()))}
    assert not found, "call jaxsurr.core.checks.number or integer"
