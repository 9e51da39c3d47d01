"""Duration of the queries behind the Admin tab with 10,000 batches of five pictures, against ten batches.

python -m benchmarks.admin_search [--database URL of an empty PostgreSQL database]
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from image2model.jobs.db.connection import connect
from image2model.jobs.db.schema import batches, events, jobs, ledger, metadata
from image2model.jobs.db.store import Store, new_id
from image2model.jobs.models import JobState, batch_state
from image2model.services import Services
from image2model.settings import Settings

FEW, MANY, PER_BATCH, PAGE = 10, 10_000, 5, 10
DAY = 86400.0
GENERATORS = ("local", "trellis", "tripo-v2.5")
THINGS = ("chair", "table", "lamp", "cup", "shoe", "boat", "clock", "spoon", "guitar", "bottle")
REMOTE = {"request_id": "0b2f6f0e-6f2c-4f0c-9d51-0c8c2a4b7e11", "endpoint": "fal-ai/trellis", "submitted_at": 1.0}
FACTS = {"faces": 12, "vertices": 24, "size_bytes": 65_000, "dimensions": [1, 1, 1], "watertight": True, "warnings": []}
FAILURE = {"code": "fal_refused", "message": "fal could not use this picture.", "hint": "", "retryable": False}
ENDS: tuple[tuple[JobState, ...], ...] = (
    ("done",), ("done",), ("done",), ("done",), ("done",), ("done",), ("done", "failed"), ("failed",),
    ("cancelled",), ("done", "cancelled"),
)  # fmt: skip
"""How the jobs of a batch end, one after the other."""


class Rows:
    """The rows of so many batches over the last thirty days, one of them worked."""

    def __init__(self, count: int) -> None:
        self.of: dict[Any, list[dict[str, Any]]] = {batches: [], jobs: [], events: [], ledger: []}
        self._chance = random.Random(7)
        for number in range(count):
            self._batch(number, time.time() - 30 * DAY * (1 - number / count) - 60)

    def _batch(self, number: int, at: float) -> None:
        batch_id, generator = new_id(), GENERATORS[number % len(GENERATORS)]
        ends: tuple[JobState, ...] = ENDS[number % len(ENDS)] if number else ("running",)
        names = [f"{self._chance.choice(THINGS)} {self._chance.randrange(10_000)}.png" for _ in range(PER_BATCH)]
        self.of[batches].append({
            "id": batch_id, "task_id": new_id(), "legacy_job_id": new_id(), "visitor": f"visitor {number % 500}",
            "generator": generator, "options": {}, "face_limit": None, "cut_out": False, "refusals": [],
            "state": batch_state(set(ends)), "sequence": 4 * PER_BATCH, "pinned": False, "correlation_id": "",
            "created_at": at, "names": "\n".join(names),
        })  # fmt: skip
        for place, (name, end) in enumerate(zip(names, itertools.cycle(ends), strict=False), 1):
            self._job(batch_id, place, name, generator, end, at)

    def _job(self, batch_id: str, place: int, name: str, generator: str, state: JobState, at: float) -> None:
        job_id, failed = new_id(), state == "failed"
        self.of[jobs].append({
            "id": job_id, "batch_id": batch_id, "number": place, "name": name, "stem": name.replace(" ", "-"),
            "sides": [], "price": Decimal("0.02"), "state": state, "attempt": 1, "purchase": 1, "key_mark": "",
            "tries": 1, "sequence": 4 * place, "progress": 1.0, "message": "", "queue_position": None,
            "failure": FAILURE if failed else None, "waiting": None, "intent": None,
            "remote": {**REMOTE, "submitted_at": at}, "facts": FACTS if state == "done" else None,
            "cost": Decimal("0.02"), "created_at": at, "requested_at": at, "started_at": at, "running_at": at,
            "finished_at": None if state == "running" else at + 40,
        })  # fmt: skip
        for step, then in enumerate(("new", "queued", "running", state)):
            self.of[events].append({
                "batch_id": batch_id, "sequence": 4 * place + step, "job_id": job_id, "attempt": 1, "state": then,
                "message": "", "code": FAILURE["code"] if failed and then == state else None, "at": at + 10 * step,
            })  # fmt: skip
        self.of[ledger].append({
            "job_id": job_id, "purchase": 1, "batch_id": batch_id, "client": "client", "generator": generator,
            "key_mark": "", "state": "billed", "amount": Decimal("0.02"), "at": at,
        })  # fmt: skip


def fill(url: str, data: Path, count: int) -> None:
    """Bring so many batches into an empty database, and a folder with three files for each."""
    Store(url).close()
    rows, engine = Rows(count), connect(url)
    with engine.execution_options(write=True).begin() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
        for table, members in rows.of.items():
            connection.execute(insert(table), members)
    engine.dispose()
    for row in rows.of[batches]:
        folder = data / "batches" / row["id"] / "1-picture"
        folder.mkdir(parents=True)
        for name in ("input.png", "model.glb", "thumbnail.webp"):
            (folder / name).write_bytes(b"x" * 100)


def questions(services: Services, count: int) -> Iterator[tuple[str, Callable[[], Awaitable[Any]]]]:
    """Queries of the Admin tab, by their purpose."""
    host = services.admin

    def search(**wanted: Any) -> Callable[[], Awaitable[Any]]:
        return lambda: host.search(**{"limit": PAGE, **wanted})

    yield "first page", search()
    yield "late page", search(offset=count - PAGE)
    for state in ("working", "done", "partly", "failed", "cancelled"):
        yield f"state {state}", search(state=state)
    yield "generator", search(generator="trellis")
    yield "state and generator", search(state="failed", generator="trellis")
    yield "text, common", search(text="CHAIR")
    yield "text, nowhere", search(text="no such thing")
    yield "overview", host.overview
    yield "queue state", host.queue_state
    yield "remote status", host.remote_status
    yield "reasons, 24 h", host.failure_reasons
    yield "series, 24 h", host.time_series
    yield "series, 30 d", lambda: host.time_series(720, 6 * 3600)
    yield "disk usage", host.disk_usage
    yield "cleanup, dry", lambda: host.cleanup(29 * 24)


async def milliseconds(work: Callable[[], Awaitable[Any]], rounds: int = 9) -> float:
    """The median time of some work, after one round that does not count."""
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        await work()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times[1:])


async def measure(count: int, database: str) -> Mapping[str, float]:
    """Milliseconds for each question with so many batches."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GRADIO_TEMP_DIR"] = f"{folder}/cache"
        settings = Settings(
            data_dir=Path(folder), database_url=database, generator="local", workers=1, fal_key="a:b", _env_file=None
        )
        fill(settings.database, Path(folder), count)
        services = Services(settings)  # not started: nothing is worked meanwhile
        times = {name: await milliseconds(work) for name, work in questions(services, count)}
        await services.close()
        return times


def main() -> None:
    """Print both and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", help="its tables are emptied", default="")
    database = parser.parse_args().database
    few, many = (asyncio.run(measure(count, database)) for count in (FEW, MANY))
    print(f"{'':20} {f'{FEW} batches':>12} {f'{MANY:,}':>10} {'ratio':>7}")
    for name in few:
        print(f"{name:20} {few[name]:9.1f} ms {many[name]:7.1f} ms {many[name] / few[name]:6.1f}×")


if __name__ == "__main__":
    main()
