"""Drawn stick figures: the same for a seed, with joints where they are drawn."""

import numpy as np
import pytest

from jaxsurr.data import JOINTS, stick_figures
from jaxsurr.data.stick_figures import _draw


@pytest.fixture(scope="module")
def figures():
    return stick_figures(500, size=32, seed=3)


def test_shapes_dtypes_and_ranges(figures):
    images, people = figures
    assert images.shape == (500, 32, 32, 1)
    assert people.points.shape == (500, len(JOINTS), 2)
    assert {array.dtype for array in (images, *people)} == {np.dtype(np.float32)}
    assert images.min() >= 0 and images.max() <= 1
    assert set(np.unique(people.visible)) == {0, 1}
    seen = people.points[people.visible == 1]
    assert seen.min() >= -0.5 and seen.max() <= 31.5
    assert np.all(people.points[people.visible == 0] == 0)


def test_some_joints_are_hidden_and_most_are_seen(figures):
    _, people = figures
    assert 0.8 < people.visible.mean() < 0.97
    assert np.all(people.visible.mean(axis=0) < 1)
    assert people.visible.sum(axis=1).min() >= 4


def test_scale_is_right_shoulder_to_left_hip(figures):
    _, people = figures
    shoulder, hip = JOINTS.index("r_shoulder"), JOINTS.index("l_hip")
    both = (people.visible[:, shoulder] * people.visible[:, hip]) == 1
    length = np.sqrt(np.sum((people.points[:, shoulder] - people.points[:, hip]) ** 2, axis=-1))
    np.testing.assert_allclose(people.scale[both], length[both], rtol=1e-5)
    assert people.scale.min() > 3


def test_points_lie_on_the_drawn_lines(figures):
    images, people = figures
    limbs = [JOINTS.index(name) for name in ("r_knee", "l_knee", "r_elbow", "l_elbow", "r_hip", "l_hip")]
    x, y = np.clip(np.round(people.points[:, limbs]).astype(int), 0, 31).transpose(2, 0, 1)
    on = images[np.arange(500)[:, None], y, x, 0][people.visible[:, limbs] == 1]
    swapped = images[np.arange(500)[:, None], x, y, 0][people.visible[:, limbs] == 1]
    background = np.median(images, axis=(1, 2, 3)).mean()
    assert on.mean() > background + 0.3
    assert swapped.mean() < on.mean() - 0.2  # (x, y), not (row, column)


def test_the_mean_pose_does_not_solve_the_task(figures):
    _, people = figures
    seen = people.visible[..., None]
    mean = (people.points * seen).sum(axis=0) / seen.sum(axis=0)
    distance = np.linalg.norm(people.points - mean, axis=-1) / people.scale[:, None]
    assert np.mean(distance[people.visible == 1] <= 0.5) < 0.5


def test_the_person_faces_us(figures):
    _, people = figures
    right, left = JOINTS.index("r_shoulder"), JOINTS.index("l_shoulder")
    both = (people.visible[:, right] * people.visible[:, left]) == 1
    assert np.mean(people.points[both, right, 0] < people.points[both, left, 0]) > 0.95


def test_a_line_is_drawn_by_distance():
    # From (2, 3) to (6, 3), half width 0.75: 1 on the line, 0.25 one pixel off, 0 two pixels off or beyond the end.
    lines = [np.array(value, np.float32) for value in ([[[2, 3]]], [[[6, 3]]], [[0.75]], [[0.8]])]
    image = _draw(*lines, 9)[0]
    np.testing.assert_allclose(image[3, 2:7], 0.8)
    np.testing.assert_allclose(image[[2, 4], 4], 0.8 * (0.75 + 0.5 - 1))
    np.testing.assert_allclose(image[3, [1, 7]], 0.8 * (0.75 + 0.5 - 1))
    np.testing.assert_allclose(image[2, 1], 0)  # sqrt(2) > 1.25
    np.testing.assert_allclose(image[[1, 5], 4], 0)


def test_the_same_seed_gives_the_same_figures():
    first, again, other = (stick_figures(20, size=16, seed=seed) for seed in (0, 0, 1))
    for a, b, c in zip((first[0], *first[1]), (again[0], *again[1]), (other[0], *other[1]), strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)


@pytest.mark.parametrize("options", [{"n": 0, "seed": 0}, {"n": 1, "size": 15, "seed": 0}, {"n": 1, "seed": -1}])
def test_refuses_arguments_out_of_range(options):
    with pytest.raises(ValueError, match=r"(n|size|seed) must be an integer of at least"):
        stick_figures(**options)
