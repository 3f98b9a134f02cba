"""Programs that are compiled often do not grow unnoticed, and what was gained is kept."""

import jax
import pytest

from tests.program_sizes import PROGRAMS, lowered, record

GROWTH, GAIN = 1 / 10, 1 / 5
RENEW = "python -m tests.program_sizes writes the record again"
RECORDED = record()


def fault(counted, recorded):
    """What is wrong with the size of a program, in words, or None."""
    if counted > (1 + GROWTH) * recorded:
        return f"grew from {recorded} to {counted} lines of HLO; find out why, and only then: {RENEW}"
    if counted < (1 - GAIN) * recorded:
        return f"shrank from {recorded} to {counted} lines of HLO, which is to be kept: {RENEW}"
    return None


def test_limits():
    assert "grew" in fault(1101, 1000) and "shrank" in fault(799, 1000)
    assert [fault(counted, 1000) for counted in (800, 1000, 1100)] == [None] * 3


def test_the_record_is_of_these_programs():
    assert list(RECORDED["lines"]) == [": ".join(program) for program in PROGRAMS], RENEW
    assert len(PROGRAMS) == 10


@pytest.mark.skipif(jax.__version__ != RECORDED["jax"], reason=f"lines were counted with jax {RECORDED['jax']}")
@pytest.mark.parametrize("program", PROGRAMS, ids=": ".join)
def test_programs_keep_their_size(program):
    name = ": ".join(program)
    found = fault(lowered(*program), RECORDED["lines"][name])
    assert found is None, f"{name} {found}"
