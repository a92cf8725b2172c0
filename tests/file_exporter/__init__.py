"""Tests of the exporter to a file."""
