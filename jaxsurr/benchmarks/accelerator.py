"""Cost of training on a learned loss on an accelerator, as one script that ends within ten minutes.

  python -m jaxsurr.benchmarks.accelerator --out=accelerator.jsonl

Steps of ResNet-20 (images of 32 x 32) and ResNet-50 (224 x 224) with batches of 256, in bfloat16 and in single
precision: cross-entropy, a learned loss that stays as it is, and one that is updated before every step with 16 pairs.
They are timed alternately (`jaxsurr.benchmarks.cost`), so that nothing else may run on the device. Then updates of set
metrics by the size of the set, and in a clone the tests of the core. What would begin after `--minutes` is left out,
and said. There is a line for each measurement.
"""

import argparse
import functools
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxsurr
from jaxsurr import bilevel, losses, metrics, models, surrogates
from jaxsurr.benchmarks.cost import ratios
from jaxsurr.core.types import Array, Batch, PyTree

__all__ = [
    "DTYPES", "SETS", "SHAPES", "SIZES", "TESTS", "ResNet50", "Shape", "core_tests", "main", "measurements",
    "seconds_of", "steps", "update_of_set",
]  # fmt: skip

DTYPES = {"bfloat16": jnp.bfloat16, "float32": jnp.float32}
SETS = {"f_beta": metrics.f_beta, "roc_auc": metrics.roc_auc}
SIZES = (128, 1024, 8192, 65536)
TESTS = ("tests/core", "tests/smoothing", "tests/surrogates/test_surrogates.py", "tests/test_bilevel.py")


class ResNet50(nn.Module):
    """He et al., Deep Residual Learning for Image Recognition, CVPR 2016, table 1, normalised in groups of channels."""

    outputs: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        norm = functools.partial(nn.GroupNorm, num_groups=32)
        x = nn.relu(norm()(nn.Conv(64, (7, 7), strides=2, use_bias=False)(x)))
        x = nn.max_pool(x, (3, 3), strides=(2, 2), padding="SAME")
        for stage, blocks in enumerate((3, 4, 6, 3)):
            for block in range(blocks):
                width, strides = 64 * 2**stage, 2 if stage and not block else 1
                y = nn.relu(norm()(nn.Conv(width, (1, 1), use_bias=False)(x)))
                y = nn.relu(norm()(nn.Conv(width, (3, 3), strides=strides, use_bias=False)(y)))
                y = norm()(nn.Conv(4 * width, (1, 1), use_bias=False)(y))
                if x.shape != y.shape:
                    x = norm()(nn.Conv(4 * width, (1, 1), strides=strides, use_bias=False)(x))
                x = nn.relu(x + y)
        return nn.Dense(self.outputs)(jnp.mean(x, axis=(1, 2)))


class Shape(NamedTuple):
    """What a model reads and gives: the sides of its images, and the number of classes."""

    side: int
    classes: int


SHAPES = {"resnet20": Shape(32, 10), "resnet50": Shape(224, 1000)}


def _model(name: str, images: Array) -> tuple[PyTree, Callable[[PyTree, Array], Any]]:
    """Parameters in single precision, and the model."""
    key, classes = jax.random.key(0), SHAPES[name].classes
    if name == "resnet50":
        module = ResNet50(classes)
        return jax.jit(module.init)(key, images), module.apply
    built = models.build("resnet20_group_norm", outputs=classes)
    return jax.jit(built.init)(key, images), built.apply


def steps(name: str, dtype: str, batch: int) -> dict[str, tuple]:
    """The steps to compare, as `jaxsurr.benchmarks.cost.ratios` takes them.

    Args:
      name: of a model in `SHAPES`.
      dtype: of what the model computes; parameters, logits and losses are in single precision.
      batch: examples.
    """
    side, classes = SHAPES[name]
    key = jax.random.key(0)
    data = Batch(jax.random.normal(key, (batch, side, side, 3)), jnp.arange(batch) % classes)
    params, model = _model(name, data.inputs[:2])

    def apply(params: PyTree, inputs: Array) -> Array:
        low: Any = jax.tree.map(lambda leaf: leaf.astype(DTYPES[dtype]), (params, inputs))
        return model(*low).astype(jnp.float32)

    optimizer = optax.adam(1e-3)
    path = optax.linear_schedule(0.0, 0.7, 1000)

    def entry(surrogate: Any, **options: Any) -> tuple:
        step = bilevel.make_step(apply, optimizer, surrogate, **options)
        return jax.jit(step), bilevel.init_state(key, params, optimizer, surrogate, apply, data), (data,)

    learned = surrogates.correlated_gradients(metrics.error_rate)
    return {
        "cross-entropy": entry(surrogates.conventional(losses.cross_entropy), learn=False),
        "frozen": entry(learned, learn=False, power=path),
        "bilevel": entry(learned, power=path),
    }


def update_of_set(name: str, size: int) -> Callable[[], Any]:
    """An update of the surrogate of a set metric of two classes, on a set of some size."""
    key = jax.random.key(0)
    logits, labels = jax.random.normal(key, (size, 2)), (jnp.arange(size) % 10 == 0).astype(jnp.int32)
    surrogate = surrogates.correlated_gradients(SETS[name], family="network")
    state = jax.jit(surrogate.init)(key, logits, labels)
    return functools.partial(jax.jit(surrogate.update), state, key, logits, labels)


def seconds_of(call: Callable[[], Any], rounds: int = 10) -> float:
    """The median over calls after the first."""
    times = []
    for _ in range(rounds + 1):
        begun = time.perf_counter()
        jax.block_until_ready(call())
        times.append(time.perf_counter() - begun)
    return float(np.median(times[1:]))


def core_tests(root: Path, seconds: float) -> dict[str, Any]:
    """What the tests of the core say on this device within some time, where they are beside the package."""
    there = [str(root / name) for name in TESTS if (root / name).exists()]
    if not there:
        return {"tests": "none here: they are in a clone"}
    side_by_side = ["-n", "auto"] if importlib.util.find_spec("xdist") else []
    command = [sys.executable, "-m", "pytest", "-v", *side_by_side, *there]
    # Workers share the memory of the device, and models of tests are compared to more bits than accelerators multiply.
    own = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "JAX_DEFAULT_MATMUL_PRECISION": "highest"}
    try:
        run = subprocess.run(command, capture_output=True, cwd=root, env=os.environ | own, timeout=seconds)
        printed, passed = run.stdout or b"", run.returncode == 0
        last = (printed.decode().strip().splitlines() or ["nothing was printed"])[-1]
    except subprocess.TimeoutExpired as cut_off:
        printed, passed = cut_off.stdout or b"", False
        last = f"cut off after {seconds:.0f} seconds, when {printed.count(b'PASSED')} had passed"
    failed = [line for line in printed.decode().splitlines() if "FAILED" in line or "ERROR" in line]
    return {"tests": last, "passed": passed, "failed": failed}


def measurements(given: argparse.Namespace) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """What there is to measure, in its order: a name, and a function that gives the line."""
    for name in given.models:
        for dtype in DTYPES:

            def cost(name: str = name, dtype: str = dtype) -> dict[str, Any]:
                found = ratios(steps(name, dtype, given.batch), given.rounds, 0.5)
                quartiles = {step: np.quantile(of, (0.25, 0.5, 0.75)).tolist() for step, of in found.items()}
                return {"model": name, "dtype": dtype, "batch": given.batch, "over_cross_entropy": quartiles}

            yield f"{name}, {dtype}", cost
    for metric in SETS:

        def by_size(metric: str = metric) -> dict[str, Any]:
            taken = {size: seconds_of(update_of_set(metric, size)) for size in given.sizes}
            least = taken[min(taken)]
            return {"metric": metric, "over_smallest_set": {size: time / least for size, time in taken.items()}}

        yield f"updates of {metric}", by_size
    yield "tests of the core", lambda: core_tests(Path(jaxsurr.__file__).parents[1], 60 * given.tests)


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints a line for each measurement, and writes it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=SHAPES, default=list(SHAPES), help="By default all.")
    parser.add_argument("--batch", type=int, default=256, help="Examples in a batch.")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="Of sets.")
    parser.add_argument("--rounds", type=int, default=9, help="Rounds in which every step is timed once.")
    parser.add_argument("--minutes", type=float, default=6, help="Nothing begins later.")
    parser.add_argument("--tests", type=float, default=4, help="Minutes that the tests of the core may take.")
    parser.add_argument("--only", default="", help="What the name of a measurement must have in it.")
    parser.add_argument("--out", help="A JSON-lines file to add each line to.")
    given = parser.parse_args(arguments)
    begun, machine = time.monotonic(), {"device": jax.devices()[0].device_kind, "jax": jax.__version__}
    for name, measure in measurements(given):
        if given.only not in name:
            continue
        if time.monotonic() - begun > 60 * given.minutes:
            print(f"{name}: left out after {given.minutes:g} minutes")
            continue
        line = json.dumps(machine | measure())
        print(line, flush=True)
        if given.out:
            with open(given.out, "a") as file:
                file.write(line + "\n")


if __name__ == "__main__":
    main()
