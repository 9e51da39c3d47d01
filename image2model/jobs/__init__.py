"""What outlives a request: the store, the runner, the archive."""
