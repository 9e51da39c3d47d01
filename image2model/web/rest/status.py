"""How work is doing: asked once, followed as a stream, cancelled, done again."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Any

from fastapi import Depends, Header, Path, Query, Request
from pydantic import BaseModel, Field
from sse_starlette import EventSourceResponse
from starlette.exceptions import HTTPException

from ...errors import NotFound
from ...services import BatchView, Caller, Studio
from ..public_address import client_of
from .auth import uploader
from .common import Readable, StudioDep, now
from .errors import documented
from .event_stream import follow
from .legacy_status import CELERY, job_status, percent, task_status

router = Readable(prefix="/status", tags=["status"])


class TaskStatus(BaseModel):
    """How a batch is doing; a task that nobody knows is `queued`."""

    task_id: str
    status: str
    progress: float = Field(0, description="Percent")
    message: str
    state: str = Field(description="Celery's word for it")
    current: int = Field(0, description="Pictures that are through")
    total: int = 0
    result: dict[str, Any] | None = None
    error: str | None = None
    timestamp: str


class FileProgress(BaseModel):
    """How one picture is doing."""

    status: str
    progress: float
    filename: str
    error: str | None


class JobProgress(BaseModel):
    """How the pictures of a batch are doing."""

    job_id: str
    overall_progress: float = Field(description="Percent")
    total_files: int
    completed_files: int
    failed_files: int
    files: dict[str, FileProgress]
    timestamp: str


def _task_id(task_id: Annotated[str, Path(description="A UUID")]) -> str:
    with suppress(ValueError):
        return str(uuid.UUID(task_id))
    raise HTTPException(400, "Invalid task ID format. It is a UUID, from the answer to the upload.")


TaskId = Annotated[str, Depends(_task_id)]


@router.get("/tasks/{task_id}/status", responses=documented(400, 503))
async def task(task_id: TaskId, studio: StudioDep) -> TaskStatus:
    """How a batch is doing."""
    try:
        batch = await studio.find(task_id=task_id)
        return _told(task_id, batch.work_id, await studio.view(batch.id))
    except NotFound:
        return TaskStatus(task_id=task_id, status="queued", state="PENDING", message="Waiting.", timestamp=now())


def _told(task_id: str, job_id: str, view: BatchView) -> TaskStatus:
    status = task_status(view)
    errors = [job.error.message for job in view.jobs if job.error] if status == "failed" else []
    return TaskStatus(
        task_id=task_id, status=status, progress=percent(view.progress), message=view.message,
        state=CELERY[status], current=view.counts.done + view.counts.ended_badly, total=view.counts.total,
        result=result(job_id, view) if view.finished else None, error=errors[0] if errors else None,
        timestamp=now(),
    )  # fmt: skip


def result(job_id: str, view: BatchView) -> dict[str, Any]:
    """What came of a batch."""
    files = [
        {"file_id": job.id, "filename": job.name, "status": job_status(job),
         "result": job.filename if job.succeeded else None}
        for job in view.jobs
    ]  # fmt: skip
    return {"job_id": job_id, "batch_id": view.batch_id, "files": files, **summary(view)}


def summary(view: BatchView) -> dict[str, int]:
    """How many pictures there were, and what became of them."""
    counts = view.counts
    return {"total_files": counts.total, "successful_files": counts.done, "failed_files": view.counts.ended_badly}


@router.get(
    "/tasks/{task_id}/stream",
    response_class=EventSourceResponse,
    responses={200: {"content": {"text/event-stream": {}}}, **documented(400, 503)},
)
async def stream(
    task_id: TaskId,
    request: Request,
    studio: StudioDep,
    timeout: Annotated[int, Query(ge=1, le=86400, description="Seconds")] = 3600,  # noqa: ASYNC109  the contract's name
    last_event_id: Annotated[str, Header()] = "",
) -> EventSourceResponse:
    """Follow a batch as server-sent events; with `Last-Event-ID` only what is new since then."""
    after = (
        int(last_event_id) if last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < 16 else -1
    )
    if request.method == "HEAD":
        return EventSourceResponse(iter(()))
    attempts = await _attempts(studio, task_id, after)
    return EventSourceResponse(follow(_views(studio, task_id), task_id, timeout, after, attempts), ping=30)


async def _attempts(studio: Studio, task_id: str, after: int) -> dict[str, int]:
    """At which try each picture was when whoever goes on was told last; nothing where there is no such batch."""
    with suppress(NotFound):
        return await studio.attempts((await studio.find(task_id=task_id)).id, after)
    return {}


async def _views(studio: Studio, task_id: str) -> AsyncIterator[tuple[BatchView, dict[str, Any]]]:
    """Each view of a batch, with what came of it; nothing where there is no such batch."""
    with suppress(NotFound):
        batch = await studio.find(task_id=task_id)
        async for view in studio.watch(batch.id):
            yield view, {"result": result(batch.work_id, view), "summary": summary(view)}


@router.get("/jobs/{job_id}/progress", responses=documented(404, 503))
async def progress(job_id: str, studio: StudioDep) -> JobProgress:
    """How the pictures of a batch are doing."""
    view = await studio.view((await studio.find(work_id=job_id)).id)
    files = {
        job.id: FileProgress(
            status=job_status(job), progress=percent(job.progress), filename=job.name,
            error=job.error and job.error.message,
        )
        for job in view.jobs
    }  # fmt: skip
    return JobProgress(
        job_id=job_id, overall_progress=percent(view.progress), total_files=len(files),
        completed_files=view.counts.done, failed_files=view.counts.ended_badly, files=files, timestamp=now(),
    )  # fmt: skip


@router.post("/tasks/{task_id}/cancel", dependencies=[Depends(uploader)], responses=documented(400, 403, 404, 429, 503))
async def cancel(task_id: TaskId, studio: StudioDep) -> TaskStatus:
    """Stop what is not finished."""
    batch = await studio.find(task_id=task_id)
    return _told(task_id, batch.work_id, await studio.cancel(batch.id))


@router.post(
    "/tasks/{task_id}/retry", dependencies=[Depends(uploader)], responses=documented(400, 403, 404, 409, 429, 503)
)
async def retry(task_id: TaskId, request: Request, studio: StudioDep) -> TaskStatus:
    """Work again what failed or was cancelled, and nothing else."""
    batch = await studio.find(task_id=task_id)
    return _told(task_id, batch.work_id, await studio.retry(batch.id, caller=Caller(client=client_of(request))))
