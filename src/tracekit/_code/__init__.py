"""In code: what users' functions run through; OpenTelemetry's API alone."""
