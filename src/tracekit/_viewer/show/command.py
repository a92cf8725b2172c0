"""The arguments of `tracekit show`, and what it does with them."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Iterator
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any, Final

from tracekit._viewer.errors import ViewerError
from tracekit._viewer.query.syntax import parse_query
from tracekit._viewer.query.values import parse_duration
from tracekit._viewer.show.output import FORMATS, Output
from tracekit._viewer.show.sources import Files, RunningViewer, Source
from tracekit._viewer.store.limits import Limits
from tracekit._viewer.store.search import Position, Search
from tracekit._viewer.store.store import Store

NO_MATCH: Final = 1
_INTERVAL: Final = 0.2
# A trace is printed when it has been complete, or has not changed, for so many seconds.
_SETTLED: Final = 0.3
_GIVEN_UP: Final = 5.0
# A command that reads a file keeps all of it.
_LIMITS: Final = Limits(spans=1 << 40, bytes=1 << 50, trace_spans=1 << 40)
_TRACE_ID: Final = re.compile(r"[0-9a-fA-F]{32}")
_EXAMPLES: Final = """\
examples:
  tracekit show spans.jsonl                          all traces as trees
  tracekit show spans.jsonl --errors                 those with a failed span
  tracekit show spans.jsonl --query 'service:shop duration>50ms'
  tracekit show 4bf92f3577b34da6a3ce929d0e0e4736     one trace of the running viewer
  tracekit show --follow                             what arrives there, as it arrives
  tracekit show spans.jsonl --trace 4bf9 --format chrome > trace.json

The exit status is 0 if a trace matched, 1 if none did, and 2 after an error.
"""


def add_show(commands: Any) -> None:
    """Add the command to the subparsers of `tracekit`."""
    show = commands.add_parser(
        "show",
        help="print traces in the terminal",
        description="Print traces from OTLP JSON-lines files or from a running viewer.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    show.add_argument(
        "what",
        nargs="*",
        metavar="FILE|TRACE",
        help="OTLP JSON lines, also .gz; or the id of a trace in the viewer",
    )
    show.add_argument("--url", metavar="URL", help="a running viewer (default: this machine's)")
    show.add_argument("--trace", metavar="ID", help="the trace whose id begins so")
    show.add_argument("--errors", action="store_true", help="traces with a failed span")
    show.add_argument(
        "--slower-than", type=_duration, metavar="DURATION", help="longer traces, such as 50ms"
    )
    show.add_argument("--query", default="", metavar="QUERY", help="the viewer's query language")
    show.add_argument("--limit", type=_count, metavar="N", help="the newest N traces")
    show.add_argument("--follow", action="store_true", help="go on with what is added")
    show.add_argument(
        "--format", choices=FORMATS, default=None, help="what is printed (default: tree)"
    )
    show.add_argument("--json", action="store_true", help="one JSON object a trace; --format json")
    show.add_argument(
        "--verbose", action="store_true", help="trees with all attributes, ids and stack traces"
    )
    show.set_defaults(run=_run)


def _duration(text: str) -> int:
    number = parse_duration(text)
    # A number alone is seconds, as for tracekit.keep(slower_than=2.0).
    number = parse_duration(f"{text}s") if number is None else number
    if number is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration; write it like 50ms or 1.5s")
    return number


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return int(text)


def _run(options: argparse.Namespace) -> int:
    if options.follow and options.format in {"chrome", "html"}:
        raise ViewerError(f"--format {options.format} writes one trace, and --follow many")
    if options.json and options.format not in (None, "json"):
        raise ViewerError(f"--json and --format {options.format} exclude each other")
    traces, paths = _take_apart(options.what)
    if paths and (options.url or traces):
        raise ViewerError("Name files, or a trace or --url of a running viewer, not both")
    query = _query_of(options, traces)
    page = Path(str(files("tracekit._viewer"))) / "page"
    form = "json" if options.json else options.format or "tree"
    output = Output(form, verbose=options.verbose, page=page)
    changed: set[bytes] = set()
    try:
        with Store(limits=_LIMITS) as store:
            source: Source
            if paths:
                source = Files(paths, store, changed)
            else:
                source = RunningViewer(options.url, store, changed, query, options.limit)
            try:
                source.read()
                printed = _print_all(store, query, options.limit, output)
                if options.follow:
                    changed.clear()
                    printed += _follow(source, store, changed, query, output)
            finally:
                source.close()
    except BrokenPipeError:
        # Whoever read the output has seen enough. Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 0 if printed else NO_MATCH


def _take_apart(what: list[str]) -> tuple[list[str], list[Path]]:
    traces = [each for each in what if _TRACE_ID.fullmatch(each) and not Path(each).exists()]
    return traces, [Path(each) for each in what if each not in traces]


def _query_of(options: argparse.Namespace, traces: list[str]) -> str:
    # By itself first, so that an error points into what was typed.
    parse_query(options.query)
    parts = [f"({options.query})"] if options.query.strip() else []
    if options.errors:
        parts.append("trace.errors>0")
    if options.slower_than is not None:
        parts.append(f"trace.duration>{options.slower_than}ns")
    if options.trace:
        if not re.fullmatch(r"[0-9a-fA-F]{1,32}", options.trace):
            raise ViewerError(f"{options.trace!r} is not the beginning of a trace id")
        parts.append(f"trace:{options.trace}*")
    if traces:
        parts.append(f"({' or '.join(f'trace:{trace}' for trace in traces)})")
    return " ".join(parts)


def _print_all(store: Store, query: str, limit: int | None, output: Output) -> int:
    """Print what matches, the oldest first; return how many traces those are."""
    with store.reading() as reader:
        search = Search(reader, parse_query(query))
        if limit is None:
            numbers = _numbers(search)
        else:
            newest = search.traces(limit=limit, seconds=float("inf"))
            numbers = iter(reversed(newest.numbers))
        if output.holds_one_trace:
            numbers = _one_of(numbers)
        printed = 0
        for number in numbers:
            for trace in reader.traces([number]):
                output.print(reader, trace)
                printed += 1
    return printed


def _one_of(numbers: Iterator[int]) -> Iterator[int]:
    first = list(islice(numbers, 2))
    if len(first) > 1:
        raise ViewerError(
            "A file of this form holds one trace, and several match. "
            "Narrow them with --trace, --query or --limit 1"
        )
    return iter(first)


def _numbers(search: Search) -> Iterator[int]:
    position: Position | None = None
    while True:
        found = search.traces(descending=False, after=position, limit=100, seconds=float("inf"))
        yield from found.numbers
        position = found.position
        if position is None:
            return


def _follow(source: Source, store: Store, changed: set[bytes], query: str, output: Output) -> int:
    """Print traces as they become complete, until Ctrl-C."""
    pending: dict[bytes, float] = {}
    shown: set[bytes] = set()
    with store.reading() as reader:
        shown.update(trace.id for trace in reader.traces(list(_numbers(_search(reader, query)))))
    printed = 0
    try:
        while True:
            source.read()
            now = time.monotonic()
            while changed:
                pending[changed.pop()] = now
            printed += _print_settled(store, query, output, pending, shown)
            time.sleep(_INTERVAL)
    except KeyboardInterrupt:
        return printed


def _search(reader: Any, query: str) -> Search:
    return Search(reader, parse_query(query))


def _print_settled(
    store: Store, query: str, output: Output, pending: dict[bytes, float], shown: set[bytes]
) -> int:
    printed = 0
    with store.reading() as reader:
        for trace_id, since in list(pending.items()):
            trace = reader.trace(trace_id)
            waited = time.monotonic() - since
            if trace is not None and waited < (_SETTLED if trace.complete else _GIVEN_UP):
                continue
            del pending[trace_id]
            if trace is not None and _search(reader, query).matches(trace):
                output.print(reader, trace, mark="again, with more spans" * (trace_id in shown))
                shown.add(trace_id)
                printed += 1
    return printed
