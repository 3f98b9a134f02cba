"""What a surrogate says of itself: plain data from which it can be made again.

Names in it are those of registries of this library. What is in none (a metric of the user's own, an optimizer, a
network) is listed as `given`, and has to be handed in again.
"""

import contextlib
import functools
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from jaxsurr import losses
from jaxsurr.core import checks
from jaxsurr.core.types import Space, Surrogate
from jaxsurr.metrics import METRICS, Metric, as_metric
from jaxsurr.smoothing.goal import Estimation
from jaxsurr.spaces import SPACES
from jaxsurr.surrogates.plain_options import check_kinds, check_values, only_plain

__all__ = [
    "GONE", "Settings", "describe_metric", "described", "is_plain", "metric_of", "no_option", "remade", "space_name",
]  # fmt: skip

GONE = {
    "anchors_of_a_kind": 16, "exact_noise": False, "penalty_weight": 0.0, "scale_updates": 50, "steepness": 5.0,
}  # fmt: skip
"""Options of versions before 0.2 that methods no longer have, and the value that each has now for good."""


_KEPT = 16  # surrogates of each method


class Settings(dict):
    """Plain data that can be hashed, so that a surrogate can be the key of a dict or a static argument of `jax.jit`."""

    def text(self) -> str:
        """As JSON, which tells 0 from False."""
        return json.dumps(self, sort_keys=True)

    def __hash__(self) -> int:  # pyright: ignore  # dict says that it has none
        return hash(self.text())


def is_plain(value: Any) -> bool:
    """Whether JSON holds the value: None, truth, number, text, or a list or tuple of such."""
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return all(map(is_plain, value))
    return value is None or type(value) in (bool, int, float, str) or isinstance(value, np.number | np.bool_)


def _listed(value: Any) -> Any:
    """As JSON gives it back."""
    if isinstance(value, np.generic):
        return value.item()
    return list(map(_listed, value)) if isinstance(value, list | tuple) else value


def _tupled(value: Any) -> Any:
    return tuple(map(_tupled, value)) if isinstance(value, list) else value


def space_name(space: Space | None) -> str | None:
    """The name that a space is registered by, or None."""
    return space.name if space is not None and SPACES.get(space.name) is space else None


def _bound(registered: str, options: Mapping[str, Any], space: Space) -> Metric:
    metric = METRICS[registered]
    return metric.bind(**options, space=space) if options or space is not metric.space else metric


def describe_metric(metric: Metric) -> dict[str, Any]:
    """Name, direction, kind and space of a metric, and its name among the library's with its options.

    `registered` is None for a metric that is not the library's, or has options that are no plain data.
    """
    described = {
        "name": metric.name,
        "registered": None,
        "options": {},
        "space": space_name(metric.space),
        "higher_is_better": metric.higher_is_better,
        "per_example": metric.per_example,
    }
    if described["space"] is not None and is_plain([value for _, value in metric.options]):
        for name, one in METRICS.items():
            for options in ({}, dict(metric.options)):
                if one.function is metric.function and _bound(name, options, metric.space) == metric:
                    plain = {key: _listed(value) for key, value in options.items()}
                    return described | {"registered": name, "options": plain}
    return described


def metric_of(settings: Mapping[str, Any]) -> Metric | None:
    """The metric that plain data describe, or None where it is the user's own.

    Args:
      settings: what `describe_metric` gives.

    Raises:
      ValueError: there is no such metric here, or it describes itself otherwise.
    """
    if settings["registered"] is None:
        return None
    checks.one_of(settings["registered"], "metric", METRICS)
    function = METRICS[settings["registered"]].function
    check_kinds(function, settings["options"], settings["registered"])
    options = {name: _tupled(value) for name, value in settings["options"].items()}
    check_values(function, options, settings["registered"])
    metric = _bound(settings["registered"], options, SPACES[settings["space"]])
    if describe_metric(metric) != dict(settings):
        raise ValueError(f"the metric {settings['name']!r} describes itself otherwise in this version of jaxsurr.")
    return metric


def _describe_loss(loss: Callable) -> dict[str, Any] | None:
    """Name and options of a conventional loss of the library's, or None."""
    options = {}
    if isinstance(loss, functools.partial) and not loss.args:
        loss, options = loss.func, loss.keywords
    known = next((name for name, one in losses.LOSSES.items() if one is loss), None)
    if known is None or not is_plain(tuple(options.values())):
        return None
    return {"name": known, "options": {name: _listed(value) for name, value in options.items()}}


def _describe(method: str, arguments: Mapping[str, Any], defaults: Mapping[str, Any]) -> Settings:
    settings: dict[str, Any] = {
        "method": method,
        "metric": None,
        "loss": None,
        "space": None,
        "options": {},
        "given": [],
    }
    space = None
    for name, value in arguments.items():
        if name == "metric":
            metric = as_metric(value)
            settings["metric"], space = describe_metric(metric), metric.space
            known = settings["metric"]["registered"] is not None
        elif name == "loss":
            settings["loss"] = _describe_loss(value)
            known = settings["loss"] is not None
        elif name == "space":
            known = value is None or space_name(value) is not None
            space = space if value is None else value
        elif isinstance(value, Estimation):  # its fields are options like others
            known = True
            settings["options"] |= {field: _listed(entry) for field, entry in value._asdict().items()}
        elif is_plain(value):
            known, settings["options"][name] = True, _listed(value)
        else:
            known = value is defaults[name]
        if not known:
            settings["given"].append(name)
    return Settings(settings | {"space": space_name(space)})


def described(method: Callable[..., Surrogate]) -> Callable[..., Surrogate]:
    """Makes a method fill in `Surrogate.settings` from the arguments that it is called with.

    Where plain data describe all arguments, the last surrogates that were made are kept: the same call gives the same
    functions, so that `jax.jit` has their programs already.

    >>> import jaxsurr
    >>> settings = jaxsurr.correlated_gradients(jaxsurr.metrics.pck.bind(threshold=0.2)).settings
    >>> settings["method"], settings["metric"]["name"], settings["options"]["num_pairs"], settings["given"]
    ('correlated_gradients', 'pck(threshold=0.2)', 16, [])
    """
    signature = inspect.signature(method)
    defaults = {name: parameter.default for name, parameter in signature.parameters.items()}

    @functools.lru_cache(maxsize=_KEPT)
    def place(*key: Any) -> list[Surrogate]:
        """Of the surrogate that is kept, or where it is to be; names of registries may come to mean something else."""
        return []

    @functools.wraps(method)
    def make(*args: Any, **kwargs: Any) -> Surrogate:
        _check_names(method.__name__, signature.parameters, kwargs)
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        kept: list[Surrogate] = []
        with contextlib.suppress(Exception):  # the method says in its own words what cannot be described
            settings = _describe(method.__name__, bound.arguments, defaults)
            if not settings["given"]:
                metric = as_metric(bound.arguments["metric"]) if "metric" in bound.arguments else None
                kept = place(settings.text(), metric, bound.arguments.get("space"), bound.arguments.get("loss"))
            if kept:
                return kept[0]._replace(settings=settings)
        options = {
            name: _listed(value)
            for name, value in bound.arguments.items()
            # A metric may be named. An array may stand for a number: a scale that was computed, say.
            if name != "metric"
            and (is_plain(value) or (only_plain(signature.parameters[name].annotation) and not hasattr(value, "dtype")))
        }
        estimation = bound.arguments.get("estimation")
        fields = estimation._asdict() if isinstance(estimation, Estimation) else {}

        def check() -> None:
            check_kinds(method, options, method.__name__)
            check_kinds(Estimation, fields, method.__name__)

        try:
            surrogate = method(*args, **kwargs)
        except (TypeError, ArithmeticError):  # a comparison or a sum with an option of another kind
            check()
            raise
        check()
        kept.append(surrogate._replace(settings=_describe(method.__name__, bound.arguments, defaults)))
        return kept[-1]

    return make


def no_option(method: str, name: str) -> str:
    """What is said of an option that went in version 0.2."""
    return f"{method} has no option {name!r} any more: it is as {GONE[name]!r} was. Leave it out."


def _check_names(method: str, accepts: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Refuses options that went or moved in version 0.2, and says what is in their place."""
    for name in [name for name in options if name not in accepts]:
        if name in Estimation._fields and "estimation" in accepts:
            raise TypeError(
                f"{method} has no option {name!r} of its own: pass estimation=Estimation({name}=...), from "
                "jaxsurr.surrogates."
            )
        if name in GONE:
            raise TypeError(no_option(method, name))


def _still_known(settings: Mapping[str, Any], accepts: Mapping[str, Any]) -> dict[str, Any]:
    """The settings without options that methods no longer have.

    Raises:
      ValueError: such an option is not as it is for good now.
    """
    kept = dict(settings["options"])
    for name in [name for name in GONE if name in kept and name not in accepts]:
        value = kept.pop(name)
        if value != GONE[name] or type(value) is not type(GONE[name]):
            raise ValueError(
                f"it was made with {name}={value!r}, an option that {settings['method']} has no more: it is always as "
                f"{GONE[name]!r} was. Learn and save the surrogate again, or use jaxsurr 0.1."
            )
    return dict(settings) | {"options": kept}


def remade(methods: Mapping[str, Callable], settings: Mapping[str, Any], given: Mapping[str, Any]) -> Surrogate:
    """A surrogate from its settings, and from what these list as given.

    Args:
      methods: by name.
      settings: `Surrogate.settings`, as JSON gives them back.
      given: the arguments that plain data do not hold, by name.

    Raises:
      ValueError: something that was given when it was made is not given now, or more is, or the result describes
        itself otherwise than the settings do.
      TypeError: a method has no such option.
    """
    missing, more = sorted(set(settings["given"]) - set(given)), sorted(set(given) - set(settings["given"]))
    if missing:
        metric = settings["metric"]
        called = f" (the metric is {metric['name']!r})" if "metric" in missing else ""
        raise ValueError(
            f"this surrogate was made with a {' and a '.join(missing)} of its user's own, which a file cannot "
            f"hold{called}. Hand in the same: load(path, {', '.join(f'{name}=...' for name in missing)})."
        )
    if more:
        raise ValueError(f"the file holds {' and '.join(more)} itself: leave {'it' if len(more) == 1 else 'them'} out.")
    method = methods[settings["method"]]
    accepts = inspect.signature(method).parameters
    if "options" in accepts:  # value_fit passes them on
        accepts = dict(inspect.signature(methods["correlated_gradients"]).parameters)
    settings = _still_known(settings, accepts)
    arguments = {name: _tupled(value) for name, value in settings["options"].items()} | dict(given)
    if "estimation" in accepts:
        fields = {name: arguments.pop(name) for name in Estimation._fields if name in arguments}
        arguments["estimation"] = Estimation(**fields)
    if settings["metric"] is not None and "metric" not in given:
        arguments["metric"] = metric_of(settings["metric"])
    if settings["loss"] is not None:
        name, options = settings["loss"]["name"], settings["loss"]["options"]
        loss = losses.get(name)
        check_kinds(loss, options, name)
        check_values(loss, options, name)
        arguments["loss"] = functools.partial(loss, **options) if options else loss
    if "space" not in given and settings["space"] is not None and "space" in accepts:
        arguments["space"] = SPACES[settings["space"]]
    if "metric" in given:
        found, wanted = describe_metric(as_metric(given["metric"])), settings["metric"] or {}
        differ = [name for name in found if found[name] != wanted.get(name)]
        if differ:
            shown = ", ".join(f"{name} {wanted.get(name)!r} in the file, {found[name]!r} here" for name in differ)
            raise ValueError(f"the metric handed in is not the one that the surrogate was learned for: {shown}.")
    surrogate = method(**arguments)
    # An option that a method has got since the file was written has its default.
    told = dict(surrogate.settings or {})
    known = {name: value for name, value in told["options"].items() if name in settings["options"]}
    if Settings(told | {"options": known}).text() != Settings(settings).text():
        raise ValueError("the surrogate made from these settings describes itself otherwise.")
    return surrogate
