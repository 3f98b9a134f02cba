"""The lines of `results.jsonl`, read with distrust: a line counts if it is whole, of this comparison, and unchanged."""

import functools
import pathlib
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

from jaxsurr.training import records
from jaxsurr.training.entries import changed, line_fault
from jaxsurr.training.protocols import Report, Say

__all__ = ["OPEN", "Expected", "other", "read_results", "telling"]

# What may differ between two commands that go on with the same comparison.
OPEN = ("losses", "seeds", "loss", "seed", "checkpoint", "devices", "reference")


class Expected(NamedTuple):
    """The facts that all lines of a comparison share.

    Attributes:
      config: the fields that all its runs share, as plain data.
      metrics: name and whether higher is better, by loss; other losses may be of any metric.
    """

    config: Mapping[str, Any]
    metrics: Mapping[str, tuple[str, bool]]


def telling(report: Report | None) -> Say:
    """Says a sentence once, as a note of the report, or as a warning where there is none: no line goes in silence."""

    def tell(text: str) -> None:
        if report is None:
            warnings.warn(text, stacklevel=4)  # the caller of `compare`
        else:
            report({"event": "note", "text": text})

    return functools.cache(tell)


def read_results(
    path: pathlib.Path, warn: Say = lambda text: None, expected: Expected | None = None
) -> dict[str, dict[str, Any]]:
    """The runs of a comparison by their key, the first line of each.

    A line that was cut off when its writer was killed, is damaged or is none of a comparison's is left out, and its run
    is made again. Runs that were trained side by side count together or not at all: where one of their lines is
    missing, all are left out, so that they are trained together again and end as they would have ended.

    Args:
      path: of `results.jsonl`; it need not exist.
      warn: called with a sentence for every line that is left out.
      expected: what the lines must agree in.

    Raises:
      ValueError: a line is of another config or metric.
    """
    if not path.exists():
        return {}
    whole: list[tuple[int, dict[str, Any] | None]] = []
    for number, text in enumerate(path.read_bytes().split(b"\n"), 1):
        if text:
            entry, fault = _read(text)
            if entry is not None and expected is not None:
                _check(entry, expected, f"{path}, line {number}")
            if entry is None or changed(entry):
                fault = fault or "it has changed since it was written, its checksum does not fit"
                warn(f"{path}, line {number} is not whole; its run will be made again: {fault}.")
                entry = None
            whole.append((number, entry))
    found: dict[str, dict[str, Any]] = {}
    while whole:
        number, entry = whole[0]
        group = [None] if entry is None else entry.get("group", [entry["key"]])
        together = [line for _, line in whole[: len(group)]]
        if entry is not None and [line and line["key"] for line in together] == group:
            for line in filter(None, together):
                found.setdefault(line["key"], line)
        elif entry is not None:
            together = [entry]
            warn(
                f"{path}, line {number} is of {len(group)} runs trained side by side, not all of which are whole; they "
                "will be made again."
            )
        whole = whole[len(together) :]
    return found


def _read(text: bytes) -> tuple[dict[str, Any] | None, str | None]:
    """The entry of a line, and what is wrong with it; one of the two is None."""
    try:
        entry = records.parse_json(text)
    except ValueError as error:
        return None, f"{error}"[:200]
    fault = line_fault(entry)
    return (None, fault) if fault else (entry, None)


def other(entry: Mapping[str, Any], expected: Expected) -> str:
    """The fields in which an entry is of another comparison, in words; "" where there are none."""
    shared = {name: value for name, value in entry["config"].items() if name not in OPEN}
    differ = [records.differences(shared | {"trials": expected.config["trials"]}, expected.config)]
    measured = ("metric", "higher_is_better")
    for field, here in zip(measured, expected.metrics.get(entry["loss"], ()), strict=False):
        if entry[field] != here:
            differ.append(f"{field} ({entry[field]!r:.100} there, {here!r} here)")
    for field, kept in (("setting", "loss"), ("seed", "seed")):
        if entry["config"].get(kept) != entry[field]:
            inner = entry["config"].get(kept)
            differ.append(f"{field} ({entry[field]!r:.100}, and {kept} {inner!r:.100} in its config)")
    return ", ".join(filter(None, differ))


def _check(entry: Mapping[str, Any], expected: Expected, where: str) -> None:
    """Refuses a line of another comparison, by the fields that differ."""
    differ = other(entry, expected)
    if differ:
        raise ValueError(
            f"{where} ({entry['key']}) is of another config: {differ}. Delete the line, and its run is made again; or "
            "choose another --workdir. Nothing was changed."
        )
