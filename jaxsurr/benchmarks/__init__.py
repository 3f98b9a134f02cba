"""Commands that measure the claims of the documentation, and write its tables from raw lines (`results_page`)."""
