"""Settings written as a string: `name?key=value&key=value`."""

from typing import Any

__all__ = ["parse_spec", "parse_value"]


def parse_value(text: str) -> Any:
    """A number, a bool, a tuple of such (separated by commas), or else the string itself.

    `1_000` and digits of other scripts, which Python reads as numbers, are strings.

    >>> parse_value("0.2,0.5"), parse_value("3"), parse_value("median"), parse_value("true")
    ((0.2, 0.5), 3, 'median', True)
    """
    if "," in text:
        return tuple(parse_value(part) for part in text.split(",") if part)
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if text.isascii() and "_" not in text:
        for kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                pass
    return text


def parse_spec(spec: str) -> tuple[str, dict[str, Any]]:
    """Splits `name?key=value&key=value` into the name and its options.

    Raises:
      ValueError: an option has no `=`, or is there twice.

    >>> parse_spec("pck?threshold=0.2")
    ('pck', {'threshold': 0.2})
    """
    name, _, query = spec.partition("?")
    options = {}
    for part in filter(None, query.split("&")):
        key, equals, value = part.partition("=")
        if not equals or not key:
            raise ValueError(f"{spec!r}: the option {part!r} must read key=value; write NAME?key=value&key=value.")
        if key in options:
            raise ValueError(f"{spec!r} names the option {key!r} twice; leave one of them out.")
        options[key] = parse_value(value)
    return name, options
