"""Everything that outlives a request: the store, the scheduler, the archive."""
