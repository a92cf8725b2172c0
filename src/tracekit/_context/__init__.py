"""Context across threads and processes: snapshots, stepping, pools, blocking calls, workers."""
