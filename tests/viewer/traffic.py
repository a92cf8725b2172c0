"""Traces that look like those of real programs, sent to a running viewer.

python -m tests.viewer.traffic                      one hundred traces of every kind
python -m tests.viewer.traffic --follow             and more as time goes on
python -m tests.viewer.traffic --large 100000       one trace of so many spans
"""

from __future__ import annotations

import argparse
import gzip
import random
import sys
import time
import urllib.request
from collections.abc import Iterator

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

MS = 1_000_000
INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = range(1, 6)

STACK = """Traceback (most recent call last):
  File "/app/shop/payments.py", line 88, in charge
    response = client.post("/charge", json=payload, timeout=2.0)
               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/app/shop/http.py", line 41, in post
    raise PaymentRefused(response.status, response.text)
shop.errors.PaymentRefused: (402, 'card declined: insufficient funds')
"""


def value(of: object) -> AnyValue:  # noqa: PLR0911 - one for each type
    match of:
        case bool():
            return AnyValue(bool_value=of)
        case int():
            return AnyValue(int_value=of)
        case float():
            return AnyValue(double_value=of)
        case bytes():
            return AnyValue(bytes_value=of)
        case list():
            result = AnyValue()
            result.array_value.values.extend(value(each) for each in of)
            return result
        case dict():
            result = AnyValue()
            result.kvlist_value.values.extend(pairs(of))
            return result
        case _:
            return AnyValue(string_value=str(of))


def pairs(attributes: dict[str, object]) -> list[KeyValue]:
    return [KeyValue(key=key, value=value(of)) for key, of in attributes.items()]


class Trace:
    """Builds one trace; times are milliseconds from its start."""

    def __init__(self, start: int, seed: int | None = None) -> None:
        self.random = random.Random(seed)
        self.id = self.random.getrandbits(128).to_bytes(16, "big")
        self.start = start
        self.spans: list[tuple[str, Span]] = []
        self.logs: list[tuple[str, LogRecord]] = []

    def span(
        self,
        name: str,
        begin: float,
        length: float,
        parent: Span | None = None,
        *,
        service: str = "shop",
        kind: int = INTERNAL,
        thread: str = "MainThread",
        error: str | None = None,
        **attributes: object,
    ) -> Span:
        start = self.start + int(begin * MS)
        span = Span(
            trace_id=self.id,
            span_id=self.random.getrandbits(64).to_bytes(8, "big"),
            parent_span_id=parent.span_id if parent is not None else b"",
            name=name,
            kind=kind,
            start_time_unix_nano=start,
            end_time_unix_nano=start + int(length * MS),
            flags=0x300 if kind in {SERVER, CONSUMER} and parent is not None else 0x100,
            attributes=pairs(
                {
                    "code.function.name": f"{service}.{name.replace(' ', '_').strip('/')}",
                    "code.file.path": f"/app/{service}/orders.py",
                    "code.line.number": 10 + len(name) * 7,
                    "thread.id": 140000 + len(thread),
                    "thread.name": thread,
                    **{key.replace("__", "."): of for key, of in attributes.items()},
                }
            ),
        )
        if error is not None:
            span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message=error))
        self.spans.append((service, span))
        return span

    def event(self, span: Span, name: str, at: float, **attributes: object) -> None:
        span.events.add(
            time_unix_nano=self.start + int(at * MS),
            name=name,
            attributes=pairs({key.replace("__", "."): of for key, of in attributes.items()}),
        )

    def log(self, span: Span, service: str, at: float, severity: str, text: str) -> None:
        record = LogRecord(
            time_unix_nano=self.start + int(at * MS),
            severity_text=severity,
            severity_number={"DEBUG": 5, "INFO": 9, "WARN": 13, "ERROR": 17}[severity],
            body=value(text),
            trace_id=self.id,
            span_id=span.span_id,
            attributes=pairs({"logger.name": f"{service}.orders"}),
        )
        self.logs.append((service, record))


def order(trace: Trace) -> None:
    """A request across three services, with an error in one of six and repeated queries."""
    r = trace.random
    fails = r.random() < 0.17
    queries = r.choice([3, 8, 40, 400])
    each = r.uniform(0.8, 2.2)
    reserve = queries * each
    total = reserve + r.uniform(120, 900)
    root = trace.span(
        "POST /orders",
        0,
        total,
        kind=SERVER,
        http__request__method="POST",
        http__route="/orders",
        http__response__status_code=500 if fails else 201,
        url__path="/orders",
        user__id=r.randint(1, 99),
        error="card declined" if fails else None,
    )
    place = trace.span("place_order", 4, total - 9, root, order__id=r.randint(1000, 9999))
    stock = trace.span("reserve", 6, reserve, place, sku="tea", left=3, sizes=[1, 2, 3])
    for n in range(queries):
        trace.span(
            "SELECT users",
            6 + n * each,
            each * 0.8,
            stock,
            kind=CLIENT,
            db__system__name="postgresql",
            db__query__text=f"SELECT * FROM users WHERE id = {n}",
        )
    begin, length = reserve + 12, total - reserve - 60
    call = trace.span(
        "POST",
        begin,
        length,
        place,
        kind=CLIENT,
        http__request__method="POST",
        server__address="payments",
        error="402 Payment Required" if fails else None,
    )
    charge = trace.span(
        "POST /charge",
        begin + 8,
        length - 12,
        call,
        service="payments",
        kind=SERVER,
        http__route="/charge",
        amount=12.5,
        currency="EUR",
        http__response__status_code=402 if fails else 200,
        error="card declined" if fails else None,
        thread="worker-1",
    )
    trace.event(charge, "card tokenised", begin + 20, **{"token.length": 16})
    if fails:
        trace.event(
            charge,
            "exception",
            begin + length - 9,
            exception__type="shop.errors.PaymentRefused",
            exception__message="(402, 'card declined: insufficient funds')",
            exception__stacktrace=STACK,
        )
        trace.span(
            "retry",
            begin + length * 0.5,
            length * 0.3,
            charge,
            service="payments",
            thread="worker-1",
            attempt=2,
            error="card declined",
        )
        trace.log(charge, "payments", begin + length - 8, "ERROR", "payment refused: card declined")
    trace.log(root, "shop", 3, "INFO", "order received")
    trace.log(stock, "shop", 30, "WARN", "stock of tea is low: 3 left")
    mail = trace.span("send order", total - 30, 6, place, kind=PRODUCER, messaging__system="redis")
    late = trace.span(
        "send_mail",
        total + 40,
        90,
        mail,
        service="mailer",
        kind=CONSUMER,
        thread="worker-7",
        messaging__destination__name="mails",
    )
    late.links.add(trace_id=trace.id, span_id=root.span_id, attributes=pairs({"reason": "cause"}))


def listing(trace: Trace) -> None:
    """A fast request with a cache."""
    r = trace.random
    total = r.lognormvariate(3.2, 0.8)
    root = trace.span(
        "GET /items/{id}",
        0,
        total,
        kind=SERVER,
        http__request__method="GET",
        http__route="/items/{id}",
        http__response__status_code=200,
    )
    hit = r.random() < 0.6
    trace.span(
        "cache lookup", 0.3, total * 0.2, root, hit=hit, cache__key=f"item:{r.randint(1, 50)}"
    )
    if not hit:
        trace.span(
            "SELECT items",
            total * 0.3,
            total * 0.5,
            root,
            kind=CLIENT,
            db__system__name="postgresql",
        )
    trace.span("render", total * 0.85, total * 0.1, root, template="item.html")


def gather(trace: Trace) -> None:
    """Async tasks that overlap in one thread, with idle time, one of which outlives its parent."""
    r = trace.random
    root = trace.span(
        "refresh prices", 0, 320, service="pricing", idle_ns=260 * MS, busy_ns=60 * MS
    )
    for n in range(r.randint(4, 14)):
        begin = r.uniform(2, 40)
        task = trace.span(
            f"fetch {r.choice(['north', 'south', 'east', 'west'])}",
            begin,
            r.uniform(60, 270),
            root,
            service="pricing",
            kind=CLIENT,
            idle_ns=int(50 * MS),
            **{"asyncio.task.name": f"Task-{n}"},
        )
        trace.span("parse", begin + 50, 8, task, service="pricing")
    trace.span("write audit", 300, 90, root, service="pricing", thread="audit")


def deep(trace: Trace) -> None:
    """A recursion of a hundred levels."""
    parent: Span | None = None
    for n in range(100):
        parent = trace.span(
            "visit" if n else "walk tree", n, 400 - 2 * n, parent, service="indexer", depth=n
        )


def orphans(trace: Trace) -> None:
    """Spans whose parents never came, a clock that is wrong, and markup in every string."""
    lost = Span(span_id=b"\x01" * 8)
    trace.span("send_mail", 10, 9, lost, service="mailer")
    trace.span("handle", 0, 40, lost, service="mailer", kind=CONSUMER)
    trace.span(
        "<b>bold</b><script>alert(1)</script>",
        5,
        3,
        lost,
        service="<i>x</i>",
        **{"<u>key</u>": "<img src=x onerror=alert(1)>"},
    )
    trace.span("backwards", 20, -4, lost, service="mailer", nested={"a": [1, {"b": b"\x00\xff"}]})


def batch(trace: Trace) -> None:
    """A job with workers in a process pool."""
    root = trace.span("nightly report", 0, 4000, service="reports")
    for n in range(16):
        trace.span(
            "render page",
            100 + (n // 4) * 900,
            850,
            root,
            service="reports",
            thread=f"pool-{n % 4}",
            page=n,
            error="timeout" if n == 9 else None,
        )


def unfinished(trace: Trace) -> None:
    """A trace whose root has not ended."""
    root = trace.span("import catalogue", 0, 0, service="importer")
    root.end_time_unix_nano = 0
    trace.span("read rows", 1, 700, root, service="importer")


KINDS = (
    order,
    order,
    order,
    listing,
    listing,
    listing,
    listing,
    gather,
    deep,
    orphans,
    batch,
    unfinished,
)


def large(trace: Trace, spans: int) -> None:
    """One trace of many spans: a tree of ten children each, with names that repeat."""
    parents = [trace.span("large job", 0, spans * 0.01, service="jobs")]
    made = 1
    names = [f"step {n}" for n in range(40)]
    place = 0
    while made < spans:
        parent = parents[place]
        place += 1
        begin = (parent.start_time_unix_nano - trace.start) / MS
        length = (parent.end_time_unix_nano - parent.start_time_unix_nano) / MS
        for n in range(min(10, spans - made)):
            parents.append(
                trace.span(
                    names[(place + n) % 40],
                    begin + n * length / 10,
                    length / 11,
                    parent,
                    service=("jobs", "store", "cache")[n % 3],
                    thread=f"worker-{n % 4}",
                    item=n,
                    error="failed" if made % 997 == 0 else None,
                )
            )
            made += 1


def requests(trace: Trace) -> Iterator[tuple[str, bytes]]:
    """Encode a trace as requests of 512 spans, children first as SDKs send them."""
    ordered = sorted(trace.spans, key=lambda pair: pair[1].end_time_unix_nano)
    for begin in range(0, len(ordered), 512):
        request = ExportTraceServiceRequest()
        by_service: dict[str, list[Span]] = {}
        for service, span in ordered[begin : begin + 512]:
            by_service.setdefault(service, []).append(span)
        for service, spans in by_service.items():
            of_resource = request.resource_spans.add()
            of_resource.resource.attributes.extend(resource(service))
            of_scope = of_resource.scope_spans.add()
            of_scope.scope.name, of_scope.scope.version = f"{service}.orders", "1.2"
            of_scope.spans.extend(spans)
        yield "traces", request.SerializeToString()
    if trace.logs:
        logs = ExportLogsServiceRequest()
        for service, record in trace.logs:
            of = logs.resource_logs.add()
            of.resource.attributes.extend(resource(service))
            of.scope_logs.add().log_records.append(record)
        yield "logs", logs.SerializeToString()


def resource(service: str) -> list[KeyValue]:
    return pairs(
        {
            "service.name": service,
            "service.version": "2.3.1",
            "host.name": "laptop",
            "process.pid": 1000 + len(service),
            "telemetry.sdk.language": "python",
        }
    )


def send(endpoint: str, signal: str, body: bytes) -> None:
    request = urllib.request.Request(
        f"{endpoint}/v1/{signal}",
        gzip.compress(body, 1),
        {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        response.read()


def send_trace(endpoint: str, trace: Trace) -> None:
    for signal, body in requests(trace):
        send(endpoint, signal, body)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--endpoint", default="http://127.0.0.1:4318")
    parser.add_argument("--traces", type=int, default=300)
    parser.add_argument("--large", type=int, metavar="SPANS")
    parser.add_argument("--follow", action="store_true")
    options = parser.parse_args()
    now = time.time_ns()
    if options.large:
        trace = Trace(now - 600 * 1000 * MS)
        large(trace, options.large)
        send_trace(options.endpoint, trace)
        sys.stdout.write(f"{trace.id.hex()}\n")
        return
    for n in range(options.traces):
        trace = Trace(now - int(random.uniform(0, 900) * 1000 * MS), n)
        KINDS[n % len(KINDS)](trace)
        send_trace(options.endpoint, trace)
    while options.follow:
        trace = Trace(time.time_ns())
        random.choice(KINDS)(trace)
        send_trace(options.endpoint, trace)
        time.sleep(random.expovariate(3))


if __name__ == "__main__":
    main()
