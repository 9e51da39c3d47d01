"""Response time of a running app's health routes with 10,000 batches, against ten, and against an empty answer.

python -m benchmarks.health
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import httpx

from benchmarks.admin_search import FEW, MANY, fill
from image2model.devtools.app_process import AppProcess

ROUTES = ("/alive", "/health", "/health/detailed", "/health/liveness", "/health/readiness", "/health/metrics")
"""The first one is the baseline: it answers without looking at anything."""
ROUNDS = 200
PAUSE = 0.02
"""Seconds between two questions, in which the app may do what it does by itself."""


def measure(count: int) -> dict[str, tuple[float, float]]:
    """Median and maximum of each route, in milliseconds, with so many batches."""
    with tempfile.TemporaryDirectory() as folder:
        app = AppProcess(Path(folder))
        fill(f"sqlite:///{app.data}/image2model.db", app.data, count)
        app.start()
        with httpx.Client(base_url=app.url, timeout=60) as client:
            client.get("/health/detailed")  # not measured: the first one looks at the disk
            times = {route: _times(client, route) for route in ROUTES}
        app.stop()
    return times


def _times(client: httpx.Client, route: str) -> tuple[float, float]:
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        answer = client.get(route)
        times.append(1000 * (time.perf_counter() - start))
        assert answer.status_code == 200, answer.text
        time.sleep(PAUSE)
    return statistics.median(times), max(times)


def main() -> None:
    """Print both."""
    few, many = measure(FEW), measure(MANY)
    print(f"{'median, most':20} {f'{FEW} batches':>18} {f'{MANY:,}':>18}")
    for route in ROUTES:
        cells = (f"{median:.1f}, {most:.1f} ms" for median, most in (few[route], many[route]))
        print(f"{route:20} {next(cells):>18} {next(cells):>18}")


if __name__ == "__main__":
    main()
