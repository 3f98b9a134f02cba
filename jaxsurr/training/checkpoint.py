"""Checkpoints of a run by orbax: the newest few, each with the best parameters by validation so far.

Each carries a SHA-256 of every file that orbax wrote (`manifest`), so that a damaged one is noticed and passed over.
"""

import errno
import pathlib
import shutil
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from jaxsurr.core import keys, renamed
from jaxsurr.core.ravelled import ravelled_as, unravelled
from jaxsurr.core.types import PyTree
from jaxsurr.training import manifest

__all__ = ["Checkpoints"]

_FULL = "No space left on device"
_LEAST = 2**16  # bytes that the smallest checkpoint takes beside its arrays


class Checkpoints:
    """The checkpoints of one run, `directory / EPOCH`.

    Each is whole in itself: the arrays that a run needs to go on, those that were best, and plain data about both. So
    there is no moment at which an interruption leaves two files that do not belong together. Several processes share
    the files: process 0 writes, and all read.

    Args:
      directory: absolute or relative; created when something is saved.
      keep: how many of the newest to keep.
    """

    def __init__(self, directory: pathlib.Path, keep: int = 2):
        self.directory, self.keep = directory.absolute(), keep
        self._manager: Any = None  # of orbax, which is imported when it is needed

    def _open(self) -> Any:
        """The manager, made when it is needed first; importing orbax takes a second."""
        if self._manager is None:
            import orbax.checkpoint as ocp

            process = jax.process_index()
            # Each process works on its own: orbax would otherwise wait for all of them at every save.
            alone = ocp.options.MultiprocessingOptions(
                primary_host=process, active_processes={process}, barrier_sync_key_prefix=f"jaxsurr{process}"
            )
            self._ocp = ocp
            self._manager = ocp.CheckpointManager(
                self.directory,
                options=ocp.CheckpointManagerOptions(
                    max_to_keep=None,  # older ones go when the newest has its checksums, see `save`
                    create=False,
                    enable_async_checkpointing=False,
                    multiprocessing_options=alone,
                ),
                item_handlers={
                    "arrays": ocp.PyTreeCheckpointHandler(multiprocessing_options=alone),
                    "progress": ocp.JsonCheckpointHandler(multiprocessing_options=alone),
                },
            )
        return self._manager

    def save(self, epoch: int, arrays: PyTree, progress: dict[str, Any]) -> None:
        """Writes the checkpoint of an epoch, on process 0.

        Checkpoints of this epoch and later ones, which `restore` has passed over, are removed first.

        Args:
          epoch: its number.
          arrays: a pytree of host arrays; typed keys are kept as their data.
          progress: plain data to go with it.

        Raises:
          OSError: the disk is full, or cannot be written; older checkpoints stay.
        """
        if jax.process_index() != 0:
            return
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            plain = _without_keys(unravelled(arrays))
            if shutil.disk_usage(self.directory).free < sum(leaf.nbytes for leaf in jax.tree.leaves(plain)) + _LEAST:
                raise OSError(errno.ENOSPC, _FULL)  # before threads of orbax's run into it, each with a traceback
            manager = self._open()
            for old in [old for old in manager.all_steps() if old >= epoch]:
                manager.delete(old)
            manager.save(
                epoch,
                args=self._ocp.args.Composite(
                    arrays=self._ocp.args.PyTreeSave(plain),
                    progress=self._ocp.args.JsonSave(progress),
                ),
            )
            manifest.write(self.directory / str(epoch))
            for old in sorted(manager.all_steps())[: -self.keep]:
                manager.delete(old)
        except (OSError, ValueError) as error:  # tensorstore reports a full disk as a long ValueError
            reason = _FULL if _FULL in str(error) else _first_line(error)
            raise OSError(
                f"the checkpoint of epoch {epoch} could not be written in {self.directory}: {reason}. Older ones are "
                "untouched: free some space, or see to its permissions, and run the same command again to go on."
            ) from error

    def epoch(self) -> int | None:
        """The epoch of the newest checkpoint, sound or not, or None where there is none."""
        return self._open().latest_step() if self.directory.is_dir() else None

    def restore(self, template: PyTree | Callable[[int], PyTree]) -> tuple[PyTree, dict[str, Any]]:
        """The newest checkpoint that is sound: its arrays and its progress.

        One without checksums (of an earlier version, or cut off before they were written) serves where no other does.

        Args:
          template: a pytree like the one that was saved, or a function that gives it for an epoch; typed keys are made
            from their data.

        Raises:
          ValueError: there is none, or none is sound.
        """
        if self.epoch() is None:
            raise ValueError(f"there is no checkpoint in {self.directory}; the run has to be made first.")
        faults: dict[int, str | None] = {}
        for epoch in self._candidates(faults):
            like = template(epoch) if callable(template) else template
            try:
                found = self._read(epoch, like)
            except Exception as error:  # orbax and what it builds on have many of their own
                faults[epoch] = f"{type(error).__name__}: {_first_line(error)}"
                continue
            self._warn(faults, epoch)
            return found
        wrong = "; ".join(f"{epoch}: {fault}" for epoch, fault in faults.items())
        raise ValueError(
            f"no checkpoint in {self.directory} can be read ({wrong}). Put back a whole copy, delete that folder to "
            "begin from the first epoch, or choose another --workdir."
        )

    def _candidates(self, faults: dict[int, str | None]) -> Iterator[int]:
        """Epochs that may be restored, the best first; what is wrong with each that was looked at goes to `faults`."""
        newest_first = sorted(self._manager.all_steps(), reverse=True)
        for epoch in newest_first:
            faults[epoch] = manifest.fault(self.directory / str(epoch))
            if faults[epoch] is None:
                yield epoch
        yield from (epoch for epoch in newest_first if faults[epoch] == manifest.MISSING)

    def _read(self, epoch: int, template: PyTree) -> tuple[PyTree, dict[str, Any]]:
        like = unravelled(template)
        plain = _without_keys(like)
        try:
            arrays, progress = self._restored(epoch, plain)
        except Exception as error:  # orbax and what it builds on have many of their own
            try:
                arrays, progress = self._renamed(epoch, plain)
            except Exception:
                raise error from None
        shapes = [[np.shape(leaf) for leaf in jax.tree.leaves(tree)] for tree in (arrays, plain)]
        if progress is None or shapes[0] != shapes[1]:
            raise ValueError("it does not hold what this run saves")
        read = jax.tree.map(lambda leaf, data: keys.from_data(data, leaf), like, arrays)
        return ravelled_as(template, read), progress

    def _restored(self, epoch: int, plain: PyTree) -> tuple[Any, Any]:
        found = self._manager.restore(
            epoch,
            args=self._ocp.args.Composite(
                arrays=self._ocp.args.PyTreeRestore(
                    plain,
                    restore_args=jax.tree.map(lambda _: self._ocp.RestoreArgs(restore_type="np.ndarray"), plain),
                ),
                progress=self._ocp.args.JsonRestore(),
            ),
        )
        return found["arrays"], found["progress"]

    def _renamed(self, epoch: int, plain: PyTree) -> tuple[Any, Any]:
        """As `_restored`, where fields of the state have the names of an earlier version."""

        def to_old(node):
            return renamed.by_old_fields(node) if renamed.has_old_fields(node) else node

        def from_old(like, found):
            return type(like)(*(found[name] for name in to_old(like))) if renamed.has_old_fields(like) else found

        arrays, progress = self._restored(epoch, jax.tree.map(to_old, plain, is_leaf=renamed.has_old_fields))
        return jax.tree.map(from_old, plain, arrays, is_leaf=renamed.has_old_fields), progress

    def _warn(self, faults: dict[int, str | None], used: int) -> None:
        """Names the checkpoints that are passed over, and one that is used without checksums."""
        over = {epoch: fault for epoch, fault in faults.items() if fault and epoch > used}
        if over:
            wrong = "; ".join(f"{self.directory / str(epoch)}: {fault}" for epoch, fault in over.items())
            warnings.warn(f"passed over what is not sound ({wrong}); that of epoch {used} is used.", stacklevel=3)
        if faults[used] == manifest.MISSING:
            warnings.warn(
                f"{self.directory / str(used)} has no checksums, as an earlier version wrote it or its writing was cut "
                "off; it is used as it is.",
                stacklevel=3,
            )

    def close(self) -> None:
        """Ends the work of the manager."""
        if self._manager is not None:
            self._manager.close()
            self._manager = None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:200]


def _without_keys(tree: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf: np.asarray(keys.to_data(leaf)), tree)
