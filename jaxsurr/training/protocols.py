"""Types of what is handed to runs and comparisons: a config, and the functions that they call.

They are for editors and type checkers; nothing is checked by them at run time. What the fields of a config mean says
`jaxsurr.training.default_config`, which makes one, and `jaxsurr.training.checking` checks their values.
"""

from collections.abc import ItemsView, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, Self

__all__ = [
    "CheckpointConfig", "Config", "DataConfig", "Entry", "Event", "ModelConfig", "Outcome", "Report", "Say", "Stop",
    "SurrogateConfig",
]  # fmt: skip

Event = dict[str, Any]
"""Progress of runs, by its key "event".

"epoch", after an epoch: `epochs`, `loss_name`, `seed`, and the entry of the history: `epoch`, `phase`, `loss`,
`validation`, and of a learned loss `gradient_correlation`, `ceiling`, `value_error`, `zero_gradient_fraction`, `scale`.
"run", before a run of a comparison: `key`, `setting`, and how many runs are `done`, `left` and `skipped`. "note": a
`text`.
"""

Entry = dict[str, Any]
"""An epoch in the history of a run: `epoch`, `phase`, `loss`, `validation`, and of a learned loss what an event has."""

Outcome = dict[str, Any]
"""Outcome of a run: `epochs`, `best_epoch`, `validation`, `test`, `gradient_correlation`, `ceiling` and `history`.

With `fallback` or a start that is chosen: whether the fixed run `stayed`, that is, is the one that counts. With the
latter also the `start`, the fixed loss that was chosen, and the validation metric of all `starts`, None of one that
diverged. Where the metric is a black box `metric_calls`, the number of sets that it was asked for, in this run and in
each epoch of the history; with `fallback` or starts it is that of the run that counts.
"""


class Report(Protocol):
    """A callback for progress, such as a display."""

    def __call__(self, event: Event, /) -> object:
        """Called with an `Event`; the result is not used."""
        ...


class Say(Protocol):
    """A callback for sentences, such as `print`."""

    def __call__(self, text: str, /) -> object:
        """Called with a line; the result is not used."""
        ...


class Stop(Protocol):
    """Whether runs are to end before they are done."""

    def __call__(self) -> bool:
        """True from when on that was asked for; called after every step."""
        ...


class DataConfig(Protocol):
    """The fields `data` of a config, see `jaxsurr.data.load`."""

    source: str
    kind: str
    levels: int
    validation_fraction: float
    test_fraction: float
    label_noise: float
    limit: int
    split_seed: int
    augment: str
    class_weights: str


class ModelConfig(Protocol):
    """The fields `model` of a config, see `jaxsurr.models.build`."""

    name: str
    hidden: Sequence[int]
    head: str


class SurrogateConfig(Protocol):
    """The fields `surrogate` of a config, see `jaxsurr.correlated_gradients`."""

    family: str
    objective: str
    num_pairs: int
    relative_scale: float
    power: float
    path: str
    spread: float
    value_weight: float
    correlation_weight: float
    correlation: str
    calibrate: bool
    outer_steps: int
    outer_every: int
    metric_calls: int
    burn_in: int
    part: str
    heldout: float

    def __iter__(self) -> Iterator[str]:
        """The names of the fields."""
        ...


class CheckpointConfig(Protocol):
    """The fields `checkpoint` of a config."""

    every: int
    keep: int


class Config(Protocol):
    """A config of a run or a comparison: the `ml_collections.ConfigDict` of `default_config`."""

    seed: int
    loss: str
    losses: Sequence[str]
    seeds: int
    trials: int
    reference: str
    metric: str
    metric_weights: Sequence[float]
    start: str
    conventional: str
    epochs: int
    warm_epochs: int
    mixture: float
    fallback: bool
    tune_threshold: bool
    batch_size: int
    optimizer: str
    learning_rate: float
    weight_decay: float
    data: DataConfig
    model: ModelConfig
    surrogate: SurrogateConfig
    devices: int
    engine: str
    checkpoint: CheckpointConfig

    def items(self) -> ItemsView[str, Any]:
        """Names and values of the fields; of `data`, `model`, `surrogate` and `checkpoint` the value has fields too."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain data."""
        ...

    def copy_and_resolve_references(self) -> Self:
        """A copy that can be changed."""
        ...

    def ignore_type(self) -> AbstractContextManager[Any]:
        """Within which a field may get a value of another type than it has, to be refused in words later."""
        ...

    def update_from_flattened_dict(self, flattened_dict: Mapping[str, Any], /) -> None:
        """Sets fields by their path, `{"data.source": "idx:DIR"}`."""
        ...
