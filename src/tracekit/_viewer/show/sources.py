"""Where the traces of `tracekit show` come from: files, or a running viewer."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qs, quote, urlencode, urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from tracekit._viewer.addresses import find_address
from tracekit._viewer.errors import ViewerError
from tracekit._viewer.intake.decode import MalformedRequestError
from tracekit._viewer.intake.files import FollowedFile, check_file
from tracekit._viewer.intake.json_decoding import parse_json
from tracekit._viewer.intake.lines import FileProgress
from tracekit._viewer.intake.request_queue import RequestQueue
from tracekit._viewer.intake.writer_thread import WriterThread
from tracekit._viewer.store.store import Store
from tracekit._viewer.store.writer import Commit

_PAGE: Final = 500
_TIMEOUT: Final = 30.0
_UNAUTHORIZED: Final = 401


class Source(Protocol):
    """Fills a store."""

    def read(self) -> None:
        """Store what is there now and was not there before."""
        ...

    def close(self) -> None:
        """End."""
        ...


class Files:
    """OTLP JSON-lines files, read from where the last read ended."""

    def __init__(self, paths: Sequence[Path], store: Store, changed: set[bytes]) -> None:
        """Open files.

        Args:
            paths: The files.
            store: Where their spans go.
            changed: Gets the ids of traces that something was added to.

        Raises:
            ViewerError: A file is not there or holds no OTLP.
        """
        for path in paths:
            check_file(path)
        self._queue = RequestQueue()
        self._changed = changed
        self._writer = WriterThread(store, self._queue, self._on_commit)
        self._writer.start()
        stopping = threading.Event()
        self._files = [FollowedFile(path, self._queue, stopping) for path in paths]
        self._reported: dict[str, int] = {}

    def _on_commit(self, commit: Commit) -> None:
        self._changed.update(commit.changed)

    def read(self) -> None:
        """Store what was added to the files; lines that are not OTLP are told of."""
        for file in self._files:
            file.read()
            self._report(file.progress)

    def _report(self, progress: FileProgress) -> None:
        if progress.state == "failed":
            raise ViewerError(progress.error)
        if progress.bad_lines > self._reported.get(progress.path, 0):
            self._reported[progress.path] = progress.bad_lines
            print(  # noqa: T201 - a command's output
                f"tracekit: {progress.path}: lines that are not OTLP were skipped: "
                f"{progress.bad_lines}. The first is line {progress.first_bad_line}: "
                f"{progress.error}",
                file=sys.stderr,
            )

    def close(self) -> None:
        """End after what is being stored."""
        for file in self._files:
            file.close()
        self._writer.stop()


class RunningViewer:
    """A running viewer, asked over its HTTP API."""

    def __init__(
        self, url: str | None, store: Store, changed: set[bytes], query: str, limit: int | None
    ) -> None:
        """Find the viewer.

        Args:
            url: Its address; the one on the default port of this machine if None. The token may be
                left out if the viewer is this user's and on this machine.
            store: Where its spans go.
            changed: Gets the ids of traces that something was added to.
            query: Which traces are asked for.
            limit: How many of the newest are asked for at first; all if None.

        Raises:
            ViewerError: There is none.
        """
        given = url if url is None or "://" in url else f"http://{url}"
        address = given
        if address is None or "token" not in parse_qs(urlsplit(address).query):
            address = find_address(given) or given
        if address is None:
            raise ViewerError(
                "No viewer of yours runs on this machine. Start one with `tracekit view`, name it "
                "with --url, or name a file"
            )
        parts = urlsplit(address)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise ViewerError(f"{url} is not an address of a viewer, such as http://127.0.0.1:4319")
        self._base = f"{parts.scheme}://{parts.netloc}"
        self._token = parse_qs(parts.query).get("token", [""])[0]
        self._store, self._changed = store, changed
        self._query, self._limit = query, limit
        self._seen: dict[str, tuple[int, int]] = {}
        # A proxy of the environment must not get the token.
        self._opener = build_opener(ProxyHandler({}))

    def read(self) -> None:
        """Store the traces that are new or have grown, the oldest first."""
        news: list[str] = []
        cursor: str | None = ""
        while cursor is not None and (self._limit is None or len(news) < self._limit):
            page = self._get_json("/api/traces", query=self._query, limit=_PAGE, cursor=cursor)
            cursor = page["cursor"]
            known = 0
            for trace in page["traces"]:
                state = (trace["spans"], trace["open"])
                if self._seen.get(trace["id"]) == state:
                    known += 1
                elif self._limit is None or len(news) < self._limit:
                    self._seen[trace["id"]] = state
                    news.append(trace["id"])
            if known and known == len(page["traces"]):
                # Newest first: what follows is older than what is known.
                break
        for trace_id in reversed(news):
            self._fetch(trace_id)
        self._limit = None

    def _fetch(self, trace_id: str) -> None:
        try:
            lines = self._get(f"/api/traces/{quote(trace_id)}/export", format="otlp")
        except ViewerError:
            # It was dropped at a bound since the list was made.
            return
        for line in lines.splitlines():
            try:
                decoded = parse_json(line, self._store.limits.value_bytes)
            except MalformedRequestError as error:
                raise ViewerError(f"{self._base} answers what is not OTLP: {error}") from None
            self._changed.update(self._store.writer.write([decoded]).changed)

    def _get_json(self, path: str, **parameters: object) -> Any:
        try:
            return json.loads(self._get(path, **parameters))
        except ValueError:
            raise ViewerError(f"{self._base} is not a viewer: it does not answer JSON") from None

    def _get(self, path: str, **parameters: object) -> bytes:
        url = f"{self._base}{path}?{urlencode(parameters)}"
        headers = {"Authorization": f"Bearer {self._token}"}
        request = Request(url, headers=headers)  # noqa: S310 - the scheme was checked
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as response:
                return bytes(response.read())
        except HTTPError as error:
            with error:
                if error.code == _UNAUTHORIZED:
                    raise ViewerError(
                        f"{self._base} wants its token. Give the whole address that `tracekit "
                        "view` printed, in quotes"
                    ) from None
                raise ViewerError(f"{self._base} answers {error.code} {error.reason}") from None
        except (URLError, OSError) as error:
            reason = getattr(error, "reason", error)
            raise ViewerError(
                f"No viewer answers at {self._base}: {reason}. `tracekit view` starts one"
            ) from None

    def close(self) -> None:
        """Do nothing: no connection stays."""
