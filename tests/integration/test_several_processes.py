"""Several processes on one PostgreSQL and one data folder: jobs are shared, taken over, cancelled, and bought once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from image2model.errors import GenerationFailed
from image2model.generators.base import Running, Submitted, Submitting
from image2model.jobs.db import leases
from image2model.jobs.db.listener import FREE_JOBS_TOPIC
from image2model.process_pool import WorkerPool
from image2model.services import Caller, Services, SubmitRequest
from tests.support.scripted import ScriptedGenerator, finished, picture, scripted_settings, view_when
from tests.support.waiting import wait_until_async

REMOTE = {"request_id": "r1", "submitted_at": 4e9}
BOUGHT = [Submitting({}), Submitted(REMOTE), Running()]
LAPSED = -1.0
"""Seconds for which a process whose lease has lapsed still holds it."""


class Process:
    """Services as another process would have them, with its own generator."""

    def __init__(self, data: Path, url: str, pool: WorkerPool, **more: Any) -> None:
        self.generator = ScriptedGenerator()
        self.services = Services(scripted_settings(data, database_url=url, **more), [self.generator], pool)

    async def suspend(self) -> None:
        """Stop renewing the lease until it has lapsed; what runs goes on meanwhile, which is worse than SIGSTOP."""
        lease_tasks = self.services._scheduler._lease_tasks
        for lease_task in lease_tasks:
            lease_task.cancel()
        await asyncio.gather(*lease_tasks, return_exceptions=True)
        await self.services._async_store.run_as_holder(leases.renew, LAPSED)

    @property
    def submissions(self) -> int:
        """Number of runs of the generator that bought something."""
        return sum(task.remote is None for task in self.generator.runs)


@pytest.fixture
async def begin(tmp_path, postgres, pool) -> AsyncIterator[Callable[..., Awaitable[Process]]]:
    """Start a process on the test's own database and folder."""
    url, running = postgres.database(), []

    async def begin(**more: Any) -> Process:
        process = Process(tmp_path / "data", url, pool, **more)
        await process.services.start()
        running.append(process.services)
        return process

    yield begin
    await asyncio.gather(*(services.close() for services in running))


async def test_a_web_replica_leaves_jobs_to_schedulers(begin, uploads):
    """A batch that is stored where no jobs are run is worked elsewhere at once, each job by one process only."""
    web, first, second = await begin(run_jobs=False), await begin(), await begin()
    pictures = [picture(uploads, f"{number}.png") for number in range(25)]
    batch = await web.services.submit(SubmitRequest(pictures))
    assert (await finished(web.services, batch.id)).state == "done"
    images = [task.image for process in (first, second) for task in process.generator.runs]
    assert (len(images), len(set(images)), web.generator.runs) == (25, 25, [])


async def test_a_process_suspended_beyond_its_lease_changes_nothing(begin, uploads):
    """The successor collects what was bought; the suspended process, resumed with the mesh, cannot store it."""
    suspended = await begin()
    suspended.generator.script = lambda task: BOUGHT
    suspended.generator.gate = asyncio.Event()
    batch = await suspended.services.submit(SubmitRequest([picture(uploads, "a.png")]))
    await view_when(suspended.services, batch.id, lambda view: view.jobs[0].state == "running")
    await suspended.suspend()
    successor = await begin()
    successor.generator.gate = asyncio.Event()
    await wait_until_async(lambda: successor.generator.runs)
    suspended.generator.mesh = b"what nobody may see"
    suspended.generator.gate.set()
    await wait_until_async(lambda: not suspended.generator.running)
    assert (await successor.services.view(batch.id)).jobs[0].state == "running"
    successor.generator.gate.set()
    view = await finished(successor.services, batch.id)
    job = (await successor.services.batch(batch.id)).jobs[0]
    assert (view.state, view.cost.spent, suspended.submissions, successor.submissions) == ("done", 0.3, 1, 0)
    assert successor.services.folders.mesh(job).read_bytes() == successor.generator.mesh


async def test_a_process_resumed_before_its_purchase_buys_nothing(begin, uploads):
    """A job taken over before its submission is submitted by the new holder alone."""
    suspended = await begin()
    resumed = asyncio.Event()
    suspended.generator.script = lambda task: [Submitting({}), Submitted({"request_id": "the suspended process"})]
    delay_first_event(suspended.generator, resumed)
    batch = await suspended.services.submit(SubmitRequest([picture(uploads, "a.png")]))
    await wait_until_async(lambda: suspended.generator.runs)
    await suspended.suspend()
    successor = await begin()
    successor.generator.script = lambda task: BOUGHT
    assert (await finished(successor.services, batch.id)).state == "done"
    resumed.set()
    await wait_until_async(lambda: not suspended.generator.running)
    assert (suspended.generator.bought, successor.submissions) == (False, 1)


@pytest.mark.parametrize("steps", range(4))
async def test_the_lease_task_ends_when_jobs_are_announced_at_that_moment(begin, steps):
    """A cancellation that meets an announcement on its way is not lost: the process could not be stopped."""
    scheduler = (await begin()).services._scheduler
    await asyncio.sleep(0.1)  # it waits for free jobs by then
    scheduler._store.notifier.notify(FREE_JOBS_TOPIC)
    for _ in range(steps):
        await asyncio.sleep(0)
    lease_task = scheduler._lease_tasks[0]
    lease_task.cancel()
    done, _ = await asyncio.wait([lease_task], timeout=2)
    assert done


async def test_a_cancel_on_one_replica_reaches_the_provider_from_another(begin, uploads):
    """A cancel in another process reaches the provider through the process that follows the job."""
    web, scheduler = await begin(run_jobs=False), await begin()
    scheduler.generator.script = lambda task: BOUGHT
    scheduler.generator.gate = asyncio.Event()
    batch = await web.services.submit(SubmitRequest([picture(uploads, "a.png")]))
    await view_when(web.services, batch.id, lambda view: view.jobs[0].state == "running")
    await web.services.cancel(batch.id)
    assert (await finished(web.services, batch.id)).state == "cancelled"
    assert (scheduler.generator.cancelled, scheduler.submissions) == ([REMOTE], 1)


async def test_key_of_a_visitor_is_used_only_by_the_process_that_has_it(begin, uploads):
    """The replica that has the key runs the job; after its end the job waits until the key is given, and runs there."""
    first, second, scheduler = await begin(run_jobs=False), await begin(run_jobs=False), await begin()
    first.generator.gate = asyncio.Event()
    caller = Caller(key="a visitor's key")
    batch = await first.services.submit(SubmitRequest([picture(uploads, "a.png")]), caller)
    await wait_until_async(lambda: first.generator.runs)
    await first.services.close()
    await view_when(second.services, batch.id, lambda view: view.jobs[0].waiting)
    await second.services.resume_with_key(batch.id, caller.key)
    assert (await finished(second.services, batch.id)).state == "done"
    assert (len(second.generator.runs), scheduler.generator.runs) == (1, [])


def delay_first_event(generator: ScriptedGenerator, resumed: asyncio.Event) -> None:
    """Let a generator wait before its first event; `bought` says whether it came to the answer of its submission."""
    run, generator.bought = generator.run, False

    async def delayed_run(task: Any) -> AsyncIterator[Any]:
        events = run(task)
        first = await anext(events)
        await resumed.wait()
        yield first
        async for event in events:
            generator.bought |= isinstance(event, Submitted)
            yield event

    generator.run = delayed_run


async def test_a_breaker_that_opens_at_one_process_holds_jobs_back_at_all(begin, uploads):
    """Three failures at schedulers are reported on a web replica at once, where the host closes it for all."""
    web = await begin(run_jobs=False)
    schedulers = [await begin(retry_pace=10) for _ in range(2)]
    for scheduler in schedulers:
        scheduler.generator.script = lambda task: [GenerationFailed("fal_temporary", "fal is busy.", retryable=True)]
    await web.services.submit(SubmitRequest([picture(uploads, f"{number}.png") for number in range(3)]))
    await wait_until_async(lambda: web.services.notice("scripted"))
    for scheduler in schedulers:
        scheduler.generator.script = lambda task: BOUGHT
    batch = await web.services.submit(SubmitRequest([picture(uploads, "new.png")]))
    await view_when(web.services, batch.id, lambda view: view.jobs[0].waiting)
    assert sum(len(scheduler.generator.runs) for scheduler in schedulers) == 3
    await web.services.admin.reset_breaker("scripted")
    assert (await finished(web.services, batch.id)).state == "done"
