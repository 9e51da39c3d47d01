"""What the host runs it by: health, metrics, logs."""
