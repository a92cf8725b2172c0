"""The baselines: what tracekit does, written out with OpenTelemetry's API as its guide does it.

The attributes are the same, which `bench.pipelines.check_same_attributes` sees to. Those that every
call has in common are made once: a program that cares for its speed would do so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from opentelemetry import context, trace

from bench import subjects


def code_attributes(function: Callable[..., Any]) -> dict[str, Any]:
    code = function.__code__
    return {
        "code.function.name": f"{function.__module__}.{function.__qualname__}",
        "code.file.path": code.co_filename,
        "code.line.number": code.co_firstlineno,
    }


def with_thread(attributes: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {
        **attributes,
        "thread.id": threading.get_ident(),
        "thread.name": threading.current_thread().name,
        **others,
    }


def function(tracer: trace.Tracer) -> Callable[[int, str], int]:
    code = code_attributes(subjects.work)

    def work(a: int, b: str) -> int:
        attributes = with_thread(code, a=a, b=b)
        with tracer.start_as_current_span("work", attributes=attributes):
            return subjects.work(a, b)

    return work


def function_with_field(tracer: trace.Tracer) -> Callable[[int, str], int]:
    code = code_attributes(subjects.work)

    def work(a: int, b: str) -> int:
        attributes = with_thread(code, a=a, b=b, **{"a.next": a + 1})
        with tracer.start_as_current_span("work", attributes=attributes):
            return subjects.work(a, b)

    return work


def function_with_result(tracer: trace.Tracer) -> Callable[[int, str], int]:
    code = code_attributes(subjects.work)

    def work(a: int, b: str) -> int:
        attributes = with_thread(code, a=a, b=b)
        with tracer.start_as_current_span("work", attributes=attributes) as span:
            result = subjects.work(a, b)
            span.set_attribute("return", result)
            return result

    return work


def coroutine_function(tracer: trace.Tracer) -> Callable[[int, str], Coroutine[Any, Any, int]]:
    code = code_attributes(subjects.work_async)

    async def work_async(a: int, b: str) -> int:
        attributes = with_thread(code, a=a, b=b)
        with tracer.start_as_current_span("work_async", attributes=attributes):
            return await subjects.work_async(a, b)

    return work_async


def around(tracer: trace.Tracer, inner: Callable[[int, str], int]) -> Callable[[int, str], int]:
    """Make the outer of two nested functions."""
    code = code_attributes(inner)

    def outer(a: int, b: str) -> int:
        attributes = with_thread(code, a=a, b=b)
        with tracer.start_as_current_span("outer", attributes=attributes):
            return inner(a, b)

    return outer


def generator_function(tracer: trace.Tracer) -> Callable[[int], Iterator[int]]:
    """The span is current while the body runs, and never in the consumer."""
    code = code_attributes(subjects.items)

    def items(count: int) -> Iterator[int]:
        span = tracer.start_span("items", attributes=with_thread(code, count=count))
        inside = trace.set_span_in_context(span)
        steps = subjects.items(count)
        try:
            while True:
                token = context.attach(inside)
                try:
                    item = next(steps)
                except StopIteration:
                    return
                finally:
                    context.detach(token)
                yield item
        finally:
            span.end()

    return items
