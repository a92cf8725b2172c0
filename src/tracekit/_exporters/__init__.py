"""Exporters: where the spans go."""
