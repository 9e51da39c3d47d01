"""25 pictures over REST, from upload to results listed: one process, then a cluster with 4, 2 and 1 workers.

    python -m benchmarks.load [rounds]

The stand-in plays fal, with jobs of 1.0 s and of 0 s; each time is the best of the rounds after one that warms up.
Sleeping tasks, which take no processor, show how work is spread over the workers. Memory is the proportional set size
of all our processes, and of PostgreSQL, Redis and nginx. The first image2model took 5.2 s, 1.07 s and 647 MB.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import httpx
import psutil

from image2model.devtools.app_process import AppProcess
from image2model.devtools.cluster import SERVICES, Cluster, exit_on_sigterm
from image2model.devtools.fal_stand_in import KEY, FalServer, Script
from image2model.jobs.db.async_store import AsyncStore
from image2model.jobs.db.listener import listen
from image2model.jobs.db.store import Store
from image2model.jobs.notifications import ChangeNotifier
from image2model.jobs.storage.folders import Folders
from image2model.jobs.task_executor import TaskExecutor
from image2model.settings import Settings
from image2model.worker.celery_app import sender

PICTURES, WORKERS = 25, 4
SLEEPS, SLEEP_SECONDS = 40, 0.5
PICTURE = Path(__file__).parents[1] / "examples" / "mushroom-house.jpg"


def batch_seconds(client: httpx.Client) -> float:
    """Upload a batch and wait until its results are listed."""
    files = [("files", (f"{number}.jpg", PICTURE.read_bytes(), "image/jpeg")) for number in range(PICTURES)]
    began = time.perf_counter()
    batch = client.post("/api/v1/upload", files=files).raise_for_status().json()
    while client.get(f"/api/v1/status/tasks/{batch['task_id']}/status").json()["status"] != "completed":
        time.sleep(0.02)
    listed = client.get(f"/api/v1/download/{batch['job_id']}/all").raise_for_status().json()
    passed = time.perf_counter() - began
    assert listed["total_files"] == PICTURES
    return passed


def measure(name: str, url: str, fal: FalServer, rounds: int, ours: Iterable[int], services: Iterable[int]) -> None:
    """Print the times of both kinds of batch, and the memory after them."""
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        batch_seconds(client)
        times, used = [], processor_seconds(ours)
        for seconds in (1.0, 0.0):
            fal.script = Script(run_seconds=seconds)
            times.append(min(batch_seconds(client) for _ in range(rounds)))
    each = (processor_seconds(ours) - used) / (2 * rounds)
    memory = f"{megabytes(ours):5.0f} MB, services {megabytes(services):4.0f} MB"
    print(f"{name:<10} 25 × 1.0 s: {times[0]:5.2f} s   25 × 0 s: {times[1]:5.2f} s   "
          f"processor {each:5.2f} s a batch   {memory}", flush=True)  # fmt: skip


def family(processes: Iterable[int]) -> list[psutil.Process]:
    """These processes and their children."""
    found = [psutil.Process(pid) for pid in processes]
    return found + [child for process in found for child in process.children(recursive=True)]


def processor_seconds(processes: Iterable[int]) -> float:
    """Processor time of these processes and their living children."""
    return float(sum(sum(process.cpu_times()[:2]) for process in family(processes)))


def megabytes(processes: Iterable[int]) -> float:
    """Proportional set size of these processes and their children."""
    return float(sum(process.memory_full_info().pss for process in family(processes))) / 1e6


async def sleep_seconds(cluster: Cluster) -> float:
    """The time that many sleeping tasks take in the workers."""
    settings = Settings(
        database_url=cluster.database_url, celery_broker_url=cluster.settings("benchmark")["CELERY_BROKER_URL"],
        data_dir=cluster.folder / "benchmark", _env_file=None,
    )  # fmt: skip
    send = sender(settings)
    assert send
    store, notifier = Store(settings.database), ChangeNotifier()
    listening = asyncio.create_task(listen(settings.database, notifier))
    executor = TaskExecutor(AsyncStore(store, notifier), send, Folders(settings.data_dir))
    await executor.run(time.sleep, 0)
    began = time.perf_counter()
    await asyncio.gather(*(executor.run(time.sleep, SLEEP_SECONDS) for _ in range(SLEEPS)))
    passed = time.perf_counter() - began
    listening.cancel()
    store.close()
    return passed


def main() -> None:
    """Measure one process, then the cluster, from which workers are taken away."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    exit_on_sigterm()
    with contextlib.ExitStack() as started:
        folder = Path(started.enter_context(tempfile.TemporaryDirectory(prefix="load-", ignore_cleanup_errors=True)))
        folder.chmod(0o711)  # PostgreSQL has a user of its own, where this is root
        fal = started.enter_context(FalServer(Script()))
        limits = {"FAL_KEY": KEY, "FAL_HOST": fal.url, "UPLOADS_PER_MINUTE": "1000"}
        environment = measure_embedded(folder, fal, limits, rounds)
        cluster = Cluster(folder / "cluster", {**environment, **limits, "WORKERS": "1"}, WORKERS)
        started.callback(cluster.stop)
        measure_cluster(cluster.start(), fal, rounds)


def measure_embedded(folder: Path, fal: FalServer, limits: dict[str, str], rounds: int) -> dict[str, str]:
    """Measure one process, and return its environment."""
    (folder / "one").mkdir()
    app = AppProcess(folder / "one", **limits).start()
    try:
        measure("embedded", app.url, fal, rounds, [app.process.pid], [])
    finally:
        app.stop()
    return app.environment


def measure_cluster(cluster: Cluster, fal: FalServer, rounds: int) -> None:
    """Measure a cluster with all of its workers, then with fewer."""
    for count in (4, 2, 1):
        cluster.end([name for name in cluster.processes if name.startswith("worker-") and int(name[-1]) > count])
        living = {name: pid for name, pid in cluster.processes.items() if cluster.is_alive(name)}
        services = [pid for name, pid in living.items() if name in SERVICES]
        ours = [pid for name, pid in living.items() if name not in SERVICES]
        measure(f"{count} workers", cluster.url, fal, rounds, ours, [*services, cluster.postgres_pid])
        passed = asyncio.run(sleep_seconds(cluster))
        print(f"{'':<10} {SLEEPS} tasks that sleep for {SLEEP_SECONDS} s: {passed:.2f} s", flush=True)


if __name__ == "__main__":
    main()
