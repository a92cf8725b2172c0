"""`tracekit show`: traces in the terminal."""
