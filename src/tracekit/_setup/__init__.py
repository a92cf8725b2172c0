"""Set-up: from what users say to what is in force; the only floor that touches global state."""
