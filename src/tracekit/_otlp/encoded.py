"""Batches that the official exporters send as they are, in place of encoding them themselves.

A batch is the list of its spans, and at the same time the message that the official exporters would
make of it: they count the one and serialize the other. Where a release of theirs does without the
names below, they see the list and make the message, which takes longer and is as good.
"""

from __future__ import annotations

from operator import is_
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from tracekit._base.log import log_warning_once
from tracekit._otlp.exporter import current_outcome
from tracekit._otlp.request_encoding import encode_spans

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

# What is relied on of the official exporters and is theirs to change: over gRPC an exporter's
# channel, the stub that it sets as its client, and what makes the stub's request; over HTTP the
# function of their module that makes a message of spans.
GRPC_NAMES: Final = ("_channel", "_client", "_translate_data")
HTTP_ENCODER: Final = "encode_spans"


class EncodedSpans(list[ReadableSpan]):
    """The spans of a batch, and the request that carries them.

    It is encoded when it is first serialized, and only once.

    Attributes:
        left_out: How many of its spans cannot be put into OTLP, known once it is encoded.
    """

    left_out = 0
    _encoded: bytes | None = None

    def SerializeToString(self) -> bytes:  # noqa: N802 - what a message calls it
        """Return the request in bytes, as a message of protobuf's does."""
        if self._encoded is None:
            self._encoded = encode_spans(self, on_skipped=self._note_left_out)
        return self._encoded

    SerializePartialToString = SerializeToString

    def _note_left_out(self, span: ReadableSpan, error: Exception) -> None:
        self.left_out += 1
        key = "a span that cannot be put into OTLP"
        log_warning_once(
            key, "span %r cannot be put into OTLP: %s", _name(span), error, error=error
        )


def _name(span: ReadableSpan) -> str | None:
    return getattr(span, "name", None)


class LastBatch:
    """The batch that was not delivered, kept so that another attempt need not encode it again."""

    def __init__(self) -> None:
        self._batch: EncodedSpans | None = None

    def send(
        self,
        spans: Sequence[ReadableSpan],
        export: Callable[[Sequence[ReadableSpan]], SpanExportResult],
    ) -> SpanExportResult:
        """Export these spans in one batch: the last one, if it had the very same.

        Args:
            spans: Finished spans.
            export: The official exporter's method.

        Returns:
            What it returns. Spans that cannot be put into OTLP count as rejected.
        """
        batch = self._take(spans)
        result = export(batch)
        if result is SpanExportResult.SUCCESS:
            self._batch = None
            _count_left_out(batch)
        return result

    def _take(self, spans: Sequence[ReadableSpan]) -> EncodedSpans:
        last = self._batch
        if last is None or len(last) != len(spans) or not all(map(is_, last, spans)):
            self._batch = last = EncodedSpans(spans)
        return last


def _count_left_out(batch: EncodedSpans) -> None:
    if batch.left_out:
        outcome = current_outcome()
        outcome.rejected += batch.left_out
        outcome.reason = outcome.reason or f"{batch.left_out} spans cannot be put into OTLP"


def serialize(message: Any) -> bytes:
    """Return the bytes of a message, be it a batch or one of protobuf's."""
    encoded: bytes = message.SerializeToString()
    return encoded


def functions_without_encoder(official: type) -> dict[str, Callable[..., Any]]:
    """Rewrite the methods of the official exporter over HTTP that call the official encoder.

    Args:
        official: Its class, which stays as it is.

    Returns:
        The same methods by their names, where the encoder gives back what it gets; none if the
        exporter calls its encoder by another name.
    """
    return {
        name: _with_names(function, **{HTTP_ENCODER: _as_it_is})
        for name, function in vars(official).items()
        if isinstance(function, FunctionType) and HTTP_ENCODER in function.__code__.co_names
    }


def _as_it_is(batch: EncodedSpans) -> EncodedSpans:
    return batch


def _with_names(function: FunctionType, **names: Any) -> FunctionType:
    """Return the same function for which names of its module mean something else."""
    known = {**function.__globals__, **names}
    code, name, defaults = function.__code__, function.__name__, function.__defaults__
    changed = FunctionType(code, known, name, defaults, function.__closure__)
    changed.__kwdefaults__ = function.__kwdefaults__
    return changed


def tell_missing(names: Iterable[str]) -> None:
    """Say once that the official exporter has to encode spans itself."""
    text = "this release of OpenTelemetry's OTLP exporter has no %s: spans take longer to encode"
    for name in names:
        log_warning_once(("missing in the official exporter", name), text, name)
