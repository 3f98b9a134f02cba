"""The files of a run that goes on: a line an epoch, TensorBoard events, and checkpoints to go on from."""

import contextlib
import pathlib
import shutil
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax

from jaxsurr.core.types import PyTree
from jaxsurr.training import records, stopping
from jaxsurr.training.checkpoint import Checkpoints
from jaxsurr.training.events import TensorBoard
from jaxsurr.training.protocols import CheckpointConfig, Entry

if TYPE_CHECKING:
    from jaxsurr.training.schedule import Run

__all__ = ["RunFiles"]


class RunFiles:
    """Everything that has to survive an interruption of a run; process 0 writes.

    A checkpoint within an epoch, where the run was asked to stop, is in `paused` until there is a later one of a whole
    epoch.

    Args:
      path: of the work directory.
      config: how often a checkpoint is written, and how many are kept.
    """

    def __init__(self, path: pathlib.Path, config: CheckpointConfig):
        self.path, self.every = path, config.every
        self.checkpoints = Checkpoints(path / "checkpoints", config.keep)
        self.held = contextlib.ExitStack()
        self.held.callback(self.checkpoints.close)
        self.kept = 0  # steps of the run that are in a checkpoint

    def __enter__(self) -> "RunFiles":
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self.held.close()

    def restore(self, run: "Run", template: Callable[[int], PyTree], steps: int) -> PyTree | None:
        """The state that was saved last, within an epoch or after one, with all that the run had found; or None.

        Args:
          run: gets what it had found.
          template: what the checkpoint of an epoch holds, its structure, dtypes and shapes.
          steps: of an epoch.
        """
        found, state = self._newest(template, steps), None
        if found is not None:
            arrays, progress = found
            state, run.history = arrays["state"], progress["history"]
            run.best = (arrays["best"], progress["best"]) if progress["best"] else ()
            run.steps, run.calls.number = progress["steps"], progress.get("metric_calls", 0)
        self.kept = len(run.history) * steps + len(run.steps)
        if jax.process_index() == 0:
            # Lines of epochs that are made again go, and so does a line that was cut off.
            records.write_lines(self.path / "metrics.jsonl", run.history)
        self.log = self.held.enter_context(TensorBoard(self.path / "tensorboard", len(run.history)))
        return state

    def _newest(self, template: Callable[[int], PyTree], steps: int) -> tuple[Any, dict[str, Any]] | None:
        epoch, paused = self.checkpoints.epoch(), self._paused()
        made = paused.epoch() or 0
        try:
            if made > (epoch or 0) * steps:
                arrays, progress = paused.restore(template(-(-made // steps)))
                return arrays, progress | {"steps": stopping.from_plain(progress["steps"])}
        except ValueError as error:
            warnings.warn(f"{error} This run goes on from an older checkpoint.", stacklevel=2)
        finally:
            paused.close()
        if epoch is None:
            return None
        arrays, progress = self.checkpoints.restore(template)
        return arrays, progress | {"steps": []}

    def _paused(self) -> Checkpoints:
        return Checkpoints(self.path / "paused", 1)

    def record(self, entry: Entry) -> None:
        """Adds the line and the events of an epoch."""
        if jax.process_index() == 0:
            records.append_line(self.path / "metrics.jsonl", entry)
            self.log.write(entry)

    def save(self, run: "Run", state: PyTree, steps: int) -> None:
        """Writes a checkpoint after an epoch, of `steps`."""
        params, best = run.best
        self.checkpoints.save(
            len(run.history), {"state": state, "best": params}, {"history": run.history, "best": best}
        )
        self.kept = len(run.history) * steps
        if jax.process_index() == 0:
            shutil.rmtree(self.path / "paused", ignore_errors=True)  # were it left, it would be older and not be read

    def pause(self, run: "Run", state: PyTree, made: int) -> None:
        """Writes a checkpoint within an epoch, after so many steps of the run."""
        params, best = run.best or (state.params, None)
        told = stopping.plain(jax.device_get(run.steps))
        progress = {"history": run.history, "best": best, "steps": told}
        if told and run.calls.number:  # what was asked before the first step is asked again
            progress["metric_calls"] = run.calls.number
        paused = self._paused()
        try:
            paused.save(made, {"state": state, "best": params}, progress)
        finally:
            paused.close()
