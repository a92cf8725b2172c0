"""The types that a type checker sees for decorated code: the user's own signatures."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from opentelemetry.trace import Span
from typing_extensions import assert_type

from tracekit import instrument, span

P = ParamSpec("P")
R = TypeVar("R")


def signature(function: Callable[P, R]) -> Callable[P, R]:
    """Something that looks at a signature."""
    return function


@instrument
def plain(a: int, *, b: str = "x") -> float:
    return a + len(b)


@instrument("named", skip=["a"], fields={"tier": "db"}, ret=True, expected=(KeyError,))
def with_options(a: int, b: str) -> list[str]:
    return [b] * a


@instrument(name="by keyword", level="debug")
async def coroutine(a: int) -> str:
    return str(a)


@instrument()
def steps(n: int) -> Iterator[int]:
    yield n


@instrument
async def async_steps(n: int) -> AsyncIterator[int]:
    yield n


@contextmanager
@instrument
def block(n: int) -> Generator[str, None, None]:
    yield str(n)


@instrument(skip_all=True)
class Service:
    def __init__(self, name: str) -> None:
        self.name = name

    @instrument
    def method(self, a: int) -> str:
        return self.name * a

    @instrument
    @classmethod
    def above(cls, name: str) -> Service:
        return cls(name)

    @classmethod
    @instrument
    def below(cls, name: str) -> Service:
        return cls(name)

    @instrument
    @staticmethod
    def static(a: int) -> int:
        return a

    @property
    @instrument
    def size(self) -> int:
        return len(self.name)


assert_type(plain(1, b="y"), float)
assert_type(with_options(1, "y"), list[str])
assert_type(steps(1), Iterator[int])
assert_type(async_steps(1), AsyncIterator[int])
assert_type(Service("a"), Service)
assert_type(Service("a").method(2), str)
assert_type(Service.above("a"), Service)
assert_type(Service.below("a"), Service)
assert_type(Service.static(1), int)
assert_type(Service("a").size, int)
assert_type(signature(plain)(1), float)
assert_type(instrument(functools.partial(plain, 1))(), float)


async def check_coroutine() -> None:
    assert_type(await coroutine(1), str)


with block(1) as text, span("work", {"a.b": 1}, n=1) as current:
    assert_type(text, str)
    assert_type(current, Span)

plain("1")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
plain(1, c=2)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
with_options(1)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
Service("a").method("2")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
