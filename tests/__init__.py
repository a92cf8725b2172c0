"""The tests of tracekit."""
