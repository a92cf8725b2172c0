"""What to ask where a transport fails as it does with an endpoint of another kind."""

from __future__ import annotations

from typing import Final

# What stands in the reason, and what to ask.
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
        # A frame of HTTP/2, by which a receiver of gRPC begins.
        r"BadStatusLine('\x00\x00",
        "is that the receiver's port for HTTP (usually 4318)? OTLP over gRPC (usually 4317) is "
        "protocol='grpc'",
    ),
)


def with_hint(reason: str) -> str:
    """Add what probably helps to the reason why an attempt failed."""
    for words, hint in _HINTS:
        if words in reason:
            return f"{reason} ({hint})"
    return reason
