"""Set-up: from arguments to an installed pipeline; the only package that touches global state."""
