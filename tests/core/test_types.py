"""Types: every function that is handed over has a documented Protocol, and what the package hands over fits it."""

import inspect
import types
import typing

import pytest

import jaxsurr
from jaxsurr import bilevel, metrics, models, surrogates
from jaxsurr.core import protocols
from jaxsurr.core.types import Space, Surrogate, View
from jaxsurr.metrics import Metric
from jaxsurr.spaces import SPACES
from jaxsurr.surrogates.families import base, mlp
from jaxsurr.training import default_config
from jaxsurr.training import protocols as loading
from jaxsurr.training.config import flatten

PLUG_INS = (Space, Surrogate, View, Metric, base.Family, mlp.Network, models.Model)
MODULES = (protocols, loading, base, mlp, models, bilevel)


def is_protocol(kind):
    return inspect.isclass(kind) and getattr(kind, "_is_protocol", False)


def fields(plug_in):
    """The Protocol of each field that is a function, by the field's name."""
    found = {}
    for name, annotation in plug_in.__annotations__.items():
        for kind in typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,):
            if is_protocol(kind):
                found[name] = kind
    return found


CALLED = {
    f"{module.__name__}.{name}": kind
    for module in MODULES
    for name, kind in vars(module).items()
    if is_protocol(kind) and kind.__module__ == module.__name__ and "__call__" in vars(kind)
}


@pytest.mark.parametrize("name", CALLED)
def test_a_call_is_documented_and_annotated(name):
    call = CALLED[name].__call__
    assert len(CALLED[name].__doc__.splitlines()[0]) > 10
    assert len(call.__doc__.splitlines()[0]) > 10
    _, *parameters = inspect.signature(call).parameters.values()
    assert all(parameter.annotation is not parameter.empty for parameter in parameters)
    assert inspect.signature(call).return_annotation is not inspect.Signature.empty


@pytest.mark.parametrize("plug_in", PLUG_INS, ids=lambda kind: kind.__name__)
def test_the_functions_of_a_plug_in_have_protocols(plug_in):
    assert fields(plug_in), f"{plug_in.__name__} has no field with a Protocol"
    for name, annotation in plug_in.__annotations__.items():
        text = annotation if isinstance(annotation, str) else repr(annotation)
        # How a head is read, `outputs -> predictions`, says all in its annotation.
        assert "Callable" not in text or (plug_in, name) == (models.Model, "read"), f"{plug_in.__name__}.{name}: {text}"


def fits(function, protocol):
    """Binds a call as the Protocol says to the signature of a function, with all arguments, and with those needed."""
    _, *parameters = inspect.signature(protocol.__call__).parameters.values()
    plain = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    for chosen in (plain, [p for p in plain if p.default is p.empty]):
        by_place = [p.name for p in chosen if p.kind is not p.KEYWORD_ONLY]
        inspect.signature(function).bind(*by_place, **{p.name: None for p in chosen if p.kind is p.KEYWORD_ONLY})


@pytest.mark.parametrize("name", SPACES)
def test_spaces_fit_their_protocols(name):
    for field, protocol in fields(Space).items():
        function = getattr(SPACES[name], field)
        if function is not None:
            fits(function, protocol)


MADE = {
    "correlated_gradients": lambda: jaxsurr.correlated_gradients(metrics.error_rate),
    "of sets": lambda: jaxsurr.correlated_gradients(metrics.get("f_beta")),
    "basis": lambda: jaxsurr.correlated_gradients(metrics.error_rate, family="basis"),
    "value_fit": lambda: surrogates.value_fit(metrics.error_rate),
    "smoothed": lambda: surrogates.smoothed(metrics.error_rate),
    "conventional": lambda: surrogates.conventional(jaxsurr.losses.cross_entropy),
    "embedding": lambda: surrogates.embedding(metrics.error_rate),
    "relational": lambda: surrogates.relational(metrics.error_rate),
    "interpolation": lambda: surrogates.interpolation(metrics.error_rate),
    "set_value_fit": lambda: surrogates.set_value_fit(metrics.get("f_beta")),
    "residual_likelihood": lambda: surrogates.residual_likelihood(),
}


@pytest.mark.parametrize("name", MADE)
def test_surrogates_fit_their_protocols(name):
    surrogate = MADE[name]()
    for field, protocol in fields(Surrogate).items():
        fits(getattr(surrogate, field), protocol)


def test_every_method_is_among_those_that_are_looked_at():
    assert set(surrogates.METHODS) <= set(MADE)


def test_networks_and_models_fit_their_protocols():
    for made in (mlp.mlp(), models.build("mlp", outputs=3)):
        for field, protocol in fields(type(made)).items():
            if getattr(made, field) is not None:
                fits(getattr(made, field), protocol)


def test_a_wrong_signature_does_not_fit():
    with pytest.raises(TypeError):
        fits(lambda predictions: None, protocols.NoiseUnit)
    with pytest.raises(TypeError):
        fits(lambda state, key, predictions, targets: None, protocols.SurrogateUpdate)


def annotated(kind, prefix=""):
    """Types of all fields of a config by their path."""
    found = {}
    for name, field in kind.__annotations__.items():
        if is_protocol(field):
            found |= annotated(field, f"{prefix}{name}.")
        else:
            found[prefix + name] = field
    return found


def test_the_type_of_a_config_has_the_fields_of_the_default():
    known = annotated(loading.Config)
    values = flatten(default_config())
    assert set(known) == set(values)
    for path, value in values.items():
        if isinstance(value, tuple):
            assert typing.get_origin(known[path]) is not None, path
        else:
            assert known[path] is type(value), path
