"""Traffic between devices in a training step, counted in the compiled program.

  python -m jaxsurr.benchmarks.collectives --output=notebooks/results/collectives.jsonl

A step on cross-entropy, and bilevel ones on the error rate, the mean absolute error and F1, are compiled for an MLP and
a ResNet-20 on 2, 4 and 8 devices that a CPU simulates, under `jax.pmap` and under `jax.jit` on a mesh. A line of JSON
for each has the number of collective operations of a step and their bytes, of the larger of operand and result, on one
device. Nothing is run, and neither depends on the machine. It takes some minutes on two CPU cores.
"""

import argparse
import collections
import json
import math
import os
import re
import sys
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxsurr import bilevel, losses, metrics, models, parallel, surrogates
from jaxsurr.core import keys
from jaxsurr.core.executors import Executor
from jaxsurr.core.types import Batch, Surrogate

__all__ = ["DEVICES", "ENGINES", "OPERATIONS", "SHAPES", "STEPS", "Traffic", "lines", "main", "measure", "traffic"]

OPERATIONS = ("all-reduce", "all-gather", "reduce-scatter", "collective-permute", "all-to-all", "collective-broadcast")
DEVICES = (2, 4, 8)
SHAPES = {"mlp": (128, (64,)), "resnet20": (128, (32, 32, 3))}
STEPS = {  # a metric, and its number of logits; None: the step on cross-entropy
    "cross-entropy": (None, 10),
    "error rate": (metrics.error_rate, 10),
    "mean absolute error": (metrics.mean_absolute_error.bind(decode="median"), 10),
    "cross-entropy, two classes": (None, 2),
    "F1": (metrics.f_beta, 2),
}
ENGINES = ("pmap", "jit")

_COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.-]+) .*\{$")
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?([\w.-]+) = (.*?) ([\w-]+)\((.*)$")
_ARRAY = re.compile(r"\b(pred|[a-z]+(\d+)\w*)\[([\d,]*)\]")
_CALLED = re.compile(r"(?:body|to_apply|calls|true_computation|false_computation)=%?([\w.-]+)")
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
Traffic = dict[str, dict[str, int]]


def traffic(program: str) -> Traffic:
    """Number and bytes of the collective operations of a compiled program, by their kind; a loop's count each time.

    Args:
      program: text of its optimised HLO, `jax.jit(f).lower(...).compile().as_text()`.

    Raises:
      ValueError: a loop has collective operations, and does not say how often it runs.

    >>> lines = ["ENTRY %main (x: f32[4]) -> f32[8] {", "  %x = f32[4]{0} parameter(0)"]
    >>> traffic("\\n".join([*lines, "  ROOT %y = f32[8]{0} all-gather(%x), dimensions={0}", "}"]))
    {'all-gather': {'count': 1, 'bytes': 32}}
    """
    computations: dict[str, list[tuple[str, str, str, str]]] = {}
    inside, entry = [], ""
    for line in program.splitlines():
        if begun := _COMPUTATION.match(line):
            inside = computations.setdefault(begun[1], [])
            entry = begun[1] if line.startswith("ENTRY") else entry
        elif found := _INSTRUCTION.match(line):
            inside.append((found[1], found[2], found[3], found[4]))

    def of(name: str) -> collections.Counter[tuple[str, str]]:
        total: collections.Counter[tuple[str, str]] = collections.Counter()
        shapes = {instruction: shape for instruction, shape, *_ in computations.get(name, ())}
        for _, shape, operation, rest in computations.get(name, ()):
            if operation in OPERATIONS:
                operands = re.findall(r"%([\w.-]+)", rest.split(")")[0])
                sizes = max(_bytes(shape), sum(_bytes(shapes[operand]) for operand in operands))
                total += collections.Counter({(operation, "count"): 1, (operation, "bytes"): sizes})
                continue
            called = _CALLED.findall(rest)
            for branches in _BRANCHES.findall(rest):
                called += re.findall(r"%?([\w.-]+)", branches)
            for inner in map(of, called):
                trips = _TRIPS.search(rest)
                if inner and operation == "while" and trips is None:
                    raise ValueError(
                        "a loop has collective operations, and the program does not say how often it runs."
                    )
                times = int(trips[1]) if operation == "while" and trips else 1
                total += collections.Counter({kind: times * number for kind, number in inner.items()})
        return total

    told: Traffic = {}
    for (operation, what), number in sorted(of(entry).items(), key=lambda item: (OPERATIONS.index(item[0][0]), item)):
        told.setdefault(operation, {"count": 0, "bytes": 0})[what] = number
    return told


def _bytes(shape: str) -> int:
    """Bytes of the arrays of a shape, as HLO writes them."""
    sizes = (
        math.prod(map(int, filter(None, dims.split(",")))) * int(bits or 8) for _, bits, dims in _ARRAY.findall(shape)
    )
    return sum(sizes) // 8


def measure(name: str, what: str, on: Executor) -> dict[str, Any]:
    """The traffic of a step of a model on its devices, and the bytes of the gradient of the model."""
    metric, outputs = STEPS[what]
    size, shape = SHAPES[name]
    model = models.build(name, outputs=outputs, hidden=(128,), axis_name=on.axis_name)
    batch = Batch(jnp.zeros((size, *shape)), jnp.arange(size) % outputs)
    optimizer = optax.adam(1e-3)
    surrogate: Surrogate = surrogates.conventional(losses.cross_entropy)
    options: dict[str, Any] = dict(learn=False)
    if metric is not None:
        surrogate, options = surrogates.correlated_gradients(metric), dict(power=optax.constant_schedule(0.7))
        options = options if metric.per_example else {}
    step = bilevel.make_step(
        model.apply, optimizer, surrogate, train_apply=model.train, axis_name=on.axis_name, **options
    )

    def start(key: Any, batch: Batch) -> bilevel.TrainState:
        return bilevel.init_state(key, model.init(key, batch.inputs), optimizer, surrogate, model.apply, batch)

    key = jax.random.key(0)
    state = jax.tree.map(
        lambda leaf: key if keys.is_key(leaf) else np.zeros(leaf.shape, leaf.dtype), jax.eval_shape(start, key, batch)
    )
    program: Any = on.compile(step)
    text = program.lower(on.place(state), on.shard(batch)).compile().as_text()
    gradient = sum(leaf.nbytes for leaf in jax.tree.leaves(state.params["params"]))
    return {"rows": size, "gradient": gradient, "collectives": traffic(text)}


def lines(names: tuple[str, ...] = tuple(SHAPES)) -> Iterator[dict[str, Any]]:
    """A line for each model, engine, number of devices and step."""
    for name in names:
        for engine in ENGINES:
            for devices in DEVICES:
                mesh = parallel.data_mesh(devices) if engine == "jit" else None
                on = parallel.executor(None if mesh else devices, mesh=mesh)
                for what in STEPS:
                    told = {"model": name, "engine": engine, "devices": devices, "step": what}
                    yield told | measure(name, what, on)


def main(arguments: list[str]) -> None:
    """Prints the lines, and writes them to a file where one is named."""
    parser = argparse.ArgumentParser(description="Traffic between devices in a training step.")
    parser.add_argument("--output", help="A JSON-lines file to write as well.")
    parser.add_argument("--models", default=",".join(SHAPES), help="Names with commas between them.")
    options = parser.parse_args(arguments)
    # Machine code that is not run need not be fast.
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_backend_optimization_level=0"
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", max(DEVICES))
    written = []
    for line in lines(tuple(options.models.split(","))):
        written.append(json.dumps(line) + "\n")
        print(written[-1], end="", flush=True)
    if options.output:
        with open(options.output, "w") as file:
            file.writelines(written)


if __name__ == "__main__":
    main(sys.argv[1:])
