"""Articulated stick figures: a small synthetic task of pose estimation.

Each image shows one person from the front among distractor lines, noise and sometimes a block that occludes a part.
"""

import numpy as np

from jaxsurr.core import checks
from jaxsurr.core.types import Keypoints

__all__ = ["JOINTS", "stick_figures"]

# The order of the Leeds Sports Pose data; left and right as the person sees it.
JOINTS = (
    "r_ankle", "r_knee", "r_hip", "l_hip", "l_knee", "l_ankle",
    "r_wrist", "r_elbow", "r_shoulder", "l_shoulder", "l_elbow", "l_wrist",
    "neck", "head_top",
)  # fmt: skip

_RIGHT, _MIDDLE, _LEFT = 0.6, 0.8, 1.0  # brightness: crossed legs could not be told apart otherwise
_SEGMENTS = (
    (12, 8, _RIGHT), (12, 9, _LEFT), (8, 2, _RIGHT), (9, 3, _LEFT), (2, 3, _MIDDLE),
    (8, 7, _RIGHT), (7, 6, _RIGHT), (9, 10, _LEFT), (10, 11, _LEFT),
    (2, 1, _RIGHT), (1, 0, _RIGHT), (3, 4, _LEFT), (4, 5, _LEFT),
)  # fmt: skip
_DISTRACTORS = 3
_STREAM = 1_000_000_003  # keeps these random numbers apart from those of the split and of the batch order
_MOST_PIXELS = 10**10  # 40 GB
_CHUNK = 128  # figures that are drawn at once: the arrays stay in the processor's cache


def stick_figures(n: int, *, size: int = 32, seed: int) -> tuple[np.ndarray, Keypoints]:
    """Renders stick figures with random joint angles, rotation, size, position, clutter, noise and occlusion.

    A line of half width w covers the fraction `clip(w + 1/2 - distance to the segment, 0, 1)` of a pixel. A joint is
    not visible where a block occludes it or where it lies outside the image.

    Args:
      n: number of figures, at least 1.
      size: height and width of the images in pixels, at least 16.
      seed: the same seed, n and size give the same arrays.

    Returns:
      Images `[n, size, size, 1]` float32 in [0, 1], and `Keypoints` of float32 arrays: points `[n, 14, 2]`, (x, y) in
      pixels with pixel centres at integers, (0, 0) where not visible; visible `[n, 14]`, 0 or 1; scale `[n]`, the
      distance from right shoulder to left hip in pixels.

    Raises:
      ValueError: n, size or seed is out of range, or all images together are too large.

    >>> images, people = stick_figures(3, size=32, seed=0)
    >>> images.shape, people.points.shape, people.visible.shape, people.scale.shape
    ((3, 32, 32, 1), (3, 14, 2), (3, 14), (3,))
    """
    checks.positive_integer(n, "n")
    checks.integer(size, "size", least=16, meaning="pixels along each side")
    checks.integer(seed, "seed")
    if n * size * size > _MOST_PIXELS:
        raise ValueError(f"stick_figures draws up to {_MOST_PIXELS:.0e} pixels, got n={n} of {size} by {size}")
    rng = np.random.default_rng([seed, _STREAM])
    points = _place(rng, _poses(rng, n), size)
    scale = np.linalg.norm(points[:, JOINTS.index("r_shoulder")] - points[:, JOINTS.index("l_hip")], axis=-1)
    corner, extent, hides = _blocks(rng, points, size)
    inside = np.all((points > corner[:, None]) & (points < (corner + extent)[:, None]), axis=-1) & hides[:, None]
    outside = np.any((points < -0.5) | (points > size - 0.5), axis=-1)
    visible = ~inside & ~outside
    starts, ends, widths, brightness = _lines(rng, points, size)
    images = np.concatenate(
        [
            _draw(starts[rows], ends[rows], widths[rows], brightness[rows], size)
            for rows in (slice(first, first + _CHUNK) for first in range(0, n, _CHUNK))
        ]
    )
    images = np.maximum(images, rng.uniform(0.0, 0.3, (n, 1, 1)).astype(np.float32))
    pixel = np.arange(size)
    columns = (pixel >= corner[:, :1]) & (pixel <= (corner + extent)[:, :1]) & hides[:, None]
    lines = (pixel >= corner[:, 1:]) & (pixel <= (corner + extent)[:, 1:])
    grey = rng.uniform(0.1, 0.9, (n, 1, 1)).astype(np.float32)
    images = np.where(columns[:, None, :] & lines[:, :, None], grey, images)
    images += rng.uniform(0.03, 0.12, (n, 1, 1)).astype(np.float32) * rng.standard_normal(images.shape, np.float32)
    people = Keypoints(
        np.where(visible[..., None], points, 0).astype(np.float32),
        visible.astype(np.float32),
        scale.astype(np.float32),
    )
    return np.clip(images, 0, 1)[..., None], people


def _turned(angle: np.ndarray, length: np.ndarray | float, side: float) -> np.ndarray:
    """Vectors `[n, 2]` that hang down at angle 0 and point away from the body, to `side`, as the angle grows."""
    return np.stack([side * np.sin(angle), np.cos(angle)], axis=-1) * np.asarray(length)[..., None]


def _poses(rng: np.random.Generator, n: int) -> np.ndarray:
    """Joints `[n, 14, 2]` about the hips, y downwards, in units of the trunk's length."""

    def length(full):
        return full * rng.uniform(0.75, 1.0, n)  # limbs seen at a slant look shorter

    joints = np.zeros((n, len(JOINTS), 2))
    lean = rng.uniform(-0.35, 0.35, n)
    chest = -_turned(lean, length(1.0), 1.0)
    across = np.stack([np.cos(lean), -np.sin(lean)], axis=-1)  # to the image's right, at right angles to the trunk
    joints[:, 12] = chest * 1.1
    joints[:, 13] = joints[:, 12] - _turned(lean + rng.uniform(-0.4, 0.4, n), length(0.65), 1.0)
    # The person looks at us, so that its left is to the image's right.
    for side, (ankle, knee, hip, wrist, elbow, shoulder) in ((-1.0, (0, 1, 2, 6, 7, 8)), (1.0, (5, 4, 3, 11, 10, 9))):
        joints[:, hip, 0] = side * 0.22
        joints[:, shoulder] = chest + side * 0.36 * across
        thigh = rng.uniform(-0.25, 1.0, n)
        arm = rng.uniform(-0.3, 2.9, n)
        joints[:, knee] = joints[:, hip] + _turned(thigh, length(0.9), side)
        joints[:, ankle] = joints[:, knee] + _turned(thigh + rng.uniform(-1.2, 0.3, n), length(0.85), side)
        joints[:, elbow] = joints[:, shoulder] + _turned(arm, length(0.65), side)
        bend = rng.uniform(0.0, 2.3, n) * rng.choice((-1, 1), n)
        joints[:, wrist] = joints[:, elbow] + _turned(arm + bend, length(0.6), side)
    return joints


def _place(rng: np.random.Generator, joints: np.ndarray, size: int) -> np.ndarray:
    """Rotates, scales and moves the figures into the image; some extend a little over its edge."""
    n = len(joints)
    angle = rng.normal(0.0, 0.3, n)
    rotation = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], axis=-1).reshape(n, 1, 2, 2)
    points = (rotation @ joints[..., None])[..., 0]
    low, high = points.min(axis=1), points.max(axis=1)
    zoom = rng.uniform(0.65, 0.98, (n, 1)) * size / (high - low).max(axis=-1, keepdims=True)
    free = size - (high - low) * zoom + 0.06 * size
    shift = rng.uniform(0.0, 1.0, (n, 2)) * free - 0.03 * size - 0.5
    return (points - low[:, None]) * zoom[:, None] + shift[:, None]


def _blocks(rng: np.random.Generator, points: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Blocks about a random joint of half of the figures: corner `[n, 2]`, extent `[n, 2]`, and a mask of figures."""
    n = len(points)
    extent = rng.uniform(0.12, 0.3, (n, 2)) * size
    centre = points[np.arange(n), rng.integers(len(JOINTS), size=n)]
    return centre - rng.uniform(0.2, 0.8, (n, 2)) * extent, extent, rng.uniform(size=n) < 0.5


def _lines(rng: np.random.Generator, points: np.ndarray, size: int) -> tuple[np.ndarray, ...]:
    """All lines of the images: starts and ends `[n, L, 2]`, half widths and brightness `[n, L]`, float32."""
    n = len(points)
    first, second, brightness = (np.asarray(column) for column in zip(*_SEGMENTS, strict=True))
    neck, top = points[:, JOINTS.index("neck"), None], points[:, JOINTS.index("head_top"), None]
    head = np.linalg.norm(top - neck, axis=-1)  # the head is a thick line that ends at its top
    begin = rng.uniform(0.0, size - 1.0, (n, _DISTRACTORS, 2))
    towards = rng.uniform(0.0, 2 * np.pi, (n, _DISTRACTORS))
    reach = rng.uniform(0.15, 0.6, (n, _DISTRACTORS, 1)) * size
    end = begin + reach * np.stack([np.cos(towards), np.sin(towards)], axis=-1)
    starts = np.concatenate([points[:, first], neck + 0.55 * (top - neck), begin], axis=1)
    ends = np.concatenate([points[:, second], neck + 0.7 * (top - neck), end], axis=1)
    half = rng.uniform(0.012, 0.022, (n, 1)) * size
    limbs = np.broadcast_to(half, (n, len(_SEGMENTS)))
    widths = np.concatenate([limbs, 0.3 * head, half * rng.uniform(0.6, 1.2, (n, _DISTRACTORS))], axis=1)
    contrast = rng.uniform(0.8, 1.0, (n, 1))
    shades = np.concatenate([brightness, [_MIDDLE]]) * contrast
    brightness = np.concatenate([shades, rng.uniform(0.4, 0.9, (n, _DISTRACTORS))], axis=1)
    return tuple(array.astype(np.float32) for array in (starts, ends, widths, brightness))


def _draw(starts: np.ndarray, ends: np.ndarray, widths: np.ndarray, brightness: np.ndarray, size: int) -> np.ndarray:
    """Images `[n, size, size]` of lines on black; where lines cross the brighter one shows."""
    images = np.zeros((len(starts), size, size), np.float32)
    x = np.arange(size, dtype=np.float32)[None, None, :]
    y = np.arange(size, dtype=np.float32)[None, :, None]
    for line in range(starts.shape[1]):
        from_x, from_y = starts[:, line, :, None, None].swapaxes(0, 1)
        along_x, along_y = (ends - starts)[:, line, :, None, None].swapaxes(0, 1)
        square = np.maximum(along_x**2 + along_y**2, np.float32(1e-6))
        right, down = x - from_x, y - from_y
        share = np.clip((right * along_x + down * along_y) / square, 0, 1)
        distance = np.sqrt((right - share * along_x) ** 2 + (down - share * along_y) ** 2)
        cover = np.clip(widths[:, line, None, None] + np.float32(0.5) - distance, 0, 1)
        np.maximum(images, cover * brightness[:, line, None, None], out=images)
    return images
