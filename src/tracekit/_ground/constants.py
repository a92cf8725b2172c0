"""The attributes that every span of a call site has."""

from __future__ import annotations


class Constants(dict[str, "str | int"]):
    """Attributes that are the same for all spans of a call site; never changed once they are used.

    Attributes:
        wire: The same attributes encoded for a receiver, kept here by whoever encodes them first;
            None before.
    """

    __slots__ = ("wire",)

    def __init__(self, *args: object, **kwargs: str | int) -> None:
        super().__init__(*args, **kwargs)
        self.wire: bytes | None = None
