"""Routes for the host: disk usage, disk health, clean-up. Decimal sizes: 1 MB is 1,000,000 bytes."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Request
from pydantic import BaseModel, Field

from ...errors import NotFound
from ...ops.health import DISK_CRITICAL_PERCENT, DISK_WARNING_PERCENT
from ...services import Services
from ...units import GB, MB
from .auth import require_admin
from .common import HeadRouter, ServicesDep, iso_now, iso_time
from .errors import error_responses
from .request_params import params_openapi, parse_params

router = HeadRouter(
    prefix="/admin", tags=["admin"], dependencies=[Depends(require_admin)], responses=error_responses(403, 429, 503)
)

Directory = Literal["uploads", "results"]


class FolderUse(BaseModel):
    """Disk space of one kind of files, and the state of their disk."""

    path: str = Field(description="Relative to the data folder")
    size_mb: float
    file_count: int
    directory_count: int
    disk_total_gb: float
    disk_used_gb: float
    disk_free_gb: float
    disk_usage_percent: float


class Folders(BaseModel):
    """Uploaded pictures and results."""

    upload_dir: FolderUse
    output_dir: FolderUse


class DiskUsage(Folders):
    """Disk space of uploaded pictures and results."""

    timestamp: str


class SystemHealth(BaseModel):
    """State of the disk, and warnings that need the host."""

    status: Literal["healthy", "warning", "critical"] = Field(description="By the disk: from 80 %, from 90 %")
    disk_usage: Folders
    warnings: list[str]
    timestamp: str


class Cleanup(BaseModel):
    """Age from which finished batches are deleted."""

    hours: float = Field(24, ge=0, le=1_000_000, description="Delete batches that ended longer ago")
    dry_run: bool = Field(False, description="Report what would be deleted, and delete nothing")


class CleanedUp(BaseModel):
    """Files and folders deleted, or to be deleted in a dry run."""

    freed_space_mb: float
    files_removed: int
    directories_removed: int
    errors: list[str]
    cleanup_hours: float
    dry_run: bool
    items: list[dict[str, Any]] = Field(description="Each batch and each kind of other file, with its reason")
    timestamp: str


class OneJob(BaseModel):
    """Identifier of the batch to delete."""

    job_id: str = Field(max_length=100, description="The job's id, its batch's, or its folder from list-files")


class JobCleanedUp(BaseModel):
    """Disk space freed by deleting a batch."""

    job_id: str
    freed_space_mb: float
    files_removed: int
    errors: list[str] = []
    timestamp: str


class JobDeleted(BaseModel):
    """Confirmation of a deleted batch, with the disk space it freed."""

    message: str
    freed_space_mb: float
    files_removed: int


class FileItem(BaseModel):
    """A file, or a batch's folder."""

    path: str = Field(description="Relative to the data folder; of a folder it can be given to delete-job")
    size_mb: float
    modified: str = Field(description="Seconds since 1970, as text")
    modified_at: str | None = Field(description="The same as ISO 8601")
    is_directory: bool = False
    file_count: int = 1


class FileList(BaseModel):
    """The newest files of each kind, and the number and size of all files in the requested directory."""

    uploads: list[FileItem]
    results: list[FileItem]
    directory: Directory
    total_size_mb: float
    total_files: int
    items: list[FileItem]


@router.get("/disk-usage")
async def disk_usage(services: ServicesDep) -> DiskUsage:
    """Disk space of uploaded pictures and results."""
    return DiskUsage(**dict(_disk_folders(await services.admin.disk_usage())), timestamp=iso_now())


@router.get("/system-health")
async def system_health(services: ServicesDep) -> SystemHealth:
    """State of the disk, and other problems that only the host can solve."""
    use, attention = await services.admin.disk_usage(), await services.admin.attention(time.time())
    folders = _disk_folders(use)
    percent = folders.output_dir.disk_usage_percent
    status: Literal["healthy", "warning", "critical"] = "healthy"
    warnings = [f"{warning['message']} {warning['hint']}" for warning in attention]
    if percent > DISK_WARNING_PERCENT:
        status = "critical" if percent > DISK_CRITICAL_PERCENT else "warning"
        free = folders.output_dir.disk_free_gb
        warnings.insert(0, f"The disk is {percent:.0f} % full, {free:.1f} GB are free. Clean up, or add space.")
    return SystemHealth(status=status, disk_usage=folders, warnings=warnings, timestamp=iso_now())


def _disk_folders(use: dict[str, Any]) -> Folders:
    disk = {
        **{f"disk_{name}_gb": round(use[f"disk_{name}_bytes"] / GB, 3) for name in ("total", "used", "free")},
        "disk_usage_percent": use["disk_percent"],
    }

    def of(*kinds: str) -> FolderUse:
        sums = {key: sum(use["kinds"][kind][key] for kind in kinds) for key in ("size", "files", "folders")}
        return FolderUse(
            path="batches",
            size_mb=_megabytes(sums["size"]),
            file_count=sums["files"],
            directory_count=sums["folders"],
            **disk,
        )

    return Folders(upload_dir=of("uploads"), output_dir=of("results", "exports"))


async def _cleanup_params(request: Request) -> Cleanup:
    return await parse_params(request, Cleanup)


async def _job_params(request: Request) -> OneJob:
    return await parse_params(request, OneJob)


@router.post("/cleanup", openapi_extra=params_openapi(Cleanup), responses=error_responses(400, 422))
async def cleanup(params: Annotated[Cleanup, Depends(_cleanup_params)], services: ServicesDep) -> CleanedUp:
    """Delete old batches and orphaned files; never batches that run, are pinned or are being downloaded."""
    done = await services.retention.cleanup(params.hours, params.dry_run)
    return CleanedUp(
        freed_space_mb=_megabytes(done["freed_bytes"]), files_removed=done["files"],
        directories_removed=done["folders"], errors=done["errors"], cleanup_hours=params.hours, dry_run=params.dry_run,
        items=done["items"], timestamp=iso_now(),
    )  # fmt: skip


@router.post("/cleanup-job", openapi_extra=params_openapi(OneJob), responses=error_responses(400, 404, 409, 422))
async def cleanup_job(params: Annotated[OneJob, Depends(_job_params)], services: ServicesDep) -> JobCleanedUp:
    """Delete one batch with its files, unless it is running."""
    freed = await services.retention.delete(await _find_batch_id(services, params.job_id))
    return JobCleanedUp(
        job_id=params.job_id, freed_space_mb=_megabytes(freed.size), files_removed=freed.files, timestamp=iso_now()
    )


@router.delete("/delete-job/{job_id:path}", responses=error_responses(404, 409))
async def delete_job(
    job_id: str, services: ServicesDep, force: Annotated[bool, Query(description="Stop it first, if it runs")] = False
) -> JobDeleted:
    """Delete one batch with its files."""
    freed = await services.retention.delete(await _find_batch_id(services, job_id), force=force)
    return JobDeleted(message="The batch is deleted.", freed_space_mb=_megabytes(freed.size), files_removed=freed.files)


async def _find_batch_id(services: Services, job_id: str) -> str:
    """A batch's id from its job_id, its own id or its folder as `list-files` has it; raises NotFound."""
    job_id = job_id.removeprefix("batches/")
    try:
        return (await services.find(legacy_job_id=job_id)).id
    except NotFound:
        return (await services.batch(job_id)).id


@router.get("/list-files")
async def list_files(
    services: ServicesDep,
    directory: Directory = "uploads",
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
    view: Annotated[Literal["folders", "files"], Query(description="Batches' folders, or single files")] = "folders",
) -> FileList:
    """The newest uploaded pictures and the newest results."""
    list_kind = services.admin.list_folders if view == "folders" else services.admin.list_files
    listings = {kind: await list_kind(kind, limit) for kind in ("uploads", "results")}
    items = {kind: [_file_item(item) for item in files["items"]] for kind, files in listings.items()}
    requested = listings[directory]
    return FileList(
        **items, directory=directory, items=items[directory], total_files=requested["files"],
        total_size_mb=_megabytes(requested["size"]),
    )  # fmt: skip


def _file_item(listed: dict[str, Any]) -> FileItem:
    return FileItem(
        path=listed["path"], size_mb=_megabytes(listed["size"]), modified=str(listed["modified"]),
        modified_at=iso_time(listed["modified"]), is_directory="files" in listed, file_count=listed.get("files", 1),
    )  # fmt: skip


def _megabytes(size: int) -> float:
    return round(size / MB, 6)
