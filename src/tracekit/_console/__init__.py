"""The console exporter, which prints each trace as a tree."""
