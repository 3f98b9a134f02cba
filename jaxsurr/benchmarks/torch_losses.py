"""Cost of a training step on losses of PyTorch that stand for a metric, beside this library's.

  pip install torch libauc
  PYTHONPATH=RELOSS python -m jaxsurr.benchmarks.torch_losses --output=torch_losses.jsonl

Each step is timed over that of the same model (64-128-K, batch 128) on a fixed loss of the same framework, alternately
in many rounds, all in one process: for the area under the ROC curve, the AUC margin loss of LibAUC with its own
optimizer over binary cross-entropy with Adam; for the error rate of ten classes, ReLoss (RELOSS is a clone of
github.com/hunto/ReLoss) over cross-entropy, both with Adam; and in JAX the default surrogates, learned and then left
as they are, over the same two. A loss that is not installed is left out, and said. The file gets a line of JSON for
each.
"""

import argparse
import importlib
import importlib.util
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from jaxsurr.benchmarks import cost

__all__ = ["Steps", "compared", "main", "of_auc", "of_error"]

Steps = dict[str, tuple]
"""Steps to compare, as `jaxsurr.benchmarks.cost.steps` gives them; the first on a fixed loss."""


def _in_torch(torch: Any, loss: Callable, outputs: int, optimizer: Callable) -> tuple:
    """A step of PyTorch as `jaxsurr.benchmarks.cost.ratios` calls it: `(step, state, batch)`."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, outputs))
    inputs, classes = torch.randn(128, 64), max(2, outputs)
    labels = torch.arange(128) % classes
    targets = labels if outputs > 1 else labels.float()[:, None]
    solver = optimizer(model.parameters())

    def step(state: int, inputs: Any, targets: Any) -> tuple[int, None]:
        solver.zero_grad()
        loss(model(inputs), targets).backward()
        solver.step()
        return state, None

    return step, 0, (inputs, targets)


def _adam(torch: Any) -> Callable:
    return lambda parameters: torch.optim.Adam(parameters, lr=1e-3)


def of_auc(torch: Any) -> Steps:
    """Steps on binary cross-entropy and on LibAUC's AUC margin loss, with PESG, which descends and ascends."""
    from libauc.losses import AUCMLoss
    from libauc.optimizers import PESG

    loss = AUCMLoss(device="cpu")
    entropy = torch.nn.BCEWithLogitsLoss()
    return {
        "fixed loss": _in_torch(torch, entropy, 1, _adam(torch)),
        "AUC margin loss, LibAUC": _in_torch(
            torch,
            lambda logits, targets: loss(torch.sigmoid(logits), targets),
            1,
            lambda parameters: PESG(parameters, loss_fn=loss, lr=1e-3, device="cpu", verbose=False),
        ),
    }


def of_error(torch: Any) -> Steps:
    """Steps on cross-entropy and on ReLoss."""
    from reloss.cls import ReLoss

    reloss = ReLoss(pretrained=False).requires_grad_(False)
    return {
        "fixed loss": _in_torch(torch, torch.nn.CrossEntropyLoss(), 10, _adam(torch)),
        "ReLoss": _in_torch(torch, reloss, 10, _adam(torch)),
    }


def compared(torch: Any) -> Iterator[tuple[str, str, Steps]]:
    """Task, framework and steps of each comparison that can be made."""
    for task, package, steps in (("auc", "libauc", of_auc), ("classes_10", "reloss", of_error)):
        default = "counts, frozen" if task == "auc" else "decisions, frozen"
        ours = cost.steps("mlp", task)
        yield task, f"jax {jax.__version__}", {name: ours[name] for name in ("fixed loss", default)}
        if importlib.util.find_spec(package) is None:
            print(f"{package} is not installed: its loss is left out.")
        else:
            yield task, f"torch {torch.__version__}", steps(torch)


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table of ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", help="File to which the raw lines are added.")
    parser.add_argument("--rounds", type=int, default=15, help="Rounds in which every step is timed once.")
    parser.add_argument("--seconds", type=float, default=0.2, help="How long a step is repeated in each round.")
    given = parser.parse_args(arguments)
    if importlib.util.find_spec("torch") is None:
        raise SystemExit("torch is not installed: pip install torch libauc.")
    for task, framework, steps in compared(importlib.import_module("torch")):
        for name, values in cost.ratios(steps, given.rounds, given.seconds).items():
            line = {"task": task, "framework": framework, "step": name, "ratios": np.round(values, 3).tolist()}
            print(f"{task}, {framework}, {name}: {np.median(values):.2f}")
            if given.output:
                with open(given.output, "a") as file:
                    file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
