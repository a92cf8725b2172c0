"""Filter directives for a stored span: turn it off, show more inside it, show this request alone.

The directives are made and checked by `tracekit.Filter`, as a program would read them.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracekit import Filter, Level
from tracekit._viewer.api.requests import find_trace, read_id, respond_json
from tracekit._viewer.query.nodes import And, Attribute, TextField, TextTest
from tracekit._viewer.store.reader import Reader, SpanData, TraceSummary
from tracekit._viewer.store.search import Search
from tracekit._viewer.store.store import Store

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import KeyValue

_MODES: Final = ("silence", "deepen", "request")
_SECONDS: Final = 2.0
_MOST_TRACES: Final = 100_000
_MOST_COMPARED: Final = 200
_LONGEST_VALUE: Final = 100
# What these hold is the same for many requests, or no argument of the caller's.
_COMMON: Final = ("code.", "thread.", "telemetry.", "otel.", "server.", "network.", "user_agent.")


class DirectiveRoutes:
    """The handler of directives."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [Route("/api/directive", self._get_directive)]

    def _get_directive(self, request: Request) -> Response:
        parameters = request.query_params
        mode = parameters.get("mode") or "silence"
        if mode not in _MODES:
            raise HTTPException(400, f"mode must be {', '.join(_MODES)}")
        with self._store.reading() as reader:
            trace = find_trace(reader, parameters.get("trace") or "")
            data = reader.span(trace, read_id(parameters.get("span") or "", "span", 8))
            if data is None:
                raise HTTPException(404, "the span is not stored")
            return respond_json(make_directive(reader, trace, data, mode))


def make_directive(
    reader: Reader, trace: TraceSummary, data: SpanData, mode: str
) -> dict[str, Any]:
    """Return a directive for a span, and what it would have done to the stored spans.

    Args:
        reader: A view of the store.
        trace: The span's trace.
        data: The span.
        mode: `silence` turns spans of its name off, `deepen` shows every level inside them, and
            `request` shows nothing but requests like its own.
    """
    span, target = Span.FromString(data.raw), _target(data)
    of = reader.span_count()
    if mode == "silence":
        return _answer(
            _directive(target, span.name, "off"),
            base="info",
            removes=_count_silenced(reader, target, span.name),
            of=of,
            explanation=f"Turns off the spans “{span.name}” of {_of(target)}. "
            "What they call stays, and moves to the span above.",
        )
    if mode == "deepen":
        return _answer(
            _directive(target, span.name, "trace"),
            base="info",
            removes=0,
            of=of,
            explanation=f"Shows spans and events of every level inside “{span.name}” of "
            f"{_of(target)}, whatever module they are in.",
        )
    root = _root_of(reader, trace, span) or data
    return _answer_for_request(reader, Span.FromString(root.raw), _target(root), of)


def _answer_for_request(reader: Reader, root: Span, target: str, of: int) -> dict[str, Any]:
    conditions: list[TextField | Attribute] = [
        TextField("name", TextTest(root.name, None)),
        *([TextField("scope", TextTest(target, None))] if target else []),
    ]
    attribute = _distinctive(reader, root, conditions)
    fields = ""
    if attribute is not None:
        key, text = attribute
        fields = f"{{{_quote(key)}={_quote(text)}}}"
        conditions.append(Attribute(key, False, "=", TextTest(text, None), None))
    found = Search(reader, And(tuple(conditions))).traces(limit=_MOST_TRACES, seconds=_SECONDS)
    kept = sum(trace.spans for trace in reader.traces(found.numbers))
    which = f" with {attribute[0]}={attribute[1]}" if attribute else ""
    return _answer(
        _directive(target, root.name, "trace", fields),
        base="off",
        removes=max(of - kept, 0),
        of=of,
        explanation=f"Shows requests “{root.name}”{which} alone, at every level; all else is off.",
    )


def _answer(
    directive: str, *, base: str, removes: int, of: int, explanation: str
) -> dict[str, Any]:
    # Parsed as a program does, and written in the canonical form, which parses back.
    text = str(Filter(f"{base},{directive}"))
    alone = str(Filter(directive))
    return {
        "directive": alone,
        "environment": f"TRACEKIT_FILTER={shlex.quote(text)}",
        "filter": f"filter={text!r}",
        "set_filter": f"telemetry.set_filter({text!r})",
        "removes": removes,
        "of": of,
        "explanation": explanation,
    }


def _directive(target: str, name: str, level: str, fields: str = "") -> str:
    return f"{_quote(target) if target else ''}[{_quote(name)}{fields}]={level}"


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _target(data: SpanData) -> str:
    """Return what tracekit takes for a span's target: the name of its scope."""
    return str(ScopeSpans.FromString(data.scope).scope.name)


def _of(target: str) -> str:
    return target or "every module"


def _count_silenced(reader: Reader, target: str, name: str) -> int:
    """Count the stored spans of a name that a directive for a target is about."""
    without = Filter(f"trace,{_quote(target)}=off") if target else None
    scopes = [
        number
        for number, scope in reader.scope_names()
        # A span says nothing of its level; most are INFO, and spans of other libraries always.
        if without is None or not without.enables(scope, Level.INFO)
    ]
    return reader.count_spans(name, scopes)


def _root_of(reader: Reader, trace: TraceSummary, span: Span) -> SpanData | None:
    """Return the span that the request of a span began with, as far as it is stored."""
    found: SpanData | None = None
    seen: set[bytes] = set()
    parent = span.parent_span_id
    while any(parent) and parent not in seen:
        seen.add(parent)
        data = reader.span(trace, parent)
        if data is None:
            break
        found, parent = data, Span.FromString(data.raw).parent_span_id
    return found


def _distinctive(
    reader: Reader, root: Span, conditions: Iterable[TextField | Attribute]
) -> tuple[str, str] | None:
    """Return the attribute of a root that the fewest other roots of its name share."""
    own = dict(_short_attributes(root.attributes))
    if not own:
        return None
    found = Search(reader, And(tuple(conditions))).traces(limit=_MOST_COMPARED, seconds=0.3)
    shared: Counter[str] = Counter()
    for trace in reader.traces(found.numbers):
        for data in reader.first_spans(trace, 20):
            other = Span.FromString(data.raw)
            if other.name == root.name:
                theirs = dict(_short_attributes(other.attributes))
                shared.update(key for key, text in own.items() if theirs.get(key) == text)
    key = min(own, key=lambda key: (shared[key], key))
    return key, own[key]


def _short_attributes(attributes: Iterable[KeyValue]) -> Iterable[tuple[str, str]]:
    for each in attributes:
        kind = each.value.WhichOneof("value")
        if kind in {"string_value", "int_value"} and not each.key.startswith(_COMMON):
            text = str(getattr(each.value, kind))
            if each.key and text and len(text) <= _LONGEST_VALUE:
                yield each.key, text
