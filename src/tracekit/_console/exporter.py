"""Traces as trees on the terminal: the exporter, its stream and when it writes."""

from __future__ import annotations

import functools
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, Final, TextIO

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from tracekit._base import forks
from tracekit._base.errors import ConfigurationError
from tracekit._base.log import log_warning_once
from tracekit._console.render import Page, render
from tracekit._console.trace_buffer import Block, TraceBuffer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

    from tracekit._filters.filter import Filter

_NARROWEST: Final = 40
_WIDTH_OF_FILES: Final = 100
_WIDTH_OF_TERMINALS: Final = 80


class ConsoleExporter(SpanExporter):
    r"""Prints each trace as a tree, once its local root has ended.

    The local root is the span without a parent in this process. Its block is written in one
    piece and never mixed with another one: a header with the service, the trace id, the total
    time, the number of spans and of errors; then a line for each span with its duration, its
    share of the total, its name and its attributes, and its events below it. What does not fit
    on a line goes on below it.

    Three or more siblings alike are folded into one line, unless something went wrong in them.
    A block ends after 500 lines with the number of spans that are left.

    Spans that end after their local root follow in a block of their own. When more than 10,000
    spans or 1,000 traces wait for their roots, the oldest trace is shown in part; so is all that
    waits at `force_flush()` and `shutdown()`.

    Control characters are written out (`\n`, `\x1b`), so that no value can forge a line or
    reach the terminal.

    Args:
        stream: Where to write; None is the `sys.stderr` of the moment.
        colour: Whether to use colour. None: not where `NO_COLOR` is set, otherwise where
            `FORCE_COLOR` is set, otherwise on a terminal that is not `dumb`.
        width: Columns of a line, at least 40. None: what `COLUMNS` says, else those of the
            terminal, or 100 where the stream is none.
        verbose: Leave nothing out: `code.*`, `thread.*` and `telemetry.*` attributes, ids and
            links, the resource, stack traces, every sibling, every line.

    Raises:
        ConfigurationError: An argument is of the wrong kind, or the width too small.

    Example:
        >>> import io
        >>> exporter = ConsoleExporter(stream=io.StringIO(), width=80)
    """

    own_filter: Filter | None = None

    def __init__(
        self,
        *,
        stream: TextIO | None = None,
        colour: bool | None = None,
        width: int | None = None,
        verbose: bool = False,
    ) -> None:
        _check_stream(stream)
        _check_flag("colour", colour, (True, False, None))
        _check_flag("verbose", verbose, (True, False))
        _check_width(width)
        self._stream = stream
        self._colour = colour
        self._width = width
        self._verbose = verbose
        self._buffer = TraceBuffer()
        self._closed = False
        self._make_locks()
        forks.register(self)

    def __reduce__(self) -> Any:
        if self._stream is not None:
            raise TypeError(f"cannot pickle a console exporter that prints to {self._stream!r}")
        make = functools.partial(
            type(self), colour=self._colour, width=self._width, verbose=self._verbose
        )
        return make, ()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Take in a batch and print the traces that it completes.

        Args:
            spans: Ended spans, of any number of traces, in any order.

        Returns:
            SUCCESS when what was due is printed; spans that wait for their root count as taken.
            FAILURE when the stream does not take a block, which is then lost, or after
            `shutdown()`. Never an exception.
        """
        if self._closed:
            return SpanExportResult.FAILURE
        try:
            with self._buffer_lock:
                blocks = self._buffer.add(spans)
        except Exception as error:
            _warn(error)
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS if self._print(blocks) else SpanExportResult.FAILURE

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Print what waits for its root, as parts of their traces.

        Args:
            timeout_millis: Not needed: nothing is waited for.

        Returns:
            Whether the stream took it.
        """
        try:
            with self._buffer_lock:
                blocks = self._buffer.take_all()
        except Exception as error:
            _warn(error)
            return False
        return self._print(blocks)

    def shutdown(self) -> None:
        """Print what waits for its root; from now on every `export` fails.

        The stream stays open. A second call does nothing.
        """
        self._closed = True
        self.force_flush()

    def _print(self, blocks: Iterable[Block]) -> bool:
        # All of them first: a block that fails must not keep the others from being tried.
        printed = [self._print_block(block) for block in blocks]
        return all(printed)

    def _print_block(self, block: Block) -> bool:
        try:
            stream = sys.stderr if self._stream is None else self._stream
            self._write(stream, render(block, self._page_for(stream)))
        except Exception as error:
            _warn(error)
            return False
        return True

    def _page_for(self, stream: TextIO) -> Page:
        is_terminal = hasattr(stream, "isatty") and stream.isatty()
        return Page(
            width=self._width or _find_width(stream, is_terminal=is_terminal),
            colour=_wants_colour(is_terminal=is_terminal) if self._colour is None else self._colour,
            encoding=getattr(stream, "encoding", None),
            verbose=self._verbose,
        )

    def _write(self, stream: TextIO, text: str) -> None:
        with self._write_lock:
            try:
                stream.write(text)
            except UnicodeEncodeError:  # the stream says nothing of its encoding, or not the truth
                stream.write(text.encode("ascii", "backslashreplace").decode("ascii"))
            stream.flush()

    def _make_locks(self) -> None:
        # Reentrant: a signal handler may flush while its own thread is in here.
        self._buffer_lock = threading.RLock()
        self._write_lock = threading.RLock()

    def after_fork_in_child(self) -> None:
        """Replace the locks, and drop the spans that wait: the parent prints them."""
        # A thread that is not here may hold the locks, and the parent will print what waits.
        self._make_locks()
        self._buffer.clear()


def _find_width(stream: TextIO, *, is_terminal: bool) -> int:
    columns = os.environ.get("COLUMNS", "")
    width = int(columns) if columns.isascii() and columns.isdigit() else 0
    if not width:
        width = _ask_terminal(stream) if is_terminal else _WIDTH_OF_FILES
    return max(width, _NARROWEST)


def _ask_terminal(stream: TextIO) -> int:
    try:
        # Of this very stream: `shutil.get_terminal_size` asks standard output, which may be a pipe.
        return os.get_terminal_size(stream.fileno()).columns or _WIDTH_OF_TERMINALS
    except (OSError, ValueError, AttributeError):
        return _WIDTH_OF_TERMINALS


def _wants_colour(*, is_terminal: bool) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_terminal and os.environ.get("TERM") != "dumb"


def _check_stream(stream: object) -> None:
    missing = [name for name in ("write", "flush") if not hasattr(stream, name)]
    if stream is not None and missing:
        raise ConfigurationError(
            f"stream={stream!r} has no {missing[0]}(); give a text stream such as sys.stdout, "
            "or None for sys.stderr"
        )


def _check_flag(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if not any(value is each for each in allowed):
        raise ConfigurationError(f"{name}={value!r} is not understood; give {_either(allowed)}")


def _either(allowed: tuple[object, ...]) -> str:
    return ", ".join(map(repr, allowed[:-1])) + f" or {allowed[-1]!r}"


def _check_width(width: Any) -> None:
    if width is None:
        return
    if not isinstance(width, int) or isinstance(width, bool) or width < _NARROWEST:
        raise ConfigurationError(
            f"width={width!r} is not a width; give a whole number of columns, {_NARROWEST} or more"
        )


def _warn(error: Exception) -> None:
    log_warning_once("console exporter", "spans cannot be shown: %r", error, error=error)
