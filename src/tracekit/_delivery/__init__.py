"""Delivery: queues, batches, backoff, deadlines, export outcomes and counts."""
