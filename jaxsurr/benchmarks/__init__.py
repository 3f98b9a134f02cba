"""Commands that measure what the documentation claims, and write its tables from the raw lines (`results_page`)."""
