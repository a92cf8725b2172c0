"""Filters: their directives and syntax, their decisions, and the call sites that cache them."""
