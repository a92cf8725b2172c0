"""What a search over a million stored spans takes: CPU until it has looked at everything.

The page shows what a search has found after 0.3 seconds, and goes on from there.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.interleaved import Size
from bench.results import Row
from bench.viewer import SPANS_PER_REQUEST, SPANS_PER_TRACE, against, requests_of
from tracekit._viewer.intake.decode import decode_traces
from tracekit._viewer.query.syntax import parse_query
from tracekit._viewer.store.facets import count_facets
from tracekit._viewer.store.limits import Limits
from tracekit._viewer.store.search import Search
from tracekit._viewer.store.store import Store

LIMITS = Limits(spans=3_000_000, bytes=3_000_000_000)
# What is asked, and milliseconds of CPU that it may take.
QUERIES = (
    ("service:shop duration>1us", "first hundred", 100),
    ('name:"operation 7"', "first hundred", 100),
    ("order.id=777", "one hit", 2_000),
    ("service:nowhere", "no hit", 100),
    ("error", "no hit", 100),
    ("duration>1h", "no hit", 100),
    ('http.route="/nowhere"', "no hit", 2_000),
    ("no.such.key:*", "no hit", 2_000),
    ("http.route:/nowhere*", "no hit", 5_000),
    ("nowhere", "no hit", 4_000),
)


def queries(size: Callable[[int, int], Size]) -> Iterator[Row]:
    """Searches over a million spans in traces of fifty."""
    wanted = size(2_000, 3)
    with (
        tempfile.TemporaryDirectory() as directory,
        Store(Path(directory) / "spans.db", LIMITS) as store,
    ):
        for request in requests_of(wanted.calls, SPANS_PER_TRACE):
            store.writer.write([decode_traces(request, LIMITS.value_bytes)])
        assert store.writer.counts.spans == wanted.calls * SPANS_PER_REQUEST
        for text, what, budget in QUERIES:
            taken = min(_search(store, text) for _ in range(wanted.rounds))
            yield against(f"viewer, {text}, {what}", budget * 1e6, taken)
        taken = min(_facets(store) for _ in range(wanted.rounds))
        yield against("viewer, facets of all traces", 300e6, taken)


def _search(store: Store, text: str) -> float:
    with store.reading() as reader:
        begin = time.thread_time_ns()
        found = Search(reader, parse_query(text)).traces(limit=100, seconds=1000)
        taken = time.thread_time_ns() - begin
    assert found.done
    return taken


def _facets(store: Store) -> float:
    with store.reading() as reader:
        begin = time.thread_time_ns()
        assert count_facets(reader, None)["services"]
        return time.thread_time_ns() - begin
