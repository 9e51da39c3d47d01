"""Files and manifest of a batch as they are delivered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..generators.base import Side
from ..jobs.models import Job
from ..jobs.storage.folders import MESH_FILE, picture_name
from ..jobs.views import BatchView, JobView

BATCH_KEYS = (
    "batch_id", "state", "generator", "generator_name", "result_is", "options", "face_limit", "cut_out", "created_at",
    "cost",
)  # fmt: skip
JOB_KEYS = ("number", "name", "filename", "state", "elapsed", "error", "facts", "cost")
"""The keys of their views that the manifest has."""


@dataclass(frozen=True, slots=True)
class ServedFile:
    """A file to be sent: where it lies, its media type and the name to save it under."""

    path: Path
    media_type: str
    filename: str


def served_files(job: Job) -> dict[str, tuple[str, str]]:
    """A job's files by the names under which they are served: name in the job's folder, and media type."""
    sides: tuple[Side, ...] = ("front", *(other.side for other in job.sides))
    pictures = [picture_name(side, ending=ending) for side in sides for ending in ("webp", "png")]
    files = {name: (name, f"image/{name.rpartition('.')[2]}") for name in (*pictures, "thumbnail.webp")}
    return files | ({f"{job.stem}.glb": (MESH_FILE, "model/gltf-binary")} if job.state == "done" else {})


def reusable_picture_names(job: Job) -> dict[str, str]:
    """Names of a job's pictures by which they are grouped when submitted anew, by their names in its folder."""
    named = {picture_name(one.side): f"{job.stem}_{one.side}.png" for one in job.sides}
    return {picture_name(): f"{job.stem}_front.png" if named else f"{job.stem}.png", **named}


def manifest(view: BatchView) -> dict[str, Any]:
    """What `manifest.json` in the zip says: the batch without its web addresses."""
    told = view.to_dict()
    jobs = [
        {key: plain[key] for key in JOB_KEYS} | _sides(job) for plain, job in zip(told["jobs"], view.jobs, strict=True)
    ]
    return {**{key: told[key] for key in BATCH_KEYS}, "rejected": told["rejected"], "jobs": jobs}


def _sides(job: JobView) -> dict[str, Any]:
    sides = [{"side": picture.side, "name": picture.name} for picture in job.sides]
    return {"sides": sides} if sides else {}
