"""Any Python value as an attribute value, within limits; imports the standard library alone."""
