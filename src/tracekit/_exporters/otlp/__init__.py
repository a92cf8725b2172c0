"""OTLP over gRPC and HTTP, on the official transports."""
