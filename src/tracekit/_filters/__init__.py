"""Filters: directives, their syntax, the filters in force, and call sites with their interest."""
