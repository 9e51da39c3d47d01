"""A cluster on this machine: a batch goes through nginx while its processes are killed, and all of it arrives once.

Real nginx, PostgreSQL, Redis and Celery, two web replicas, a scheduler, two workers and beat, without a shared disk;
the stand-in plays fal, moto's server S3.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from image2model.devtools.app_process import SETTING_PREFIXES
from image2model.devtools.cluster import Cluster
from image2model.devtools.fal_stand_in import KEY, Script
from tests.support.fal_server import FalServer
from tests.support.pictures import encoded, photo
from tests.support.s3 import S3Server
from tests.support.waiting import wait_until

PICTURES = 25
LEASE_SECONDS = "3"
RUN_SECONDS = 3.0


@pytest.fixture(scope="module")
def fal() -> Iterator[FalServer]:
    """The stand-in, whose jobs take long enough for a process to be killed meanwhile."""
    with FalServer(Script(run_seconds=RUN_SECONDS)) as server:
        yield server


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    """The object storage."""
    server = S3Server().start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def cluster(fal: FalServer, s3: S3Server) -> Iterator[Cluster]:
    """The cluster, in a folder that PostgreSQL's user can reach."""
    folder = Path(tempfile.mkdtemp(prefix="cluster-"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(SETTING_PREFIXES)}
    more = {"FAL_KEY": KEY, "FAL_HOST": fal.url, "LEASE_SECONDS": LEASE_SECONDS, "WORKERS": "1", "RETRY_PACE": "0.1"}
    storage = {"ASSET_STORE": s3.store, **s3.environment}
    cluster = Cluster(folder, {**kept, **more, **storage}).start()
    yield cluster
    cluster.stop()
    shutil.rmtree(folder, ignore_errors=True)


def test_a_batch_arrives_once_while_a_replica_and_a_worker_are_killed(cluster, fal):
    """Each of 25 pictures is bought once and delivered, although half of the cluster is killed (SIGKILL) meanwhile."""
    files = [("files", (f"{n}.png", encoded(photo(64 + n)), "image/png")) for n in range(PICTURES)]
    with httpx.Client(base_url=cluster.url, timeout=60, trust_env=False) as visitor:
        batch = visitor.post("/api/v1/upload", files=files).raise_for_status().json()
        wait_until(lambda: len(fal.jobs) >= PICTURES / 2)
        cluster.kill("worker-1")
        cluster.kill("web-1")
        wait_until(lambda: is_completed(visitor, batch))
        listed = visitor.get(f"/api/v1/download/{batch['job_id']}/all").raise_for_status().json()["download_urls"]
        meshes = [visitor.get(url).raise_for_status().content for url in listed]
        metrics = visitor.get("/health/metrics").raise_for_status().text
    assert f'celery_tasks_total{{state="SUCCESS"}} {float(PICTURES)}' in metrics  # counted by the scheduler
    assert (len(meshes), {mesh[:4] for mesh in meshes}) == (PICTURES, {b"glTF"})
    assert (len(fal.jobs), len(fal.paid)) == (PICTURES, PICTURES)


def test_a_scheduler_that_sleeps_and_wakes_buys_nothing(cluster, fal):
    """The jobs of a stopped scheduler are collected by another, and nothing is bought when it continues."""
    before = len(fal.jobs)
    files = [("files", (f"s{n}.png", encoded(photo(200 + n)), "image/png")) for n in range(3)]
    with httpx.Client(base_url=cluster.url, timeout=60, trust_env=False) as visitor:
        batch = visitor.post("/api/v1/upload", files=files).raise_for_status().json()
        wait_until(lambda: len(fal.jobs) >= before + len(files))
        cluster.signal("scheduler", signal.SIGSTOP)
        cluster.run("scheduler-2")
        wait_until(lambda: is_completed(visitor, batch))
        cluster.signal("scheduler", signal.SIGCONT)
        fal.script = Script()
        later = visitor.post("/api/v1/upload", files=files[:1]).raise_for_status().json()
        wait_until(lambda: is_completed(visitor, later))
    assert len(fal.jobs) == before + len(files) + 1
    cluster.end(["scheduler-2"])
    del cluster.processes["scheduler-2"]


def test_health_lists_redis_and_living_workers(cluster):
    """A host sees that Redis answers and that one of the two workers is gone."""
    components = httpx.get(f"{cluster.url}/api/v1/health/detailed", trust_env=False).json()["components"]
    parts = {part["name"]: part for part in components}
    assert parts["redis"]["status"] == "healthy"
    assert parts["celery"]["details"]["workers"] == 1


def test_nothing_is_lost_while_every_process_is_replaced(cluster, fal):
    """A batch that is submitted in the middle of a rolling restart arrives once, and no visitor is turned away."""
    before, files = len(fal.jobs), [("files", ("r.png", encoded(photo(300)), "image/png"))]
    with ThreadPoolExecutor() as threads, httpx.Client(base_url=cluster.url, timeout=60, trust_env=False) as visitor:
        batches = [visitor.post("/api/v1/upload", files=files).raise_for_status().json()]
        restart = threads.submit(cluster.restart)
        while not restart.done():
            visitor.get("/alive").raise_for_status()
            time.sleep(0.05)
            if len(batches) < 3:
                batches.append(visitor.post("/api/v1/upload", files=files).raise_for_status().json())
        restart.result()
        wait_until(lambda: all(is_completed(visitor, batch) for batch in batches))
    assert len(fal.jobs) == before + len(batches)
    assert all(cluster.is_alive(name) for name in cluster.processes)


def is_completed(visitor: httpx.Client, batch: dict[str, Any]) -> bool:
    """True if REST reports a batch as completed."""
    answer = visitor.get(f"/api/v1/status/tasks/{batch['task_id']}/status").raise_for_status()
    return bool(answer.json()["status"] == "completed")
