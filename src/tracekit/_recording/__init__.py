"""Recording: spans, events, exceptions, parents and the current span; OpenTelemetry's API alone."""
