"""What it costs to decorate a function, over `functools.wraps`: the time and the memory of each.

The functions are those of a module that is imported: of many parameter lists, none of which was
decorated before. What is compiled for the first of a kind is shared among them.
"""

from __future__ import annotations

import functools
import gc
import tracemalloc
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

from bench.interleaved import Size, Turns, Variant, measure
from bench.results import TRACEKIT, Row, over_row
from tracekit import instrument

WRAPS = "functools.wraps"
NAMES = ("order", "user", "limit", "offset", "session", "flag", "name", "item")


def decorating(size: Callable[[int, int], Size]) -> Iterator[Row]:
    """Decorate the functions of a module of 2,000 functions."""
    wanted = size(2_000, 15)
    functions = _functions(wanted.calls)
    decorators: dict[str, Callable[[Any], Any]] = {WRAPS: _wrap, TRACEKIT: instrument}
    variants = {
        name: Variant(functools.partial(_decorate, decorate, functions))
        for name, decorate in decorators.items()
    }
    yield over_row("decorating a function", measure(variants, wanted), base=WRAPS)
    held = {name: [_held(decorate, functions)] for name, decorate in decorators.items()}
    yield over_row("memory of a decorated function", Turns(held), base=WRAPS, unit="B")


def _functions(count: int) -> list[FunctionType]:
    parts = []
    for number in range(count):
        own = [NAMES[(number * 7 + place) % len(NAMES)] for place in range(number % 4)]
        parameters = ", ".join(["self", *own] if number % 2 else own)
        parts.append(f"def work{number}({parameters}):\n    return {number}\n")
    made: dict[str, Any] = {"__name__": __name__}
    exec(compile("".join(parts), __file__, "exec"), made)
    return [made[f"work{number}"] for number in range(count)]


def _wrap(function: Callable[..., object]) -> Callable[..., object]:
    @functools.wraps(function)
    def wrapper(*args: object, **kwargs: object) -> object:
        return function(*args, **kwargs)

    return wrapper


def _decorate(decorate: Callable[[Any], Any], functions: list[FunctionType], count: int) -> None:
    for function in functions[:count]:
        decorate(function)


def _held(decorate: Callable[[Any], Any], functions: list[FunctionType]) -> float:
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = [decorate(function) for function in functions]
    gc.collect()
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return held / len(kept)
