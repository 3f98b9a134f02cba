"""Tests that take minutes or hours, each with the command that runs it in its first lines; from the root of a clone."""
