"""What the tests have done elsewhere; importable by worker processes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from opentelemetry import baggage, context, trace

from tracekit import span

ContextSnapshot = tuple[str, str, object]
NOTHING: ContextSnapshot = ("0" * 32, "0" * 16, None)


def observe(_: object = None, /) -> ContextSnapshot:
    """The ids of the current trace and span, and a piece of baggage."""
    current = trace.get_current_span().get_span_context()
    return (
        trace.format_trace_id(current.trace_id),
        trace.format_span_id(current.span_id),
        baggage.get_baggage("user"),
    )


def fail(*_: object) -> None:
    """Raise what was observed."""
    raise LookupError(*observe())


async def observe_later(_: object = None, /) -> tuple[ContextSnapshot, ContextSnapshot]:
    """Observe before and after a step of the event loop."""
    before = observe()
    await asyncio.sleep(0)
    return before, observe()


def observe_steps(count: int) -> Iterator[ContextSnapshot]:
    """Observe at each step of a generator."""
    for _ in range(count):
        yield observe()


def hold(fifo: Path) -> None:
    """Keep a worker busy until someone writes."""
    fifo.read_bytes()


def leave(fifo: Path) -> None:
    """Say that this was called."""
    fifo.with_name("called").touch()


def refuse() -> None:
    """An initializer that breaks its pool."""
    raise ValueError("no worker today")


@contextmanager
def submitter() -> Iterator[ContextSnapshot]:
    """A block with a span and baggage, and what is to be observed of it."""
    with span("submit"):
        token = context.attach(baggage.set_baggage("user", "ada"))
        try:
            yield observe()
        finally:
            context.detach(token)


def items(count: int) -> Iterator[int]:
    """Items that are made below a span of their own, which is current while they are taken."""
    for item in range(count):
        with span("make an item"):
            yield item
