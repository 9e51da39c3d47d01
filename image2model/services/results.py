"""What is handed out of a batch: the names its files are offered under, and what the zip's manifest tells."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..generators.base import Side
from ..jobs.records import Job
from ..jobs.storage.folders import MESH, picture_name
from ..jobs.views import BatchView, JobView

OF_BATCH = (
    "batch_id", "state", "generator", "generator_name", "result_is", "options", "face_limit", "cut_out", "created_at",
    "cost",
)  # fmt: skip
OF_JOB = ("number", "name", "filename", "state", "elapsed", "error", "facts", "cost")
"""What the manifest has of their views."""


@dataclass(frozen=True, slots=True)
class Served:
    """A file to be sent: where it lies, its media type and the name to save it under."""

    path: Path
    media_type: str
    filename: str


def offered(job: Job) -> dict[str, tuple[str, str]]:
    """What a job may have to offer, by the name it is offered under: its name in the job's folder, its media type."""
    sides: tuple[Side, ...] = ("front", *(other.side for other in job.sides))
    pictures = [picture_name(side, ending=ending) for side in sides for ending in ("webp", "png")]
    files = {name: (name, f"image/{name.rpartition('.')[2]}") for name in (*pictures, "thumbnail.webp")}
    return files | ({f"{job.stem}.glb": (MESH, "model/gltf-binary")} if job.state == "done" else {})


def pictures_again(job: Job) -> dict[str, str]:
    """A job's pictures by their names in its folder, named so that they belong together when they are taken again."""
    named = {picture_name(one.side): f"{job.stem}_{one.side}.png" for one in job.sides}
    return {picture_name(): f"{job.stem}_front.png" if named else f"{job.stem}.png", **named}


def manifest(view: BatchView) -> dict[str, Any]:
    """What `manifest.json` in the zip says: the batch without its web addresses."""
    told = view.to_dict()
    jobs = [
        {key: plain[key] for key in OF_JOB} | _sides(job) for plain, job in zip(told["jobs"], view.jobs, strict=True)
    ]
    return {**{key: told[key] for key in OF_BATCH}, "rejected": told["rejected"], "jobs": jobs}


def _sides(job: JobView) -> dict[str, Any]:
    sides = [{"side": picture.side, "name": picture.name} for picture in job.sides]
    return {"sides": sides} if sides else {}
