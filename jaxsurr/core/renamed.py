"""Names of version 0.1 that have changed; they work for one version, with a warning that gives the new name."""

import functools
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import types
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

__all__ = [
    "ARGUMENTS", "ATTRIBUTES", "FIELDS", "GONE", "GONE_ATTRIBUTES", "MODULES", "SPLIT", "WORDS", "Renamed",
    "arguments", "attribute", "by_old_fields", "fields", "has_old_fields", "word",
]  # fmt: skip

T = TypeVar("T")
F = TypeVar("F", bound=Callable)

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
    "jaxsurr.training.feed": "jaxsurr.training.loading",
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
"""Modules that have been split."""

ATTRIBUTES = {
    "jaxsurr.comparison.runs.BASELINES": "jaxsurr.training.kinds.BASELINES",
    "jaxsurr.data.files.read_csv": "jaxsurr.data.read_csv",
    "jaxsurr.losses.HEADS": "jaxsurr.training.kinds.LOSS_HEADS",
    "jaxsurr.losses.KINDS": "jaxsurr.training.kinds.LOSS_KINDS",
    "jaxsurr.reductions.count": "jaxsurr.core.reductions.num_valid",
    "jaxsurr.reductions.filled": "jaxsurr.core.reductions.fill_masked_rows",
    "jaxsurr.reductions.total": "jaxsurr.core.reductions.psum",
    "jaxsurr.reductions.widened": "jaxsurr.core.reductions.upcast",
    "jaxsurr.spaces.points.points_in_plane": "jaxsurr.spaces.keypoint_coordinates",
    "jaxsurr.spaces.points_in_plane": "jaxsurr.spaces.keypoint_coordinates",
    "jaxsurr.spaces.scores": "jaxsurr.spaces.level_scores",
    "jaxsurr.training.methods.HEADS": "jaxsurr.training.kinds.LOSS_HEADS",
    "jaxsurr.training.methods.KINDS": "jaxsurr.training.kinds.LOSS_KINDS",
}
"""Attributes of modules, old name: new name."""

FIELDS = {
    "Diagnosis": {"flat": "zero_gradient_fraction", "flat_wider": "zero_gradient_fraction_wider"},
    "Info": {"flat": "zero_gradient_fraction"},
    "Pooled": {"marks": "label_features", "share": "fraction"},
    "Problem": {"slope": "gradient_view", "goal": "target_gradient", "fit": "value_view", "shift": "mean"},
    "Regions": {"flat": "zero_gradient_fraction"},
    "SmoothedState": {"spread": "squared_size"},
    "Space": {"ramps": "margins", "reach": "margin_range", "spread": "squared_size"},
    "SurrogateState": {"along": "dot_sg", "length": "dot_ss", "spread": "squared_size"},
}
"""Fields of NamedTuples by the name of their class, old name: new name."""

ARGUMENTS = {
    "matched_scale": {"spread": "squared_size"},
    "smoothing_scale": {"spread": "squared_size"},
}
"""Arguments of functions by the name of the function, old name: new name."""

WORDS = {
    "array": {f".{old}": f".{new}" for old, new in FIELDS["SurrogateState"].items()},
    "estimator": {"whole": "groups"},
    "kind": {"points": "keypoints"},
    "space": {"points_in_plane": "keypoint_coordinates", "scores": "level_scores"},
}
"""Words in configs, sources and files, by the kind of thing that they name, old word: new word."""

GONE = {
    "jaxsurr.frozen": "jaxsurr.pretraining (shipped, PRETRAINED) and jaxsurr.surrogates.frozen",
    "jaxsurr.studies": "jaxsurr.benchmarks, as in python -m jaxsurr.benchmarks.cost, or tests.long, in a clone",
    "jaxsurr.surrogates.embedding": "jaxsurr.surrogates.peers.embedding",
    "jaxsurr.surrogates.interpolation": "jaxsurr.surrogates.peers.interpolation",
    "jaxsurr.surrogates.relational": "jaxsurr.surrogates.peers.relational",
    "jaxsurr.surrogates.residual_likelihood": "jaxsurr.surrogates.peers.residual_likelihood",
    "jaxsurr.surrogates.set_value_fit": "jaxsurr.surrogates.peers.set_value_fit",
    "jaxsurr.training.study": "jaxsurr.comparison.from_config",
}
"""Modules that cannot be imported by their old name, since a function has it now, and where to look."""

GONE_ATTRIBUTES = {
    "jaxsurr.sampling.SAMPLERS": "the field sample of each space in jaxsurr.spaces.SPACES",
    "jaxsurr.spaces.sampling.SAMPLERS": "the field sample of each space in jaxsurr.spaces.SPACES",
    "jaxsurr.surrogates.frozen.FOLLOWING": "the field scale_free of each space in jaxsurr.spaces.SPACES",
}
"""Attributes of modules that are no more, and where to look."""


def _warn(old: str, new: str, depth: int) -> None:
    text = f"{old} is now {new}; the old name goes in version 0.3."
    warnings.warn(text, DeprecationWarning, stacklevel=depth + 1)


def attribute(module: str, name: str) -> Any:
    """An attribute of a module or package by its old name, for its `__getattr__`; with a warning.

    Raises:
      AttributeError: there was no attribute of this name, or there is none in its place.
    """
    old = f"{module}.{name}"
    if old in MODULES or old in SPLIT:
        return importlib.import_module(old)
    if old in GONE_ATTRIBUTES:
        raise AttributeError(f"{old} is now {GONE_ATTRIBUTES[old]}.")
    if old not in ATTRIBUTES:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    _warn(old, ATTRIBUTES[old], 3)
    where, _, new = ATTRIBUTES[old].rpartition(".")
    return getattr(importlib.import_module(where), new)


def word(what: str, text: Any, *, warn: bool) -> Any:
    """The current word for an old one; other words are returned unchanged.

    Args:
      what: the kind of thing that it names, a key of `WORDS`.
      text: the word.
      warn: whether an old word gives a warning: yes where it is a user's, no where it comes from an old file.
    """
    new = WORDS[what].get(text, text) if isinstance(text, str) else text
    if warn and new != text:
        _warn(f"{what}={text!r}", repr(new), 3)
    return new


def _renaming(function: Any, prefix: str, names: Mapping[str, str]) -> Any:
    """The function, which can be called with the old names of its arguments too."""

    @functools.wraps(function)
    def call(*args: Any, **given: Any) -> Any:
        for old in [name for name in given if name in names]:
            _warn(prefix + old, prefix + names[old], 2)
            given[names[old]] = given.pop(old)
        return function(*args, **given)

    return call


def arguments(function: F) -> F:
    """A decorator: a function can be called with the old names of its arguments, with a warning."""
    name = function.__name__
    return _renaming(function, f"{name}: ", ARGUMENTS[name])


def fields(made: type[T]) -> type[T]:
    """A decorator: a NamedTuple can be made, changed and read by the old names of its fields, with a warning."""
    names = FIELDS[made.__name__]

    def reading(old: str) -> property:
        def read(one: Any) -> Any:
            _warn(f"{made.__name__}.{old}", f"{made.__name__}.{names[old]}", 2)
            return getattr(one, names[old])

        return property(read)

    for name in ("__new__", "_replace"):
        setattr(made, name, _renaming(getattr(made, name), f"{made.__name__}.", names))
    for old in names:
        setattr(made, old, reading(old))
    return made


def has_old_fields(node: Any) -> bool:
    """Whether a node is a NamedTuple with renamed fields."""
    return isinstance(node, tuple) and type(node).__name__ in FIELDS and hasattr(node, "_fields")


def by_old_fields(node: Any) -> dict[str, Any]:
    """The fields of a NamedTuple by their old names, as in files of earlier versions."""
    old = {new: name for name, new in FIELDS[type(node).__name__].items()}
    fields: tuple[str, ...] = node._fields
    return {old.get(name, name): value for name, value in zip(fields, node, strict=True)}


class Renamed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finder of modules by their old names; the first one, ahead of files that an older version may have left."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of a module that has another name now.

        Raises:
          ModuleNotFoundError: it cannot be imported by the old one.
        """
        if name in GONE:
            raise ModuleNotFoundError(f"{name} is now {GONE[name]}.", name=name)
        return importlib.util.spec_from_loader(name, self) if name in MODULES or name in SPLIT else None

    def exec_module(self, module: types.ModuleType) -> None:
        """Fills a module of the old name with the attributes of the new one, or of several."""
        old = module.__name__
        names = SPLIT.get(old) or (MODULES[old],)
        _warn(old, " and ".join(names), 2)
        for name in names:
            found = importlib.import_module(name)
            vars(module).update({key: value for key, value in vars(found).items() if not key.startswith("__")})
        vars(module)["__getattr__"] = functools.partial(attribute, old)
