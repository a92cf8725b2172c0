"""Any Python value as an attribute value, within bounds; the standard library alone."""
