"""Delivery: queues, batches, backoff, deadlines, exporter calls and counts."""
