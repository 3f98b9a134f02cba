"""Function families of a learned surrogate."""
