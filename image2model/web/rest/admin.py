"""Routes for the host: use of the disk, its filling, clean-up. Decimal sizes: 1 MB is 1,000,000 bytes."""

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
    """What a kind of file takes, and the disk that it lies on."""

    path: str = Field(description="Relative to the data folder")
    size_mb: float
    file_count: int
    directory_count: int
    disk_total_gb: float
    disk_used_gb: float
    disk_free_gb: float
    disk_usage_percent: float


class Folders(BaseModel):
    """Pictures that were sent, and what was made of them."""

    upload_dir: FolderUse
    output_dir: FolderUse


class DiskUsage(Folders):
    """What lies on the disk."""

    timestamp: str


class SystemHealth(BaseModel):
    """Whether the host must do something."""

    status: Literal["healthy", "warning", "critical"] = Field(description="By the disk: from 80 %, from 90 %")
    disk_usage: Folders
    warnings: list[str]
    timestamp: str


class Cleanup(BaseModel):
    """What to delete."""

    hours: float = Field(24, ge=0, le=1_000_000, description="Batches that ended longer ago go")
    dry_run: bool = Field(False, description="Only tell what would go")


class CleanedUp(BaseModel):
    """What went, or would go."""

    freed_space_mb: float
    files_removed: int
    directories_removed: int
    errors: list[str]
    cleanup_hours: float
    dry_run: bool
    items: list[dict[str, Any]] = Field(description="Each batch and each kind of other file, with its reason")
    timestamp: str


class OneJob(BaseModel):
    """Which batch."""

    job_id: str = Field(max_length=100, description="The job's id, its batch's, or its folder from list-files")


class JobCleanedUp(BaseModel):
    """What deleting a batch has freed."""

    job_id: str
    freed_space_mb: float
    files_removed: int
    errors: list[str] = []
    timestamp: str


class JobDeleted(BaseModel):
    """What deleting a batch has freed."""

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
    """The newest of each kind; of the one that was named also what all files of that kind take."""

    uploads: list[FileItem]
    results: list[FileItem]
    directory: Directory
    total_size_mb: float
    total_files: int
    items: list[FileItem]


@router.get("/disk-usage")
async def disk_usage(services: ServicesDep) -> DiskUsage:
    """What pictures and results take on the disk."""
    return DiskUsage(**dict(_disk_folders(await services.admin.disk_usage())), timestamp=iso_now())


@router.get("/system-health")
async def system_health(services: ServicesDep) -> SystemHealth:
    """Whether the disk is filling up, and what else only the host can mend."""
    use, attention = await services.admin.disk_usage(), await services.admin.attention(time.time())
    folders = _disk_folders(use)
    percent = folders.output_dir.disk_usage_percent
    status: Literal["healthy", "warning", "critical"] = "healthy"
    warnings = [f"{one['message']} {one['hint']}" for one in attention]
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
    """Delete batches that ended long ago and what nobody owns; never what runs, is pinned or downloaded."""
    done = await services.retention.cleanup(params.hours, params.dry_run)
    return CleanedUp(
        freed_space_mb=_megabytes(done["freed_bytes"]), files_removed=done["files"],
        directories_removed=done["folders"], errors=done["errors"], cleanup_hours=params.hours, dry_run=params.dry_run,
        items=done["items"], timestamp=iso_now(),
    )  # fmt: skip


@router.post("/cleanup-job", openapi_extra=params_openapi(OneJob), responses=error_responses(400, 404, 409, 422))
async def cleanup_job(params: Annotated[OneJob, Depends(_job_params)], services: ServicesDep) -> JobCleanedUp:
    """Delete one batch with its files, unless it is being worked."""
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
    """The newest pictures that were sent and the newest results."""
    look = services.admin.list_folders if view == "folders" else services.admin.list_files
    listings = {kind: await look(kind, limit) for kind in ("uploads", "results")}
    items = {kind: [_file_item(one) for one in files["items"]] for kind, files in listings.items()}
    named = listings[directory]
    return FileList(
        **items, directory=directory, items=items[directory], total_files=named["files"],
        total_size_mb=_megabytes(named["size"]),
    )  # fmt: skip


def _file_item(listed: dict[str, Any]) -> FileItem:
    return FileItem(
        path=listed["path"], size_mb=_megabytes(listed["size"]), modified=str(listed["modified"]),
        modified_at=iso_time(listed["modified"]), is_directory="files" in listed, file_count=listed.get("files", 1),
    )  # fmt: skip


def _megabytes(size: int) -> float:
    return round(size / MB, 6)
