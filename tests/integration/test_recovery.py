"""Recovery of jobs: retries, breaker, keys, cancels, full disks, locked databases, a long queue."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from image2model.errors import GenerationFailed, LimitReached, NotAllowed, Unavailable
from image2model.generators.base import Running, Submitted, Submitting, Task, Uploading
from image2model.jobs.db.store import Store, new_id
from image2model.jobs.models import NewBatch, NewJob
from image2model.services import Caller, Services, SubmitRequest
from tests.support.scripted import ScriptedGenerator, finished, picture, scripted_settings, view_when
from tests.support.waiting import wait_until_async

BUSY = GenerationFailed("fal_temporary", "fal had a passing problem.", "Try later.", retryable=True)
LOST = GenerationFailed("fal_lost_contact", "Contact was lost.", "Try again.", retryable=True)
REMOTE = {"request_id": "r1", "submitted_at": 4e9}


async def breakers(services: Services) -> list[dict[str, Any]]:
    """The breakers that are not closed, as in the Admin overview."""
    return (await services.admin.overview())["breakers"]


def fails(generator: ScriptedGenerator, times: int, failure: GenerationFailed, *before: Any) -> None:
    """Fail so many runs after some events, then make the mesh."""
    generator.script = lambda task: [*before, failure] if len(generator.runs) <= times else []


async def test_transient_failure_is_retried_automatically(start, generator, uploads):
    """Two passing failures cost the person nothing but time, and the batch is done and charged once."""
    services = await start()
    fails(generator, 2, BUSY)
    batch = await services.submit(SubmitRequest([picture(uploads, "a.png")]))
    view = await finished(services, batch.id)
    assert (view.state, view.cost.spent, len(generator.runs)) == ("done", 0.3, 3)
    assert (await services.admin.overview())["spent_today"] == Decimal("0.3")


async def test_job_fails_after_five_tries(start, generator, uploads):
    """The sixth submit that the generator takes is a person's to ask for."""
    services = await start()
    fails(generator, 99, BUSY, Submitted(REMOTE))
    batch = await services.submit(SubmitRequest([picture(uploads, "a.png")]))
    job = (await finished(services, batch.id)).jobs[0]
    assert (job.state, job.error.code, len(generator.runs)) == ("failed", "fal_temporary", 5)
    assert job.action == {"kind": "again", "label": "Try again"}


async def test_a_long_outage_is_waited_out(start, generator, uploads):
    """A submission that was certainly not accepted is retried until the host's deadline, however many times."""
    services = await start()
    fails(generator, 12, BUSY)
    batch = await services.submit(SubmitRequest([picture(uploads, "a.png")]))
    job = (await finished(services, batch.id)).jobs[0]
    assert (job.state, len(generator.runs)) == ("done", 13)


async def test_job_fails_when_an_outage_outlasts_the_deadline(start, generator, uploads, tmp_path):
    """After the host's minutes nothing is tried again by itself, and nothing has to be paid for."""
    settings = scripted_settings(tmp_path / "data").model_copy(update={"job_minutes": 0})
    services = await start(settings=settings)
    fails(generator, 99, BUSY)
    batch = await services.submit(SubmitRequest([picture(uploads, "a.png")]))
    job = (await finished(services, batch.id)).jobs[0]
    assert (job.state, job.error.code, len(generator.runs)) == ("failed", "fal_temporary", 1)
    assert (await services.admin.overview())["spent_today"] == 0


async def test_waiting_job_has_reason_and_duration(start, generator, uploads):
    """The board shows the reason and the time to the next try, and a restart keeps both."""
    services = await start(retry_pace=10)
    fails(generator, 1, BUSY)
    batch = await services.submit(SubmitRequest([picture(uploads, "a.png")]))
    view = await view_when(services, batch.id, lambda view: view.jobs[0].waiting)
    job = view.jobs[0]
    assert job.waiting.code == "fal_temporary"
    assert re.fullmatch(r"fal had a passing problem; next try in .+, given up in (29|30) min", job.message)
    services = await start(retry_pace=10)
    assert (await services.view(batch.id)).jobs[0].waiting == job.waiting
    assert len(generator.runs) == 1


async def test_accepted_job_is_collected_after_any_number_of_lost_connections(start, generator, uploads):
    """Twenty lost contacts lead to the one mesh that was paid for, with one submit."""
    services = await start()
    fails(generator, 20, LOST, Submitted(REMOTE), Running())
    batch = await services.submit(SubmitRequest([picture(uploads, "a.png")]))
    assert (await finished(services, batch.id)).state == "done"
    assert [task.remote for task in generator.runs] == [None, *[REMOTE] * 20]


async def test_open_breaker_delays_new_jobs_with_a_reason(start, generator, uploads):
    """After three faults in a row the next picture waits unsent; a reset by the host lets it go."""
    services = await start(retry_pace=10)
    generator.script = lambda task: [BUSY]
    await services.submit(SubmitRequest([picture(uploads, f"{n}.png") for n in range(3)]))
    await wait_until_async(lambda: breakers(services))
    generator.script = lambda task: []
    batch = await services.submit(SubmitRequest([picture(uploads, "new.png")]))
    view = await view_when(services, batch.id, lambda view: view.jobs[0].waiting)
    assert "has failed several times" in view.jobs[0].message
    assert len(generator.runs) == 3
    await services.admin.reset_breaker("scripted")
    assert (await finished(services, batch.id)).state == "done"


async def test_each_key_has_its_breaker_and_the_host_resets_those_of_visitors_apart(start, generator, uploads):
    """Failures on a visitor's key do not hold back jobs on the host's key, and each breaker is reset separately."""
    services = await start(retry_pace=10)
    generator.script = lambda task: [BUSY]
    for key in ("", "their key"):
        await services.submit(SubmitRequest([picture(uploads, f"{n}.png") for n in range(3)]), Caller(key=key))

    async def both_open() -> bool:
        return len(await breakers(services)) == 2

    await wait_until_async(both_open)
    for own in (True, False):
        await services.admin.reset_breaker("scripted", own_key=own)
        assert [breaker["own_key"] for breaker in await breakers(services)] == ([False] if own else [])


async def test_bad_pictures_never_open_the_breaker(start, generator, uploads):
    """Ten refused pictures in a row are theirs, not the generator's."""
    services = await start()
    generator.script = lambda task: [Submitted(REMOTE), GenerationFailed("image_unreadable", "Unreadable.")]
    batch = await services.submit(SubmitRequest([picture(uploads, f"{n}.png") for n in range(10)]))
    await finished(services, batch.id)
    assert (await services.admin.overview())["breakers"] == []


async def test_a_visitor_s_key_pays_and_the_host_does_not(start, generator, uploads):
    """A batch on an own key passes a spent budget, and the key is in no file of the data folder."""
    services = await start(daily_budget=Decimal(0))
    with pytest.raises(LimitReached):
        await services.submit(SubmitRequest([picture(uploads, "a.png")]))
    batch = await services.submit(SubmitRequest([picture(uploads, "a.png")]), Caller(key="own-secret-key "))
    assert (await finished(services, batch.id)).jobs[0].own_key is True
    assert (await services.admin.overview())["spent_today"] == 0
    files = [path for path in services.folders.data.rglob("*") if path.is_file()]
    assert not [path for path in files if b"own-secret-key" in path.read_bytes()]


async def test_jobs_on_an_own_key_wait_for_it_after_a_restart(start, generator, uploads):
    """Jobs that wait for a visitor's key refuse another key and continue with their own."""
    services = await start()
    generator.gate = asyncio.Event()
    generator.script = lambda task: [Submitted(REMOTE), Running()]
    batch = await services.submit(SubmitRequest([picture(uploads, "a.png")]), Caller(key="mine"))
    await view_when(services, batch.id, lambda view: view.jobs[0].state == "running")
    services = await start(generator)
    view = await view_when(services, batch.id, lambda view: view.jobs[0].waiting)
    assert (view.jobs[0].waiting.code, len(generator.runs)) == ("key_needed", 1)
    with pytest.raises(NotAllowed, match="not the key"):
        await services.resume_with_key(batch.id, "another")
    generator.gate.set()
    await services.resume_with_key(batch.id, "mine")
    assert (await finished(services, batch.id)).state == "done"


async def test_retry_of_a_job_on_a_visitor_key_requires_the_key(start, generator, uploads):
    """A retry without the visitor's key is refused with a hint; with the key the failed picture runs again."""
    services = await start()
    fails(generator, 1, GenerationFailed("nothing_built", "Nothing."))
    batch = await services.submit(SubmitRequest([picture(uploads, "a.png")]), Caller(key="mine"))
    await finished(services, batch.id)
    with pytest.raises(Unavailable, match="Paste that key"):
        await services.retry(batch.id)
    await services.retry(batch.id, caller=Caller(key="mine"))
    assert (await finished(services, batch.id)).state == "done"


async def test_a_picture_that_failed_on_the_host_s_key_runs_again_on_one_s_own(start, generator, uploads):
    """After an empty account the visitor's key pays for the retry, and the host's ledger has nothing."""
    services = await start()
    fails(generator, 1, GenerationFailed("balance_exhausted", "Exhausted."))
    batch = await services.submit(SubmitRequest([picture(uploads, "a.png")]))
    job = (await finished(services, batch.id)).jobs[0]
    assert job.action == {"kind": "key", "label": "Use your own key"}
    await services.retry(batch.id, caller=Caller(key="mine"))
    job = (await finished(services, batch.id)).jobs[0]
    assert (job.state, job.own_key) == ("done", True)
    assert (await services.admin.overview())["spent_today"] == 0


async def test_a_cancel_before_the_submit_costs_nothing(start, generator, uploads):
    """A job that has not been submitted is cancelled at once and costs nothing."""
    services = await start()
    generator.gate = asyncio.Event()
    generator.script = lambda task: [Uploading()]
    batch = await services.submit(SubmitRequest([picture(uploads, "a.png")]))
    await view_when(services, batch.id, lambda view: view.jobs[0].state == "uploading")
    assert (await services.cancel(batch.id)).state == "cancelled"
    assert (await services.admin.overview())["spent_today"] == 0
    assert generator.cancelled == []


async def test_result_that_arrives_despite_a_cancel_is_kept(start, generator, uploads):
    """A generator that ends all the same has been paid: its mesh is delivered, and the card says done."""
    services = await start()
    generator.cancel_outcome, generator.gate = "over", asyncio.Event()
    generator.script = lambda task: [Submitted(REMOTE), Running()]
    batch = await services.submit(SubmitRequest([picture(uploads, "a.png")]))
    await view_when(services, batch.id, lambda view: view.jobs[0].state == "running")
    assert (await services.cancel(batch.id)).jobs[0].state == "cancelling"
    generator.gate.set()
    assert (await finished(services, batch.id)).jobs[0].state == "done"


async def test_a_cancel_outlives_a_restart(start, generator, uploads):
    """A job that was being cancelled when the process died is cancelled again and not submitted again."""
    services = await start()
    generator.cancel_outcome, generator.gate = "unknown", asyncio.Event()
    generator.script = lambda task: [Submitted(REMOTE), Running()]
    batch = await services.submit(SubmitRequest([picture(uploads, "a.png")]))
    await view_when(services, batch.id, lambda view: view.jobs[0].state == "running")
    await services.cancel(batch.id)
    second = ScriptedGenerator()
    second.script, second.gate = (lambda task: [Submitted(REMOTE)]), asyncio.Event()
    services = await start(second)
    assert (await finished(services, batch.id)).state == "cancelled"
    assert second.cancelled == [REMOTE]


async def test_unanswered_submit_is_looked_up_and_collected(start, generator, uploads):
    """An unanswered submit whose job the provider lists is collected, with one submit and no question."""
    services = await start()
    unanswered = GenerationFailed("unconfirmed", "No answer.", "It may cost again.")
    fails(generator, 1, unanswered, Uploading(), Submitting({"image_url": "u"}))
    generator.find_result = REMOTE
    batch = await services.submit(SubmitRequest([picture(uploads, "a.png")]))
    assert (await finished(services, batch.id)).state == "done"
    assert [task.remote for task in generator.runs] == [None, REMOTE]


async def test_submit_of_a_killed_process_is_looked_up_at_the_next_start(start, generator, uploads):
    """A process that ends between intent and answer leaves data that finds the job: it is not bought again."""
    services = await start()
    generator.script = lambda task: [Uploading(), Submitting({"image_url": "u"}), 60.0]
    batch = await services.submit(SubmitRequest([picture(uploads, "a.png")]))
    await view_when(services, batch.id, lambda view: view.jobs[0].state == "submitting")
    generator.script, generator.find_result = (lambda task: []), REMOTE
    services = await start()
    assert (await finished(services, batch.id)).state == "done"
    assert [task.remote for task in generator.runs] == [None, REMOTE]
    assert (await services.admin.overview())["spent_today"] == Decimal("0.3")


async def test_retry_of_an_unconfirmed_job_looks_it_up_before_paying(start, generator, uploads):
    """A retry collects an unconfirmed job that the provider lists by then, instead of buying it again."""
    services = await start()
    fails(generator, 1, GenerationFailed("unconfirmed", "No answer."), Uploading(), Submitting({"image_url": "u"}))
    batch = await services.submit(SubmitRequest([picture(uploads, "a.png")]))
    job = (await finished(services, batch.id)).jobs[0]
    assert (job.state, job.action["label"]) == ("unconfirmed", "Run it again anyway")
    generator.find_result = REMOTE
    await services.retry(batch.id, [1])
    assert (await finished(services, batch.id)).state == "done"
    assert [task.remote for task in generator.runs] == [None, REMOTE]
    assert (await services.admin.overview())["spent_today"] == Decimal("0.3")


async def test_below_the_disk_floor_new_batches_are_refused_and_running_ones_finish(start, generator, uploads):
    """The reason is reported, nothing is stored, and what runs is done."""
    services = await start()
    generator.gate = asyncio.Event()
    running = await services.submit(SubmitRequest([picture(uploads, "a.png")]))
    services.settings = services.settings.model_copy(update={"min_free_gb": Decimal(10**9)})
    with pytest.raises(Unavailable, match="disk is nearly full"):
        await services.submit(SubmitRequest([picture(uploads, "b.png")]))
    generator.gate.set()
    assert (await finished(services, running.id)).state == "done"
    assert len(await services.library(None)) == 1


async def test_a_full_disk_in_mid_job_waits_for_room(start, generator, uploads):
    """A result that finds no room is collected when there is some, and not bought again."""
    services = await start()
    full = OSError(28, "No space left on device")

    def script(task: Task) -> list[Any]:
        if len(generator.runs) < 3:
            generator.mesh_error = full
            return [Submitted(REMOTE)]
        generator.mesh_error = None
        return []

    generator.script = script
    batch = await services.submit(SubmitRequest([picture(uploads, "a.png")]))
    assert (await finished(services, batch.id)).state == "done"
    assert [task.remote for task in generator.runs] == [None, REMOTE, REMOTE]


async def test_a_locked_database_holds_jobs_up_and_loses_none(start, generator, uploads, tmp_path):
    """While another process holds the lock a job stands still; a new batch is refused kindly; then all goes on."""
    services = await start(settings=scripted_settings(tmp_path / "data", database_url=short_wait(tmp_path)))
    generator.gate = asyncio.Event()
    batch = await services.submit(SubmitRequest([picture(uploads, "a.png")]))
    other = sqlite3.connect(tmp_path / "data" / "image2model.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    generator.gate.set()
    with pytest.raises(Unavailable, match="Nothing can be stored"):
        await services.submit(SubmitRequest([picture(uploads, "b.png")]))
    assert len(list(services.folders.batches.iterdir())) == 1
    other.execute("ROLLBACK")
    other.close()
    assert (await finished(services, batch.id)).state == "done"


def short_wait(folder: Path) -> str:
    """The services' database, which gives up waiting for a lock after a moment."""
    return f"sqlite:///{folder / 'data' / 'image2model.db'}?timeout=0.1"


async def test_two_thousand_jobs_that_wait_at_the_start_are_all_worked(start, generator, tmp_path):
    """A start with 2,000 waiting jobs works each of them once and loses none."""
    settings = scripted_settings(tmp_path / "data")
    store = Store(settings.database)
    jobs = [NewJob(f"{n}.png", f"{n}", Decimal(0)) for n in range(100)]
    for _ in range(20):
        store.create(NewBatch(new_id(), "scripted", {}, None, False, jobs))
    store.close()
    generator.script = lambda task: [GenerationFailed("no_subject", "There is no subject.")]
    services = await start()

    async def all_failed() -> bool:
        return (await services.admin.overview())["counts"].get("failed") == 2000

    await wait_until_async(all_failed)
    assert (await services.admin.overview())["counts"] == {"batches": 20, "failed": 2000}
    assert set(Counter(task.image for task in generator.runs).values()) == {1}
