"""Checkpoints of a run by orbax: the newest few, and the best by validation."""

import pathlib
from typing import Any

import jax
import numpy as np

from jaxsurr.types import PyTree


class Checkpoints:
    """The checkpoints of one run, under `workdir/checkpoints`.

    `newest` holds the last few, each with all that a run needs to go on; `best` holds the parameters of the model and
    the state of the surrogate that were best on validation. Several processes share the files: process 0 writes, and
    all read.

    Args:
      directory: absolute or relative; created when needed.
      keep: how many of the newest to keep.
    """

    def __init__(self, directory: pathlib.Path, keep: int = 2):
        import orbax.checkpoint as ocp

        self._ocp = ocp
        process = jax.process_index()
        for name in ("newest", "best"):
            (directory / name).mkdir(parents=True, exist_ok=True)
        # Each process works on its own: orbax would otherwise wait for all of them at every save.
        alone = ocp.options.MultiprocessingOptions(
            primary_host=process, active_processes={process}, barrier_sync_key_prefix=f"jaxsurr{process}"
        )
        self._managers = {
            name: ocp.CheckpointManager(
                (directory / name).absolute(),
                options=ocp.CheckpointManagerOptions(
                    max_to_keep=number,
                    create=False,
                    enable_async_checkpointing=False,
                    multiprocessing_options=alone,
                ),
                item_handlers={
                    "arrays": ocp.PyTreeCheckpointHandler(multiprocessing_options=alone),
                    "progress": ocp.JsonCheckpointHandler(multiprocessing_options=alone),
                },
            )
            for name, number in (("newest", keep), ("best", 1))
        }

    def save(self, name: str, epoch: int, arrays: PyTree, progress: dict[str, Any]) -> None:
        """Writes a checkpoint of an epoch, on process 0.

        Args:
          name: "newest" or "best".
          epoch: its number; saving the same epoch again does nothing.
          arrays: a pytree of host arrays; typed keys are kept as their data.
          progress: plain data to go with it.

        Raises:
          OSError: the disk is full, or cannot be written; older checkpoints stay.
        """
        manager = self._managers[name]
        if jax.process_index() != 0 or manager.latest_step() == epoch:
            return
        try:
            manager.save(
                epoch,
                args=self._ocp.args.Composite(
                    arrays=self._ocp.args.PyTreeSave(_without_keys(arrays)),
                    progress=self._ocp.args.JsonSave(progress),
                ),
            )
        except OSError as error:
            raise OSError(
                f"the checkpoint of epoch {epoch} could not be written ({error}); older ones are untouched."
            ) from error

    def epoch(self, name: str) -> int | None:
        """The epoch of the newest checkpoint of that name, or None where there is none."""
        return self._managers[name].latest_step()

    def restore(self, name: str, template: PyTree) -> tuple[PyTree, dict[str, Any]]:
        """The newest checkpoint of that name: its arrays and its progress.

        Args:
          name: "newest" or "best".
          template: a pytree like the one that was saved; typed keys are made anew from their data.

        Raises:
          ValueError: it is damaged, or there is none.
        """
        manager = self._managers[name]
        epoch = manager.latest_step()
        plain = _without_keys(template)
        try:
            restored = manager.restore(
                epoch,
                args=self._ocp.args.Composite(
                    arrays=self._ocp.args.PyTreeRestore(
                        plain,
                        restore_args=jax.tree.map(lambda _: self._ocp.RestoreArgs(restore_type="np.ndarray"), plain),
                    ),
                    progress=self._ocp.args.JsonRestore(),
                ),
            )
        except Exception as error:
            raise ValueError(
                f"the checkpoint of epoch {epoch} in {manager.directory} cannot be read ({type(error).__name__}: {error}). "
                "Delete that folder to go on from an older one, or choose another --workdir."
            ) from error
        return _with_keys(restored["arrays"], template), restored["progress"]

    def close(self) -> None:
        """Ends the work of the managers."""
        for manager in self._managers.values():
            manager.close()


def _is_key(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _without_keys(tree: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf: np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf), tree)


def _with_keys(plain: PyTree, template: PyTree) -> PyTree:
    return jax.tree.map(
        lambda old, new: jax.random.wrap_key_data(new, impl=jax.random.key_impl(old)) if _is_key(old) else new,
        template,
        plain,
    )
