"""Generated inputs of every prediction space: ties, constants, extremes, masks with rubbish behind them, one class.

An input is described by a `Recipe`, from which it is made anew whenever it is needed. A new prediction space gets a
maker in `MAKERS` and four shapes in `SHAPES`; a test says so where one is missing.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxsurr.types import Keypoints, RankedLists, Sequences

DTYPES = ("float32", "bfloat16", "float16")
PREDICTIONS = ("ordinary", "tied", "constant", "small", "large", "mixed")
TARGETS = ("mixed", "first", "last")
MASKS = ("none", "all", "some", "one", "rubbish")

# [B, ...] of predictions: one example, two outputs, odd sizes.
SHAPES = {
    "class_logits": ((1, 2), (2, 3), (5, 4), (8, 10)),
    "level_logits": ((1, 2), (2, 3), (5, 4), (8, 6)),
    "cumulative_logits": ((1, 1), (2, 3), (5, 2), (8, 5)),
    "points_in_plane": ((1, 1, 2), (2, 3, 2), (5, 4, 2), (8, 14, 2)),
    "scores": ((1, 1), (2, 1), (5, 1), (8, 1)),
    "binary_scores": ((1,), (2,), (5,), (8,)),
    "ranked_lists": ((1, 1), (2, 3), (5, 2), (8, 6)),
    "pixel_logits": ((1, 1, 1, 2), (2, 3, 2, 3), (5, 1, 4, 2), (8, 3, 3, 4)),
    "sequence_logits": ((1, 1, 2), (2, 3, 3), (5, 4, 2), (8, 5, 4)),
    "generic": ((1, 1), (2, 3), (5, 2), (8, 2, 2)),
}
TWO_CLASSES = ((1, 2), (2, 2), (5, 2), (8, 2))
"""In place of `SHAPES["class_logits"]`, for metrics that order examples of two classes."""


class Recipe(NamedTuple):
    """What an input is made from.

    Attributes:
      shape: of the predictions, one of `SHAPES`.
      dtype: one of `DTYPES`.
      predictions: one of `PREDICTIONS`: "tied" has many equal values, "mixed" some of every size.
      targets: one of `TARGETS`: all kinds, or all examples alike.
      mask: one of `MASKS`: "none" of the examples counts, "all", "some", "one", or some with NaN and infinities in the
        predictions of the others.
      seed: of everything else.
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


def _lists(generator: np.random.Generator, recipe: Recipe) -> RankedLists:
    relevance = generator.integers(0, 4, recipe.shape).astype(np.float32)
    if recipe.targets != "mixed":
        relevance[:] = recipe.targets == "last"
    return RankedLists(relevance, generator.integers(0, 2, recipe.shape).astype(np.float32))


def _pixels(generator: np.random.Generator, recipe: Recipe) -> np.ndarray:
    """Classes of pixels, -1 where one is ignored."""
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


MAKERS: dict[str, Callable[[np.random.Generator, Recipe], Any]] = {
    "class_logits": lambda generator, recipe: _labels(generator, recipe, recipe.shape[1]),
    "level_logits": lambda generator, recipe: _labels(generator, recipe, recipe.shape[1]),
    "cumulative_logits": lambda generator, recipe: _labels(generator, recipe, recipe.shape[1] + 1),
    "points_in_plane": _keypoints,
    "scores": lambda generator, recipe: _labels(generator, recipe, 4),
    "binary_scores": lambda generator, recipe: _labels(generator, recipe, 2),
    "ranked_lists": _lists,
    "pixel_logits": _pixels,
    "sequence_logits": _sequences,
    "generic": _arrays,
}
"""Targets for predictions of `recipe.shape`, by name of the prediction space."""


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
        return kinds[recipe.predictions]()
    return np.choose(generator.integers(0, len(kinds), shape), [make() for make in kinds.values()])


def make(space: str, recipe: Recipe, largest: float) -> tuple[np.ndarray, Any, np.ndarray]:
    """Predictions, targets and mask of a recipe; predictions are at most `largest` in size (and finite in any dtype).

    Raises:
      KeyError: the space has no maker.
    """
    generator = np.random.default_rng(recipe.seed)
    dtype = jnp.dtype(recipe.dtype)
    targets = MAKERS[space](generator, recipe)
    values = _values(generator, recipe, min(largest, float(jnp.finfo(dtype).max) / 4))
    batch = recipe.shape[0]
    where = {
        "none": np.zeros(batch, bool),
        "all": np.ones(batch, bool),
        "one": np.arange(batch) == generator.integers(batch),
    }.get(recipe.mask, generator.random(batch) < 0.6)
    if recipe.mask == "rubbish":
        values[~where] = generator.choice([np.nan, np.inf, -np.inf], values[~where].shape)
    return values.astype(dtype), targets, where


def draw(generator: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Recipe:
    """A recipe of a shape and a dtype at random."""
    words = (str(generator.choice(known)) for known in (PREDICTIONS, TARGETS, MASKS))
    return Recipe(shape, dtype, *words, int(generator.integers(2**31)))
