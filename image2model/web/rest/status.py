"""Status of tasks: queried, streamed, cancelled, retried."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Annotated, Any

from fastapi import Depends, Header, Path, Query, Request
from pydantic import BaseModel, Field
from sse_starlette import EventSourceResponse
from starlette.exceptions import HTTPException

from ...errors import NotFound
from ...services import Studio
from ..public_address import client_address
from .auth import require_user
from .common import HeadRouter, StudioDep, iso_now
from .errors import error_responses
from .event_stream import task_events
from .legacy_status import CELERY_STATE, failed_files, job_status, percent, task_status

router = HeadRouter(prefix="/status", tags=["status"])


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


def _parse_task_id(task_id: Annotated[str, Path(description="A UUID")]) -> str:
    with suppress(ValueError):
        return str(uuid.UUID(task_id))
    raise HTTPException(400, "Invalid task ID format. It is a UUID, from the answer to the upload.")


TaskId = Annotated[str, Depends(_parse_task_id)]


@router.get("/tasks/{task_id}/status", responses=error_responses(400, 503))
async def task(task_id: TaskId, studio: StudioDep) -> TaskStatus:
    """How a batch is doing."""
    try:
        batch = await studio.find(task_id=task_id)
        return _as_task_status(task_id, batch.work_id, await studio.view(batch.id))
    except NotFound:
        return TaskStatus(task_id=task_id, status="queued", state="PENDING", message="Waiting.", timestamp=iso_now())


def _as_task_status(task_id: str, job_id: str, view: Mapping[str, Any]) -> TaskStatus:
    status = task_status(view)
    finished = view["state"] != "working"
    errors = [job["error"]["message"] for job in view["jobs"] if job["error"]]
    return TaskStatus(
        task_id=task_id, status=status, progress=percent(view["progress"]), message=view["message"],
        state=CELERY_STATE[status], current=view["counts"]["done"] + failed_files(view), total=view["counts"]["total"],
        result=task_result(job_id, view) if finished else None,
        error=errors[0] if status == "failed" and errors else None, timestamp=iso_now(),
    )  # fmt: skip


def task_result(job_id: str, view: Mapping[str, Any]) -> dict[str, Any]:
    """The `result` of a task."""
    files = [
        {"file_id": job["id"], "filename": job["name"], "status": job_status(job),
         "result": job["filename"] if job["state"] == "done" else None}
        for job in view["jobs"]
    ]  # fmt: skip
    return {"job_id": job_id, "batch_id": view["batch_id"], "files": files, **task_summary(view)}


def task_summary(view: Mapping[str, Any]) -> dict[str, int]:
    """Numbers of files: total, successful, failed."""
    counts = view["counts"]
    return {"total_files": counts["total"], "successful_files": counts["done"], "failed_files": failed_files(view)}


@router.get(
    "/tasks/{task_id}/stream",
    response_class=EventSourceResponse,
    responses={200: {"content": {"text/event-stream": {}}}, **error_responses(400, 503)},
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
    attempts = await _attempts_by_job(studio, task_id, after)
    return EventSourceResponse(
        task_events(_views_with_outcome(studio, task_id), task_id, timeout, after, attempts), ping=30
    )


async def _attempts_by_job(studio: Studio, task_id: str, after: int) -> dict[str, int]:
    """Attempt numbers by job id as of event `after`; empty for an unknown task."""
    with suppress(NotFound):
        return await studio.attempts((await studio.find(task_id=task_id)).id, after)
    return {}


async def _views_with_outcome(studio: Studio, task_id: str) -> AsyncIterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each view of a batch with its result and summary; nothing for an unknown task."""
    with suppress(NotFound):
        batch = await studio.find(task_id=task_id)
        async for view in studio.watch(batch.id):
            yield view, {"result": task_result(batch.work_id, view), "summary": task_summary(view)}


@router.get("/jobs/{job_id}/progress", responses=error_responses(404, 503))
async def progress(job_id: str, studio: StudioDep) -> JobProgress:
    """How the pictures of a batch are doing."""
    view = await studio.view((await studio.find(work_id=job_id)).id)
    files = {
        job["id"]: FileProgress(
            status=job_status(job), progress=percent(job["progress"]), filename=job["name"],
            error=job["error"] and job["error"]["message"],
        )
        for job in view["jobs"]
    }  # fmt: skip
    return JobProgress(
        job_id=job_id, overall_progress=percent(view["progress"]), total_files=len(files),
        completed_files=view["counts"]["done"], failed_files=failed_files(view), files=files, timestamp=iso_now(),
    )  # fmt: skip


@router.post(
    "/tasks/{task_id}/cancel", dependencies=[Depends(require_user)], responses=error_responses(400, 403, 404, 429, 503)
)
async def cancel(task_id: TaskId, studio: StudioDep) -> TaskStatus:
    """Stop what is not finished."""
    batch = await studio.find(task_id=task_id)
    return _as_task_status(task_id, batch.work_id, await studio.cancel(batch.id))


@router.post(
    "/tasks/{task_id}/retry",
    dependencies=[Depends(require_user)],
    responses=error_responses(400, 403, 404, 409, 429, 503),
)
async def retry(task_id: TaskId, request: Request, studio: StudioDep) -> TaskStatus:
    """Work again what failed or was cancelled, and nothing else."""
    batch = await studio.find(task_id=task_id)
    return _as_task_status(task_id, batch.work_id, await studio.retry(batch.id, client=client_address(request)))
