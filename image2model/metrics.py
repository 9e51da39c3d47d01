"""What is counted while the app runs, for Prometheus; what the database knows is read from there instead.

Names are a contract with dashboards (`deploy/`). With `PROMETHEUS_MULTIPROC_DIR` set, prometheus-client
adds up the counts of all processes by itself.
"""

from __future__ import annotations

from prometheus_client import Counter

REMOVED = Counter("image2model_removed_total", "Batches, orphans and cached files deleted", ["kind", "reason"])
FREED_BYTES = Counter("image2model_freed_bytes_total", "Bytes that deleting has freed", ["kind"])
