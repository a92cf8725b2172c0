"""Provider, tracer and span on the classes of OpenTelemetry's SDK."""
