"""Metrics that JAX cannot trace: NumPy functions, scikit-learn's metrics, compiled scorers, external programs."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr import spaces
from jaxsurr.core import checks
from jaxsurr.core.protocols import Decoder
from jaxsurr.core.reading import of_examples, of_set
from jaxsurr.core.reductions import wide
from jaxsurr.core.types import Array, PyTree, Space
from jaxsurr.metrics import decoding
from jaxsurr.metrics.base import Metric
from jaxsurr.metrics.host import Host

__all__ = ["black_box"]

_SPACES = {
    "argmax": spaces.class_logits,
    "median": spaces.level_logits,
    "expected": spaces.level_logits,
    "thresholds": spaces.cumulative_logits,
}
_WHOLE = ("argmax", "median", "thresholds")  # decoded to whole levels


def black_box(
    function: Callable[..., Any],
    *,
    higher_is_better: bool,
    per_example: bool = False,
    decode: str | Decoder | None = None,
    space: Space | None = None,
    name: str | None = None,
    stacked: bool = False,
    timeout: float | None = None,
) -> Metric:
    """Makes a metric from any Python function of NumPy arrays, by a callback from JAX to the host.

    The metric can be used like any other: in evaluation, in every surrogate, under `jax.jit`, `jax.vmap` and
    `jax.pmap`.

    Number of calls: an evaluation of the metric is one callback to the host; so are all evaluations under a `vmap`,
    such as the 2 C evaluations for a chunk of C pairs (`chunk_size`) when a smoothed metric is estimated. So
    `correlated_gradients`, `value_fit` and `smoothed` make `ceil(num_pairs / chunk_size)` callbacks in an update or
    a loss that perturbs. Within a callback the function is called once for each set, or once for all with
    `per_example` or `stacked`. Tracing (shapes, compilation) never calls it. Outside of compiled code `init` of a
    surrogate that estimates it along functions of an example calls it five times, to see whether the order of the
    examples matters; so do each direct `jaxsurr.smoothing.smoothed_metric` along functions, and `jaxsurr.diagnose`.
    Under `jax.pmap` each device makes a callback for its own examples. JAX may omit a callback
    whose result is not used, and waits for the others.
    `jaxsurr.metrics.count_calls` counts the sets that black boxes are asked for, and `jaxsurr.metrics.calls_of` tells
    for how many a function will ask.

    Args:
      function: `(targets, predictions, **options) -> value`, scikit-learn's order. It gets copies, as NumPy arrays, of
        the examples that are not masked: targets unchanged (a pytree of arrays where they are one; zeros for points
        that are not visible and items that are absent), predictions decoded, in at least single precision. It must
        depend on its arguments only; `bind` fixes its options (`functools.partial` those named `where`, `weights` or
        `replacements`, as `weights` of `cohen_kappa_score`). Where examples have weights, a function of sets gets them
        as `sample_weight=`, if it knows that argument.
      higher_is_better: the direction; it has no default, since a wrong guess would train a model to be bad.
      per_example: True where the function returns one value for each example that depends on this example alone, `[N]`;
        the examples of several sets are then passed as one. False where it returns one number for the set.
      decode: the decoding of predictions, in JAX: "argmax", "median" or "thresholds" (integers), "expected", a function
        `[B, ...] -> [B, ...]` such as `jax.nn.softmax`, or None.
      space: the prediction space; by default that of the decoder, or `jaxsurr.spaces.generic`.
      name: by default that of the function.
      stacked: True where a function of sets can take S of them at once, `[S, N]` and `[S, N, ...]`, and returns `[S]`.
        (Sets with different masks are passed one by one, as S = 1.)
      timeout: seconds after which a call of the function is abandoned, or None for no limit. Python cannot stop a
        function: it goes on in a background thread. For an external program, `subprocess.run(..., timeout=)` is better.

    Returns:
      A `Metric` with float32 values, `[B]` with `per_example` (0 in masked rows), else `[]` (0 where every row is
      masked). The function is not called for predictions that are NaN or infinite; their value is NaN.

    Raises:
      TypeError: an argument has the wrong type; when called, the function does not return real numbers; the metric is
        differentiated, since a black box has no gradient.
      ValueError: when called, predictions and targets do not fit the space, the function returns another shape, or NaN
        or an infinity for finite predictions.
      TimeoutError: when called, the function takes longer than `timeout`.
      Exception: any error of the function; in compiled code only inside `own_errors`, else as an error of JAX with the
        same message.

    >>> import jax, jax.numpy as jnp, jaxsurr
    >>> def profit(targets, predictions):  # NumPy: a found case earns 10, an alarm costs 1
    ...     total = 0.0
    ...     for target, prediction in zip(targets, predictions):
    ...         if prediction == 1:
    ...             total += 10.0 * (target == 1) - 1.0
    ...     return total / len(targets)
    >>> metric = jaxsurr.metrics.black_box(profit, higher_is_better=True, decode="argmax")
    >>> logits, labels = jnp.array([[0.0, 1.0], [2.0, 0.0], [0.0, 3.0], [1.0, 0.0]]), jnp.array([1, 0, 0, 1])
    >>> float(metric(logits, labels))  # one case found, two alarms
    2.0
    >>> surrogate = jaxsurr.correlated_gradients(metric)
    >>> state = surrogate.init(jax.random.key(0), logits, labels)
    >>> state, info = jax.jit(surrogate.update)(state, jax.random.key(1), logits, labels)
    >>> surrogate.loss(state, logits, labels).shape
    ()
    """
    if not callable(function):
        raise TypeError(f"a black box is a function (targets, predictions), got {function!r}.")
    if not isinstance(higher_is_better, bool):
        raise TypeError(
            f"higher_is_better must be True or False, the direction of the metric, got {higher_is_better!r}."
        )
    if timeout is not None:
        checks.number(timeout, "timeout", above=0, meaning="in seconds; None for no limit")
    if stacked and per_example:
        raise ValueError("stacked is for functions of sets: with per_example all examples are handed over at once.")
    decoder = None if decode is None else decoding.get(decode)
    space = space or _SPACES.get(decode if isinstance(decode, str) else "", spaces.generic)
    called = name or getattr(getattr(function, "func", function), "__name__", type(function).__name__)

    def decoded(predictions: Array) -> Array:
        predictions = _readable(predictions)
        if decoder is None:
            return predictions
        return decoder(predictions).astype(jnp.int32) if decode in _WHOLE else _readable(decoder(predictions))

    def evaluate(
        predictions: Array, targets: PyTree, *, where: Array | None = None, weights: Array | None = None, **options: Any
    ) -> Array:
        wrong = space.check(predictions, targets)
        wrong = checks.either(wrong, checks.weights(weights, predictions.shape[0]))
        counts = jnp.ones(predictions.shape[0], bool) if where is None else where
        asked = function
        if weights is not None:
            asked, targets = _weighted(function), (targets, jnp.asarray(weights))
        host = Host(asked, called, options, per_example, stacked, timeout, weights is not None)

        def value(predictions, targets, counts):
            finite = jnp.all(jnp.isfinite(predictions).reshape(predictions.shape[0], -1), axis=-1)
            targets = jax.tree.map(lambda leaf: _readable(jnp.asarray(leaf)), targets)
            return _call(host, decoded(predictions), targets, counts, finite)

        def finished(values):
            return of_examples(values, where, wrong) if per_example else of_set(values, wrong)

        if checks.is_concrete((predictions, targets, counts)):
            return finished(value(predictions, targets, counts))
        value = jax.custom_jvp(value)

        @value.defjvp
        def has_none(primals, tangents):
            raise TypeError(
                f"{called} is a black box, and has no gradient. Train on a surrogate of it, as "
                "jaxsurr.correlated_gradients(metric) or jaxsurr.surrogates.smoothed(metric)."
            )

        return finished(value(predictions, targets, counts))

    named: Any = evaluate  # a function may declare its signature
    named.__signature__ = _signature(function, per_example)
    return Metric(evaluate, called, higher_is_better, space, per_example)


def _readable(array: Array) -> Array:
    """Half precision cast to single: NumPy has no bfloat16."""
    return array.astype(wide(array.dtype)) if jnp.issubdtype(array.dtype, jnp.floating) else array


def _weighted(function: Callable) -> Callable:
    """A black box whose targets come with the weights of the examples."""

    @functools.wraps(function)
    def weighted(targets: PyTree, predictions: Any, **options: Any) -> Any:
        targets, weights = targets
        return function(targets, predictions, sample_weight=weights, **options)

    return weighted


def _signature(function: Callable, per_example: bool) -> inspect.Signature:
    """`(predictions, targets, *, where=None, ...)` with the options of the black box, where its signature is known.

    `weights` is among them where a black box of sets has a `sample_weight`, as those of scikit-learn have.
    """
    parameter = inspect.Parameter
    first = [parameter(name, parameter.POSITIONAL_OR_KEYWORD) for name in ("predictions", "targets")]
    try:
        known = list(inspect.signature(function).parameters.values())[2:]
    except ValueError:  # compiled functions may have no signature
        known = []
    named = (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    known = [p for p in known if p.kind in named]
    arrays = ["where", *(["weights"] if not per_example and any(p.name == "sample_weight" for p in known) else [])]
    options = [p.replace(kind=p.KEYWORD_ONLY) for p in known if p.name not in (*arrays, "sample_weight")]
    return inspect.Signature(
        [*first, *(parameter(name, parameter.KEYWORD_ONLY, default=None) for name in arrays), *options]
    )


def _call(host: Host, *arguments: PyTree) -> Array:
    """The metric by one callback to the host, for all sets of a `vmap`; by a plain call where nothing is traced."""
    if checks.is_concrete(arguments):
        return jnp.asarray(host(*jax.tree.map(np.asarray, arguments)))
    *_, finite = arguments
    result = jax.ShapeDtypeStruct(finite.shape if host.per_example else (), jnp.float32)
    ndims = jax.tree.map(jnp.ndim, arguments)
    return jax.pure_callback(
        lambda *given: host.in_program(ndims, given), result, *arguments, vmap_method="expand_dims"
    )
