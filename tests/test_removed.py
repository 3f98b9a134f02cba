"""What went in version 0.2 is refused with a sentence on what is in its place, and the changelog names it."""

import importlib
import re
from pathlib import Path

import pytest

import jaxsurr
from jaxsurr import launcher, metrics, surrogates
from jaxsurr.core.renamed import ATTRIBUTES, GONE_ATTRIBUTES
from jaxsurr.surrogates.description import GONE
from jaxsurr.surrogates.families import MEANT
from jaxsurr.training import config, default_config, update, validate

CHANGELOG = (Path(jaxsurr.__file__).parent / "CHANGELOG.md").read_text()
METHODS = {"anchors_of_a_kind": "interpolation", "steepness": "relational"}  # of other options correlated_gradients


def loss(text):
    """A call that validates a config with this loss."""
    return lambda: validate(update(default_config(), loss=text))


def with_field(path, value):
    """Calls that name a field of a config: a function, a file that sets it by hand, a flag."""

    def by_hand():
        made = default_config()
        part, _, field = path.rpartition(".")
        made[part][field] = value
        validate(made)

    return (
        lambda: validate(update(default_config(), **{path: value})),
        by_hand,
        lambda: launcher.check_overrides(["jaxsurr", f"--config.{path}={value}"]),
    )


def cases():
    """`(name, call, sentence)` of everything that the tables of the package say is no more."""
    for option, value in GONE.items():
        sentence = f"no option '{option}' any more: it is as {value!r} was. Leave it out."
        method = METHODS.get(option, "correlated_gradients")
        yield option, lambda m=method, o=option, v=value: getattr(surrogates, m)(metrics.error_rate, **{o: v}), sentence
        yield option, loss(f"{method}?{option}={value}"), sentence
    for path, value in config.GONE.items():
        for call in with_field(path, 0.5):
            yield path.rpartition(".")[2], call, f"no field '{path}' any more: it is as {value!r} was. Leave it out."
    for family, sentence in MEANT.items():
        made = lambda family=family: surrogates.correlated_gradients(metrics.f_beta, family=family)  # noqa: E731
        for call in (made, loss(f"correlated_gradients?family={family}"), with_field("surrogate.family", family)[0]):
            yield family, call, sentence
    for old, place in GONE_ATTRIBUTES.items():
        module, _, name = old.rpartition(".")
        yield name, lambda m=module, n=name: getattr(importlib.import_module(m), n), f"{old} is now {place}."


@pytest.mark.filterwarnings("ignore:jaxsurr.sampling is now:DeprecationWarning")
@pytest.mark.parametrize(("name", "call", "sentence"), [pytest.param(*case, id=case[0]) for case in cases()])
def test_what_went_is_refused_with_what_is_in_its_place(name, call, sentence):
    with pytest.raises(Exception, match=re.escape(sentence)):
        call()
    assert re.search(rf"`[^`]*\b{name}\b[^`]*`", CHANGELOG), "the changelog does not name it"


def test_fields_that_went_have_the_value_of_the_option():
    assert {path: GONE[path.rpartition(".")[2]] for path in config.GONE} == config.GONE


def test_places_exist():
    assert {"sample", "scale_free"} <= set(jaxsurr.Space._fields) and not GONE_ATTRIBUTES.keys() & ATTRIBUTES.keys()
