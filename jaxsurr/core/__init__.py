"""Types, checks and small functions that two packages below `surrogates` need."""
