"""Spans to a file, as one line of OTLP JSON for each batch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from tracekit._base.errors import ConfigurationError
from tracekit._base.log import log_warning_once
from tracekit._otlp.json_encoding import encode_traces
from tracekit._otlp.shared_file import SharedFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan

    from tracekit._filters.filter import Filter


class FileExporter(SpanExporter):
    r"""Appends each batch of spans to a file as one line of OTLP JSON.

    The lines are those of OpenTelemetry's file exporter (JSON lines in UTF-8, one `TracesData`
    each), which a Collector's `otlpjsonfile` receiver reads.

    Any number of processes may write to one file, forked ones and others: each line is appended
    under an advisory lock (`flock`), so that lines of any size do not mix. Without such locks
    (Windows, some network file systems) lines are still appended, and only lines that the system
    writes in pieces can mix.

    The file may be rotated at any time: renamed or removed (the next batch goes to a new file under
    the path), or copied and truncated. A line that a full disk or a killed process cut short is
    removed, or ended before the next one, so that no other line is lost.

    The operating system has the batch when `export` returns. It is not forced to the disk (there is
    no `fsync`): a process that ends loses nothing, a machine that crashes may.

    Args:
        path: The file, which is created if it does not exist; its directory must exist. A relative
            path is relative to the current working directory, whatever that is later. The customary
            suffix is `.jsonl`.

    Raises:
        ConfigurationError: The file cannot be opened for appending.

    Example:
        >>> exporter = FileExporter("traces.jsonl")  # doctest: +SKIP
    """

    own_filter: Filter | None = None

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._skipped = 0
        try:
            self._file = SharedFile(_absolute(_parse_path(path)))
        except OSError as error:
            raise ConfigurationError(_cannot_open(path, error)) from error

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._file.path!r})"

    def __reduce__(self) -> tuple[type[FileExporter], tuple[str]]:
        return type(self), (self._file.path,)

    @property
    def skipped(self) -> int:
        """The number of spans that have no form in OTLP (no identity, impossible times)."""
        return self._skipped

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Append a batch as one line.

        Args:
            spans: Ended spans. A span without a form in OTLP is skipped, counted in `skipped` and
                logged once; the others are written, and the batch is not a failure.

        Returns:
            `SUCCESS` if the whole line is written. `FAILURE` if nothing of it is: the disk is full,
            another process has held the file's lock for 5 seconds, the exporter is shut down, or no
            span has a form in OTLP. Nothing is raised.
        """
        try:
            line = encode_traces(spans, on_skipped=self._note_skipped)
            if line:
                self._file.append(line)
        except Exception as error:
            self._log_failure(error)
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS if line or not spans else SpanExportResult.FAILURE

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Return True: `export` leaves nothing behind in the process."""
        return True

    def shutdown(self) -> None:
        """Close the file; from now on every `export` fails. A second call does nothing."""
        self._file.close()

    def _note_skipped(self, span: ReadableSpan, error: Exception) -> None:
        path = self._file.path
        self._skipped += 1
        key = ("file exporter skips", path)
        name = getattr(span, "name", span)
        log_warning_once(key, "span %r cannot be written to %s: %s", name, path, error, error=error)

    def _log_failure(self, error: Exception) -> None:
        path = self._file.path
        key = ("file exporter fails", path, type(error))
        log_warning_once(key, "spans cannot be written to %s: %s", path, error, error=error)


def _parse_path(path: Any) -> str:
    try:
        text = os.fspath(path)
    except TypeError:
        text = None
    if not isinstance(text, str) or not text or "\0" in text:
        raise ConfigurationError(
            f"path={path!r} does not name a file; give a str or os.PathLike, such as 'traces.jsonl'"
        )
    return text


def _absolute(path: str) -> str:
    # A later change of the working directory must not move the file at the next rotation.
    return os.path.join(Path.cwd(), path)  # noqa: PTH118  # pathlib drops a "/" at the end


def _cannot_open(path: object, error: OSError) -> str:
    return (
        f"path={path!r} cannot be opened for appending: {error.strerror}; "
        "give a file in an existing directory with the right to write"
    )
