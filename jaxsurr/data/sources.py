"""Loading of data sets by name, as train, validation and test splits.

A source is a string `scheme:rest?key=value&key=value`; the values are taken literally. `jaxsurr.data` has the table of
sources. Every source also takes `kind` and `levels`, which the arguments of `load` override, and `at_least`: two
classes, 1 where the target is at least this number, else 0.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jaxsurr.core import renamed
from jaxsurr.core.spec import parse_value
from jaxsurr.core.types import Durations, Keypoints, RankedLists, Sequences
from jaxsurr.data import labels as several
from jaxsurr.data import splitting
from jaxsurr.data import target_coding as coding
from jaxsurr.data import weights as weights_of
from jaxsurr.data.codings import CODINGS, Request, described, kinds_of, several_targets
from jaxsurr.data.delimited import read_csv
from jaxsurr.data.files import read_idx, read_npz
from jaxsurr.data.frames import read_parquet
from jaxsurr.data.given import Source
from jaxsurr.data.raw import EXACT, Raw, closest
from jaxsurr.data.scikit_learn import read_sklearn
from jaxsurr.data.steps import digit_strings, read_steps
from jaxsurr.data.stick_figures import JOINTS, stick_figures
from jaxsurr.data.tables import Table, encode, numbering
from jaxsurr.data.tfds import KEYS, read_prepared

__all__ = ["Data", "Split", "load"]

_EVERY = ("kind", "levels", "at_least", "positive")  # keys of every source
_TABLE = ("target", "event", "sequence", "weight", "drop", "missing", "categories", "order")  # keys of tables
_TEXT = (*_TABLE, "separator", "decimal")  # and of those in files of text
# The random stream of the noise, next to that of the split (`splitting`).
_NOISE = 1_000_000_002


class Split(NamedTuple):
    """Rows of a data set: inputs and targets.

    Attributes:
      inputs: `[N, ...]` float32, standardised.
      targets: `[N]` int32, counted from 0, or arrays with leading axis N of another kind (`jaxsurr.data.codings`).
      weights: `[N]` float32 of the rows, at least 0 and not all 0, or None where all count the same.
    """

    inputs: np.ndarray
    targets: np.ndarray | Keypoints | RankedLists | Sequences | Durations
    weights: np.ndarray | None = None


class Data(NamedTuple):
    """A data set, ready to train on.

    Attributes:
      train: the training split.
      validation: the validation split, for choices.
      test: the test split, evaluated once at the end.
      kind: of the targets, one of `jaxsurr.data.codings.CODINGS`; README's table says what each is.
      outputs: as of `jaxsurr.data.codings.Coded`.
      description: one line for reports.
      official_test: whether the source has an official test split; otherwise it is random.
      notes: sentences, with counts, about rows, labels or columns of the source that were changed or left out.
    """

    train: Split
    validation: Split
    test: Split
    kind: str
    outputs: int
    names: tuple[str, ...]
    description: str
    official_test: bool = False
    notes: tuple[str, ...] = ()


def load(
    source: str | Source,
    *,
    seed: int,
    kind: str | None = None,
    levels: int | None = None,
    validation_fraction: float = 0.15,
    test_fraction: float = 0.15,
    label_noise: float = 0.0,
    limit: int | None = None,
    split_seed: int | None = None,
    class_weights: str | None = None,
) -> Data:
    """Loads, splits, codes and standardises a data set; the same arguments give the same arrays.

    The test rows are the official ones, or else `round(test_fraction N)` rows of a seeded permutation. The other rows,
    in a seeded order, are for training and validation; `limit` keeps the first n of them, and the first
    `round(validation_fraction n)` of these are for validation.

    Targets: integers (of an integer dtype, or floats without a fraction) are mapped to 0..K-1. Classes are the K
    distinct values of the whole set in their order; levels are equally spaced from the least to the greatest of them,
    in steps of their greatest common divisor, so that an error of one level is one year where targets are ages, even if
    some age is missing. The values become the names. Values beyond 2^53 are refused for levels and for float classes.
    With `levels` (other than the number of distinct values), or where numbers have fractions, they are cut at the
    quantiles 1/levels, 2/levels ... of the training rows: level k holds `edge_k <= t < edge_(k+1)`. Numbers and
    durations keep their values and their unit, in single precision.

    Inputs: integers of three axes and more (images) are divided by 255. Then the mean is subtracted and the result
    divided by the standard deviation of the training rows, of each feature for tables `[N, D]` and items of lists
    `[N, L, D]` and of all pixels together for images; features that do not vary in training are 0.

    Weights of rows, of a source that has them, count in training, validation and test; splits do not look at them. With
    `class_weights` those of the training rows are also multiplied by N / (K n_k), of N training rows n_k of class k of
    K, so that all classes count the same.

    Args:
      source: `scheme:rest?key=value&key=value`, see the top of this module; or what `from_arrays` or `from_frame` made.
      seed: of the split, the label noise and synthetic data, from 0 to 2^32 - 1.
      kind: one that the targets can be coded as (`jaxsurr.data.codings`). By default that of the source (`?kind=`),
        else 'levels' where `levels` is given, else that of the table in `jaxsurr.data`.
      levels: number of levels to cut the targets into, at least 2.
      validation_fraction: fraction of the rows for training and validation, in (0, 1).
      test_fraction: fraction of all rows, in (0, 1); not used where there is an official test set.
      label_noise: fraction, in [0, 1], of the training and of the validation labels that is redrawn uniformly over all
        classes (a redrawn label can be the true one). Test labels are never changed.
      limit: the largest number of rows for training and validation; None for all.
      split_seed: of the test rows where there are no official ones, so that all seeds share them; None: as `seed`.
      class_weights: "balanced" for classes, scores and levels; None or "": all training rows count by their own weight.

    Returns:
      `Data` of NumPy arrays; its `notes` list changes and omissions. Where these were not requested, such as rows
      without a size or a label, there is a `DataWarning` too.

    Raises:
      FileNotFoundError: a file of the source is missing.
      ImportError: the source needs scikit-learn, TFDS or TensorFlow, which is not installed.
      TypeError: the source is not a string.
      ValueError: unknown source or key, a file with wrong content, an argument out of range, a split without rows,
        targets of fewer than two values, or more levels than the targets can fill.

    >>> figures = load("synthetic:stick_figures?n=100&size=16", seed=0)
    >>> [len(split.inputs) for split in (figures.train, figures.validation, figures.test)]
    [72, 13, 15]
    """
    splitting.check(seed, validation_fraction, test_fraction, label_noise, limit, split_seed)
    if isinstance(source, Source):
        source.check()
        raw, query, source = source.raw, dict(source.query), source.text
    else:
        scheme, rest, query = _parse(source)
        query |= {"kind": kind} if kind else {}
        raw = _SCHEMES[scheme].read(rest, query, seed)
    notes = list(raw.notes)
    if levels is None and "levels" in query:
        levels = _whole("levels", query["levels"])
    official = raw.test_inputs is not None
    if "at_least" in query:
        raw, note = coding.above(raw, _number("at_least", query["at_least"]), source)
        notes.append(note)
    said, possible = renamed.word("kind", kind or query.get("kind"), warn=True), kinds_of(raw.targets)
    asked = said or ("levels" if levels is not None and "levels" in possible else raw.kind)
    if asked not in possible:
        wanted = f"one of {', '.join(map(repr, possible))}" if len(possible) > 1 else repr(possible[0])
        raise ValueError(f"kind={asked!r} does not fit the targets of {source!r}, expected {wanted}")
    if levels is not None and (not CODINGS[asked].cut or levels < 2):
        raise ValueError(
            f"levels={levels}: expected at least 2, and only for numeric targets; leave it out for {asked}"
        )
    if label_noise and asked not in ("classes", "scores"):
        raise ValueError(f"label_noise is for kinds 'classes' and 'scores', the kind here is {asked!r}; set it to 0")
    if "positive" in query and asked != "scores":
        raise ValueError(
            f"positive={query['positive']!r} is for kind 'scores', the kind here is {asked!r}; leave it out"
        )
    balance = weights_of.check_class_weights(class_weights, asked)
    inputs, targets, weights = splitting.split(raw, seed, validation_fraction, test_fraction, limit, split_seed)
    used, rows = len(inputs[0]) + len(inputs[1]), len(raw.inputs) - (0 if official else len(inputs[2]))
    if used < rows:
        notes.append(f"{rows - used} of {rows} rows to train and validate on are left out (limit={limit})")
    for column in numbering(raw.inputs, raw.columns):
        if not any("named by place" in note and column in note for note in notes):  # which says it too
            notes.append(
                f"the column {column[:40]!r} holds whole numbers that differ in every row; if it only names the row, "
                f"leave it out (drop={column[:40]})"
            )
    present, columns = _present(targets), raw.columns
    if isinstance(raw.inputs, Table):
        inputs, columns, told = encode(inputs, present)
        notes += told
    inputs = splitting.standardise(inputs, present)
    coded = CODINGS[asked].code(targets, raw, Request(source, levels, query.get("positive")))
    targets, outputs, notes = coded.splits, coded.outputs, notes + coded.notes
    if label_noise:
        changed = [coding.redrawn(len(part), label_noise) for part in targets[:2]]
        notes.append(
            f"{sum(changed)} of {used} training and validation labels are redrawn at random over all {outputs} classes "
            f"(label_noise={label_noise:g})"
        )
        rng = np.random.default_rng([seed, _NOISE])
        targets = [coding.redraw(rng, part, outputs, label_noise) for part in targets[:2]] + targets[2:]
    if inputs[0].ndim == 2 or (inputs[0].ndim == 3 and asked in ("lists", "tokens")):
        notes += splitting.constant(inputs[0], columns)
    weights = weights_of.check_splits(weights)
    if balance:
        weights[0] = weights_of.balanced(targets[0], weights[0])
    train, validation, test = (Split(*parts) for parts in zip(inputs, targets, weights, strict=True))
    rows, shape = " / ".join(str(len(part)) for part in inputs), " x ".join(map(str, inputs[0].shape[1:]))
    noise = f", {label_noise:.0%} of the labels redrawn" if label_noise else ""
    noise += ", weighted rows" if raw.weights is not None else ""
    noise += ", balanced classes" if balance else ""
    description = (
        f"{source}: {described(asked, outputs)}, inputs {shape}, {rows} rows to train / validate / test{noise}"
    )
    return Data(train, validation, test, asked, outputs, coded.names, description, official, tuple(notes))


def _present(targets: list) -> list[np.ndarray] | None:
    """Masks of the items or steps that there are, of each split; None for other kinds."""
    if isinstance(targets[0], RankedLists):
        return [part.items > 0 for part in targets]
    if isinstance(targets[0], Sequences):
        return [np.arange(part.tokens.shape[1])[None] < part.lengths[:, None] for part in targets]
    return None


def _parse(source: str) -> tuple[str, str, dict[str, str]]:
    if not isinstance(source, str):
        raise TypeError(
            f"a source is a string such as 'sklearn:digits', got {type(source).__name__}; of arrays and frames make "
            "one by jaxsurr.data.from_arrays(x, y) or from_frame(frame, target)"
        )
    path, _, query = source.partition("?")
    scheme, colon, rest = path.partition(":")
    if scheme not in _SCHEMES or not colon:
        raise ValueError(f"unknown source {source!r}, expected one like 'csv:PATH?...'. {closest(scheme, _SCHEMES)}")
    if not rest:
        raise ValueError(f"the source {source!r} names nothing after {scheme + ':'!r}")
    pairs = [item.partition("=") for item in query.split("&") if item]
    keys = (*_SCHEMES[scheme].keys, *_EVERY)
    for key, _, value in pairs:
        if key not in keys or not value:
            raise ValueError(f"{source!r}: {key!r} is not a known key with a value. {closest(key, keys)}")
    if len({key for key, _, _ in pairs}) < len(pairs):
        raise ValueError(f"{source!r} names a key twice; leave one of them out")
    return scheme, rest, {key: value for key, _, value in pairs}


def _whole(name: str, text: str) -> int:
    value = parse_value(text)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**31:
        raise ValueError(f"{name}={text[:80]!r}: expected an integer below 2^31")
    return value


def _number(name: str, text: str) -> float:
    value = parse_value(text)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= EXACT:
        raise ValueError(f"{name}={text[:80]!r}: expected a number")
    return value


def _csv(path: str, query: dict[str, str], seed: int) -> Raw:
    return _table("csv", read_csv, path, query)


def _table(scheme: str, read: Callable[..., Raw], path: str, query: dict[str, str]) -> Raw:
    if "target" not in query:
        raise ValueError(
            f"'{scheme}:{path}' does not say what to predict; add '?target=NAME' with the name of a column"
        )
    if "event" in query and ("list" in query or "list_size" in query):
        raise ValueError(f"'{scheme}:{path}' names a column of events and lists; leave one of them out")
    if "list" in query and "list_size" in query:
        raise ValueError(f"'{scheme}:{path}' names a column of lists and a list_size; leave one of them out")
    size = query.get("list_size")
    options = {key: query[key] for key in _TEXT if key in query}
    return read(path, lists=query.get("list") if size is None else _whole("list_size", size), **options)


def _parquet(path: str, query: dict[str, str], seed: int) -> Raw:
    return _table("parquet", read_parquet, path, query)


def _arrays(text: str, query: dict[str, str], seed: int) -> Raw:
    raise ValueError(
        f"'arrays:{text}' stands for arrays or a frame that were handed over from Python; hand them over again, "
        "data=jaxsurr.data.from_arrays(x, y) or data=jaxsurr.data.from_frame(frame, target)"
    )


def _npz(path: str, query: dict[str, str], seed: int) -> Raw:
    if query.get("kind") == "tokens" or "lengths" in query:
        if unfit := [key for key in ("points", "visible", "scale", "weight", "event") if key in query]:
            raise ValueError(f"'npz:{path}' has {unfit[0]!r}, which tokens do not have; leave one of them out")
        return read_steps(path, **_without_kind(query))
    return read_npz(path, **_without_kind(query), several=several_targets(query.get("kind", "")))


def _tfds(name: str, query: dict[str, str], seed: int) -> Raw:
    return read_prepared(name, **_without_kind(query))


def _without_kind(query: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in query.items() if key not in _EVERY}


def _synthetic(name: str, query: dict[str, str], seed: int) -> Raw:
    if name == "digit_strings":
        return digit_strings(_whole("n", query.get("n", "2000")), _whole("size", query.get("size", "5")), seed)
    if name != "stick_figures":
        raise ValueError(f"unknown data set 'synthetic:{name}'. {closest(name, ('stick_figures', 'digit_strings'))}")
    n, size = _whole("n", query.get("n", "4000")), _whole("size", query.get("size", "32"))
    images, people = stick_figures(n, size=size, seed=seed)
    return Raw(images, people, kind="keypoints", names=JOINTS)


class _Scheme(NamedTuple):
    read: Callable[[str, dict[str, str], int], Raw]  # what follows the colon, the query, the seed
    keys: tuple[str, ...] = ()


_SCHEMES = {
    "sklearn": _Scheme(lambda name, query, seed: read_sklearn(name)),
    "csv": _Scheme(_csv, (*_TEXT, "list", "list_size")),
    "npz": _Scheme(_npz, ("x", "y", "points", "visible", "scale", "names", "weight", "event", "lengths")),
    "river": _Scheme(lambda name, query, seed: several.read_river(name)),
    "idx": _Scheme(lambda directory, query, seed: read_idx(directory)),
    "tfds": _Scheme(_tfds, KEYS),
    "parquet": _Scheme(_parquet, (*_TABLE, "list", "list_size")),
    "arrays": _Scheme(_arrays, ("shape",)),
    "synthetic": _Scheme(_synthetic, ("n", "size")),
}
