"""Status of tasks: queried, streamed, cancelled, retried."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, suppress
from typing import Annotated, Any

from fastapi import Depends, Header, Path, Query, Request
from pydantic import BaseModel, Field
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.exceptions import HTTPException

from ...errors import NotFound
from ...services import Batch, BatchView, Caller, JobView, Services
from ..public_address import client_address
from .auth import require_user
from .common import HeadRouter, ServicesDep, iso_now
from .errors import error_responses
from .event_stream import COMMENT_SECONDS, task_events
from .legacy_status import CELERY_STATE, job_status, percent, task_status
from .result_links import ResultLinks

router = HeadRouter(prefix="/status", tags=["status"])


class TaskStatus(BaseModel):
    """Status of a batch; an unknown task is `queued`."""

    task_id: str
    status: str
    progress: float = Field(0, description="Percent")
    message: str
    state: str = Field(description="The same as a state of Celery")
    current: int = Field(0, description="Pictures finished or failed")
    total: int = 0
    result: dict[str, Any] | None = None
    error: str | None = None
    timestamp: str


class FileProgress(BaseModel):
    """Status of one picture."""

    status: str
    progress: float
    filename: str
    error: str | None


class JobProgress(BaseModel):
    """Progress of a batch and of each picture."""

    job_id: str
    overall_progress: float = Field(description="Percent")
    total_files: int
    completed_files: int
    failed_files: int
    files: dict[str, FileProgress]
    timestamp: str


async def _parse_task_id(task_id: Annotated[str, Path(description="A UUID")]) -> str:
    with suppress(ValueError):
        return str(uuid.UUID(task_id))
    raise HTTPException(400, "Invalid task ID format. It is a UUID, from the answer to the upload.")


TaskId = Annotated[str, Depends(_parse_task_id)]


@router.get("/tasks/{task_id}/status", responses=error_responses(400, 503))
async def task(task_id: TaskId, request: Request, services: ServicesDep) -> TaskStatus:
    """Status of a batch."""
    try:
        batch = await services.find(task_id=task_id)
        return await _as_task_status(
            batch, await services.view(batch.id), ResultLinks(services, request, batch.legacy_job_id)
        )
    except NotFound:
        return TaskStatus(task_id=task_id, status="queued", state="PENDING", message="Waiting.", timestamp=iso_now())


async def _as_task_status(batch: Batch, view: BatchView, links: ResultLinks) -> TaskStatus:
    status = task_status(view)
    errors = [job.error.message for job in view.jobs if job.error] if status == "failed" else []
    return TaskStatus(
        task_id=batch.task_id, status=status, progress=percent(view.progress), message=view.message,
        state=CELERY_STATE[status], current=view.counts.done + view.counts.unsuccessful, total=view.counts.total,
        result=await task_result(batch.legacy_job_id, view, links) if view.finished else None,
        error=errors[0] if errors else None, timestamp=iso_now(),
    )  # fmt: skip


async def task_result(job_id: str, view: BatchView, links: ResultLinks) -> dict[str, Any]:
    """The `result` of a task."""
    files = [
        {"file_id": job.id, "filename": job.name, "status": job_status(job),
         "result": job.filename if job.succeeded else None}
        for job in view.jobs
    ]  # fmt: skip
    results = [await _file_result(view.batch_id, job, links) for job in view.jobs]
    return {"job_id": job_id, "batch_id": view.batch_id, "files": files, "results": results, **task_summary(view)}


async def _file_result(batch_id: str, job: JobView, links: ResultLinks) -> dict[str, Any]:
    """A file of `result.results`; its links are None where there is no mesh."""
    stem = job.filename.removesuffix(".glb")
    picture = await links.rendered_image(batch_id, job.number, stem) if job.succeeded else None
    return {
        "filename": job.filename, "original_filename": job.name, "status": job_status(job),
        "error": job.error and job.error.message, "download_url": links.mesh(stem) if job.succeeded else None,
        "rendered_image": picture and picture.model_dump(),
    }  # fmt: skip


def task_summary(view: BatchView) -> dict[str, int]:
    """Numbers of files: total, successful, failed."""
    counts = view.counts
    return {"total_files": counts.total, "successful_files": counts.done, "failed_files": view.counts.unsuccessful}


@router.get(
    "/tasks/{task_id}/stream",
    response_class=EventSourceResponse,
    responses={200: {"content": {"text/event-stream": {}}}, **error_responses(400, 503)},
)
async def stream(
    task_id: TaskId,
    request: Request,
    services: ServicesDep,
    timeout: Annotated[int, Query(ge=1, le=86400, description="Seconds")] = 3600,  # noqa: ASYNC109  the contract's name
    last_event_id: Annotated[str, Header()] = "",
) -> EventSourceResponse:
    """Follow a batch as server-sent events; with `Last-Event-ID`, resume after that event."""
    after = (
        int(last_event_id) if last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < 16 else -1
    )
    if request.method == "HEAD":
        return EventSourceResponse(iter(()))
    attempts = await _attempts_by_job(services, task_id, after)
    return EventSourceResponse(
        _encode(task_events(_views_with_outcome(services, request, task_id), task_id, timeout, after, attempts)),
        ping=COMMENT_SECONDS,
    )


async def _encode(events: AsyncGenerator[Sequence[ServerSentEvent]]) -> AsyncIterator[bytes]:
    """The bytes of events, joined per update, because each chunk passes through all middleware."""
    async with aclosing(events):
        async for update in events:
            yield b"".join(event.encode() for event in update)


async def _attempts_by_job(services: Services, task_id: str, after: int) -> dict[str, int]:
    """Attempt numbers by job id as of event `after`; empty for an unknown task, and for a client that has none."""
    with suppress(NotFound):
        return await services.attempt_numbers_at(await services.find_id(task_id=task_id), after) if after >= 0 else {}
    return {}


async def _views_with_outcome(
    services: Services, request: Request, task_id: str
) -> AsyncIterator[tuple[BatchView, dict[str, Any]]]:
    """Each view of a batch, the last with its result and summary; nothing for an unknown task."""
    with suppress(NotFound):
        async for view in services.watch(await services.find_id(task_id=task_id)):
            yield view, await _outcome(services, request, view) if view.finished else {}


async def _outcome(services: Services, request: Request, view: BatchView) -> dict[str, Any]:
    job_id = (await services.batch(view.batch_id)).legacy_job_id
    result = await task_result(job_id, view, ResultLinks(services, request, job_id))
    return {"result": result, "summary": task_summary(view)}


@router.get("/jobs/{job_id}/progress", responses=error_responses(404, 503))
async def progress(job_id: str, services: ServicesDep) -> JobProgress:
    """Progress of a batch and of each picture."""
    view = await services.view((await services.find(legacy_job_id=job_id)).id)
    files = {
        job.id: FileProgress(
            status=job_status(job), progress=percent(job.progress), filename=job.name,
            error=job.error and job.error.message,
        )
        for job in view.jobs
    }  # fmt: skip
    return JobProgress(
        job_id=job_id, overall_progress=percent(view.progress), total_files=len(files),
        completed_files=view.counts.done, failed_files=view.counts.unsuccessful, files=files, timestamp=iso_now(),
    )  # fmt: skip


@router.post(
    "/tasks/{task_id}/cancel", dependencies=[Depends(require_user)], responses=error_responses(400, 403, 404, 429, 503)
)
async def cancel(task_id: TaskId, request: Request, services: ServicesDep) -> TaskStatus:
    """Cancel the unfinished pictures of a batch."""
    batch = await services.find(task_id=task_id)
    return await _as_task_status(
        batch, await services.cancel(batch.id), ResultLinks(services, request, batch.legacy_job_id)
    )


@router.post(
    "/tasks/{task_id}/retry",
    dependencies=[Depends(require_user)],
    responses=error_responses(400, 403, 404, 409, 429, 503),
)
async def retry(task_id: TaskId, request: Request, services: ServicesDep) -> TaskStatus:
    """Retry the failed and cancelled pictures of a batch."""
    batch = await services.find(task_id=task_id)
    view = await services.retry(batch.id, caller=Caller(client=client_address(request)))
    return await _as_task_status(batch, view, ResultLinks(services, request, batch.legacy_job_id))
