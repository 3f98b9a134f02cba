"""Roles of the columns of a table: targets, lists, weights, inputs; and the `Raw` that they make."""

import fnmatch
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxsurr.data import weights as weights_of
from jaxsurr.data.columns import MOST_WORDS, Cells, Reading, Typed
from jaxsurr.data.lists import deal
from jaxsurr.data.numbers import durations
from jaxsurr.data.raw import Raw, closest, warn
from jaxsurr.data.steps import steps_of_rows
from jaxsurr.data.tables import inputs_of, is_missing

__all__ = ["Roles", "check", "collectors", "raw_of", "split_names", "typed"]


class Roles(NamedTuple):
    """What the columns of a table are for; those that are not named are inputs.

    Attributes:
      target: names of the columns that are predicted, one at least.
      lists: name of the column with the list of each row; or the number of items of a list, to assign rows to lists at
        random; or None, where rows are independent.
      weight: name of the column of the rows' weights, or None.
      event: name of the column that says whether the event was seen, where the target is the time until it, or None.
      sequence: name of the column with the sequence of each row, whose target is the label of a step, or None.
      drop: names of columns that are left out.
      missing: more cells that are missing values, beside those of `jaxsurr.data.cells.MISSING`.
      categories: names of columns of categories, whose numbers are words.
      order: the words of the target from the lowest to the highest, which makes them levels; empty for none.
    """

    target: tuple[str, ...]
    lists: str | int | None = None
    weight: str | None = None
    event: str | None = None
    sequence: str | None = None
    drop: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    order: tuple[str, ...] = ()

    def named(self) -> tuple[str, ...]:
        """The columns that are no inputs, but for those that are left out."""
        lists = self.lists if isinstance(self.lists, str) else None
        return (*self.target, *filter(None, (lists, self.sequence, self.weight, self.event)))


def split_names(text: str | Sequence[str], columns: Sequence[str]) -> tuple[str, ...]:
    """Names of columns that are written with commas between them, or as patterns such as `label_*`, or as a sequence.

    A name that no column and no pattern has stays as it is, to be refused where columns are looked up.

    Raises:
      TypeError: neither text nor a sequence.

    >>> split_names("a,b", ["a", "b"]), split_names("a,b", ["a,b", "c"]), split_names("b*,a", ["a", "b1", "b2"])
    (('a', 'b'), ('a,b',), ('b1', 'b2', 'a'))
    """
    if not isinstance(text, str):
        if not isinstance(text, Iterable):
            raise TypeError(f"names must be a sequence, such as ['low', 'high'], or text with commas, got {text!r}")
        return tuple(text)
    if text in columns:
        return (text,)
    found = []
    for part in filter(None, map(str.strip, text.split(","))):
        fits = [] if part in columns else [column for column in columns if fnmatch.fnmatchcase(column, part)]
        found += fits or [part]
    return tuple(found)


def check(name: str, columns: Sequence[str], roles: Roles, option: Callable[..., str]) -> list[str]:
    """The names of the input columns.

    Args:
      name: of the file or frame.
      columns: names of all columns.
      roles: of the columns.
      option: how an option is written, for messages.

    Raises:
      ValueError: no such column, a name twice, a column with two roles, or no input column.
    """
    places = {column: place for place, column in enumerate(columns)}
    named = roles.named()
    for column in (*named, *roles.drop, *roles.categories):
        if column not in places:
            raise ValueError(f"{name} has no column {column!r}. {closest(column, columns)}")
    if len(places) < len(columns):
        twice = next(column for place, column in enumerate(columns) if places[column] != place)
        raise ValueError(f"{name} has two columns named {twice[:80]!r}; rename one of them")
    if roles.event in roles.target:
        raise ValueError(f"{name}: {roles.event!r} cannot be both the target and the column of events")
    if roles.lists in roles.target:
        raise ValueError(f"{name}: {roles.lists!r} cannot be both the target and the column of lists")
    for column in dict.fromkeys(named):
        if roles.target.count(column) > 1:
            raise ValueError(f"{name}: {column!r} is named twice as a target; leave one of them out")
        if named.count(column) > 1 or column in roles.drop:
            raise ValueError(
                f"{name}: {column!r} has two roles among target, list, sequence, weight, event and columns to leave "
                "out; expected one"
            )
    unread = {*named, *roles.drop}
    inputs = [column for column in columns if column not in unread]
    if not inputs:
        left = f" ({option('drop', *roles.drop)} leaves out the others)" if roles.drop else ""
        raise ValueError(
            f"{name} has the column {' and '.join(map(repr, named))} only; expected at least one more, as input{left}"
        )
    return inputs


def collectors(columns: Sequence[str], roles: Roles, reading: Reading) -> dict[str, Cells]:
    """What collects the cells of each column that is not left out."""
    single = roles.target[0] if len(roles.target) == 1 else None
    role = {single: "target", roles.lists: "list", roles.sequence: "list"}
    return {column: Cells(column, reading, role=role.get(column, "")) for column in columns if column not in roles.drop}


def typed(makers: Mapping[str, Callable[..., Typed]], roles: Roles, reading: Reading) -> dict[str, Typed]:
    """Columns by name, as numbers or words.

    Args:
      makers: `(as_words) -> Typed` of each column, as `Cells.typed`.
      roles: of the columns.
      reading: how the table is read, for messages.

    Raises:
      ValueError: as `Cells.typed`; where several inputs are refused, with the option that leaves out all of them.
    """
    found, refused = {}, {}
    for column, make in makers.items():
        try:
            found[column] = make(as_words=column in roles.categories)
        except ValueError as error:
            if column in roles.named():
                raise
            refused[column] = error
    if not refused:
        return found
    first, *others = refused
    if not others:
        raise refused[first]
    option = reading.option("drop", *roles.drop, *refused)
    more = f"Refused too: {_listed(others)}; to leave out all of them: {option}"
    raise ValueError(f"{refused[first]}. {more}") from refused[first]


def raw_of(columns: dict[str, Typed], inputs: Sequence[str], roles: Roles, reading: Reading) -> Raw:
    """The content of a table.

    Args:
      columns: by name.
      inputs: names of those that are inputs.
      roles: of the others.
      reading: how the table was read, for messages.

    Raises:
      ValueError: a missing list or weight; no row with a target; targets that do not fit each other; no input with
        a value.
    """
    name, notes = reading.name, []
    called = {roles.weight: "weight", roles.event: "event", roles.lists: "list", roles.sequence: "sequence"}
    for column in roles.named():
        if (first := columns[column].first_missing) and column not in roles.target:
            raise ValueError(
                f"{name}, {reading.place} {first}, column {column!r}: '' or another mark of a missing value; a row "
                f"needs its {called[column]}: fill it in, or delete such rows"
            )
    if roles.weight is not None:
        _check_weights(name, roles.weight, columns[roles.weight])
    if roles.sequence is None:  # of sequences, rows without a target are steps that do not count
        columns, told = _with_targets(columns, roles, reading)
        notes += told
    if roles.drop:
        notes.append(f"{_count(len(roles.drop), 'column')} left out as asked for ({_listed(roles.drop)})")
    empty = [column for column in inputs if not columns[column].words and np.isnan(columns[column].values).all()]
    if empty:
        notes.append(f"{_count(len(empty), 'column')} without any value left out ({_listed(empty)})")
    kept = {column: columns[column] for column in inputs if column not in empty}
    if not kept:
        raise ValueError(f"{name}: no input column has a value ({_listed(empty)}); expected at least one that has")
    if bools := [column for column, held in kept.items() if held.was_bool]:
        notes.append(f"{_count(len(bools), 'column')} of true and false, or yes and no, as 1 and 0 ({_listed(bools)})")
    table, weights = inputs_of(kept), None if roles.weight is None else columns[roles.weight].values
    if roles.sequence is not None:
        target, *others = roles.target
        if others or roles.event is not None or roles.lists is not None or roles.order:
            raise ValueError(f"{name}: the steps of sequences have one label each; leave out other targets and roles")
        of_row, label = columns[roles.sequence].values, columns[target]
        where = f"{name}, column {target!r}"
        table, steps, names, told, weights = steps_of_rows(where, of_row, table, label.values, label.words, weights)
        facts = {"targets": steps, "kind": "tokens", "names": names, "weights": weights}
        return Raw(table, columns=tuple(kept), notes=(*notes, *told), **facts)
    facts: dict[str, Any] = _targets(name, columns, roles)
    if roles.lists is not None:
        if facts.get("unordered") or facts["targets"].ndim > 1:
            raise ValueError(f"{name}: the target of items of lists must be one number, its relevance; code its words")
        groups = columns[roles.lists].values if isinstance(roles.lists, str) else int(roles.lists)
        dealt, ranked, weights = deal(groups, table, facts["targets"], weights)
        if isinstance(groups, int):
            notes.append(f"{len(table)} rows are dealt at random into {len(dealt)} lists of up to {groups}")
        table, facts = dealt, {"targets": ranked, "kind": "lists"}
    return Raw(table, columns=tuple(kept), notes=tuple(notes), weights=weights, **facts)


def _check_weights(name: str, column: str, held: Typed) -> None:
    if held.words:
        raise ValueError(f"{name}, column {column!r}: weights must be numbers, found {held.words[0]!r}")
    weights_of.check(f"{name}, column {column!r}", held.values, len(held.values))


def _with_targets(columns: dict[str, Typed], roles: Roles, reading: Reading) -> tuple[dict[str, Typed], list[str]]:
    """The rows that have a target, and a note, with a warning, on the number of others."""
    gaps = np.any([is_missing(columns[column].values) for column in roles.target], axis=0)
    if not gaps.any():
        return columns, []
    targets = " and ".join(map(repr, roles.target))
    first = min(columns[column].first_missing for column in roles.target if columns[column].first_missing)
    if gaps.all():
        raise ValueError(
            f"{reading.name}, {reading.place} {first}, column {targets}: '' or another mark of a missing value, as in "
            "all rows; expected rows with a target"
        )
    note = (
        f"{np.sum(gaps)} of {len(gaps)} rows have no target in {targets} (the first on {reading.place} {first}) and "
        "are left out"
    )
    warn(note)
    return {name: column._replace(values=column.values[~gaps]) for name, column in columns.items()}, [note]


def _targets(name: str, columns: dict[str, Typed], roles: Roles) -> dict[str, Any]:
    """Targets of rows, their default kind and names, as fields of `Raw`."""
    if roles.event is not None:
        time, event = columns[roles.target[0]], columns[roles.event]
        if len(roles.target) > 1 or time.words or event.words:
            raise ValueError(
                f"{name}: a time is one column of numbers, and its event one of 0 and 1, or of true and false"
            )
        return dict(targets=durations(name, time.values, event.values), kind="durations")
    several = {column: columns[column] for column in roles.target}
    if len(several) > 1:
        if words := [column for column, held in several.items() if held.words]:
            raise ValueError(f"{name}: of several targets each must be of numbers, and {words[0]!r} is of words")
        if roles.order:
            raise ValueError(f"{name}: an order of words is for one target, got {len(several)}; leave it out")
        targets = np.stack([held.values for held in several.values()], axis=1)
        kind = "labels" if np.isin(targets, (0, 1)).all() else "numbers"
        return dict(targets=targets, kind=kind, names=tuple(several))
    (held,) = several.values()
    if not held.words:
        if roles.order:
            raise ValueError(f"{name}: {roles.target[0]!r} holds numbers, whose order is known; leave out the order")
        return dict(targets=held.values, kind="levels")
    if len(held.words) > MOST_WORDS:
        raise ValueError(f"{name}: the target {roles.target[0]!r} has {len(held.words)} different words, no classes")
    if not roles.order:
        return dict(targets=held.values, kind="classes", names=held.words, unordered=True)
    if sorted(roles.order) != list(held.words):
        odd = sorted({*roles.order} ^ {*held.words}) or [word for word in roles.order if roles.order.count(word) > 1]
        raise ValueError(
            f"{name}: the order names {', '.join(roles.order)}, and {roles.target[0]!r} holds {', '.join(held.words)}; "
            f"expected the same words, each once (see {odd[0]!r})"
        )
    places = np.array([roles.order.index(word) for word in held.words], np.int32)
    return dict(targets=places[held.values], kind="levels", names=roles.order)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name[:40] for name in names[:5]) + ", ..." * (len(names) > 5)
