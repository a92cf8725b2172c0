"""The language of searches: its syntax, what it means, and its completion."""
