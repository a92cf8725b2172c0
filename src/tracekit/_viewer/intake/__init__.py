"""How spans come in: OTLP over gRPC and HTTP, and OTLP JSON lines in files."""
