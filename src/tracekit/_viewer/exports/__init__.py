"""A trace in other forms: OTLP JSON lines, Chrome's trace format, HTML, and a text tree."""
