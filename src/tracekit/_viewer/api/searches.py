"""Searches over HTTP: the list, its points and facets, completion, and rows of one trace."""

from __future__ import annotations

import time
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracekit._viewer.api.cursors import decode_cursor, encode_cursor
from tracekit._viewer.api.details import describe_trace
from tracekit._viewer.api.requests import read_limit, read_number, respond_json, trace_of
from tracekit._viewer.query.completion import complete
from tracekit._viewer.query.syntax import parse_query
from tracekit._viewer.store.facets import count_facets
from tracekit._viewer.store.reader import Reader, TraceSummary
from tracekit._viewer.store.samples import Samples
from tracekit._viewer.store.search import Found, Position, Search
from tracekit._viewer.store.store import Store

_MOST_TRACES: Final = 1000
_MOST_POINTS: Final = 100_000
_SORTS: Final = ("time", "duration", "spans", "errors")


class SearchRoutes:
    """The handlers of searches; they run in threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._samples = Samples()

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/api/traces", self._get_traces, methods=["GET"]),
            Route("/api/durations", self._get_durations),
            Route("/api/facets", self._get_facets),
            Route("/api/complete", self._get_completion),
            Route("/api/traces/{trace}/search", self._get_rows),
        ]

    def _get_traces(self, request: Request) -> Response:
        parameters = request.query_params
        sort = parameters.get("sort") or "time"
        descending = parameters.get("order") != "asc"
        limit = read_limit(parameters.get("limit"), 100, _MOST_TRACES)
        cursor = parameters.get("cursor")
        if sort not in _SORTS:
            raise HTTPException(400, "sort must be time, duration, spans or errors")
        try:
            after = decode_cursor(cursor) if cursor else None
        except ValueError:
            raise HTTPException(400, "the cursor is not one of this list") from None
        with self._store.reading() as reader:
            total = reader.trace_count()
            if (parameters.get("query") or "").strip():
                found = _search(reader, request, limit, sort, after, descending=descending)
                traces = reader.traces(found.numbers)
            else:
                traces, found = _list(reader, request, sort, limit, descending, after)
        position = found.position
        return respond_json(
            {
                "traces": [describe_trace(trace) for trace in traces],
                "cursor": None if position is None else encode_cursor(position),
                "looked_at": found.looked_at,
                "total": total,
                "done": found.done,
            }
        )

    def _get_durations(self, request: Request) -> Response:
        parameters = request.query_params
        limit = read_limit(parameters.get("limit"), 20_000, _MOST_POINTS)
        with self._store.reading() as reader:
            if not (parameters.get("query") or "").strip():
                start, end = _times(request)
                return respond_json(reader.durations(start=start, end=end, limit=limit))
            found = _search(reader, request, limit)
            columns = reader.durations_of(found.numbers)
            total = reader.trace_count()
        counts = {"looked_at": found.looked_at, "total": total, "done": found.done}
        return respond_json({**columns, **counts})

    def _get_facets(self, request: Request) -> Response:
        with self._store.reading() as reader:
            total = looked_at = reader.trace_count()
            done, numbers = True, None
            if (request.query_params.get("query") or "").strip():
                found = _search(reader, request, _MOST_POINTS)
                looked_at, done, numbers = found.looked_at, found.done, found.numbers
            facets = count_facets(reader, numbers, *_times(request))
        return respond_json({**facets, "looked_at": looked_at, "total": total, "done": done})

    def _get_completion(self, request: Request) -> Response:
        query = request.query_params.get("query") or ""
        position = read_number(request.query_params.get("position"))
        with self._store.reading() as reader:
            known = self._samples.view(reader)
            completion = complete(query, len(query) if position is None else position, known)
        return respond_json(completion)

    def _get_rows(self, request: Request) -> Response:
        with self._store.reading() as reader:
            trace = trace_of(reader, request)
            query = parse_query(request.query_params.get("query") or "")
            found = Search(reader, query).rows(trace)
        counts: dict[str, Any] = {
            "looked_at": found.looked_at,
            "total": trace.spans,
            "done": found.done,
        }
        return respond_json({"rows": found.rows, **counts})


def _search(
    reader: Reader,
    request: Request,
    limit: int,
    sort: str = "time",
    after: Position | None = None,
    *,
    descending: bool = True,
) -> Found:
    start, end = _times(request)
    query = parse_query(request.query_params["query"], time.time_ns())
    return Search(reader, query).traces(
        sort=sort, descending=descending, start=start, end=end, after=after, limit=limit
    )


def _list(
    reader: Reader,
    request: Request,
    sort: str,
    limit: int,
    descending: bool,
    after: Position | None,
) -> tuple[list[TraceSummary], Found]:
    """Return a page of the list without a query."""
    start, end = _times(request)
    traces = reader.trace_page(
        sort=sort,
        descending=descending,
        start=start,
        end=end,
        after=after[:2] if after is not None else None,
        limit=limit,
    )
    position = None
    if len(traces) == limit:
        position = Position(_sort_value(traces[-1], sort), traces[-1].number)
    return traces, Found(looked_at=len(traces), done=True, position=position)


def _times(request: Request) -> tuple[int | None, int | None]:
    parameters = request.query_params
    return read_number(parameters.get("start")), read_number(parameters.get("end"))


def _sort_value(trace: TraceSummary, sort: str) -> int:
    return {
        "time": trace.start,
        "duration": trace.duration,
        "spans": trace.spans,
        "errors": trace.errors,
    }[sort]
