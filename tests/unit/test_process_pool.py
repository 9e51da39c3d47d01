"""The worker processes: started on demand, and alone in loading the libraries for meshes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from image2model.process_pool import WorkerPool
from tests.support.waiting import wait_until_async

ONLY_IN_WORKERS = ("scipy", "trimesh", "onnxruntime", "image2model.generators.local.engine")


@pytest.fixture
def workers() -> Iterator[WorkerPool]:
    """A pool of one worker that stops as soon as it is idle."""
    workers = WorkerPool(1, idle_seconds=0)
    yield workers
    workers.close()


async def test_workers_start_on_demand_and_stop_when_idle(workers):
    """A worker serves tasks that overlap, is gone soon after the last one, and the next task has a new one."""
    first, second = await asyncio.gather(workers.run(os.getpid), workers.run(os.getpid))
    assert first == second
    await wait_until_async(lambda: not psutil.pid_exists(first))
    assert workers.running
    assert await workers.run(os.getpid) != first


async def test_workers_can_be_started_before_the_first_task(workers):
    """A task that comes while workers start waits for them."""
    workers.start()
    assert await workers.run(os.getpid) != os.getpid()


async def test_closed_pool_refuses_tasks(workers):
    """Closed workers say that they do not run."""
    await workers.run(os.getpid)
    workers.close()
    assert not workers.running


def test_the_apps_process_loads_nothing_that_only_workers_need():
    """The services can be imported without what reads, draws, repairs and makes meshes."""
    program = f"import sys, image2model.services; print([name for name in {ONLY_IN_WORKERS} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
