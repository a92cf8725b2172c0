"""The console: each trace as a tree."""
