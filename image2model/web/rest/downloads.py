"""Results out: the list of them, each file, and all as one zip."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, Query, Request
from fastapi.responses import FileResponse, StreamingResponse
from pydantic import BaseModel, Field

from ...errors import ErrorCode, NotFound
from ...jobs.records import Batch, Job
from ...services import Studio
from ..public_address import public_root_url
from ..responses import BatchFileResponse, GeneratedResponse
from .auth import require_user
from .common import HeadRouter, StudioDep, iso_time
from .errors import error_responses

router = HeadRouter(
    prefix="/download",
    tags=["download"],
    dependencies=[Depends(require_user)],
    responses=error_responses(403, 404, 429, 503),
)  # fmt: skip
GLB_MEDIA_TYPE = "model/gltf-binary"
RANGE_HEADER = {
    "in": "header", "name": "Range", "schema": {"type": "string"}, "example": "bytes=0-99",
    "description": "Which bytes to send; what is no range of bytes counts as none",
}  # fmt: skip


class ResultFile(BaseModel):
    """A finished mesh."""

    filename: str
    size: int = Field(description="Bytes")
    mime_type: str
    created_time: str | None
    model_url: str
    rendered_image: str
    source_filename: str


class Results(BaseModel):
    """The finished meshes of a batch."""

    job_id: str
    files: list[ResultFile]
    download_urls: list[str]
    total_files: int


@router.get("/{job_id}/all")
async def results(job_id: str, request: Request, studio: StudioDep) -> Results:
    """The meshes that are finished, with their addresses."""
    batch = await studio.find(work_id=job_id)
    root = f"{public_root_url(request)}/api/v1/download/{job_id}"
    files = [await _result_file(studio, job, root) for job in batch.jobs if job.state == "done"]
    return Results(job_id=job_id, files=files, download_urls=[one.model_url for one in files], total_files=len(files))


async def _result_file(studio: Studio, job: Job, root: str) -> ResultFile:
    served = await studio.file(job.batch_id, job.number, f"{job.stem}.glb")
    return ResultFile(
        filename=served.filename, size=served.path.stat().st_size, mime_type=served.media_type,
        created_time=iso_time(job.finished_at), model_url=f"{root}/{quote(served.filename)}",
        rendered_image=f"{root}/{quote(job.stem)}.webp", source_filename=job.name,
    )  # fmt: skip


@router.get(
    "/{job_id}/zip",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/zip": {}}}, **error_responses(409)},
)
async def archive(
    job_id: str,
    studio: StudioDep,
    formats: Annotated[str, Query(description="File formats, with commas between them")] = "glb",
) -> GeneratedResponse:
    """The finished meshes as one zip, made while it is sent."""
    batch = await studio.find(work_id=job_id)
    wanted = [form.strip() for form in formats.split(",") if form.strip()]
    plain = set(wanted) <= {"glb"}
    choices = [] if plain else studio.exports.parse_options(wanted)
    stream = await studio.archive(batch.id) if plain else await studio.exports.archive(batch.id, choices)
    named = f'attachment; filename="image2model-{batch.id[:8]}.zip"'
    headers = {"Content-Length": str(stream.size), "Content-Disposition": named, "Cache-Control": "no-store"}
    return GeneratedResponse(stream.chunks, media_type="application/zip", headers=headers)


@router.get(
    "/{job_id}/{filename}",
    response_class=FileResponse,
    responses={
        200: {"content": {GLB_MEDIA_TYPE: {}, "image/webp": {}}},
        206: {"description": "The part that was asked for"},
        304: {"description": "It is as the `If-None-Match` or `If-Modified-Since` of the request knows it"},
        416: {**error_responses(416)[416], "headers": {"Content-Range": {"schema": {"type": "string"}}}},
    },
    openapi_extra={"parameters": [RANGE_HEADER]},
)
async def file(job_id: str, filename: str, studio: StudioDep) -> BatchFileResponse:
    """A mesh, or with `.webp` its picture; takes `Range`, and `If-None-Match` with an earlier `ETag`."""
    batch = await studio.find(work_id=job_id)
    job, offered = _find_file(batch, filename)
    served = await studio.file(batch.id, job.number, offered)
    headers = {"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
    return BatchFileResponse(studio, served.path, media_type=served.media_type, filename=filename, headers=headers)


def _find_file(batch: Batch, filename: str) -> tuple[Job, str]:
    """The job that a file is of, and the name that the studio has for the file."""
    for job in batch.jobs:
        offered = {f"{job.stem}.glb": f"{job.stem}.glb", f"{job.stem}.webp": "thumbnail.webp"}
        if filename in offered:
            return job, offered[filename]
    raise NotFound(ErrorCode.FILE_NOT_FOUND, "There is no such file.", "See /download/{job_id}/all for what there is.")
