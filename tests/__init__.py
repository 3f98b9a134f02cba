"""Tests, laid out as the package is; `tests/long/` has those that take minutes or hours, each with its command."""
