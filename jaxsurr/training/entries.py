"""Entries of results: the fields of a finished run, their checks, and a checksum.

`result.json` of a run and each line of `results.jsonl` of a comparison are such entries. They carry a checksum of all
else that they say; those of earlier versions have none, and are taken as they are.
"""

import hashlib
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from jaxsurr.training import records

__all__ = ["FIELDS", "LINE", "SEAL", "changed", "fault_of", "key_of", "line_fault", "read_result", "sealed"]

SEAL = "sha256"
FIELDS = {"loss": str, "seed": int, "metric": str, "higher_is_better": bool, "history": list, "config": dict}
LINE = {"key": str, "purpose": str, "setting": str, "diverged": bool}


def key_of(purpose: str, loss: str, seed: int) -> str:
    """The key of a run: "tune" or "run", the loss and the seed."""
    return f"{purpose} | {loss} | seed {seed}"


def sealed(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry with its checksum."""
    return {**entry, SEAL: _checksum(entry)}


def _checksum(entry: Mapping[str, Any]) -> str:
    """Of all that an entry says, in the order in which it says it; numbers survive JSON to the bit."""
    said = {name: value for name, value in entry.items() if name != SEAL}
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _is_value(value: Any) -> bool:
    """Whether it is a metric, or several."""
    numbers = value if isinstance(value, list) else [value]
    return bool(numbers) and all(
        type(number) is float or (type(number) is int and abs(number) < 2**53) for number in numbers
    )


def fault_of(entry: Any) -> str | None:
    """The fault in the form of an entry, in words, or None."""
    if not isinstance(entry, dict):
        return "it is no JSON object with the fields of a run"
    for name, kind in FIELDS.items():
        if type(entry.get(name)) is not kind:
            return f"its {name} is missing or of a wrong type"
    for name in ("validation", "test"):
        if name not in entry or not (entry[name] is None or _is_value(entry[name])):
            return f"its {name} is missing or no number"
    for name in ("gradient_correlation", "ceiling"):
        if not (entry.get(name) is None or _is_value(entry[name])):
            return f"its {name} is no number"
    for epoch in entry["history"]:
        if not isinstance(epoch, dict) or type(epoch.get("epoch")) is not int or not _is_value(epoch.get("validation")):
            return "its history is not one of epochs with a number and a validation metric"
    return None


def changed(entry: Mapping[str, Any]) -> bool:
    """Whether an entry is not what was written; one without a checksum is taken as it is."""
    if SEAL in entry:
        return entry[SEAL] != _checksum(entry)
    return any(isinstance(value, str) and len(value) == 64 for value in entry.values())  # under a damaged name


def line_fault(entry: Any) -> str | None:
    """As `fault_of`, of a line of a comparison."""
    if fault := fault_of(entry):
        return fault
    for name, kind in LINE.items():
        if type(entry.get(name)) is not kind:
            return f"its {name} is missing or of a wrong type"
    tuning = entry["purpose"] == "tune"
    if entry["key"] != key_of(entry["purpose"], entry["setting" if tuning else "loss"], entry["seed"]):
        return "its key is not that of its purpose, loss and seed"
    if (entry["validation"] is None) != entry["diverged"] or (entry["test"] is None) != (entry["diverged"] or tuning):
        return "it lacks a metric, or has one that it should not have"
    if not entry["history"] and not entry["diverged"]:
        return "its history is empty"
    group = entry.get("group", [entry["key"]])
    if not isinstance(group, list) or not all(isinstance(key, str) for key in group) or entry["key"] not in group:
        return "its group is no list of keys with its own among them"
    return None


def read_result(path: pathlib.Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """The `result.json` of a run.

    Args:
      path: of the file.
      config: of the run, as plain data.

    Raises:
      ValueError: it is damaged, is of another config, or has changed since it was written.
    """
    advice = "Delete it, and the same command makes it again."
    entry = records.read_json(path, advice)
    if fault := fault_of(entry):
        raise ValueError(f"{path} is not the result of a run, {fault}. {advice}")
    if differ := records.differences(entry["config"], config):
        raise ValueError(f"{path} is of another config: {differ}. {advice}")
    if changed(entry):
        raise ValueError(f"{path} has changed since it was written: its checksum does not fit. {advice}")
    return {name: value for name, value in entry.items() if name != SEAL}
