"""A flipped bit of whatever is kept is never read as something else: a short run of the study that counts them."""

import logging

import pytest

from tests.long import bit_flips

FLIPS = {"checkpoints": 30, "artefacts": 120, "a run": 100, "a comparison": 100}


@pytest.mark.parametrize("kind", bit_flips.KINDS)
def test_no_flipped_bit_is_read_as_something_else(kind, tmp_path):
    logging.getLogger("absl").setLevel(logging.CRITICAL)  # orbax says at length what it cannot read
    found = bit_flips.study(kind, FLIPS[kind], 0, tmp_path)
    assert found[bit_flips.DIFFERENT] == found[bit_flips.ERROR] == 0
    assert found[bit_flips.REFUSED] + found[bit_flips.OLDER] > 0.4 * FLIPS[kind]


def test_what_is_read_as_something_else_is_counted(tmp_path, monkeypatch):
    """Without its checksums the study finds what they are for."""
    monkeypatch.setattr(bit_flips.checkpoint.manifest, "fault", lambda folder: None)
    found = bit_flips.study("checkpoints", 60, 0, tmp_path)
    assert found[bit_flips.DIFFERENT] > 0
