"""The levels of spans and events, with the names and the order of Rust's tracing."""

from __future__ import annotations

from enum import IntEnum


class Level(IntEnum):
    """The importance of a span or an event.

    The numbers are those of the standard library's `logging`, so that a `Level` compares with
    `logging.INFO` and is accepted in its place. `OFF` is above every level: a filter directive with
    this level enables nothing.
    """

    TRACE = 5
    DEBUG = 10
    INFO = 20
    WARN = 30
    ERROR = 40
    OFF = 100

    @classmethod
    def of(cls, value: Level | str | int) -> Level:
        """Return the level for any of the forms that tracekit accepts.

        Args:
            value: A `Level`, its name in any case (`"info"`, also `"warning"` and `"critical"`), or
                a number of the standard library (`logging.INFO`). A number between two levels
                counts as the lower one.

        Returns:
            The level.

        Raises:
            ValueError: The name is unknown, or the number is below `TRACE`.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            return cls._of_name(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return cls._of_number(value)
        raise ValueError(f"{value!r} is not a level; {_ACCEPTED}")

    @classmethod
    def _of_name(cls, name: str) -> Level:
        key = name.strip().upper()
        found = cls.__members__.get(_STANDARD_NAMES.get(key, key))
        if found is None:
            raise ValueError(f"{name!r} is not a level; {_ACCEPTED}")
        return found

    @classmethod
    def _of_number(cls, number: int) -> Level:
        candidates = [level for level in cls if level <= number]
        if not candidates:
            raise ValueError(f"{number!r} is below every level; {_ACCEPTED}")
        return max(candidates)


_STANDARD_NAMES = {"WARNING": "WARN", "CRITICAL": "ERROR", "FATAL": "ERROR"}
_ACCEPTED = "give one of TRACE, DEBUG, INFO, WARN, ERROR, OFF or a number of the logging module"
