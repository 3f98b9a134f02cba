"""Holds old names of modules to working with a warning, or to a sentence with the new name."""

import importlib.util
import inspect
import re
import sys

import jax
import pytest

import jaxsurr
from jaxsurr.core import renamed
from jaxsurr.core.renamed import ARGUMENTS, ATTRIBUTES, FIELDS, GONE, MODULES, SPLIT, WORDS, word
from jaxsurr.core.types import Pooled, Space
from jaxsurr.diagnosis.diagnose import Regions
from jaxsurr.smoothing import smoothing_scale
from jaxsurr.surrogates import SurrogateState
from jaxsurr.surrogates.families.base import Problem
from jaxsurr.surrogates.smoothed import SmoothedState


@pytest.mark.parametrize("old", [name for name in MODULES if "builders" not in name])  # they need TFDS
def test_old_names_work_with_a_warning(old):
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match=f"{old} is now {MODULES[old]}; the old name goes in version"):
        module = importlib.import_module(old)
    new = importlib.import_module(MODULES[old])
    own = old.rpartition(".")[2]  # a package has its modules as attributes, those of old names too
    public = [name for name in vars(new) if not name.startswith("_") and name != own]
    assert public and all(getattr(module, name) is getattr(new, name) for name in public)
    assert new.__spec__.name == MODULES[old]


@pytest.mark.parametrize("old", SPLIT)
def test_a_module_that_is_several_has_what_all_of_them_have(old):
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match=f"{old} is now {' and '.join(SPLIT[old])}; the old name goes"):
        module = importlib.import_module(old)
    for new in map(importlib.import_module, SPLIT[old]):
        assert new.__all__ and all(getattr(module, name) is getattr(new, name) for name in new.__all__)
    sys.modules.pop(old)
    package, _, name = old.rpartition(".")
    vars(sys.modules[package]).pop(name)
    with pytest.warns(DeprecationWarning, match=f"{old} is now"):
        assert getattr(sys.modules[package], name).__name__ == old


@pytest.mark.parametrize("old", ATTRIBUTES)
def test_old_names_in_modules_work_with_a_warning(old):
    (where, _, name), (place, _, new) = old.rpartition("."), ATTRIBUTES[old].rpartition(".")
    with pytest.warns(DeprecationWarning, match=f"{old} is now {ATTRIBUTES[old]}; the old name goes in version"):
        found = getattr(importlib.import_module(where), name)
    assert found is getattr(importlib.import_module(place), new)
    with pytest.raises(AttributeError, match=f"'{where}' has no attribute 'nothing'"):
        importlib.import_module(where).nothing  # noqa: B018


RENAMED = {
    made.__name__: made
    for made in (jaxsurr.Diagnosis, jaxsurr.Info, Pooled, Problem, Regions, SmoothedState, Space, SurrogateState)
}


@pytest.mark.parametrize(("kind", "old"), [(kind, old) for kind, names in FIELDS.items() for old in names])
def test_old_names_of_fields_work_with_a_warning(kind, old, recwarn):
    made, new = RENAMED[kind], FIELDS[kind][old]
    one = made(*range(len(made._fields)))
    assert jax.tree.map(lambda leaf: leaf, one) == one and not recwarn
    with pytest.warns(DeprecationWarning, match=rf"{kind}\.{old} is now {kind}\.{new}; the old name goes in version"):
        assert getattr(one, old) == getattr(one, new)
    with pytest.warns(DeprecationWarning, match=rf"{kind}\.{old} is now"):
        assert one._replace(**{old: "other"}) == one._replace(**{new: "other"})
    given = one._asdict()
    given[old] = given.pop(new)
    with pytest.warns(DeprecationWarning, match=rf"{kind}\.{old} is now"):
        assert made(**given) == one
    with pytest.raises(TypeError, match="unexpected keyword argument 'nothing'"):
        made(nothing=1)
    assert renamed.has_old_fields(one) and renamed.by_old_fields(one)[old] == getattr(one, new)


@pytest.mark.parametrize(("what", "old"), [(what, old) for what, words in WORDS.items() for old in words])
def test_old_words_are_the_new_ones(what, old, recwarn):
    assert word(what, old, warn=False) == WORDS[what][old]
    assert word(what, WORDS[what][old], warn=True) == WORDS[what][old] and word(what, None, warn=True) is None
    assert not recwarn
    with pytest.warns(DeprecationWarning, match=f"{what}='{old}' is now '{WORDS[what][old]}'"):
        assert word(what, old, warn=True) == WORDS[what][old]


@pytest.mark.parametrize("old", GONE)
def test_names_that_a_function_has_say_where_to_look(old):
    with pytest.raises(ModuleNotFoundError, match="is now jaxsurr"):
        importlib.import_module(f"{old}.anything" if old == "jaxsurr.studies" else old)
    for new in re.findall(r"jaxsurr\.[\w.]+\w", GONE[old]):
        assert importlib.util.find_spec(new) is not None


def test_new_names_warn_of_nothing(recwarn):
    for name in set(MODULES.values()) - {"jaxsurr.data.tfds_builders"}:
        importlib.import_module(name)
    assert not [warning for warning in recwarn if warning.category is DeprecationWarning and "jaxsurr" in str(warning)]


def test_old_names_are_attributes():
    with pytest.warns(DeprecationWarning, match=r"jaxsurr\.types is now"):
        sys.modules.pop("jaxsurr.types", None)
        vars(jaxsurr).pop("types", None)
        assert jaxsurr.types.Keypoints is jaxsurr.Keypoints
    with pytest.warns(DeprecationWarning, match=r"jaxsurr\.training\.study is now jaxsurr\.comparison\.study"):
        assert jaxsurr.training.study is jaxsurr.comparison.study
    assert jaxsurr.decoding is jaxsurr.metrics.decoding


def test_old_names_of_arguments_work_with_a_warning():
    with pytest.warns(
        DeprecationWarning, match="smoothing_scale: spread is now smoothing_scale: squared_size; the old"
    ):
        assert smoothing_scale(0.5, spread=4.0) == smoothing_scale(0.5, squared_size=4.0) == 1
    for name, names in ARGUMENTS.items():
        taken = inspect.signature(getattr(jaxsurr.smoothing, name)).parameters
        assert set(names.values()) <= set(taken) and not set(names) & set(taken)
