"""The ground: levels, filters, call sites and compiled functions; the standard library alone."""
