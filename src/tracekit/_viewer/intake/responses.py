"""Responses of OTLP, in protocol buffers and JSON."""

from __future__ import annotations

import json
from typing import Final

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsPartialSuccess,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from tracekit._viewer.intake.request_queue import Encoding, Outcome, Signal

_REJECTED: Final = {"traces": "rejectedSpans", "logs": "rejectedLogRecords"}


def encode_response(signal: Signal, outcome: Outcome, encoding: Encoding = "protobuf") -> bytes:
    """Encode what became of a request."""
    if encoding == "json":
        return _encode_json(signal, outcome)
    count, message = outcome.rejected, outcome.message
    if signal == "metrics":
        # A response without a partial success has no field.
        return b""
    if signal == "logs":
        logs = ExportLogsServiceResponse()
        if count:
            logs.partial_success.CopyFrom(
                ExportLogsPartialSuccess(rejected_log_records=count, error_message=message)
            )
        return bytes(logs.SerializeToString())
    traces = ExportTraceServiceResponse()
    if count:
        traces.partial_success.CopyFrom(
            ExportTracePartialSuccess(rejected_spans=count, error_message=message)
        )
    return bytes(traces.SerializeToString())


def _encode_json(signal: Signal, outcome: Outcome) -> bytes:
    if not outcome.rejected:
        return b"{}"
    partial = {_REJECTED[signal]: str(outcome.rejected), "errorMessage": outcome.message}
    return json.dumps({"partialSuccess": partial}).encode()
