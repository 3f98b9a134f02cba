"""Generated inputs of every prediction space: ties, constants, extremes, one class, garbage in masked entries.

An input is described by a `Recipe`, and can be made again from it. Targets of a prediction space are made by its maker
in `MAKERS`, in four shapes of `SHAPES`; those of a space without a maker are random, of its `sample`.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsurr.core.types import Array, Durations, Keypoints, RankedLists, Sequences
from jaxsurr.spaces import SPACES

DTYPES = ("float32", "bfloat16", "float16")
PREDICTIONS = ("ordinary", "tied", "constant", "small", "large", "mixed", "ruled_out")
TARGETS = ("mixed", "first", "last")
MASKS = ("none", "all", "some", "one", "garbage")

# [B, ...] of predictions: one example, two outputs, odd sizes.
SHAPES = {
    "class_logits": ((1, 2), (2, 3), (5, 4), (8, 10)),
    "level_logits": ((1, 2), (2, 3), (5, 4), (8, 6)),
    "cumulative_logits": ((1, 1), (2, 3), (5, 2), (8, 5)),
    "keypoint_coordinates": ((1, 1, 2), (2, 3, 2), (5, 4, 2), (8, 14, 2)),
    "level_scores": ((1, 1), (2, 1), (5, 1), (8, 1)),
    "binary_scores": ((1,), (2,), (5,), (8,)),
    "label_logits": ((1, 1), (2, 3), (5, 4), (8, 6)),
    "ranked_lists": ((1, 1), (2, 3), (5, 2), (8, 6)),
    "pixel_logits": ((1, 1, 1, 2), (2, 3, 2, 3), (5, 1, 4, 2), (8, 3, 3, 4)),
    "sequence_logits": ((1, 1, 2), (2, 3, 3), (5, 4, 2), (8, 5, 4)),
    "token_logits": ((1, 1, 2), (2, 3, 3), (5, 4, 2), (8, 5, 4)),
    "joint_token_logits": ((1, 1, 2), (2, 3, 3), (5, 4, 2), (8, 5, 4)),
    "generic": ((1, 1), (2, 3), (5, 2), (8, 2, 2)),
    "heatmaps": ((1, 1, 1, 2), (2, 3, 4, 4), (5, 4, 3, 5), (8, 2, 4, 3)),
    "real_numbers": ((1,), (2, 1), (5,), (8, 3)),
    "relative_numbers": ((1,), (2, 1), (5,), (8, 3)),
    "number_intervals": ((1, 2), (2, 2), (5, 2), (8, 2)),
    "event_order": ((1,), (2, 1), (5,), (8,)),
    "example_cost_logits": ((1, 2), (2, 3), (5, 4), (8, 6)),
}
TWO_CLASSES = ((1, 2), (2, 2), (5, 2), (8, 2))
"""Shapes in place of `SHAPES["class_logits"]`, for metrics that rank examples of two classes."""


class Recipe(NamedTuple):
    """The description of an input.

    Attributes:
      shape: of the predictions, one of `SHAPES`.
      dtype: one of `DTYPES`.
      predictions: one of `PREDICTIONS`: "tied" has many equal values, "mixed" some of every size; in "ruled_out" some
        classes (never the true one) or items (never a relevant one) have a logit of -1e4, -1e9 or minus infinity.
      targets: one of `TARGETS`: mixed, or all examples equal.
      mask: one of `MASKS`: "none" of the examples is valid, "all", "some", "one", or, for "garbage", some, with NaN,
        infinities and labels out of range in masked entries: the other examples, points that are not visible, places
        without an item, ignored pixels, tokens beyond the length.
      seed: of all else.
    """

    shape: tuple[int, ...]
    dtype: str
    predictions: str
    targets: str
    mask: str
    seed: int


def _labels(generator: np.random.Generator, recipe: Recipe, count: int) -> np.ndarray:
    batch = recipe.shape[0]
    if recipe.targets == "mixed":
        return generator.integers(0, count, batch).astype(np.int32)
    return np.full(batch, 0 if recipe.targets == "first" else count - 1, np.int32)


def _keypoints(generator: np.random.Generator, recipe: Recipe) -> Keypoints:
    batch, joints = recipe.shape[:2]
    visible = generator.integers(0, 2, (batch, joints)).astype(np.float32)
    if recipe.targets != "mixed":
        visible[:] = recipe.targets == "last"
    points = np.round(generator.normal(0, 20, (batch, joints, 2))).astype(np.float32)
    return Keypoints(points, visible, np.exp(generator.uniform(0, 4, batch)).astype(np.float32))


def _arrays(generator: np.random.Generator, recipe: Recipe) -> np.ndarray:
    values = np.round(generator.normal(0, 2, recipe.shape)).astype(np.float32)
    return values if recipe.targets == "mixed" else np.full_like(values, values.flat[0])


def _several(generator: np.random.Generator, recipe: Recipe) -> np.ndarray:
    """Labels; in the others of `TARGETS` none or all are set."""
    if recipe.targets == "mixed":
        return generator.integers(0, 2, recipe.shape).astype(np.int32)
    return np.full(recipe.shape, recipe.targets == "last", np.int32)


def _lists(generator: np.random.Generator, recipe: Recipe) -> RankedLists:
    relevance = generator.integers(0, 4, recipe.shape).astype(np.float32)
    if recipe.targets != "mixed":
        relevance[:] = recipe.targets == "last"
    return RankedLists(relevance, generator.integers(0, 2, recipe.shape).astype(np.float32))


def _pixels(generator: np.random.Generator, recipe: Recipe) -> np.ndarray:
    """Classes of pixels, -1 where ignored."""
    classes = recipe.shape[-1]
    if recipe.targets == "mixed":
        return generator.integers(-1, classes, recipe.shape[:3]).astype(np.int32)
    return np.full(recipe.shape[:3], 0 if recipe.targets == "first" else classes - 1, np.int32)


def _sequences(generator: np.random.Generator, recipe: Recipe) -> Sequences:
    batch, room = recipe.shape[0], 4
    lengths = {"first": np.zeros(batch), "last": np.full(batch, room)}.get(recipe.targets)
    lengths = generator.integers(0, room + 1, batch) if lengths is None else lengths
    tokens = generator.integers(0, recipe.shape[-1], (batch, room))
    return Sequences(tokens.astype(np.int32), lengths.astype(np.int32))


def _steps(generator: np.random.Generator, recipe: Recipe) -> Sequences:
    """A label for each step, -1 where it is ignored."""
    batch, room, classes = recipe.shape
    lengths = {"first": np.zeros(batch), "last": np.full(batch, room)}.get(recipe.targets)
    lengths = generator.integers(0, room + 1, batch) if lengths is None else lengths
    return Sequences(generator.integers(-1, classes, (batch, room)).astype(np.int32), lengths.astype(np.int32))


def _numbers(generator: np.random.Generator, recipe: Recipe) -> np.ndarray:
    """Numbers of many sizes, some of them 0 or equal; or all equal to 0 or to a million."""
    return _numbers_of(generator, recipe, recipe.shape[:1] if recipe.shape[1:] in ((), (1,)) else recipe.shape)


def _numbers_of(generator: np.random.Generator, recipe: Recipe, shape: tuple[int, ...]) -> np.ndarray:
    if recipe.targets != "mixed":
        return np.full(shape, 0 if recipe.targets == "first" else 1e6, np.float32)
    size = generator.choice([1e-3, 1.0, 1e3], (1, *shape[1:]))[0]
    return (np.round(generator.normal(0, 2, shape)) * size).astype(np.float32)


def _durations(generator: np.random.Generator, recipe: Recipe) -> Durations:
    """Times with ties, some censored; or all censored; or all events at one time."""
    batch = recipe.shape[0]
    time = np.round(generator.exponential(3, batch)).astype(np.float32)
    event = generator.integers(0, 2, batch).astype(np.float32)
    if recipe.targets == "first":
        return Durations(time, np.zeros_like(event))
    return Durations(time, event) if recipe.targets == "mixed" else Durations(0 * time + 2, np.ones_like(event))


def _example_costs(generator: np.random.Generator, recipe: Recipe) -> np.ndarray:
    """Costs of many sizes, of either sign, with ties; or all 0; or the same for all examples, and large."""
    if recipe.targets == "first":
        return np.zeros(recipe.shape, np.float32)
    if recipe.targets == "last":
        return np.tile(1e5 * np.arange(recipe.shape[1], dtype=np.float32), (recipe.shape[0], 1))
    sizes = generator.choice([0.0, 1e-3, 1.0, 1e3], (recipe.shape[0], 1))
    return (np.round(generator.normal(0, 2, recipe.shape)) * sizes).astype(np.float32)


MAKERS: dict[str, Callable[[np.random.Generator, Recipe], Any]] = {
    "class_logits": lambda generator, recipe: _labels(generator, recipe, recipe.shape[1]),
    "level_logits": lambda generator, recipe: _labels(generator, recipe, recipe.shape[1]),
    "cumulative_logits": lambda generator, recipe: _labels(generator, recipe, recipe.shape[1] + 1),
    "keypoint_coordinates": _keypoints,
    "level_scores": lambda generator, recipe: _labels(generator, recipe, 4),
    "binary_scores": lambda generator, recipe: _labels(generator, recipe, 2),
    "label_logits": _several,
    "ranked_lists": _lists,
    "pixel_logits": _pixels,
    "sequence_logits": _sequences,
    "token_logits": _steps,
    "joint_token_logits": _steps,
    "generic": _arrays,
    "heatmaps": _keypoints,
    "real_numbers": _numbers,
    "relative_numbers": _numbers,
    "number_intervals": lambda generator, recipe: _numbers_of(generator, recipe, recipe.shape[:1]),
    "event_order": _durations,
    "example_cost_logits": _example_costs,
}
"""Targets for predictions of `recipe.shape`, by name of the prediction space."""


def shapes(space: str) -> tuple[tuple[int, ...], ...]:
    """Four shapes of predictions of a space.

    Raises:
      KeyError: it has neither an entry in `SHAPES` nor a `sample`.
    """
    return SHAPES[space] if space in SHAPES else tuple(_sampled(space))


def _sampled(space: str) -> dict[tuple[int, ...], Callable[..., tuple[Array, Any]]]:
    """Samplers of examples of a space that has no maker, by the shape of the predictions."""
    draw = SPACES[space].sample
    if draw is None:
        raise KeyError(space)
    ways = [functools.partial(draw, rows=rows, size=size) for rows, size in ((1, 2), (2, 3), (5, 4), (8, 10))]
    return {jax.eval_shape(way, jax.random.key(0))[0].shape: way for way in ways}


def _targets(generator: np.random.Generator, space: str, recipe: Recipe) -> Any:
    if space in MAKERS:
        return MAKERS[space](generator, recipe)
    _, targets = _sampled(space)[recipe.shape](jax.random.key(int(generator.integers(2**31))))
    rows = slice(None) if recipe.targets == "mixed" else [0] * recipe.shape[0]
    return jax.tree.map(lambda leaf: np.asarray(leaf)[rows], targets)


def _values(generator: np.random.Generator, recipe: Recipe, largest: float) -> np.ndarray:
    shape = recipe.shape
    kinds = {
        "ordinary": lambda: generator.normal(0, 3, shape),
        "tied": lambda: generator.integers(-1, 2, shape) * 1.0,
        "constant": lambda: np.full(shape, generator.normal()),
        "small": lambda: generator.normal(0, 1e-6, shape) * (generator.random(shape) < 0.8),
        "large": lambda: generator.uniform(-1, 1, shape) * largest,
    }
    if recipe.predictions != "mixed":
        return kinds.get(recipe.predictions, kinds["ordinary"])()
    return np.choose(generator.integers(0, len(kinds), shape), [make() for make in kinds.values()])


def _ruled_out(generator: np.random.Generator, space: str, values: np.ndarray, targets: Any, dtype: Any) -> None:
    """Predictions with masking values in some classes or items that are not the best ones."""
    facts = SPACES.get(space)
    if facts is None or facts.ruled_out is None or isinstance(targets, Sequences) or space == "cumulative_logits":
        return
    lowest = [-1e4, -np.inf, -6e4 if dtype == jnp.float16 else -1e9]
    out = generator.random(values.shape) < 0.4
    if space == "ranked_lists":  # the first item of a list stays, and so does every relevant one
        out &= (targets.relevance == 0) & (np.cumsum(targets.items, axis=1) > 1)
    else:
        best = targets if np.issubdtype(np.asarray(targets).dtype, np.integer) else np.argmin(targets, axis=-1)
        out &= np.arange(values.shape[-1]) != np.asarray(best)[..., None]
    values[out] = generator.choice(lowest, int(out.sum()))


def absent(space: str, targets: Any) -> np.ndarray | None:
    """Mask of an example's predictions that do not count, by their leading axes, or None where all count."""
    if isinstance(targets, Keypoints):
        return np.asarray(targets.visible) == 0
    if isinstance(targets, RankedLists):
        return np.asarray(targets.items) == 0
    if space.endswith("token_logits"):
        return (targets.tokens < 0) | (np.arange(targets.tokens.shape[1])[None] >= targets.lengths[:, None])
    return targets < 0 if space == "pixel_logits" else None


def _fill(generator: np.random.Generator, space: str, values: np.ndarray, targets: Any, where: Any, clean: bool) -> Any:
    """Targets with garbage, or with zeros if `clean`, in masked entries; `values` are changed in place."""

    def some(array: Any, chosen: Any, *garbage: float, sound: float = 0) -> np.ndarray:
        array, chosen = array.copy(), np.broadcast_to(chosen, array.shape)
        array[chosen] = sound if clean else generator.choice(garbage, int(chosen.sum())).astype(array.dtype)
        return array

    odd, labels = (np.nan, np.inf, -np.inf), (-1, 255, 2**31 - 1, -(2**31))
    nothing = absent(space, targets)
    gone = ~where if nothing is None else ~where.reshape(-1, *[1] * (nothing.ndim - 1)) | nothing
    values[...] = some(values, gone.reshape(*gone.shape, *[1] * (values.ndim - gone.ndim)), *odd)
    if isinstance(targets, Keypoints):
        visible = some(targets.visible, ~where[:, None], *odd)
        unseen = ~where | np.all(targets.visible == 0, axis=1)
        return Keypoints(
            some(targets.points, gone[..., None], *odd), visible, some(targets.scale, unseen, 0, -1, *odd, sound=1)
        )
    if isinstance(targets, RankedLists):
        return RankedLists(some(targets.relevance, gone, *odd, -1), some(targets.items, ~where[:, None], *odd))
    if isinstance(targets, Sequences):
        beyond = np.arange(targets.tokens.shape[1])[None] >= targets.lengths[:, None]
        return Sequences(
            some(targets.tokens, beyond | ~where[:, None], *labels), some(targets.lengths, ~where, -5, 100)
        )
    if isinstance(targets, Durations):
        return Durations(some(targets.time, ~where, *odd, -1), some(targets.event, ~where, *odd, 2))
    rows = ~where.reshape(-1, *[1] * (targets.ndim - 1))
    return some(targets, rows, *(odd if np.issubdtype(targets.dtype, np.floating) else labels))


def make(space: str, recipe: Recipe, largest: float, *, clean: bool = False) -> tuple[np.ndarray, Any, np.ndarray]:
    """Predictions, targets and mask of a recipe.

    Args:
      space: name of the prediction space.
      recipe: of the input.
      largest: size of finite predictions (they are finite in any dtype).
      clean: zeros in place of the garbage of the recipe.

    Raises:
      KeyError: the space has no maker.
    """
    generator = np.random.default_rng(recipe.seed)
    dtype = jnp.dtype(recipe.dtype)
    targets = _targets(generator, space, recipe)
    values = _values(generator, recipe, min(largest, float(jnp.finfo(dtype).max) / 4))
    if recipe.predictions == "ruled_out":
        _ruled_out(generator, space, values, targets, dtype)
    batch = recipe.shape[0]
    where = {
        "none": np.zeros(batch, bool),
        "all": np.ones(batch, bool),
        "one": np.arange(batch) == generator.integers(batch),
    }.get(recipe.mask, generator.random(batch) < 0.6)
    if recipe.mask == "garbage":
        targets = _fill(generator, space, values, targets, where, clean)
    with np.errstate(over="ignore"):
        return values.astype(dtype), targets, where


def random_recipe(
    generator: np.random.Generator, shape: tuple[int, ...], dtype: str, predictions: Sequence[str] = PREDICTIONS
) -> Recipe:
    """A random recipe of a shape and a dtype."""
    of_predictions, targets, mask = (str(generator.choice(known)) for known in (predictions, TARGETS, MASKS))
    return Recipe(shape, dtype, of_predictions, targets, mask, int(generator.integers(2**31)))
