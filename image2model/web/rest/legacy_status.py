"""The contract's words for our states; progress is in percent there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

JOB: Mapping[str, str] = {
    "new": "queued", "queued": "queued", "done": "completed", "failed": "failed", "unconfirmed": "failed",
    "cancelled": "cancelled",
}  # fmt: skip
"""Whatever is not here is `processing`."""
TASK: Mapping[str, str] = {"done": "completed", "partly": "completed", "failed": "failed", "cancelled": "cancelled"}
CELERY: Mapping[str, str] = {
    "queued": "PENDING", "processing": "PROGRESS", "completed": "SUCCESS", "failed": "FAILURE", "cancelled": "REVOKED",
}  # fmt: skip
FAILED = ("failed", "cancelled", "unconfirmed")


def job_status(job: Mapping[str, Any]) -> str:
    """The contract's word for the state of a job's view."""
    return JOB.get(job["state"], "processing")


def task_status(view: Mapping[str, Any]) -> str:
    """The contract's word for the state of a batch's view."""
    if view["state"] != "working":
        return TASK[view["state"]]
    return "queued" if all(job["state"] in ("new", "queued") for job in view["jobs"]) else "processing"


def percent(share: float) -> float:
    """A share of 1 in percent."""
    return round(100 * share, 1)


def failed_files(view: Mapping[str, Any]) -> int:
    """How many jobs of a batch ended without a mesh."""
    return sum(job["state"] in FAILED for job in view["jobs"])
