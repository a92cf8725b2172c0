"""The attributes that every span of one place in the program has."""

from __future__ import annotations

from typing import Final


class Constants(dict[str, "str | int"]):
    """Attributes known when a function is decorated; nobody changes them afterwards.

    Attributes:
        wire: Room for their encoded form, which whoever encodes spans writes once; None until then.
    """

    __slots__ = ("wire",)

    def __init__(self, attributes: dict[str, str | int] | None = None) -> None:
        super().__init__(attributes or {})
        self.wire: bytes | None = None


NO_CONSTANTS: Final = Constants()
