"""OTLP: the wire format, JSON, and exporters over gRPC and HTTP and to files."""
