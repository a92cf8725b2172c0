"""Errors, levels, logging and forks, on the standard library alone."""
