"""Cases in which the tree of spans comes out wrong, tried with each tracing library.

    python -m bench.correctness             a table of all libraries that are installed
    python -m bench.correctness tracekit    one library, with what it recorded

Each library is used as its documentation says, with the integration for threads that it offers, and
in a process of its own. A case compares names of spans and of their parents with what a reader of
the program expects.
"""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from bench.machine import version_of

Tree = dict[str, str | None]
"""The name of each span's parent, by the span's name."""


@dataclass
class Library:
    """A tracing library that is set up.

    Attributes:
        decorate: Its decorator for functions.
        span: Opens a span of this name for a block.
        finish: Ends the recording and returns the tree.
        trace_id: Returns the id of the trace that is current.
        threads: Makes a pool of threads.
        processes: Makes a pool of processes that are forked.
    """

    decorate: Callable[[Any], Any]
    span: Callable[[str], AbstractContextManager[Any]]
    finish: Callable[[], Tree]
    trace_id: Callable[[], object]
    threads: Callable[[], concurrent.futures.Executor] = concurrent.futures.ThreadPoolExecutor
    processes: Callable[[], concurrent.futures.Executor] | None = None

    def process_pool(self) -> concurrent.futures.Executor:
        """A pool of one forked process."""
        if self.processes is not None:
            return self.processes()
        fork = multiprocessing.get_context("fork")
        return concurrent.futures.ProcessPoolExecutor(1, mp_context=fork)


Case = Callable[[Library], bool]


def consumer_between_items(library: Library) -> bool:
    """A span between two items of a generator belongs to the consumer."""

    @library.decorate
    def produce() -> Iterator[int]:
        yield 1
        yield 2

    with library.span("root"):
        for _ in produce():
            with library.span("consume"):
                pass
    return library.finish().get("consume") == "root"


def body_of_a_generator(library: Library) -> bool:
    """A span in the body of a generator belongs to the generator."""

    @library.decorate
    def produce() -> Iterator[int]:
        with library.span("query"):
            pass
        yield 1

    with library.span("root"):
        list(produce())
    return "produce" in (library.finish().get("query") or "")


def two_generators(library: Library) -> bool:
    """Two generators that are read in turn are siblings."""

    @library.decorate
    def left() -> Iterator[int]:
        yield from range(2)

    @library.decorate
    def right() -> Iterator[int]:
        yield from range(2)

    with library.span("root"):
        list(zip(left(), right(), strict=True))
    tree = library.finish()
    parents = {parent for name, parent in tree.items() if "left" in name or "right" in name}
    return parents == {"root"}


def generator_left_early(library: Library) -> bool:
    """After a loop that is left early, the next span belongs to the program."""

    @library.decorate
    def produce() -> Iterator[int]:
        yield from range(10)

    kept = produce()
    with library.span("root"):
        next(kept)
        with library.span("afterwards"):
            pass
    kept.close()
    return library.finish().get("afterwards") == "root"


def thread_pool(library: Library) -> bool:
    """A task in a pool of threads belongs to the span that submitted it."""
    with library.threads() as pool, library.span("root"):
        pool.submit(_open_span, library, "task").result()
    return library.finish().get("task") == "root"


def worker_context(library: Library) -> bool:
    """A task belongs to its submitter, and not to the span that made the worker."""
    with library.threads() as pool:
        with library.span("first"):
            pool.submit(_open_span, library, "warm up").result()
        with library.span("second"):
            pool.submit(_open_span, library, "task").result()
        pool.submit(_open_span, library, "outside").result()
    tree = library.finish()
    return tree.get("task") == "second" and tree.get("outside", "missing") is None


def process_pool(library: Library) -> bool:
    """A task in a pool of processes goes on with the trace of its submitter."""
    global _worker_library  # noqa: PLW0603 - a forked worker finds it, and nothing has to pickle
    _worker_library = library
    with library.process_pool() as pool:
        pool.submit(int).result()
        with library.span("root"):
            here = library.trace_id()
            there = pool.submit(_trace_id_of_task).result()
    library.finish()
    return bool(here) and str(here) == there


_worker_library: Library | None = None


def _trace_id_of_task() -> str:
    assert _worker_library is not None
    with _worker_library.span("task"):
        return str(_worker_library.trace_id())


def _open_span(library: Library, name: str) -> None:
    with library.span(name):
        pass


CASES: dict[str, Case] = {
    "between two items of a generator, spans belong to the consumer": consumer_between_items,
    "in the body of a generator, spans belong to the generator": body_of_a_generator,
    "two generators read in turn are siblings": two_generators,
    "a generator that is left early leaves nothing current": generator_left_early,
    "a task in a thread pool belongs to its submitter": thread_pool,
    "and never to the span that started the worker": worker_context,
    "a task in a process pool goes on with the trace": process_pool,
}


def tracekit() -> Library:
    """tracekit, with its own executors."""
    from opentelemetry import trace

    import tracekit as kit
    from tracekit import executors, exporters

    memory = exporters.memory()
    telemetry = kit.init_telemetry("correctness", exporter=memory)

    def finish() -> Tree:
        telemetry.flush()
        return _tree_of_sdk_spans(memory.spans)

    return Library(
        decorate=kit.instrument,
        span=kit.span,
        finish=finish,
        trace_id=lambda: trace.get_current_span().get_span_context().trace_id,
        threads=executors.ThreadPoolExecutor,
        processes=lambda: executors.ProcessPoolExecutor(
            1, mp_context=multiprocessing.get_context("fork")
        ),
    )


def opentelemetry() -> Library:
    """OpenTelemetry's SDK: the API's decorator, and its instrumentation of threads."""
    from opentelemetry import trace
    from opentelemetry.instrumentation.threading import ThreadingInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    memory, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    trace.set_tracer_provider(provider)
    ThreadingInstrumentor().instrument()
    tracer = trace.get_tracer("correctness")
    return Library(
        decorate=lambda function: tracer.start_as_current_span(function.__name__)(function),
        span=tracer.start_as_current_span,
        finish=lambda: _tree_of_sdk_spans(memory.get_finished_spans()),
        trace_id=lambda: trace.get_current_span().get_span_context().trace_id,
    )


def logfire() -> Library:
    """Logfire, with its decorator; it carries the context into pools by itself."""
    import logfire as lf
    from opentelemetry import trace
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    memory = InMemorySpanExporter()
    lf.configure(
        send_to_logfire=False,
        console=False,
        metrics=False,
        additional_span_processors=[SimpleSpanProcessor(memory)],
    )

    def decorate(function: Any) -> Any:
        return lf.instrument(function.__name__, allow_generator=True)(function)

    return Library(
        decorate=decorate,
        span=lf.span,
        finish=lambda: _tree_of_sdk_spans(memory.get_finished_spans()),
        trace_id=lambda: trace.get_current_span().get_span_context().trace_id,
    )


def ddtrace() -> Library:
    """Datadog's tracer, with its integration of `concurrent.futures`."""
    os.environ["DD_INSTRUMENTATION_TELEMETRY_ENABLED"] = "false"
    os.environ["DD_REMOTE_CONFIGURATION_ENABLED"] = "false"
    os.environ["DD_TRACE_AGENT_URL"] = "http://127.0.0.1:9"
    import logging

    # Its agent is not there; the spans are read on their way out.
    logging.getLogger("ddtrace").setLevel(logging.CRITICAL)
    from ddtrace import patch
    from ddtrace.trace import TraceFilter, tracer

    spans: list[Any] = []

    class Collecting(TraceFilter):
        def process_trace(self, trace: list[Any]) -> list[Any]:
            spans.extend(trace)
            return trace

    patch(futures=True)
    tracer.configure(trace_processors=[Collecting()])

    def finish() -> Tree:
        tracer.flush()
        names = {one.span_id: one.name for one in spans}
        return {one.name: names.get(one.parent_id) for one in spans}

    def trace_id() -> object:
        current = tracer.current_span()
        return current.trace_id if current is not None else None

    return Library(
        decorate=lambda function: tracer.wrap(function.__name__)(function),
        span=tracer.trace,
        finish=finish,
        trace_id=trace_id,
    )


def sentry() -> Library:
    """Sentry's SDK, with its integration of threads; a root is a transaction."""
    import sentry_sdk
    from sentry_sdk.envelope import Envelope
    from sentry_sdk.integrations.threading import ThreadingIntegration
    from sentry_sdk.transport import Transport

    tree: Tree = {}

    class Collecting(Transport):
        def capture_envelope(self, envelope: Envelope) -> None:
            event: Any = envelope.get_transaction_event()
            if event is None:
                return
            root = event["contexts"]["trace"]
            names = {root["span_id"]: event["transaction"]}
            names |= {one["span_id"]: one["description"] for one in event["spans"]}
            tree[event["transaction"]] = names.get(root.get("parent_span_id"))
            for one in event["spans"]:
                tree[one["description"]] = names.get(one["parent_span_id"])

    sentry_sdk.init(
        "http://key@127.0.0.1/1",
        traces_sample_rate=1.0,
        transport=Collecting,
        integrations=[ThreadingIntegration(propagate_scope=True)],
    )

    def span(name: str) -> Any:
        if sentry_sdk.get_current_span() is None:
            return sentry_sdk.start_transaction(name=name)
        return sentry_sdk.start_span(name=name)

    def finish() -> Tree:
        sentry_sdk.flush()
        return tree

    def trace_id() -> object:
        current = sentry_sdk.get_current_span()
        return current.trace_id if current is not None else None

    return Library(decorate=sentry_sdk.trace, span=span, finish=finish, trace_id=trace_id)


def _tree_of_sdk_spans(spans: Any) -> Tree:
    names = {one.context.span_id: one.name for one in spans}
    return {one.name: names.get(one.parent.span_id) if one.parent else None for one in spans}


LIBRARIES: dict[str, tuple[str, Callable[[], Library]]] = {
    "tracekit": ("otel-tracekit", tracekit),
    "OpenTelemetry by hand": ("opentelemetry-instrumentation-threading", opentelemetry),
    "logfire": ("logfire", logfire),
    "ddtrace": ("ddtrace", ddtrace),
    "Sentry": ("sentry-sdk", sentry),
}


def try_case(library: str, case: str) -> str:
    """Run one case with one library in a process of its own; return `yes`, `no` or an error."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.correctness", library, case],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = done.stdout.split()
    return lines[-1] if lines else (done.stderr.strip().splitlines() or ["no output"])[-1]


def main(arguments: list[str]) -> None:
    """Print the table, or the result of one case with one library."""
    if len(arguments) == 2:
        library, case = arguments
        print("yes" if CASES[case](LIBRARIES[library][1]()) else "no")
        return
    libraries = [
        name
        for name, (package, _) in LIBRARIES.items()
        if version_of(package) and arguments in ([], [name])
    ]
    print("| case |", " | ".join(libraries), "|")
    print("| --- |", " | ".join("---" for _ in libraries), "|")
    for case in CASES:
        print(f"| {case} |", " | ".join(try_case(one, case) for one in libraries), "|", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
