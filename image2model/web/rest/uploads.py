"""Uploads of a batch or of one picture, and their status."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from limits import RateLimitItemPerMinute
from pydantic import BaseModel, Field

from ...errors import ErrorCode, LimitReached, OptionRefused
from ...services import Caller, Services, SubmitRequest, group_sides
from ..middleware.correlation import correlation_id_of
from ..public_address import client_address
from ..rate_limits import rate_limits
from .auth import require_user
from .common import HeadRouter, ServicesDep
from .errors import error_responses
from .legacy_status import job_status, percent, task_status
from .multipart import UploadForm, parse_upload

router = HeadRouter(prefix="/upload", tags=["upload"])


class OtherPicture(BaseModel):
    """A picture of another side of the same object."""

    side: str
    filename: str


class UploadedFile(BaseModel):
    """An accepted picture."""

    file_id: str
    filename: str
    file_size: int = Field(description="Bytes")
    content_type: str
    status: str = "uploaded"
    sides: list[OtherPicture] = Field([], description="The object's other sides, which belong to the same job")


class Uploaded(BaseModel):
    """An accepted batch, with the ids for later requests."""

    batch_id: str
    job_id: str = Field(description="For progress and downloads")
    task_id: str = Field(description="For status, stream, cancel and retry")
    uploaded_files: list[UploadedFile]
    face_limit: int | None
    total_files: int
    status: str
    message: str


class FileStatus(BaseModel):
    """Status of one picture."""

    file_id: str
    status: str
    processing_status: str
    progress: float = Field(description="Percent")
    batch_id: str
    job_id: str
    error: str | None = None


class Counted(BaseModel):
    """Numbers of pictures of a batch."""

    total_files: int
    processed_files: int
    failed_files: int


class BatchStatus(BaseModel):
    """Status of a batch."""

    batch_id: str
    status: str
    message: str
    progress: Counted


def _form_schema(files: dict[str, Any], name: str) -> dict[str, Any]:
    """OpenAPI of the form, which `multipart` parses instead of FastAPI, to enforce limits while it is read."""
    properties = {
        name: files,
        "face_limit": {"type": "integer", "description": "Target number of faces, if the model has this option"},
        "model": {"type": "string", "description": "Id from /models/available; by default the host's choice"},
        "model_type": {"type": "string", "description": "Alias of `model`"},
        "options": {"type": "string", "description": "The model's options, as a JSON object", "example": "{}"},
        "params": {"type": "string", "description": "Alias of `options`; it may contain `face_limit`"},
        **({"sides": {"type": "string", "description": SIDES_HELP}} if name == "files" else {}),
    }
    schema = {"type": "object", "required": [name], "properties": properties}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


SIDES_HELP = (
    'Groups pictures of one object into one job, for models that accept sides: "by_name" (cup_front.png, '
    "cup_back.png), or JSON with the numbers of each object's pictures from 1, like "
    '[{"front": 1, "back": 2}]; sides are front, back, left and right'
)
BINARY_SCHEMA = {"type": "string", "format": "binary"}
BATCH_FORM = _form_schema({"type": "array", "items": BINARY_SCHEMA, "minItems": 1}, "files")
ERROR_RESPONSES = error_responses(400, 403, 404, 408, 409, 422, 429, 503)
IdempotencyKey = Annotated[
    str,
    Header(description="Repeating a key within a day returns its batch; with other contents it is refused"),
]


async def _limit_rate(request: Request, services: ServicesDep) -> None:
    limits = rate_limits(services.settings.celery_broker_url)
    counted = (RateLimitItemPerMinute(services.settings.uploads_per_minute), "uploads", client_address(request))
    if not await limits.hit(*counted):
        wait = await limits.retry_after(*counted)
        raise LimitReached(
            ErrorCode.TOO_MANY_UPLOADS, "These are too many uploads in a minute.", "Wait a moment.", retry_after=wait
        )


GUARDS = [Depends(require_user), Depends(_limit_rate)]


@router.post("/batch", dependencies=GUARDS, responses=ERROR_RESPONSES, openapi_extra=BATCH_FORM)
@router.post("", dependencies=GUARDS, responses=ERROR_RESPONSES, openapi_extra=BATCH_FORM)
async def upload(request: Request, services: ServicesDep, idempotency_key: IdempotencyKey = "") -> Uploaded:
    """Submit a batch of pictures. All of them must be usable."""
    async with parse_upload(request, services, "files", services.settings.max_files) as form:
        return await _submit(request, services, form, idempotency_key)


@router.post(
    "/image", dependencies=GUARDS, responses=ERROR_RESPONSES, openapi_extra=_form_schema(BINARY_SCHEMA, "file")
)
async def upload_image(request: Request, services: ServicesDep, idempotency_key: IdempotencyKey = "") -> Uploaded:
    """Start a batch of one picture."""
    async with parse_upload(request, services, "file", 1) as form:
        return await _submit(request, services, form, idempotency_key)


async def _submit(request: Request, services: Services, form: UploadForm, idempotency_key: str) -> Uploaded:
    content_types = dict(zip((picture.path for picture in form.pictures), form.content_types, strict=True))
    pictures = group_sides(form.pictures, form.fields.get("sides"))
    options = _parse_options(form.fields.get("options") or form.fields.get("params") or "{}")
    face_limit = options.pop("face_limit", None)
    submission = SubmitRequest(
        pictures,
        generator=form.fields.get("model") or form.fields.get("model_type") or None,
        options=options,
        face_limit=form.fields.get("face_limit") or face_limit,
        all_or_nothing=True,
        idempotency_key=idempotency_key,
    )
    caller = Caller(client=client_address(request), correlation_id=correlation_id_of(request))
    batch = await services.submit(submission, caller)
    files = [
        UploadedFile(
            file_id=job.id, filename=job.name, file_size=picture.path.stat().st_size,
            content_type=content_types[picture.path],
            sides=[OtherPicture(side=other.side, filename=other.name) for other in job.sides],
        )
        for job, picture in zip(batch.jobs, pictures, strict=True)
    ]  # fmt: skip
    working = f"{len(files)} {'picture is' if len(files) == 1 else 'pictures are'} being worked on."
    return Uploaded(
        batch_id=batch.id, job_id=batch.legacy_job_id, task_id=batch.task_id, uploaded_files=files,
        face_limit=batch.face_limit, total_files=len(files), status="queued",
        message=" ".join([working, *await services.picture_checks.notes(batch)]),
    )  # fmt: skip


def _parse_options(text: str) -> dict[str, Any]:
    try:
        options = json.loads(text)
    except (ValueError, RecursionError):
        options = None
    if not isinstance(options, dict):
        raise OptionRefused(
            ErrorCode.OPTIONS_UNREADABLE, "The options are not a JSON object.", 'Write them like {"seed": 1}.'
        )
    return options


@router.get("/status/{file_id}", responses=error_responses(404, 503))
async def file_status(file_id: str, services: ServicesDep) -> FileStatus:
    """Status of one picture."""
    batch = await services.find(job_id=file_id)
    view = await services.view(batch.id)
    job = next(job for job in view.jobs if job.id == file_id)
    return FileStatus(
        file_id=file_id, status=job_status(job), processing_status=job.state, progress=percent(job.progress),
        batch_id=batch.id, job_id=batch.legacy_job_id, error=job.error and job.error.message,
    )  # fmt: skip


@router.get("/batch/{batch_id}/status", responses=error_responses(404, 503))
async def batch_status(batch_id: str, services: ServicesDep) -> BatchStatus:
    """Status of a batch."""
    view = await services.view(batch_id)
    counts = view.counts
    failed = counts.unsuccessful
    counted = Counted(total_files=counts.total, processed_files=counts.done + failed, failed_files=failed)
    return BatchStatus(batch_id=batch_id, status=task_status(view), message=view.message, progress=counted)
