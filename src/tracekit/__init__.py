"""Tracing for Python the way Rust's `tracing` does it, on OpenTelemetry."""
