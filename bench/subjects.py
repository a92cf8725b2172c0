"""The functions that are called: as small as they can be, so that what is around them shows."""

from __future__ import annotations

from collections.abc import Iterator


def work(a: int, b: str) -> int:
    return a


async def work_async(a: int, b: str) -> int:
    return a


def items(count: int) -> Iterator[int]:
    yield from range(count)


def length(values: list[int]) -> int:
    return len(values)
