"""A trace as one HTML file that opens from disk, without a request."""

from __future__ import annotations

import base64
import gzip
import json
from collections import defaultdict
from pathlib import Path
from typing import Any, Final

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from tracekit._viewer.api.details import describe_data, describe_log, describe_trace
from tracekit._viewer.api.skeleton import encode_skeleton
from tracekit._viewer.errors import ViewerError
from tracekit._viewer.store.reader import Reader, TraceSummary

_MARKER: Final = "@@TRACEKIT_DATA@@"
_TEMPLATE: Final = "standalone.html"
# A browser takes a file of about 100 MB; a span takes about a kilobyte of it before it is packed.
_MOST_SPANS: Final = 100_000


def encode_html(reader: Reader, trace: TraceSummary, page: Path) -> bytes:
    """Return the file.

    Args:
        reader: A view of the store.
        trace: The trace.
        page: The directory of the built page.

    Raises:
        ViewerError: The page is not built, or the trace is too large for a file of this kind.
    """
    if trace.spans > _MOST_SPANS:
        raise ViewerError(
            f"The trace has {trace.spans:,} spans, and an HTML file holds at most "
            f"{_MOST_SPANS:,}. Export it as OTLP, which `tracekit view FILE` opens"
        )
    try:
        template = (page / _TEMPLATE).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ViewerError(
            "The page is not built. In a checkout, `make page` builds it; wheels of a release "
            "contain it"
        ) from None
    logs: dict[bytes, list[dict[str, Any]]] = defaultdict(list)
    for log in reader.logs(trace):
        logs[LogRecord.FromString(log.raw).span_id].append(describe_log(log))
    spans: dict[str, Any] = {}
    for data in reader.spans(trace):
        described = describe_data(reader, data, logs)
        spans.setdefault(described["id"], described)
    document = {
        "skeleton": base64.b64encode(b"".join(encode_skeleton(reader, trace))).decode(),
        "trace": describe_trace(trace),
        "spans": spans,
    }
    packed = gzip.compress(json.dumps(document).encode(), mtime=0)
    # Base64 holds nothing that could end the element that it stands in.
    return template.replace(_MARKER, base64.b64encode(packed).decode(), 1).encode()
