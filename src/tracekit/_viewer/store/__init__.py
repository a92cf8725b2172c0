"""Spans and logs in one SQLite file; the only package that contains SQL."""
