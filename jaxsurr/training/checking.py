"""The checks that a whole config must pass before anything runs: its fields, its metric, and every loss in it."""

from jaxsurr import metrics
from jaxsurr.core import checks
from jaxsurr.core.spec import parse_spec
from jaxsurr.data.augment import parse_augment
from jaxsurr.metrics.decoding import DECODERS
from jaxsurr.training.config import check_values, default_config, flatten, no_field, update
from jaxsurr.training.methods import Method, resolve
from jaxsurr.training.protocols import Config

__all__ = ["AUTO", "validate"]

AUTO = "auto"
"""Among the losses of a comparison: all that fit (`jaxsurr.comparison.everything`)."""


def validate(config: Config) -> Method:
    """The method of a config, which is refused where it cannot run; the error names the field.

    Raises:
      ValueError: an unknown or missing field, an unknown name, a number out of range, an option that a loss or the
        metric does not have.
    """
    expected, got = flatten(default_config()), flatten(config)
    for path in got:
        if path not in expected:
            raise ValueError(no_field(path, expected))
    for path in expected:
        if path not in got:
            raise ValueError(f"the config lacks the field {path!r}; start from jaxsurr.training.default_config().")
    check_values(config)
    metrics.get(config.metric)
    name, options = parse_spec(config.metric)
    if "decode" in options:
        checks.one_of(options["decode"], f"decode of {name}", DECODERS)
    parse_augment(config.data.augment)
    if not all(isinstance(loss, str) for loss in config.losses):
        raise ValueError(f"losses must be a tuple of names, got {tuple(config.losses)!r}.")
    method = resolve(config)
    for loss in (loss for loss in config.losses if loss != AUTO):
        resolve(update(config.copy_and_resolve_references(), loss=loss))
    if len(set(config.losses)) < len(config.losses):
        raise ValueError(f"losses must name each loss once, got {tuple(config.losses)!r}.")
    if config.seeds > 1 and not config.losses:
        raise ValueError(
            f"seeds is {config.seeds}, but one run has one seed: name the losses of a comparison, as in "
            f"losses=({config.loss!r},), or leave seeds at 1 and choose seed."
        )
    return method
