"""`@instrument`: the decorator, the wrappers that it compiles, and what they capture."""
