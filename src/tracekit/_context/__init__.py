"""Context across threads and processes: snapshots, pools, blocking calls, workers."""
