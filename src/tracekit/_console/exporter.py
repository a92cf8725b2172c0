"""The exporter that prints traces as trees: when it writes, and where."""

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

_MIN_WIDTH: Final = 40
_FILE_WIDTH: Final = 100
_DEFAULT_TERMINAL_WIDTH: Final = 80


class ConsoleExporter(SpanExporter):
    """Prints each trace as a tree; `tracekit.exporters.console` describes it and its arguments."""

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
        """Print the traces whose local root has ended; other spans wait, and count as exported.

        Returns:
            FAILURE if the stream raised, which loses the block, or after `shutdown()`.
        """
        if self._closed:
            return SpanExportResult.FAILURE
        try:
            with self._buffer_lock:
                blocks = self._buffer.add(spans)
        except Exception as error:
            _log_failure(error)
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS if self._print_all(blocks) else SpanExportResult.FAILURE

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Print the spans that wait, and return whether the stream accepted everything."""
        try:
            with self._buffer_lock:
                blocks = self._buffer.take_all()
        except Exception as error:
            _log_failure(error)
            return False
        return self._print_all(blocks)

    def shutdown(self) -> None:
        """Print the spans that wait, and refuse further spans; the stream stays open."""
        self._closed = True
        self.force_flush()

    def _print_all(self, blocks: Iterable[Block]) -> bool:
        # A list, because `all` alone would stop at the first block that fails.
        printed = [self._print_block(block) for block in blocks]
        return all(printed)

    def _print_block(self, block: Block) -> bool:
        try:
            stream = sys.stderr if self._stream is None else self._stream
            self._write(stream, render(block, self._page_for(stream)))
        except Exception as error:
            _log_failure(error)
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
            except UnicodeEncodeError:  # the stream has no `encoding`, or a wrong one
                stream.write(text.encode("ascii", "backslashreplace").decode("ascii"))
            stream.flush()

    def _make_locks(self) -> None:
        # Reentrant, because a signal handler may flush while its own thread holds them.
        self._buffer_lock = threading.RLock()
        self._write_lock = threading.RLock()

    def after_fork_in_child(self) -> None:
        """Replace the locks, and drop the spans that wait, which the parent prints."""
        self._make_locks()
        self._buffer.clear()


def _find_width(stream: TextIO, *, is_terminal: bool) -> int:
    columns = os.environ.get("COLUMNS", "")
    width = int(columns) if columns.isascii() and columns.isdigit() else 0
    if not width:
        width = _terminal_width(stream) if is_terminal else _FILE_WIDTH
    return max(width, _MIN_WIDTH)


def _terminal_width(stream: TextIO) -> int:
    try:
        # `shutil.get_terminal_size` would ask standard output, which may be a pipe.
        return os.get_terminal_size(stream.fileno()).columns or _DEFAULT_TERMINAL_WIDTH
    except (OSError, ValueError, AttributeError):
        return _DEFAULT_TERMINAL_WIDTH


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
        first = ", ".join(map(repr, allowed[:-1]))
        raise ConfigurationError(f"{name}={value!r} is not valid; give {first} or {allowed[-1]!r}")


def _check_width(width: Any) -> None:
    if width is None:
        return
    if not isinstance(width, int) or isinstance(width, bool) or width < _MIN_WIDTH:
        raise ConfigurationError(
            f"width={width!r} is not a width; give a whole number of columns, {_MIN_WIDTH} or more"
        )


def _log_failure(error: Exception) -> None:
    log_warning_once("console exporter", "spans cannot be shown: %r", error, error=error)
