"""Augmentation of training images, with their targets: random crops, flips and rotations.

An augmentation is a string of steps, separated by commas:

| step | what it does |
| --- | --- |
| `crop` or `crop=4` | pads by so many pixels (an eighth of the side) and takes a window of the old size anywhere |
| `flip` | mirrors half of the images left to right; joints named `r_...` and `l_...` change places |
| `rotate` or `rotate=30` | turns the image about its centre by up to so many degrees (30) |

Pixels from outside of the image are 0, the mean of standardised images. Points move with the image, and are not visible
where they leave it.
"""

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from jaxsurr.core import checks
from jaxsurr.core.images import refuse_channels_first
from jaxsurr.core.types import Keypoints
from jaxsurr.data.sources import Split

__all__ = ["CHANCES", "Augment", "augmentation", "parse_augment"]

CHANCES = 4  # random numbers for a row: crop down and across, flip, rotate
_DEGREES = 30.0
Augment = Callable[[np.ndarray, Any, np.ndarray], tuple[np.ndarray, Any]]


def parse_augment(text: str) -> dict[str, float | None]:
    """Parses an augmentation.

    Args:
      text: steps as above, or "" for none.

    Returns:
      The size of each step by its name, None for the default.

    Raises:
      ValueError: an unknown step, one that is named twice, or a size that is not a number above 0.

    >>> parse_augment("crop=4,flip")
    {'crop': 4.0, 'flip': None}
    """
    steps: dict[str, float | None] = {}
    for part in filter(None, text.split(",")):
        name, equals, size = part.strip().partition("=")
        if name not in ("crop", "flip", "rotate"):
            raise ValueError(f"unknown augmentation {part!r}; {checks.nearest(name, ('crop', 'flip', 'rotate'))}")
        if name in steps or (equals and name == "flip"):
            raise ValueError(f"augmentation {text!r}: name {name!r} once" + ", without a size" * (name == "flip"))
        try:
            number = float(size) if equals else None
        except ValueError:
            number = 0.0
        if number is not None and not 0 < number <= (180 if name == "rotate" else np.inf):
            raise ValueError(f"augmentation {part!r}: expected pixels (crop) or degrees up to 180 (rotate) above 0")
        steps[name] = number
    return steps


def augmentation(text: str, split: Split, names: tuple[str, ...] = ()) -> Augment:
    """The function that augments batches of a split.

    Args:
      text: the steps, see the top of this module. They are applied in the order crop, flip, rotate.
      split: images `[N, H, W, C]`, and targets, which are changed where they are `Keypoints` in pixels with pixel
        centres at integers.
      names: of the points; needed to flip them.

    Returns:
      `(inputs [B, H, W, C], targets, chances [B, 4]) -> (inputs, targets)`, a pure function, of which row i depends on
      row i of the arguments only. The chances lie in [0, 1): for the crop down and across, the flip, the rotation.

    Raises:
      ValueError: as `parse_augment`; inputs that are not images; a crop by more than the image; points to be flipped
        without names that tell left from right.

    >>> split = Split(np.arange(3.0).reshape(1, 1, 3, 1), np.zeros(1, np.int32))
    >>> images, labels = augmentation("flip", split)(*split[:2], np.array([[0.5, 0.5, 0.1, 0.5]]))
    >>> images.ravel().tolist()
    [2.0, 1.0, 0.0]
    """
    steps = parse_augment(text)
    if steps and split.inputs.ndim != 4:
        raise ValueError(
            f"augmentation {text!r} is for images [N, H, W, C], got inputs of shape {split.inputs.shape}; leave it out"
        )
    if steps:
        refuse_channels_first(split.inputs.shape, f"augmentation {text!r}")
    side = min(split.inputs.shape[1:3]) if steps else 0
    asked = steps.get("crop")
    crop = round(side / 8 if asked is None else asked)
    if "crop" in steps and not 1 <= crop < side:
        raise ValueError(f"augmentation {text!r}: the crop must be from 1 to {side - 1} pixels of these images")
    people = split.targets if isinstance(split.targets, Keypoints) else None
    posed = people is not None
    mirror = _mirrored(names, people.points.shape[1]) if people is not None and "flip" in steps else []
    degrees = steps.get("rotate") or _DEGREES

    def augment(inputs: np.ndarray, targets: Any, chances: np.ndarray) -> tuple[np.ndarray, Any]:
        points: Any = targets.points if posed else None
        visible: Any = targets.visible if posed else None
        if "crop" in steps:
            offsets = np.floor(chances[:, :2] * (2 * crop + 1)).astype(int) - crop
            inputs = _cropped(inputs, offsets, crop)
            points = points - offsets[:, None, ::-1] if posed else None
        if "flip" in steps:
            chosen = chances[:, 2] < 0.5
            inputs = np.where(chosen[:, None, None, None], inputs[:, :, ::-1], inputs)
            if posed:
                turned = np.stack([inputs.shape[2] - 1 - points[..., 0], points[..., 1]], axis=-1)
                points = np.where(chosen[:, None, None], turned[:, mirror], points)
                visible = np.where(chosen[:, None], visible[:, mirror], visible)
        if "rotate" in steps:
            angles = np.deg2rad(degrees) * (2 * chances[:, 3] - 1)
            inputs, points = _rotated(inputs, points, angles)
        if not posed:
            return inputs, targets
        extent = np.array(inputs.shape[2:0:-1]) - 0.5
        visible = visible * np.all((points >= -0.5) & (points <= extent), axis=-1)
        points = np.where(visible[..., None] > 0, points, 0).astype(targets.points.dtype)
        return inputs, targets._replace(points=points, visible=visible.astype(targets.visible.dtype))

    return augment


def _mirrored(names: tuple[str, ...], count: int) -> list[int]:
    """The index of the mirrored point for each point."""
    sides = {"r": "l", "l": "r", "right": "left", "left": "right"}
    other = [re.sub(r"^(right|left|r|l)(?=[_ ])", lambda side: sides[side[0]], name) for name in names]
    if len(names) != count or other == list(names) or set(other) != set(names):
        raise ValueError(
            f"to flip {count} points left to right, each needs a name that tells its side, in pairs such as 'r_knee' "
            f"and 'l_knee'; got {list(names)}. Give names (for npz: '&names=ARRAY'), or leave out 'flip'"
        )
    return [names.index(name) for name in other]


def _cropped(images: np.ndarray, offsets: np.ndarray, most: int) -> np.ndarray:
    """Windows of the padded images at `offsets` `[B, 2]` (down, across)."""
    height, width = images.shape[1:3]
    padded = np.pad(images, ((0, 0), (most, most), (most, most), (0, 0)))
    starts = (offsets + most).tolist()
    return np.stack([padded[row, y : y + height, x : x + width] for row, (y, x) in enumerate(starts)])


def _rotated(images: np.ndarray, points: np.ndarray | None, angles: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Images, interpolated linearly, and points (x, y), turned clockwise about the image's centre."""
    from PIL import Image

    height, width = images.shape[1:3]
    cosines, sines = np.cos(angles), np.sin(angles)
    turned = np.empty_like(images)
    for row, (cosine, sine) in enumerate(zip(cosines.tolist(), sines.tolist(), strict=True)):
        # From (x, y) of the result to (x, y) of the image; Pillow measures from the image's corner.
        across = (cosine, sine, (width - cosine * width - sine * height) / 2)
        down = (-sine, cosine, (height + sine * width - cosine * height) / 2)
        for channel in range(images.shape[3]):
            image = Image.fromarray(images[row, :, :, channel])
            turned[row, :, :, channel] = image.transform(
                (width, height), Image.Transform.AFFINE, across + down, Image.Resampling.BILINEAR
            )
    if points is None:
        return turned, None
    forth = np.stack([cosines, -sines, sines, cosines], axis=-1).reshape(-1, 1, 2, 2)
    centre = np.array([width - 1, height - 1]) / 2
    return turned, (forth @ (points - centre)[..., None])[..., 0] + centre
