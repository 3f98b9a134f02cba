"""Crops, flips and rotations: pixels and points move together, and a row depends on its own chances only."""

import numpy as np
import pytest
from scipy.ndimage import center_of_mass

from jaxsurr.core.types import Keypoints
from jaxsurr.data import JOINTS, Split, stick_figures
from jaxsurr.data.augment import augmentation, parse_augment

STILL = 0.5  # neither moves nor mirrors nor turns


def chances(n, **given):
    columns = {"down": STILL, "across": STILL, "flip": STILL, "turn": STILL} | given
    return np.stack([np.broadcast_to(column, n) for column in columns.values()], axis=1).astype(float)


def spots(n=1, height=17, width=21, seed=0):
    """Images with one soft spot each, which is the second of two points; the first is not visible."""
    rng = np.random.default_rng(seed)
    points = np.stack([np.zeros((n, 2)), rng.uniform((7, 6), (width - 8, height - 7), (n, 2))], axis=1)
    y, x = np.mgrid[:height, :width]
    squares = (x - points[:, 1, 0, None, None]) ** 2 + (y - points[:, 1, 1, None, None]) ** 2
    people = Keypoints(*(a.astype(np.float32) for a in (points, np.tile([0, 1], (n, 1)), np.full(n, 5.0))))
    return Split(np.exp(-squares / 2)[..., None].astype(np.float32), people)


NAMES = ("r_eye", "l_eye")


def seen(images):
    """(x, y) of the spot of each image."""
    return np.array([center_of_mass(image[..., 0])[::-1] for image in images])


def row_of_digits():
    return Split(np.arange(1.0, 6).reshape(1, 1, 5, 1).repeat(5, axis=1), np.array([7]))


@pytest.mark.parametrize(
    ("across", "expected"),
    [(0.0, [0, 0, 1, 2, 3]), (0.39, [0, 1, 2, 3, 4]), (0.5, [1, 2, 3, 4, 5]), (0.99, [3, 4, 5, 0, 0])],
)
def test_crop_moves_by_whole_pixels_and_fills_with_zero(across, expected):
    split = row_of_digits()
    images, labels = augmentation("crop=2", split)(*split[:2], chances(1, across=across))
    assert images[0, 2, :, 0].tolist() == expected and labels.tolist() == [7]


def test_flip_mirrors_half_of_the_images():
    split = row_of_digits()
    augment = augmentation("flip", split)
    assert augment(*split[:2], chances(1, flip=0.49))[0][0, 0, :, 0].tolist() == [5, 4, 3, 2, 1]
    assert augment(*split[:2], chances(1, flip=0.5))[0][0, 0, :, 0].tolist() == [1, 2, 3, 4, 5]


def test_flip_swaps_left_and_right_joints():
    images, people = stick_figures(4, size=24, seed=0)
    flipped, mirrored = augmentation("flip", Split(images, people), JOINTS)(images, people, chances(4, flip=0))
    np.testing.assert_array_equal(flipped, images[:, :, ::-1])
    for name in JOINTS:
        other = {"r": "l", "l": "r"}.get(name[0], name[0]) + name[1:] if name[1] == "_" else name
        i, j = JOINTS.index(name), JOINTS.index(other)
        np.testing.assert_array_equal(mirrored.visible[:, i], people.visible[:, j])
        there = people.visible[:, j] > 0
        x, y = people.points[there, j].T
        np.testing.assert_allclose(mirrored.points[there, i], np.stack([24 - 1 - x, y], axis=1), rtol=1e-6)
    twice = augmentation("flip", Split(images, people), JOINTS)(flipped, mirrored, chances(4, flip=0))
    np.testing.assert_array_equal(twice[0], images)
    np.testing.assert_allclose(twice[1].points, people.points, atol=1e-5)


def test_quarter_turn_is_exact():
    split = spots(1, 15, 15)
    split = split._replace(inputs=split.inputs * np.array([1, 2], np.float32))  # two channels
    images, people = augmentation("rotate=90", split)(*split[:2], chances(1, turn=1.0))
    np.testing.assert_allclose(images[0], np.rot90(split.inputs[0], -1), atol=1e-6)
    x, y = split.targets.points[0, 1]
    np.testing.assert_allclose(people.points[0, 1], [14 - y, x], rtol=1e-5)


@pytest.mark.parametrize("steps", ["crop=3", "flip", "rotate=40", "crop,flip,rotate"])
def test_points_stay_on_what_they_mark(steps):
    split = spots(30)
    draws = np.random.default_rng(1).random((30, 4))
    images, people = augmentation(steps, split, NAMES)(*split[:2], draws)
    marked = people.visible.argmax(axis=1)  # a flip makes the second point the first
    assert (people.visible.sum(axis=1) == 1).all()
    assert (marked == (0 if steps == "flip" else 1)).any()
    np.testing.assert_allclose(people.points[np.arange(30), marked], seen(images), atol=0.12)
    assert (people.points[people.visible == 0] == 0).all()
    assert not np.allclose(images, split.inputs)
    assert images.dtype == np.float32 and people.points.dtype == people.visible.dtype == np.float32
    np.testing.assert_array_equal(people.scale, split.targets.scale)


def test_points_that_leave_the_image_are_not_visible():
    corner = Keypoints(np.array([[[4.0, 2.0], [0.0, 2.0]]]), np.ones((1, 2)), np.ones(1))
    images = np.zeros((1, 5, 5, 1))
    _, people = augmentation("crop=2", Split(images, corner))(images, corner, chances(1, across=0.0))
    assert people.visible.tolist() == [[0, 1]]
    assert people.points.tolist() == [[[0, 0], [2, 2]]]


def test_a_row_depends_on_its_own_chances_only():
    split, draws = spots(6), np.random.default_rng(2).random((6, 4))
    augment = augmentation("crop,flip,rotate", split, NAMES)
    images, people = augment(*split[:2], draws)
    order = np.array([4, 1])
    some = Keypoints(*(leaf[order] for leaf in split.targets))
    fewer, others = augment(split.inputs[order], some, draws[order])
    np.testing.assert_array_equal(fewer, images[order])
    np.testing.assert_array_equal(others.points, people.points[order])


def test_nothing_asked_for_changes_nothing():
    split = Split(np.ones((3, 2), np.float32), np.arange(3))  # not even images
    assert augmentation("", split)(*split[:2], chances(3))[0] is split.inputs


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("crop,filp", "unknown augmentation 'filp'; did you mean 'flip'"),
        ("crop,crop", "name 'crop' once"),
        ("flip=2", "name 'flip' once, without a size"),
        ("crop=-1", "expected pixels .* above 0"),
        ("rotate=x", "expected pixels .* or degrees"),
        ("rotate=200", "up to 180"),
    ],
)
def test_refuses_text(text, message):
    with pytest.raises(ValueError, match=message):
        parse_augment(text)


def test_refuses_what_does_not_fit_the_data():
    with pytest.raises(ValueError, match=r"is for images \[N, H, W, C\], got inputs of shape \(3, 2\)"):
        augmentation("flip", Split(np.ones((3, 2)), np.arange(3)))
    with pytest.raises(ValueError, match="from 1 to 16 pixels"):
        augmentation("crop=17", spots())
    for names in ((), ("eye", "nose"), ("r_eye", "r_ear")):
        with pytest.raises(ValueError, match="to flip 2 points left to right, each needs a name that tells its side"):
            augmentation("flip", spots(), names)
