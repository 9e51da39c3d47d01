"""10,000 jobs in the queue of a cluster, 2,000 of them at fal in one scheduler, the others waiting for their turn.

    python -m benchmarks.deep_queue [--jobs 10000] [--at-fal 2000]

A real PostgreSQL, a scheduler in this process, the stand-in for fal in another; its jobs never end. Pictures are tiny
and stored beforehand, so what is measured is the queue: to store it, to look at it, to hand jobs over, and to wait.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from PIL import Image

from benchmarks.fal_batch import stand_in
from benchmarks.fal_in_flight import KEY, MODEL, WHERE, resident
from image2model.devtools.local_services import PostgresServer
from image2model.generators.fal import FalAccount, FalGenerator, FalHosts
from image2model.jobs.db.store import Store, new_id
from image2model.jobs.models import Batch, NewBatch, NewJob
from image2model.services import Services
from image2model.settings import Settings

IN_BATCH = 100
LOOKS = 20
WATCH_SECONDS = 20.0
HAND_OVER_SECONDS = 300.0
"""After which is measured what has been handed over by then."""


def store_jobs(store: Store, services: Services, picture: bytes, count: int) -> list[Batch]:
    """Store batches of `IN_BATCH` jobs and the pictures of these, as a web replica does."""
    stored = []
    for _ in range(count // IN_BATCH):
        jobs = [NewJob(f"{n}.png", f"{n}", Decimal("0.1")) for n in range(IN_BATCH)]
        batch = store.create(NewBatch(new_id(), MODEL.spec.id, {}, None, False, jobs))
        for job in batch.jobs:
            folder = services.folders.job(job)
            folder.mkdir(parents=True)
            (folder / "input.png").write_bytes(picture)
        stored.append(batch)
    return stored


async def look(services: Services, batch: Batch) -> str:
    """Milliseconds for a batch's view and for the queue's numbers, the median of `LOOKS` each."""
    medians = []
    for ask in (lambda: services.view(batch.id), services.admin.queue_state):
        took = []
        for _ in range(LOOKS):
            began = time.perf_counter()
            await ask()
            took.append(1000 * (time.perf_counter() - began))
        medians.append(statistics.median(took))
    return f"| view of a batch of {IN_BATCH}; numbers of the queue | {medians[0]:.0f} ms; {medians[1]:.0f} ms |"


async def at_fal(services: Services) -> int:
    """Jobs that fal has taken."""
    states = (await services.admin.queue_state())["states"]
    return int(states["queued"] + states["running"])


async def measure(url: str, folder: Path, jobs: int, limit: int) -> None:
    """Print what was measured."""
    Image.effect_noise((64, 64), 40).convert("RGB").save(folder / "small.png")
    settings = Settings(
        data_dir=folder / "data", database_url=url, generator=MODEL.spec.id, min_free_gb=0, _env_file=None
    )
    model = replace(MODEL, spec=replace(MODEL.spec, max_concurrency=limit))
    services = Services(settings, [FalGenerator(model, FalAccount(KEY, FalHosts.at(WHERE)))])
    web = Store(url, runs_jobs=False)
    began = time.perf_counter()
    batches = await asyncio.to_thread(store_jobs, web, services, (folder / "small.png").read_bytes(), jobs)
    print(f"| {jobs} jobs stored, with their pictures | {time.perf_counter() - began:.1f} s |")
    print(await look(services, batches[0]), "while all wait")
    idle, began, computed = resident(), time.perf_counter(), time.process_time()
    await services.start()
    while await at_fal(services) < limit and time.perf_counter() - began < HAND_OVER_SECONDS:  # noqa: ASYNC110  nothing tells
        await asyncio.sleep(0.5)
    took, count = time.perf_counter() - began, await at_fal(services)
    each = 1000 * (time.process_time() - computed) / count
    print(f"| {count} jobs handed over | {took:.0f} s, {each:.1f} ms of processor each |")
    print(f"| jobs held by the scheduler | {services.admin.active_jobs} |")
    began, computed = time.perf_counter(), time.process_time()
    await asyncio.sleep(WATCH_SECONDS)
    share = (time.process_time() - computed) / (time.perf_counter() - began)
    print(f"| processor while {count} are at fal | {share:.1%} |")
    print(f"| memory above the {idle:.0f} MB before | {resident() - idle:.0f} MB |")
    print(await look(services, batches[0]), "then")
    await services.close()
    web.close()


def main() -> None:
    """Measure on a PostgreSQL of its own."""
    parser = argparse.ArgumentParser(description="A deep queue.")
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--at-fal", type=int, default=2_000)
    given = parser.parse_args()
    postgres, server = PostgresServer().start(), stand_in(run_seconds=1e6)
    try:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(measure(postgres.database(), Path(folder), given.jobs, given.at_fal))
    finally:
        server.terminate()
        server.wait()
        postgres.remove()


if __name__ == "__main__":
    main()
