"""Units of time and size."""

from __future__ import annotations

HOUR, DAY = 3600.0, 86400.0
"""Seconds."""
MB, GB = 1_000_000, 1_000_000_000
"""Bytes."""
