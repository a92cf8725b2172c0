"""The local viewer: receivers of OTLP, a store in SQLite, and the page's HTTP API."""
