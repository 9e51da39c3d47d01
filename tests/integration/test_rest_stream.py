"""The events of a batch's stream: what each change becomes, and that a client that was cut off misses nothing."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import httpx
import pytest
import uvicorn
from sse_starlette import ServerSentEvent
from starlette.requests import Request

from image2model.errors import GenerationFailed
from image2model.services import BatchView, Services, SubmitRequest
from image2model.web.rest import event_stream
from image2model.web.rest.app import create_app
from image2model.web.rest.event_stream import TaskEventStream, task_events
from image2model.web.rest.status import _attempts_by_job, _views_with_outcome
from tests.support.blank_views import BLANK_BATCH, BLANK_JOB
from tests.support.scripted import picture

REQUEST = Request({"type": "http", "scheme": "http", "path": "/", "headers": [(b"host", b"here")], "query_string": b""})
OUTCOME = {"result": {}, "summary": {"total_files": 2, "successful_files": 1, "failed_files": 1}}


def view(sequence: int, state: Any, *jobs: tuple[Any, int, int], progress: float = 0.5) -> BatchView:
    """A batch whose jobs are in these states, each with its attempt and the number of its last change."""
    shown = [
        replace(
            BLANK_JOB, id=f"job-{place}", name=f"{place}.png", state=job_state, attempt=attempt, sequence=changed,
            message=job_state, progress=progress,
        )
        for place, (job_state, attempt, changed) in enumerate(jobs)
    ]  # fmt: skip
    return replace(
        BLANK_BATCH, state=state, sequence=sequence, progress=progress, message=f"after {sequence}", jobs=tuple(shown)
    )


def with_queue_position(shown: BatchView, position: int) -> BatchView:
    """The same batch with its second job at this place in the queue."""
    first, second, *others = shown.jobs
    return replace(shown, jobs=(first, replace(second, queue_position=position), *others))


VIEWS = [
    view(2, "working", ("new", 1, 1), ("new", 1, 2), progress=0.0),
    view(3, "working", ("running", 1, 3), ("new", 1, 2), progress=0.3),
    view(5, "working", ("failed", 1, 4), ("running", 1, 5), progress=0.6),
    view(6, "working", ("new", 2, 6), ("running", 1, 5), progress=0.4),
    view(8, "partly", ("failed", 2, 7), ("done", 1, 8), progress=1.0),
]
"""The first picture fails, is tried again and fails for good; the second is made."""
MOVED = [
    with_queue_position(view(5, "working", ("running", 1, 5), ("new", 1, 0), ("new", 1, 0)), 2),
    with_queue_position(view(5, "working", ("running", 1, 5), ("new", 1, 0), ("new", 1, 0)), 1),
    with_queue_position(view(6, "done", ("done", 1, 6), ("done", 1, 0), ("done", 1, 0)), 0),
]
"""Two pictures that only report their places in the queue."""


async def stream_events(
    views: Sequence[BatchView], seconds: float = 5.0, after: int = -1, attempts: Mapping[str, int] | None = None
) -> list[tuple[str, str, Any]]:
    """Name, id and data of each event of a stream of these views."""
    return [
        (str(event.event), str(event.id), json.loads(event.data))
        async for together in task_events(replayed(views), "task", seconds, after, attempts)
        for event in together
    ]


async def events_of(services: Services, task_id: str, *given: Any) -> list[ServerSentEvent]:
    """The events of a task's stream, as the route makes it."""
    views = _views_with_outcome(services, REQUEST, task_id)
    return [event async for together in task_events(views, "task", *given) for event in together]


async def replayed(views: Sequence[BatchView]) -> AsyncIterator[tuple[BatchView, dict[str, Any]]]:
    """The views; one that is None never comes."""
    for view in views:
        if view is None:
            await asyncio.Event().wait()
        yield view, OUTCOME


async def test_retry_sends_an_event_and_progress_never_decreases():
    """A second attempt is an event of its own, and progress does not fall."""
    events = await stream_events(VIEWS)
    assert [name for name, _, data in events if data.get("file_id") == "job-0"].count("task_retry") == 1
    progress = [data["progress"] for name, _, data in events if name != "file_update"]
    assert progress == sorted(progress)
    assert (events[-1][0], events[-1][2]["summary"]) == ("task_completed", OUTCOME["summary"])


async def test_ids_never_fall():
    """A stream that resumes after an event, also of a queue position, repeats no earlier event."""
    for views in (VIEWS, MOVED):
        ids = [int(number) for _, number, _ in await stream_events(views)]
        assert ids == sorted(ids)
    assert len([name for name, _, _ in await stream_events(MOVED)]) > len(MOVED) + 3


async def test_resume_after_a_retry_sends_task_retry_before_lower_progress():
    """A retry after the end is reported as such, also to clients that connect later."""
    again = view(9, "working", ("new", 3, 9), ("done", 1, 8), progress=0.5)
    views = [again, view(10, "done", ("done", 3, 10), ("done", 1, 8))]
    names = [name for name, _, _ in await stream_events(views, after=8, attempts={"job-0": 2})]
    assert names == ["task_retry", "file_update", "task_progress", "file_update", "task_completed"]


async def test_resume_sends_each_retry_once(services, generator, tmp_path):
    """A resumed stream sends `task_retry` only if the second attempt began after its last event."""
    generator.script = lambda _: [GenerationFailed("no_mesh", "No mesh came of it.")]
    batch = await services.submit(SubmitRequest([picture(tmp_path, "a.png")]))
    before = await events_of(services, batch.task_id, 60, -1)
    generator.script = lambda _: [60.0]
    again = await services.retry(batch.id)
    for after, expected in ((int(before[-1].id), 1), (again.sequence, 0)):
        attempts = await _attempts_by_job(services, batch.task_id, after)
        names = [event.event for event in await events_of(services, batch.task_id, 0.2, after, attempts)]
        assert names.count("task_retry") == expected


async def test_deleted_batch_ends_its_stream(services, generator, tmp_path):
    """Open and resumed streams of a deleted batch end with `task_cancelled`; new ones with `task_failed`."""
    generator.script = lambda _: [60.0]
    batch = await services.submit(SubmitRequest([picture(tmp_path, "a.png")]))
    watched = task_events(_views_with_outcome(services, REQUEST, batch.task_id), "task", 60, -1)
    await anext(watched)
    await services.retention.delete(batch.id, force=True)
    events = [event async for together in watched for event in together]
    assert events[-1].event == "task_cancelled"
    back = await events_of(services, batch.task_id, 60, 3)
    assert [event.event for event in back] == ["task_cancelled"]
    new = await events_of(services, batch.task_id, 0.1, -1)
    assert [event.event for event in new] == ["task_queued", "task_failed"]


@pytest.mark.parametrize(
    ("state", "name"), [("failed", "task_failed"), ("cancelled", "task_cancelled"), ("done", "task_completed")]
)
async def test_a_stream_ends_with_how_the_batch_ended(state: str, name: str):
    """The last event is named after the end and brings what came of it."""
    events = await stream_events([VIEWS[0], view(4, state, (state, 1, 3), (state, 1, 4))])
    assert (events[-1][0], events[-1][2]["status"], events[-1][2]["summary"]) == (
        name, name.removeprefix("task_"), OUTCOME["summary"],
    )  # fmt: skip


async def test_silent_stream_sends_heartbeats_and_a_timeout_event(monkeypatch: pytest.MonkeyPatch):
    """While nothing happens heartbeats come; at the timeout the stream says so and ends."""
    monkeypatch.setattr(event_stream, "HEARTBEAT_SECONDS", 0.02)
    names = [name for name, _, _ in await stream_events([VIEWS[0], None], seconds=0.3)]  # type: ignore[list-item]
    assert names[:3] == ["file_update", "file_update", "task_queued"]
    assert names.count("heartbeat") >= 2
    assert names[-1] == "connection_timeout"


def cut_points() -> Iterator[tuple[int, int]]:
    """Each place where a stream of VIEWS can be cut off: in which view, after how many of its events."""
    all_told = TaskEventStream("task", -1, {})
    for number, view in enumerate(VIEWS):
        for count in range(len(list(all_told.update(view, OUTCOME))) + 1):
            yield number, count


@pytest.mark.parametrize(("number", "count"), list(cut_points()))
async def test_resume_by_last_event_id_delivers_everything(number: int, count: int):
    """Wherever it is cut, the events until then and those after its last id tell the last state of every picture."""
    before, known = [], TaskEventStream("task", -1, {})
    for at, view in enumerate(VIEWS[: number + 1]):
        events = [(str(event.event), event.id, json.loads(event.data)) for event in known.update(view, OUTCOME)]
        before += events[:count] if at == number else events
    last = next((int(number) for _, number, _ in reversed(before) if number), -1)
    after = await stream_events(VIEWS[number:], after=last)
    files = {data["file_id"]: data["status"] for name, _, data in [*before, *after] if name == "file_update"}
    assert files == {"job-0": "failed", "job-1": "completed"}
    assert after[-1][0] == "task_completed"


async def test_silence_is_bridged_by_comments(services, generator, tmp_path):
    """While a picture waits, a comment comes within ten seconds: then the first clients give up."""
    generator.script = lambda _: [60.0]
    batch = await services.submit(SubmitRequest([picture(tmp_path, "a.png")]))
    server = uvicorn.Server(uvicorn.Config(create_app(services), port=0, lifespan="off", log_level="error"))
    listener = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve([listener]))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/api/v1/status/tasks/{batch.task_id}/stream"
    began = time.monotonic()
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client, client.stream("GET", url) as answer:
        async for line in answer.aiter_lines():
            if line.startswith(":"):
                break
    assert time.monotonic() - began < 10
    server.should_exit = True
    await serving
