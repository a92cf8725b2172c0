"""The work of a long-lived program, and the memory that it leaves behind. It is not a test module.

Its arguments are kinds of work and how often to do each: `instrumented=1000 blocks=1000`. It prints
how much each left behind after its second round. In the first one, which is smaller, caches and
pools fill.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import sys
from pathlib import Path

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

import tracekit
from tracekit import TelemetryBuilder, instrument, preserve_context, run_blocking, span
from tracekit._base import forks
from tracekit._filters.call_sites import registry
from tracekit.executors import Thread, ThreadPoolExecutor
from tracekit.propagation import inject, remote_parent

# The first round is the second one divided by this.
WARM_UP = 8
LEAKED = []


class Discard(SpanExporter):
    """Takes spans and does nothing with them."""

    def export(self, spans):
        return SpanExportResult.SUCCESS


@instrument
def decorated(number, word):
    return number


@instrument
async def decorated_coroutine(number):
    return number


@instrument
def decorated_generator(number):
    yield number
    yield number


@instrument
async def decorated_async_generator(number):
    yield number
    yield number


@instrument
def failing(number):
    raise ValueError(number)


@contextlib.contextmanager
@instrument
def decorated_manager(number):
    yield number


def instrumented(count):
    for number in range(count):
        decorated(number, "word")


def coroutines(count):
    async def run():
        for number in range(count):
            await decorated_coroutine(number)

    asyncio.run(run())


def generators(count):
    for number in range(count):
        list(decorated_generator(number))


def abandoned_generators(count):
    for number in range(count):
        next(decorated_generator(number))


def abandoned_async_generators(count):
    async def run():
        for number in range(count):
            await decorated_async_generator(number).__anext__()
            # The event loop closes it then.
            await asyncio.sleep(0)

    asyncio.run(run())


def managers(count):
    for number in range(count):
        with decorated_manager(number):
            decorated(number, "word")


def failures(count):
    for number in range(count):
        with contextlib.suppress(ValueError):
            failing(number)


def blocks(count):
    for number in range(count):
        with span("block", number=number) as block:
            block.add_event("event", {"number": number})


def current_spans(count):
    tracer = trace.get_tracer("program")
    for number in range(count):
        with tracer.start_as_current_span("current", attributes={"number": number}) as current:
            current.add_link(current.get_span_context(), {"number": number})


def children(count):
    tracer = trace.get_tracer("program")
    with tracer.start_as_current_span("parent"):
        for _ in range(count):
            tracer.start_span("child").end()


def unended_spans(count):
    tracer = trace.get_tracer("program")
    for _ in range(count):
        tracer.start_span("never ended").set_attribute("a", 1)


def tracers(count):
    for _ in range(count):
        trace.get_tracer("library", "1.0").start_span("work").end()


def preserved(count):
    for number in range(count):
        with span("submitter"):
            keep = preserve_context(decorated)
        keep(number, "word")


def submitted(count):
    with ThreadPoolExecutor(2) as pool:
        for number in range(0, count, 100):
            with span("submitter"):
                list(pool.map(decorated, range(number, number + 100), "w" * 100))


def threads(count):
    for number in range(count):
        thread = Thread(target=decorated, args=(number, "word"), name="worker")
        thread.start()
        thread.join()


def blocking(count):
    async def run():
        for number in range(count):
            await run_blocking(decorated, number, "word")

    asyncio.run(run())


def remote_parents(count):
    with span("sender"):
        carrier = inject()
    for number in range(count):
        with remote_parent(carrier):
            decorated(number, "word")


def attached(count):
    for number in range(count):
        token = context_api.attach(context_api.set_value("number", number))
        decorated(number, "word")
        context_api.detach(token)


def closures(count):
    for number in range(count):

        @instrument
        def closure(argument, number=number):
            return number

        closure(number)


def classes(count):
    for number in range(count):
        kind = type("Kind", (), {"number": number})
        decorated(kind(), "word")


def set_ups(count):
    for _ in range(count):
        telemetry = TelemetryBuilder("private").with_exporter(Discard()).build()
        telemetry.tracer_provider.get_tracer("program").start_span("work").end()
        telemetry.shutdown()


def filters(count):
    for number in range(count):
        telemetry.set_filter(f"info,shop{number}=debug,[handle{{user={number}}}]=trace")
        decorated(number, "word")
    telemetry.set_filter("info")


def leaking(count):
    for number in range(count):
        decorated(number, "word")
        LEAKED.append(object())


def leaking_much(count):
    for number in range(count):
        decorated(number, "word")
        LEAKED.append(bytes(1_000))


def held():
    """Return the memory, the objects, and the entries of tracekit's registries in this process."""
    telemetry.flush()
    # An object that keeps the last batch keeps a single span after this.
    trace.get_tracer("program").start_span("last").end()
    telemetry.flush()
    for _ in range(3):
        gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "blocks": sys.getallocatedblocks(),
        "objects": len(gc.get_objects()),
        "resident": pages * os.sysconf("SC_PAGE_SIZE"),
        "call sites": len(registry._sites),
        "watched by forks": len(forks._registered),
        "tracers": len(trace.get_tracer_provider()._live_tracers),
    }


def growth(work, count):
    """Return how much a kind of work leaves behind."""
    work(count // WARM_UP)
    before = held()
    work(count)
    return {name: value - before[name] for name, value in held().items()}


if __name__ == "__main__":
    telemetry = tracekit.init_telemetry("program", exporter=Discard(), filter="info")
    wanted = [one.split("=") for one in sys.argv[1:]]
    json.dump({name: growth(globals()[name], int(count)) for name, count in wanted}, sys.stdout)
    telemetry.shutdown()
