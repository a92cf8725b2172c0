"""Tasks that tests run in other threads and processes; workers can import them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from opentelemetry import baggage, context, trace

from tracekit import span

Observation = tuple[str, str, object]
NOTHING: Observation = ("0" * 32, "0" * 16, None)


def observe(_: object = None, /) -> Observation:
    """Return the ids of the current trace and span, and an entry of the baggage."""
    current = trace.get_current_span().get_span_context()
    return (
        trace.format_trace_id(current.trace_id),
        trace.format_span_id(current.span_id),
        baggage.get_baggage("user"),
    )


def fail(*_: object) -> None:
    """Raise an error with an observation as its arguments."""
    raise LookupError(*observe())


async def observe_later(_: object = None, /) -> tuple[Observation, Observation]:
    """Observe before and after a step of the event loop."""
    before = observe()
    await asyncio.sleep(0)
    return before, observe()


def observe_steps(count: int) -> Iterator[Observation]:
    """Observe at each step of a generator."""
    for _ in range(count):
        yield observe()


def hold(fifo: Path) -> None:
    """Keep a worker busy until something is written to the pipe."""
    fifo.read_bytes()


def leave_trace(fifo: Path) -> None:
    """Create a file as the trace of this call."""
    fifo.with_name("called").touch()


def refuse() -> None:
    """Break the pool that has this initializer."""
    raise ValueError("no worker today")


@contextmanager
def submitter() -> Iterator[Observation]:
    """Open a span with baggage, and yield the expected observation."""
    with span("submit"):
        token = context.attach(baggage.set_baggage("user", "ada"))
        try:
            yield observe()
        finally:
            context.detach(token)


def items(count: int) -> Iterator[int]:
    """Yield items, each in a span of its own that is current at the yield."""
    for item in range(count):
        with span("create an item"):
            yield item
