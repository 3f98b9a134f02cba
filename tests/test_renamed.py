"""Holds old names of modules to working with a warning, or to a sentence with the new name."""

import importlib.util
import re
import sys

import pytest

import jaxsurr
from jaxsurr.core.renamed import GONE, MODULES


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
