"""Names from before 0.2, which keep working for one version with a warning that says the new name."""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import types
import warnings
from collections.abc import Sequence
from typing import Any

MODULES = {
    "jaxsurr.advice": "jaxsurr.diagnosis.advice",
    "jaxsurr.artefact": "jaxsurr.saving.file",
    "jaxsurr.checks": "jaxsurr.core.checks",
    "jaxsurr.correlation": "jaxsurr.core.moments",
    "jaxsurr.data.builders": "jaxsurr.data.tfds_builders",
    "jaxsurr.data.coding": "jaxsurr.data.target_coding",
    "jaxsurr.data.pipeline": "jaxsurr.data.batches",
    "jaxsurr.data.preparation": "jaxsurr.data.tfds_preparation",
    "jaxsurr.data.prepared": "jaxsurr.data.tfds",
    "jaxsurr.fidelity": "jaxsurr.diagnosis.fidelity",
    "jaxsurr.file_header": "jaxsurr.saving.header",
    "jaxsurr.fitting": "jaxsurr.pretraining.fitting",
    "jaxsurr.gap": "jaxsurr.smoothing.scale",
    "jaxsurr.geometry": "jaxsurr.core.targets",
    "jaxsurr.losses.classification": "jaxsurr.losses.classes",
    "jaxsurr.losses.ordinal": "jaxsurr.losses.levels",
    "jaxsurr.metrics.agreement": "jaxsurr.metrics.levels",
    "jaxsurr.metrics.classification": "jaxsurr.metrics.classes",
    "jaxsurr.metrics.ordering": "jaxsurr.metrics.scores",
    "jaxsurr.metrics.ordinal": "jaxsurr.metrics.levels",
    "jaxsurr.metrics.several": "jaxsurr.metrics.stack",
    "jaxsurr.networks": "jaxsurr.surrogates.families.mlp",
    "jaxsurr.objectives": "jaxsurr.surrogates.objectives",
    "jaxsurr.reductions": "jaxsurr.core.reductions",
    "jaxsurr.sampling": "jaxsurr.spaces.sampling",
    "jaxsurr.set_differences": "jaxsurr.smoothing.set_estimators",
    "jaxsurr.settings": "jaxsurr.core.spec",
    "jaxsurr.spaces.points": "jaxsurr.spaces.keypoints",
    "jaxsurr.state_arrays": "jaxsurr.saving.arrays",
    "jaxsurr.surrogates.baselines": "jaxsurr.surrogates",
    "jaxsurr.surrogates.basis": "jaxsurr.surrogates.families.basis",
    "jaxsurr.surrogates.described": "jaxsurr.surrogates.description",
    "jaxsurr.surrogates.family": "jaxsurr.surrogates.families.base",
    "jaxsurr.surrogates.network": "jaxsurr.surrogates.families.network",
    "jaxsurr.surrogates.set_network": "jaxsurr.surrogates.families.deep_set",
    "jaxsurr.training.comparison": "jaxsurr.comparison.runs",
    "jaxsurr.training.job": "jaxsurr.comparison.from_config",
    "jaxsurr.training.plan": "jaxsurr.comparison.plan",
    "jaxsurr.training.results": "jaxsurr.comparison.results",
    "jaxsurr.training.statistics": "jaxsurr.comparison.statistics",
    "jaxsurr.training.tuning": "jaxsurr.comparison.tuning",
    "jaxsurr.types": "jaxsurr.core.types",
    "jaxsurr.versions": "jaxsurr.core.versions",
}
"""Modules, old name: new name."""

SPLIT = {
    "jaxsurr.losses.sets": ("jaxsurr.losses.scores", "jaxsurr.losses.lists"),
    "jaxsurr.metrics.structured": ("jaxsurr.metrics.pixels", "jaxsurr.metrics.sequences"),
    "jaxsurr.spaces.structured": ("jaxsurr.spaces.pixels", "jaxsurr.spaces.sequences"),
}
"""Modules that are several now."""

ATTRIBUTES = {
    "jaxsurr.comparison.runs.BASELINES": "jaxsurr.training.kinds.BASELINES",
    "jaxsurr.losses.HEADS": "jaxsurr.training.kinds.LOSS_HEADS",
    "jaxsurr.losses.KINDS": "jaxsurr.training.kinds.LOSS_KINDS",
    "jaxsurr.spaces.scores": "jaxsurr.spaces.level_scores",
    "jaxsurr.training.methods.HEADS": "jaxsurr.training.kinds.LOSS_HEADS",
    "jaxsurr.training.methods.KINDS": "jaxsurr.training.kinds.LOSS_KINDS",
}
"""What modules have, old name: new name."""

WORDS = {
    "kind": {"points": "keypoints"},
    "space": {"scores": "level_scores"},
}
"""Words of configs, sources and files by what they name, old word: new word."""

GONE = {
    "jaxsurr.frozen": "jaxsurr.pretraining (shipped, PRETRAINED) and jaxsurr.surrogates.frozen",
    "jaxsurr.studies": "jaxsurr.benchmarks, as in python -m jaxsurr.benchmarks.cost",
    "jaxsurr.surrogates.embedding": "jaxsurr.surrogates.peers.embedding",
    "jaxsurr.surrogates.interpolation": "jaxsurr.surrogates.peers.interpolation",
    "jaxsurr.surrogates.relational": "jaxsurr.surrogates.peers.relational",
    "jaxsurr.surrogates.residual_likelihood": "jaxsurr.surrogates.peers.residual_likelihood",
    "jaxsurr.surrogates.set_value_fit": "jaxsurr.surrogates.peers.set_value_fit",
    "jaxsurr.training.study": "jaxsurr.comparison.from_config",
}
"""Modules that cannot be imported by their old name, as a function has it, and where to look."""


def _warn(old: str, new: str, depth: int) -> None:
    text = f"{old} is now {new}; the old name goes in version 0.3."
    warnings.warn(text, DeprecationWarning, stacklevel=depth + 1)


def attribute(module: str, name: str) -> Any:
    """What a module or a package had by this name, for its `__getattr__`; with a warning.

    Raises:
      AttributeError: it had nothing of this name.
    """
    old = f"{module}.{name}"
    if old in MODULES or old in SPLIT:
        return importlib.import_module(old)
    if old not in ATTRIBUTES:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    _warn(old, ATTRIBUTES[old], 3)
    where, _, new = ATTRIBUTES[old].rpartition(".")
    return getattr(importlib.import_module(where), new)


def word(what: str, text: Any, *, warn: bool) -> Any:
    """The word of today for one that may be an old one; others are as they are.

    Args:
      what: it names, of `WORDS`.
      text: the word.
      warn: whether an old one has a warning: where a user says it, not where an old file holds it.
    """
    new = WORDS[what].get(text, text) if isinstance(text, str) else text
    if warn and new != text:
        _warn(f"{what}={text!r}", repr(new), 3)
    return new


class Renamed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds modules by their old names; it comes first, before files that an older version may have left."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Of a module that has another name now.

        Raises:
          ModuleNotFoundError: it has, and cannot be imported by this one.
        """
        if name in GONE:
            raise ModuleNotFoundError(f"{name} is now {GONE[name]}.", name=name)
        return importlib.util.spec_from_loader(name, self) if name in MODULES or name in SPLIT else None

    def exec_module(self, module: types.ModuleType) -> None:
        """Gives a module of the old name all that the one of the new name has, or the several."""
        old = module.__name__
        names = SPLIT.get(old) or (MODULES[old],)
        _warn(old, " and ".join(names), 2)
        for name in names:
            found = importlib.import_module(name)
            vars(module).update({key: value for key, value in vars(found).items() if not key.startswith("__")})
