"""Why a request to a receiver failed, in one line that a person can act on."""

from __future__ import annotations

from typing import Final

_LONGEST_REASON: Final = 500

# A receiver of another kind fails in a way that names neither kind: what its error contains, and
# the question that probably solves it.
_HINTS: Final = (
    (
        "WRONG_VERSION_NUMBER",
        "is that a receiver without TLS? Its endpoint begins with http://",
    ),
    (
        "Failed parsing HTTP/2",
        "is that the receiver's port for gRPC (usually 4317)? OTLP over HTTP (usually 4318) is "
        "protocol='http'",
    ),
    (
        # The first frame of HTTP/2, which a gRPC server sends.
        r"BadStatusLine('\x00\x00",
        "is that the receiver's port for HTTP (usually 4318)? OTLP over gRPC (usually 4317) is "
        "protocol='grpc'",
    ),
)


class RequestError(Exception):
    """A request that the receiver did not accept.

    Attributes:
        reason: Why, in one line, with a hint where the endpoint is probably of another kind.
        is_retryable: Whether the OTLP specification lets a client send the request again.
        retry_after: Seconds after which the receiver asks for the next attempt; None if it does
            not.
    """

    def __init__(
        self, reason: str, *, is_retryable: bool = False, retry_after: float | None = None
    ) -> None:
        self.reason = _with_hint(one_line(reason))
        super().__init__(self.reason)
        self.is_retryable = is_retryable
        self.retry_after = retry_after


def one_line(text: str) -> str:
    """Return at most 500 characters of a text, without line breaks and control characters."""
    line = " ".join(text.split())
    return "".join(c if c.isprintable() else "\ufffd" for c in line[:_LONGEST_REASON])


def _with_hint(reason: str) -> str:
    for symptom, hint in _HINTS:
        if symptom in reason:
            return f"{reason} ({hint})"
    return reason
