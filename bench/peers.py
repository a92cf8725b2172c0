"""Other tracing libraries: the caller's CPU time for a span below another, against OpenTelemetry.

Each records the two arguments and what it records by itself; to those that record nothing by
themselves, the attributes of OpenTelemetry by hand are given. Their transports differ, so that only
the time of the caller compares. What is not installed is left out.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from bench import by_hand
from bench.agent import running as running_agent
from bench.captures import LARGE, SMALL
from bench.interleaved import Size, Variant, measure, own_code
from bench.machine import version_of
from bench.pipelines import Discard, NotRecordedError, Pipeline, ours, sdk
from bench.results import BY_HAND, TRACEKIT, Row, ratio_row
from bench.subjects import length, work
from bench.with_logfire import logfire_behind
from tracekit import instrument, span

Call = Callable[..., int]


@dataclass
class Peer:
    """A library that is set up.

    Attributes:
        call: The function, decorated.
        root: Opens a span around a turn; a program calls its functions within a request.
        flush: Waits until every span is where `count` sees it.
        count: Gives the number of spans since it was asked last.
    """

    call: Call
    root: Callable[[], AbstractContextManager[Any]]
    flush: Callable[[], object]
    count: Callable[[], int]

    def variant(self) -> Variant:
        return Variant(self._calls(), self._settle)

    def _calls(self) -> Callable[[int], None]:
        root, call = self.root, self.call

        def calls(count: int) -> None:
            with root():
                for _ in range(count):
                    call(1, "two")

        return own_code(calls)

    def _settle(self, calls: int) -> None:
        self.flush()
        if (count := self.count()) != calls + 1:
            raise NotRecordedError(f"{count} spans were recorded, and not {calls + 1}")


class Counter:
    """Counts, and begins anew when it is asked."""

    def __init__(self) -> None:
        self._count = 0

    def add(self, spans: int) -> None:
        self._count += spans

    def __call__(self) -> int:
        count, self._count = self._count, 0
        return count


@contextmanager
def set_up_logfire(function: Callable[..., int] = work) -> Iterator[Peer]:
    """Logfire's decorator, with a batch processor that discards."""
    exporter, counter = Discard(), Counter()
    instance = logfire_behind(exporter)

    def flush() -> None:
        instance.force_flush()
        counter.add(exporter.count)
        exporter.count = 0

    yield Peer(instance.instrument(function), lambda: instance.span("root"), flush, counter)
    instance.shutdown()


@contextmanager
def set_up_ddtrace() -> Iterator[Peer]:
    """Datadog's tracer, which writes to an agent that discards."""
    # When it leaves, it says that its agent was too slow for it.
    logging.getLogger("ddtrace").setLevel(logging.CRITICAL)
    with running_agent():
        from ddtrace.trace import TraceFilter, tracer

        counter = Counter()

        class Counting(TraceFilter):
            def process_trace(self, trace: list[Any]) -> list[Any]:
                counter.add(len(trace))
                return trace

        tracer.configure(trace_processors=[Counting()])
        code = by_hand.code_attributes(work)

        def call(a: int, b: str) -> int:
            with tracer.trace("work") as made:
                made.set_tags(by_hand.with_thread(code, a=a, b=b))
                return work(a, b)

        yield Peer(call, lambda: tracer.trace("root"), tracer.flush, counter)
        tracer.shutdown()


@contextmanager
def set_up_sentry() -> Iterator[Peer]:
    """Sentry's spans in a transaction, with a transport that discards."""
    import sentry_sdk
    from sentry_sdk.envelope import Envelope
    from sentry_sdk.transport import Transport

    counter = Counter()

    class Counting(Transport):
        def capture_envelope(self, envelope: Envelope) -> None:
            event: Any = envelope.get_transaction_event()
            counter.add(1 + len(event["spans"]))

    sentry_sdk.init("http://key@127.0.0.1/1", traces_sample_rate=1.0, transport=Counting)
    code = by_hand.code_attributes(work)

    def call(a: int, b: str) -> int:
        with sentry_sdk.start_span(name="work") as made:
            made.update_data(by_hand.with_thread(code, a=a, b=b))
            return work(a, b)

    yield Peer(call, lambda: sentry_sdk.start_transaction(name="root"), sentry_sdk.flush, counter)


def _pipeline(
    pipeline: Pipeline, call: Call, root: Callable[[], AbstractContextManager[Any]]
) -> Peer:
    counter, exporter = Counter(), pipeline.exporters[0]

    def flush() -> None:
        pipeline.flush()
        counter.add(exporter.count)
        exporter.count = 0

    return Peer(call, root, flush, counter)


def compare(
    package: str,
    set_up: Callable[[], AbstractContextManager[Peer]],
    size: Callable[[int, int], Size],
) -> Iterator[Row]:
    """Measure a library and tracekit against OpenTelemetry by hand, if it is installed."""
    if not version_of(package):
        print(f"{package} is not installed, and left out", file=sys.stderr)
        return
    with sdk() as theirs, ours() as mine, set_up() as peer:
        hand = by_hand.function(theirs.tracer)
        turns = measure(
            {
                BY_HAND: _pipeline(
                    theirs, hand, lambda: theirs.tracer.start_as_current_span("root")
                ).variant(),
                TRACEKIT: _pipeline(mine, instrument(work), lambda: span("root")).variant(),
                package: peer.variant(),
            },
            size(500, 61),
        )
    yield ratio_row(f"span below another: {package}", turns, package)
    yield ratio_row(f"span below another: tracekit, beside {package}", turns)


def logfire(size: Callable[[int, int], Size]) -> Iterator[Row]:
    """Pydantic's Logfire, itself on OpenTelemetry's SDK."""
    return compare("logfire", set_up_logfire, size)


def logfire_list(size: Callable[[int, int], Size]) -> Iterator[Row]:
    """What Logfire's decorator makes of a large argument."""
    if not version_of("logfire"):
        return
    with set_up_logfire(length) as peer:
        small, large = list(range(10)), list(range(200_000))
        variants = {
            SMALL: replace(peer, call=lambda a, b: peer.call(small)).variant(),
            LARGE: replace(peer, call=lambda a, b: peer.call(large)).variant(),
        }
        turns = measure(variants, size(5, 9))
    yield ratio_row(f"{LARGE} against {SMALL}: logfire", turns, LARGE, to=SMALL)


def ddtrace(size: Callable[[int, int], Size]) -> Iterator[Row]:
    """Datadog's tracer."""
    return compare("ddtrace", set_up_ddtrace, size)


def sentry(size: Callable[[int, int], Size]) -> Iterator[Row]:
    """Sentry's SDK."""
    return compare("sentry-sdk", set_up_sentry, size)
