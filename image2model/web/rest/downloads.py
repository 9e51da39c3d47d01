"""Downloads of results: the list, each file, and all as one zip."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Request
from fastapi.responses import FileResponse, RedirectResponse, Response, StreamingResponse
from pydantic import BaseModel, Field

from ...errors import ErrorCode, NotFound
from ...services import THUMBNAIL_FILE, Batch, Job, Services
from ..responses import BatchFileResponse, GeneratedResponse
from .auth import Credentials, require_user
from .common import HeadRouter, ServicesDep, iso_time
from .errors import error_responses
from .result_links import RenderedImage, ResultLinks, is_signed

router = HeadRouter(prefix="/download", tags=["download"], responses=error_responses(403, 404, 429, 503))
GLB_MEDIA_TYPE = "model/gltf-binary"
RANGE_HEADER = {
    "in": "header", "name": "Range", "schema": {"type": "string"}, "example": "bytes=0-99",
    "description": "Range of bytes to send; a malformed one is ignored",
}  # fmt: skip


class ResultFile(BaseModel):
    """A finished mesh."""

    filename: str
    size: int = Field(description="Bytes")
    mime_type: str
    created_time: str | None
    model_url: str
    download_url: str
    rendered_image: RenderedImage | None
    original_filename: str
    source_filename: str


class Results(BaseModel):
    """The finished meshes of a batch."""

    job_id: str
    files: list[ResultFile]
    download_urls: list[str]
    total_files: int


@router.get("/{job_id}/all", dependencies=[Depends(require_user)])
async def results(job_id: str, request: Request, services: ServicesDep) -> Results:
    """The finished meshes of a batch, with their URLs."""
    batch = await services.find(legacy_job_id=job_id)
    links = ResultLinks(services, request, job_id)
    files = [await _result_file(services, job, links) for job in batch.jobs if job.state == "done"]
    return Results(job_id=job_id, files=files, download_urls=[item.model_url for item in files], total_files=len(files))


async def _result_file(services: Services, job: Job, links: ResultLinks) -> ResultFile:
    served, url = await services.file(job.batch_id, job.number, f"{job.stem}.glb"), links.mesh(job.stem)
    return ResultFile(
        filename=served.filename, size=await services.size(served), mime_type=served.media_type,
        created_time=iso_time(job.finished_at), model_url=url, download_url=url, source_filename=job.name,
        rendered_image=await links.rendered_image(job.batch_id, job.number, job.stem), original_filename=job.name,
    )  # fmt: skip


async def _require_link_or_user(
    request: Request, services: ServicesDep, credentials: Credentials, job_id: str, filename: str,
    signature: Annotated[str, Query(description="From a link of /download/{job_id}/all, in place of a key")] = "",
) -> None:  # fmt: skip
    """Require a signed link to this file, or what `require_user` requires."""
    if not (signature and is_signed(services, signature, job_id, filename)):
        await require_user(request, services, credentials)


@router.get(
    "/{job_id}/zip",
    dependencies=[Depends(require_user)],
    response_class=StreamingResponse,
    responses={200: {"content": {"application/zip": {}}}, **error_responses(409)},
)
async def archive(
    job_id: str,
    services: ServicesDep,
    formats: Annotated[str, Query(description="File formats, separated by commas")] = "glb",
) -> GeneratedResponse:
    """The finished meshes as one zip, made while it is sent."""
    batch = await services.find(legacy_job_id=job_id)
    names = [form.strip() for form in formats.split(",") if form.strip()]
    plain = set(names) <= {"glb"}
    choices = [] if plain else services.exports.parse_options(names)
    stream = await services.archive(batch.id) if plain else await services.exports.archive(batch.id, choices)
    named = f'attachment; filename="image2model-{batch.id[:8]}.zip"'
    headers = {"Content-Length": str(stream.size), "Content-Disposition": named, "Cache-Control": "no-store"}
    return GeneratedResponse(stream.chunks, media_type="application/zip", headers=headers)


@router.get(
    "/{job_id}/{filename}",
    dependencies=[Depends(_require_link_or_user)],
    response_class=FileResponse,
    responses={
        200: {"content": {GLB_MEDIA_TYPE: {}, "image/webp": {}}},
        206: {"description": "The requested range"},
        307: {"description": "Signed URL of the file in the object storage (`ASSET_LINK_SECONDS`)"},
        304: {"description": "Unchanged since the request's `If-None-Match` or `If-Modified-Since`"},
        416: {**error_responses(416)[416], "headers": {"Content-Range": {"schema": {"type": "string"}}}},
    },
    openapi_extra={"parameters": [RANGE_HEADER]},
)
async def file(job_id: str, filename: str, request: Request, services: ServicesDep) -> Response:
    """A mesh (`.glb`) or its thumbnail (`.webp`); supports `Range` and `If-None-Match`."""
    batch = await services.find(legacy_job_id=job_id)
    job, offered = _find_file(batch, filename)
    served = await services.file(batch.id, job.number, offered)
    if request.method == "GET" and (link := await services.link(served)):
        return RedirectResponse(link, headers={"Cache-Control": "no-store"})
    headers = {"Cache-Control": "private, no-cache", "X-Content-Type-Options": "nosniff"}
    if services.settings.cors_origins:
        headers["Cross-Origin-Resource-Policy"] = "cross-origin"  # pages of those origins show it in an <img>
    return BatchFileResponse(services, served.path, media_type=served.media_type, filename=filename, headers=headers)


def _find_file(batch: Batch, filename: str) -> tuple[Job, str]:
    """The job of a file, and the name of the file in the job's folder."""
    for job in batch.jobs:
        offered = {f"{job.stem}.glb": f"{job.stem}.glb", f"{job.stem}.webp": THUMBNAIL_FILE}
        if filename in offered:
            return job, offered[filename]
    raise NotFound(ErrorCode.FILE_NOT_FOUND, "There is no such file.", "See /download/{job_id}/all for what there is.")
