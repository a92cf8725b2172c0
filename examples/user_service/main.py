"""Set tracing up, then serve: `python -m examples.user_service.main`."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import uvicorn
from opentelemetry.instrumentation.propagators import (
    TraceResponsePropagator,
    set_global_response_propagator,
)

import tracekit


def main() -> None:
    tracekit.init_telemetry(
        "user-service",
        libraries=["fastapi", "sqlalchemy"],
        # The requests belong to their callers' traces, not to that of whoever starts the service.
        continue_trace=False,
    )
    # Each answer says in its header `traceresponse` which trace it is.
    set_global_response_propagator(TraceResponsePropagator())
    # uvicorn sends itself the signal that ended it once more. As an interrupt it leads out through
    # Python, where the last spans are delivered; as SIGTERM it would kill the process before.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        # By name, since only an app that is made from here on gets the spans of its library.
        uvicorn.run(
            "examples.user_service.app:app",
            host=os.environ.get("HOST", "127.0.0.1"),
            port=int(os.environ.get("PORT", "8000")),
            log_level="warning",
        )


if __name__ == "__main__":
    main()
