"""States and progress in the terms of the first image2model's API (progress in percent)."""

from __future__ import annotations

from collections.abc import Mapping

from ...services import BatchView, JobView

JOB_STATUS: Mapping[str, str] = {
    "new": "queued", "queued": "queued", "done": "completed", "failed": "failed", "unconfirmed": "failed",
    "cancelled": "cancelled",
}  # fmt: skip
"""Legacy status by our state of a job; any other is `processing`."""
TASK_STATUS: Mapping[str, str] = {
    "done": "completed",
    "partly": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
}
CELERY_STATE: Mapping[str, str] = {
    "queued": "PENDING", "processing": "PROGRESS", "completed": "SUCCESS", "failed": "FAILURE", "cancelled": "REVOKED",
}  # fmt: skip


def job_status(job: JobView) -> str:
    """Status of a job, from its view."""
    return JOB_STATUS.get(job.state, "processing")


def task_status(view: BatchView) -> str:
    """Status of a batch, from its view."""
    if view.finished:
        return TASK_STATUS[view.state]
    return "queued" if all(job.state in ("new", "queued") for job in view.jobs) else "processing"


def percent(share: float) -> float:
    """A share of 1 in percent."""
    return round(100 * share, 1)
