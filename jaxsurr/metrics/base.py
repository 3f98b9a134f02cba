"""The type of metrics: a function with a name, a direction and a prediction space."""

import dataclasses
import functools
import inspect
import typing
import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr.core import checks
from jaxsurr.core.protocols import MetricFunction
from jaxsurr.core.reading import counted
from jaxsurr.core.reductions import are_weights, masked, masked_mean, valid
from jaxsurr.core.types import Array, PyTree, Space
from jaxsurr.core.whole import whole
from jaxsurr.metrics.returned import UNTRACEABLE, refuse_pairs, tell_if_flat, untraceable
from jaxsurr.spaces import generic

__all__ = ["ARRAYS", "Metric", "as_metric", "is_ready", "metric", "output_shape"]

ARRAYS = ("where", "weights", "replacements")
"""Arguments of a metric that are arrays with a row for each example, and so cannot be bound."""


def _hashable(value: Any) -> Any:
    """An option as it can be hashed: lists and arrays as tuples."""
    if isinstance(value, np.ndarray | jax.Array) and checks.is_concrete(value):
        value = np.asarray(value).tolist()
    return tuple(map(_hashable, value)) if isinstance(value, list | tuple) else value


def _shown(value: Any) -> str:
    """An option in the name of a metric; of a matrix its rows, or size and checksum where that is too long."""
    if not (isinstance(value, tuple) and value and all(isinstance(row, tuple) for row in value)):
        return str(getattr(value, "__name__", value))
    rows = " / ".join(
        " ".join(f"{number:g}" if isinstance(number, float) else str(number) for number in row) for row in value
    )
    return rows if len(rows) <= 32 else f"{len(value)} rows {zlib.crc32(repr(value).encode()):08x}"


@dataclasses.dataclass(frozen=True)
class Metric:
    """A metric as a function: `metric(predictions, targets, *, where=None, **options) -> values`.

    Attributes:
      function: `(predictions, targets, *, where=None, **options) -> values`, pure JAX.
      name: for tables and messages.
      higher_is_better: its direction.
      space: the prediction space that it is perturbed in.
      per_example: True where values have shape `[B]` (or `[B, M]`) and the metric of a set is their mean; False where
        the function returns one value (`[]` or `[M]`) for the whole set.
      options: keyword arguments that `bind` has fixed.
      bounded: whether a wrong prediction costs no more than so much, however wrong it is; False for a distance. Only
        the surrogate of a bounded metric leads from a likelihood to it (`jaxsurr.surrogates.families.decisions`).
    """

    function: MetricFunction
    name: str
    higher_is_better: bool
    space: Space
    per_example: bool = True
    options: tuple[tuple[str, Any], ...] = ()
    bounded: bool = True

    def __post_init__(self):
        """Takes the documentation of the function, for editors, notebooks and the reference."""
        for name in ("__doc__", "__module__"):
            object.__setattr__(self, name, getattr(self.function, name, None))
        object.__setattr__(self, "__wrapped__", self.function)

    def __call__(self, predictions: Array, targets: PyTree, *, where: Array | None = None, **options: Any) -> Array:
        """Values of the metric; masked rows are 0 in a per-example metric and do not count in a set metric.

        The function is called with zeros in masked entries: masked rows, and the masked parts of `Keypoints`,
        `RankedLists` and `Sequences`. So neither values nor gradients depend on these entries.

        Args:
          predictions: `[B, ...]`.
          targets: what the metric reads.
          where: `[B]` bool, or float weights of the examples, at least 0. A set metric is weighted by them; values of
            examples are not multiplied by them, their mean (`Metric.mean`) is weighted.
          **options: of the metric.

        Raises:
          TypeError: the function reads the values of traced arrays, as NumPy does, or returns no array, or belongs to
            sets and takes no weights.
          ValueError: the function of examples does not give a value for each of them, or one for each pair of them, as
            `[B, 1]` minus `[B]` does.
        """
        options = dict(self.options) | options
        compiled = is_ready(self.function) and checks.is_concrete((predictions, targets, where, options))
        # Otherwise, as within a gradient, it is told where the metric is flat.
        values = _compiled(self.function, self.per_example) if compiled else self._values
        return values(predictions, targets, where=where, **options)

    def _values(self, predictions: Array, targets: PyTree, *, where: Array | None = None, **options: Any) -> Array:
        predictions, targets = counted(predictions, targets, where)
        if where is not None and are_weights(where):
            if not self.per_example:
                options["weights"] = self._weights(where, options.get("weights"))
            where = valid(where)
        if where is not None:
            for name in ("weights", "replacements"):
                if options.get(name) is not None and np.shape(options[name])[:1] == np.shape(where):
                    options[name] = masked(jnp.asarray(options[name]), where)
        options["where"] = where
        try:
            values = self.function(predictions, targets, **options)
        except UNTRACEABLE as error:
            raise untraceable(self.name) from error
        if self.per_example and getattr(values, "ndim", 0) == 2 and values.shape[0] == values.shape[1] > 1:
            refuse_pairs(self, predictions, targets)
        if self.per_example:
            _check_rows(self, values, predictions)
        tell_if_flat(self, predictions, targets, options)
        return values

    def _weights(self, where: Array, weights: Array | None) -> Array:
        """The weights of a set metric: those in `where`, times those that it is given beside."""
        if "weights" not in inspect.signature(self.function).parameters:
            raise TypeError(
                f"{self.name} belongs to a set of examples and takes no weights: let its function take weights= "
                "beside where= (a black box: sample_weight=), both [B], or pass where= as booleans."
            )
        return jnp.asarray(where) if weights is None else jnp.asarray(where) * weights

    def bind(self, **options: Any) -> "Metric":
        """The metric with options fixed, which its name includes: `pck.bind(threshold=0.2)` is "pck(threshold=0.2)".

        A `space` among the options replaces the prediction space, for example where `mean_absolute_error` is decoded
        from cumulative logits. (An option of the metric itself cannot have that name.)

        Raises:
          TypeError: the metric has no option of this name, or it is an array of the examples.
        """
        for name in set(options) & set(ARRAYS):
            raise TypeError(
                f"{name} is an array with a row for each example, and cannot be bound to {self.name}: pass it with the "
                f"predictions, metric(predictions, targets, {name}=...), if the metric knows it. A surrogate takes "
                "masks and weights of examples as where=; put other arrays into the targets, and read them in a metric "
                f"of your own. An option {name!r} of a black box's function is fixed by functools.partial beforehand."
            )
        space = _check_space(options.pop("space", self.space))
        if not options:
            return dataclasses.replace(self, space=space)
        for name in options:
            if name not in self.known_options:
                raise TypeError(f"{self.name} has no option {name!r}; {checks.nearest(name, self.known_options)}")
        merged = dict(self.options) | {k: _hashable(v) for k, v in options.items()}
        stem = self.name.split("(")[0]
        text = ", ".join(f"{k}={_shown(v)}" for k, v in merged.items())
        return dataclasses.replace(self, space=space, options=tuple(merged.items()), name=f"{stem}({text})")

    @property
    def known_options(self) -> list[str]:
        """Names of the options that can be bound."""
        return [name for name in list(inspect.signature(self.function).parameters)[2:] if name not in ARRAYS]

    def choices(self, option: str) -> tuple[Any, ...]:
        """The values that an option can have, where its annotation lists them (`typing.Literal`), else none.

        >>> from jaxsurr.metrics import cost
        >>> cost.choices("decode"), cost.choices("matrix")
        (('argmax', 'expected'), ())
        """
        annotation = inspect.signature(self.function).parameters[option].annotation
        return typing.get_args(annotation) if typing.get_origin(annotation) is typing.Literal else ()

    @property
    def replaces(self) -> bool:
        """Whether the function takes `replacements=[B, ...]`, to return values `[B]`, each with one example replaced.

        With it the gradient of a set metric can be estimated at little cost (`jaxsurr.smoothing.set_estimators`).
        """
        return "replacements" in inspect.signature(self.function).parameters

    @property
    def sign(self) -> float:
        """1 where lower is better, -1 where higher is better, so that lower is better in `sign * metric`."""
        return -1.0 if self.higher_is_better else 1.0

    def mean(self, predictions: Array, targets: PyTree, *, where: Array | None = None) -> Array:
        """The metric of the whole set, weighted where `where` holds weights: `[]`, or `[M]`.

        >>> import jax.numpy as jnp, jaxsurr
        >>> logits, weights = jnp.array([[1.0, 0.0], [0.0, 1.0]]), jnp.array([3.0, 1.0])
        >>> float(jaxsurr.metrics.error_rate.mean(logits, jnp.array([0, 0]), where=weights))
        0.25
        """
        values = self(predictions, targets, where=where)
        return masked_mean(values, where) if self.per_example else values


def is_ready(function: MetricFunction) -> bool:
    """Whether it is one of this library's, and not one that an author wrote who may want to see it run."""
    called, module = (getattr(function, name, None) or "" for name in ("__qualname__", "__module__"))
    return module.startswith(f"{__package__}.") and "<locals>" not in called


@functools.cache
def _compiled(function: MetricFunction, per_example: bool) -> MetricFunction:
    """The values of a metric, compiled where nobody else does."""
    return whole(Metric(function, "metric", False, generic, per_example)._values)


def metric(
    function: MetricFunction | None = None,
    *,
    higher_is_better: bool,
    name: str | None = None,
    space: Space = generic,
    per_example: bool = True,
    bounded: bool = True,
) -> Any:
    """Makes a metric from a function, as a decorator or by a call.

    Args:
      function: `(predictions, targets, *, where=None, **options) -> values`; for a per-example metric `where` may be
        left out of the signature, and values of masked rows are then set to 0. Its arguments hold zeros in masked
        entries.
      higher_is_better: the direction; it has no default, since a wrong guess would train a model to be bad.
      name: by default that of the function.
      space: the prediction space; `jaxsurr.spaces.generic` fits any predictions.
      per_example: whether values have a leading axis of examples (`[B]`, `[B, M]`) or belong to the set (`[]`, `[M]`).
      bounded: False where the cost of a wrong prediction has no bound, as that of a distance. `init` of a surrogate,
        called outside of compiled code, warns where that was not said of a metric without one.

    Returns:
      A `Metric`.

    Raises:
      TypeError: `function` is not callable, or a set metric takes no `where`.

    >>> import jax.numpy as jnp
    >>> @metric(higher_is_better=False)
    ... def rounded_error(predictions, targets):
    ...     return jnp.abs(jnp.round(predictions[:, 0]) - targets)
    >>> rounded_error(jnp.array([[1.2], [2.7]]), jnp.array([1.0, 1.0])).tolist()
    [0.0, 2.0]
    """
    if function is None:
        return functools.partial(
            metric,
            higher_is_better=higher_is_better,
            name=name,
            space=space,
            per_example=per_example,
            bounded=bounded,
        )
    if not callable(function):
        raise TypeError(f"a metric is a function (predictions, targets, where=None), got {function!r}.")
    _check_space(space)
    if "where" not in inspect.signature(function).parameters:
        if not per_example:
            called = name or getattr(function, "__name__", function)
            raise TypeError(f"{called} is a metric of sets and must take where= to leave examples out.")
        function = _with_where(function)
    called = name or getattr(function, "__name__", "metric")
    return Metric(function, called, higher_is_better, space, per_example, bounded=bounded)


def _check_space(space: Any) -> Space:
    if not isinstance(space, Space):
        called = f", as jaxsurr.spaces.{space}" if isinstance(space, str) and space.isidentifier() else ""
        raise TypeError(f"space must be one of jaxsurr.spaces{called}, or a Space of your own, got {space!r}.")
    return space


def _with_where(function: MetricFunction) -> MetricFunction:
    """The per-example `function` with a `where` that sets masked rows to 0."""

    @functools.wraps(function)
    def masked_function(predictions, targets, *, where=None, **options):
        values = function(predictions, targets, **options)
        of_rows = where is not None and np.shape(values)[:1] == np.shape(where)[:1]
        return masked(values, where) if of_rows else values  # refused by its metric

    keyword = inspect.Parameter("where", inspect.Parameter.KEYWORD_ONLY, default=None)
    signature = inspect.signature(function)
    options = [p for p in list(signature.parameters.values())[2:]]
    first = [p.replace(kind=p.POSITIONAL_OR_KEYWORD) for p in list(signature.parameters.values())[:2]]
    named: Any = masked_function  # a function may declare its signature
    named.__signature__ = signature.replace(
        parameters=[*first, keyword, *(p.replace(kind=p.KEYWORD_ONLY) for p in options)]
    )
    return masked_function


def as_metric(function: Any) -> Metric:
    """`function` as a `Metric`: a metric, the name of one, or a function with an attribute `higher_is_better`.

    Raises:
      TypeError: the function has no direction.
      ValueError: no metric has this name.
    """
    if isinstance(function, Metric):
        return function
    if isinstance(function, str):
        from jaxsurr.metrics import get

        return get(function)
    if not hasattr(function, "higher_is_better"):
        raise TypeError(
            f"{getattr(function, '__name__', function)!r} does not say which direction is better: "
            "wrap it, jaxsurr.metric(function, higher_is_better=...)."
        )
    return metric(
        function,
        higher_is_better=bool(function.higher_is_better),
        name=getattr(function, "name", None),
        space=getattr(function, "space", generic),
        per_example=getattr(function, "per_example", True),
        bounded=getattr(function, "bounded", True),
    )


def output_shape(metric: Metric, predictions: Array, targets: PyTree) -> tuple[int, ...]:
    """The shape of a metric's values without the axis of examples: `()`, or `(M,)` for M metrics at once.

    Raises:
      ValueError: the metric returns a shape that does not fit `per_example`.
      TypeError: it does not return a floating array.
    """
    try:
        result = jax.eval_shape(lambda z, y: metric(z, y), predictions, targets)
    except UNTRACEABLE as error:
        raise untraceable(metric.name) from error
    if not jnp.issubdtype(result.dtype, jnp.floating):
        raise TypeError(
            f"{metric.name} must return a floating array, got {result.dtype}; cast comparisons with "
            ".astype(predictions.dtype)."
        )
    _check_rows(metric, result, predictions)
    return result.shape[int(metric.per_example) :]


def _check_rows(metric: Metric, values: Any, predictions: Array) -> None:
    """Refuses values that are not of the examples, or not of the set.

    Raises:
      TypeError: they are no array.
      ValueError: they have another shape.
    """
    if not isinstance(values, jax.Array | jax.ShapeDtypeStruct | np.ndarray | np.generic | float | int):
        raise TypeError(f"{metric.name} must return a floating array, got {type(values).__name__}.")
    shape, batch = np.shape(values), predictions.shape[0]
    lead = (batch,) if metric.per_example else ()
    if shape[: len(lead)] != lead or len(shape) > len(lead) + 1:
        kind = "per example, [B] or [B, M]" if metric.per_example else "of a set, [] or [M]"
        raise ValueError(
            f"{metric.name} is a metric {kind}, and with B = {batch} it returned shape {list(shape)}. "
            "Return one value for each example, or declare it with per_example=False."
        )
