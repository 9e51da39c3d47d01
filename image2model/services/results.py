"""Files and manifest of a batch as they are delivered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..jobs.models import Job
from ..jobs.storage.folders import MESH_FILE, THUMBNAIL_FILE, Folders, picture_filename
from ..jobs.views import BatchView, JobView

BATCH_KEYS = (
    "batch_id", "state", "generator", "generator_name", "result_is", "options", "face_limit", "cut_out", "created_at",
    "cost",
)  # fmt: skip
JOB_KEYS = ("number", "name", "filename", "state", "elapsed", "error", "facts", "cost")
"""Keys of the views that are part of the manifest."""
MEDIA_TYPES = {".jpg": "image/jpeg", ".png": "image/png"}


@dataclass(frozen=True, slots=True)
class ServedFile:
    """A file to be sent: its path, its media type and the name to save it under."""

    path: Path
    media_type: str
    filename: str


def served_files(job: Job, folders: Folders) -> dict[str, ServedFile]:
    """Files that a job may have, by the name that each is served under.

    A checked picture has one address, which ends in .png in any format; its media type and file name are those of the
    format.
    """
    folder, sides = folders.job(job), [picture.side for picture in job.pictures]
    thumbnails = [*(picture_filename(side, ending="webp") for side in sides), THUMBNAIL_FILE]
    files = {name: ServedFile(folder / name, "image/webp", name) for name in thumbnails}
    for side in sides:
        path = folders.picture(folder, side)
        files[picture_filename(side)] = ServedFile(path, MEDIA_TYPES[path.suffix], path.name)
    if job.state == "done":
        files[f"{job.stem}.glb"] = ServedFile(folder / MESH_FILE, "model/gltf-binary", f"{job.stem}.glb")
    return files


def reusable_picture_names(job: Job, folders: Folders) -> dict[Path, str]:
    """A job's pictures, named so that they are grouped again when they are submitted again."""
    paths = {picture.side: folders.picture(folders.job(job), picture.side) for picture in job.pictures}
    if not job.sides:
        return {paths["front"]: job.stem + paths["front"].suffix}
    return {path: f"{job.stem}_{side}{path.suffix}" for side, path in paths.items()}


def manifest(view: BatchView) -> dict[str, Any]:
    """Contents of `manifest.json` in the zip: the batch without its web addresses."""
    batch = view.to_dict()
    jobs = [
        {key: plain[key] for key in JOB_KEYS} | _sides(job) for plain, job in zip(batch["jobs"], view.jobs, strict=True)
    ]
    return {**{key: batch[key] for key in BATCH_KEYS}, "rejected": batch["rejected"], "jobs": jobs}


def _sides(job: JobView) -> dict[str, Any]:
    sides = [{"side": picture.side, "name": picture.name} for picture in job.sides]
    return {"sides": sides} if sides else {}
