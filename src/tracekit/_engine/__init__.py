"""The engine: OpenTelemetry's SDK, made to be replaced live and to account for every span."""
