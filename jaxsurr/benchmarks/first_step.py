"""CPU seconds that the first step takes: tracing, lowering and compiling the programs of a learned surrogate.

  JAX_ENABLE_COMPILATION_CACHE=false python -m jaxsurr.benchmarks.first_step --output=first_step.jsonl

Each program is compiled in every round, after all caches of JAX are emptied, in three ways: by `jax.jit` as it is; by
`jax.jit` with `jaxsurr.compiler_options()`, as the launchers do; and with the options of calls outside of `jax.jit`
(`jaxsurr.core.compiling`), which optimise less. Beside them is the gradient of cross-entropy, by `jax.jit` as it is.
Time is that of the process on all cores, which other work on the machine changes little. The file gets a line of JSON
for each program and way: the median of the seconds, and the lines of StableHLO, which are the same on every machine. It
takes ten minutes on two CPU cores.
"""

import argparse
import json
import pathlib
import time
from collections.abc import Callable, Sequence

import jax
import numpy as np

from jaxsurr.benchmarks import programs
from jaxsurr.core.compiling import few_times, once, quick

__all__ = ["HOW", "PROBLEMS", "main", "seconds"]

HOW: dict[str, Callable[[str], Callable]] = {
    "jax.jit": lambda program: jax.jit,
    "compiler_options": lambda program: quick,
    "call": lambda program: once if program == programs.INIT else few_times,
}
"""What compiles a program in each way."""
PROBLEMS = [name for name, problem in programs.PROBLEMS.items() if problem[-1] == "auto"]


def seconds(program: programs.Program, jit: Callable = jax.jit) -> tuple[float, float]:
    """CPU seconds of tracing and lowering, and of compiling, with empty caches."""
    function, arguments = program
    function = jit(function)  # which tries options out when it is first used
    jax.clear_caches()
    begun = time.process_time()
    lowered = function.lower(*arguments)
    middle = time.process_time()
    lowered.compile()
    return middle - begun, time.process_time() - middle


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes a line for each program and way to compile it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", required=True, help="File for the raw lines.")
    parser.add_argument("--rounds", type=int, default=5, help="Rounds in which every program is compiled once.")
    given = parser.parse_args(arguments)
    jax.config.update("jax_enable_compilation_cache", False)
    compared = {(programs.CROSS_ENTROPY, programs.GRADIENT, "jax.jit"): programs.cross_entropy_gradient()}
    for problem in PROBLEMS:
        for name, program in programs.programs_of(*programs.PROBLEMS[problem]).items():
            compared |= {(problem, name, how): program for how in HOW}
    seconds(programs.cross_entropy_gradient())  # what is loaded once for each process is not counted
    times = {name: [] for name in compared}
    for _ in range(given.rounds):
        for name, program in compared.items():
            _, of, how = name
            times[name].append(seconds(program, HOW[how](of)))
    with pathlib.Path(given.output).open("w") as file:
        for (problem, name, how), program in compared.items():
            lowering, compiling = np.median(np.array(times[problem, name, how]), axis=0)
            line = {"problem": problem, "program": name, "how": how, "lowering": round(float(lowering), 3)}
            line |= {"compiling": round(float(compiling), 3), "lines": programs.lines_of_hlo(program)}
            file.write(json.dumps(line | {"jax": jax.__version__}) + "\n")


if __name__ == "__main__":
    main()
