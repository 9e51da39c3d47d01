"""Time to show the board, the library and the host's overview with 10,000 finished jobs, against ten.

python -m benchmarks.board_open
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from image2model.jobs.db.store import Store, new_id
from image2model.jobs.models import NewBatch, NewJob
from image2model.services import Services
from image2model.settings import Settings
from image2model.web.ui import templating

PER_BATCH = 25
FACTS = {"faces": 12, "vertices": 24, "size_bytes": 65_000, "dimensions": [1, 1, 1], "watertight": True, "warnings": []}


def fill(store: Store, batches: int, per_batch: int) -> str:
    """Store finished batches; return the id of the newest."""
    jobs = [NewJob(f"picture {n}.png", f"picture-{n}", Decimal("0.3")) for n in range(per_batch)]
    for _ in range(batches):
        batch = store.create(NewBatch(new_id(), "local", {}, None, False, jobs, visitor="ann"))
        for job in batch.jobs:
            store.transition(job.id, "done", attempt=1, facts=FACTS, cost=Decimal("0.3"))
    return batch.id


async def milliseconds(work: Callable[[], Awaitable[Any]], rounds: int = 15) -> float:
    """The median time of some work."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        await work()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


async def measure(batches: int, per_batch: int) -> dict[str, float]:
    """Milliseconds to open each page with so many batches in the store."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), generator="local", workers=1, _env_file=None)
        store = Store(settings.database)
        batch_id = fill(store, batches, per_batch)
        store.close()
        services = Services(settings)
        await services.start()

        async def board() -> None:
            templating.board(await services.view(batch_id))

        async def library() -> None:
            templating.library(await services.library("ann"))

        async def overview() -> None:
            await services.admin.overview()

        opened = {"board": board, "library": library, "overview": overview}
        measured = {name: await milliseconds(work) for name, work in opened.items()}
        await services.close()
        return measured


def main() -> None:
    """Print both sizes and their ratio."""
    few, many = asyncio.run(measure(1, 10)), asyncio.run(measure(10_000 // PER_BATCH, PER_BATCH))
    print(f"{'':10} {'10 jobs':>10} {'10,000':>10} {'ratio':>7}")
    for name in few:
        print(f"{name:10} {few[name]:7.1f} ms {many[name]:7.1f} ms {many[name] / few[name]:6.1f}×")


if __name__ == "__main__":
    main()
