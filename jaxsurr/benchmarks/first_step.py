"""CPU seconds that the first step takes: tracing, lowering and compiling the programs of a learned surrogate.

  JAX_ENABLE_COMPILATION_CACHE=false python -m jaxsurr.benchmarks.first_step --output=first_step.jsonl

Each program is compiled in every round, after all caches of JAX are emptied, and beside them the gradient of
cross-entropy. Time is that of the process on all cores, which other work on the machine changes little. The file gets a
line of JSON for each program: the median of the seconds, and the lines of StableHLO, which are the same on every
machine. It takes some minutes on two CPU cores.
"""

import json
import pathlib
import time

import jax
import numpy as np
from absl import app, flags

from jaxsurr.benchmarks import programs

OUTPUT = flags.DEFINE_string("output", None, "File for the raw lines.", required=True)
ROUNDS = flags.DEFINE_integer("rounds", 5, "Rounds in which every program is compiled once.", lower_bound=1)
PROBLEMS = [name for name, problem in programs.PROBLEMS.items() if problem[-1] == "auto"]


def seconds(program: programs.Program) -> tuple[float, float]:
    """CPU seconds of tracing and lowering, and of compiling, with empty caches."""
    function, arguments = program
    jax.clear_caches()
    begun = time.process_time()
    lowered = jax.jit(function).lower(*arguments)
    middle = time.process_time()
    lowered.compile()
    return middle - begun, time.process_time() - middle


def main(argv: list[str]) -> None:
    """Writes a line for each program."""
    jax.config.update("jax_enable_compilation_cache", False)
    compared = {(programs.CROSS_ENTROPY, programs.GRADIENT): programs.cross_entropy_gradient()}
    for problem in PROBLEMS:
        for name, program in programs.programs_of(*programs.PROBLEMS[problem]).items():
            compared[problem, name] = program
    seconds(programs.cross_entropy_gradient())  # what is loaded once for each process is not counted
    times = {name: [] for name in compared}
    for _ in range(ROUNDS.value):
        for name, program in compared.items():
            times[name].append(seconds(program))
    with pathlib.Path(OUTPUT.value).open("w") as file:
        for (problem, name), program in compared.items():
            lowering, compiling = np.median(np.array(times[problem, name]), axis=0)
            line = {"problem": problem, "program": name, "lowering": round(float(lowering), 3)}
            line |= {"compiling": round(float(compiling), 3), "lines": programs.lines_of_hlo(program)}
            file.write(json.dumps(line | {"jax": jax.__version__}) + "\n")


if __name__ == "__main__":
    app.run(main)
