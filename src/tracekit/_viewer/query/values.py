"""Values in a query: durations, times, numbers and names of levels."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import Final

LARGEST: Final = (1 << 63) - 1
LEVELS: Final = {"trace": 1, "debug": 2, "info": 3, "warn": 4, "warning": 4, "error": 5}
STATUSES: Final = {"unset": 0, "ok": 1, "error": 2}
KINDS: Final = {
    "unspecified": 0,
    "internal": 1,
    "server": 2,
    "client": 3,
    "producer": 4,
    "consumer": 5,
}
_UNITS: Final = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86400 * 10**9,
}
_PART: Final = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,18})?)(ns|us|µs|μs|ms|s|m|h|d)")
_NUMBER: Final = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,3})?")
_CLOCK: Final = re.compile(r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?")
_DIGITS_OF_NS: Final = 15


def parse_duration(text: str) -> int | None:
    """Return a duration such as `50ms` or `1m30s` in nanoseconds, or None."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return min(int(sum(Decimal(number) * _UNITS[unit] for number, unit in parts)), LARGEST)


def parse_number(text: str) -> float | None:
    """Return a number, exact where it is an integer, or None."""
    if not _NUMBER.fullmatch(text):
        return None
    return float(text) if set(text) & set(".eE") else int(text)


def parse_time(text: str, now: int) -> int | None:
    """Return a point in time in nanoseconds since the epoch, or None.

    Args:
        text: A duration before now (`10m`), a time of today (`12:03`), a date or a date with a
            time (`2026-11-28T12:03:07Z`), in the zone of this machine where it names none, or
            nanoseconds since the epoch.
        now: The time, in nanoseconds since the epoch.
    """
    ago = parse_duration(text)
    if ago is not None:
        return max(now - ago, 0)
    if text.isascii() and text.isdigit() and len(text) >= _DIGITS_OF_NS:
        return min(int(text), LARGEST)
    if _CLOCK.fullmatch(text):
        day = datetime.fromtimestamp(now // 10**9).astimezone()
        text = f"{day.date().isoformat()}T{text.zfill(5) if len(text) < 5 else text}"  # noqa: PLR2004
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone()
        seconds = moment.timestamp()
    except (ValueError, OverflowError, OSError):
        return None
    return max(int(seconds) * 10**9 + moment.microsecond * 1000, 0)
