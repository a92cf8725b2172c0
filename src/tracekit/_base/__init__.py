"""The base: errors, levels, the log and forks; the standard library alone."""
