"""Text as `name?key=value`, parsed into a name and plain values, or refused."""

import pytest

from jaxsurr.core.spec import parse_spec, parse_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-3", -3),
        ("0.2", 0.2),
        ("1e-3", 0.001),
        ("true", True),
        ("False", False),
        ("median", "median"),
        ("0.2,0.5", (0.2, 0.5)),
        ("0.2,", (0.2,)),
        ("1,a,true", (1, "a", True)),
    ],
)
def test_value(text, value):
    parsed = parse_value(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("spec", "name", "options"),
    [
        ("pck", "pck", {}),
        ("pck?", "pck", {}),
        ("pck?threshold=0.2,0.5", "pck", {"threshold": (0.2, 0.5)}),
        ("a?b=1&c=x", "a", {"b": 1, "c": "x"}),
        ("tfds:mnist?path=a=b", "tfds:mnist", {"path": "a=b"}),
    ],
)
def test_spec(spec, name, options):
    assert parse_spec(spec) == (name, options)


@pytest.mark.parametrize("spec", ["pck?threshold", "pck?=0.2", "pck?a=1&b"])
def test_option_without_a_value_is_refused(spec):
    with pytest.raises(ValueError, match="must read key=value"):
        parse_spec(spec)
