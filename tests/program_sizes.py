"""Sizes of the programs that are compiled most often, in lines of StableHLO, and their record.

  python -m tests.program_sizes

counts them and writes `tests/program_sizes.json`, with the version of JAX that they were lowered by. Programs are
traced and lowered, not compiled: the number of lines is the same on every machine, and the time that XLA takes follows
it. `tests/test_program_sizes.py` compares the counts with the record.
"""

import json
import pathlib
from typing import Any

import jax

from jaxsurr.benchmarks.programs import PROBLEMS, lines_of_hlo, programs_of

RECORD = pathlib.Path(__file__).with_suffix(".json")
PROGRAMS = (
    ("error rate, 10 classes", "init"),
    ("error rate, 10 classes", "update"),
    ("error rate, 10 classes", "gradient of the loss"),
    ("mean absolute error, 8 levels", "update"),
    ("mean absolute error, 8 levels", "gradient of the loss"),
    ("PCK, 14 points", "update"),
    ("F1, two logits", "update"),
    ("F1 along functions", "update"),
    ("AUC, one logit", "init"),
    ("AUC, one logit", "update"),
)


def lowered(problem: str, program: str) -> int:
    """Lines of StableHLO of a program."""
    return lines_of_hlo(programs_of(*PROBLEMS[problem])[program])


def record() -> dict[str, Any]:
    """What was counted when the record was written."""
    return json.loads(RECORD.read_text())


if __name__ == "__main__":
    counted = {f"{problem}: {program}": lowered(problem, program) for problem, program in PROGRAMS}
    RECORD.write_text(json.dumps({"jax": jax.__version__, "lines": counted}, indent=2) + "\n")
    print(RECORD.read_text(), end="")
