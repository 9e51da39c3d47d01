"""The contract's words for our states; progress is in percent there."""

from __future__ import annotations

from collections.abc import Mapping

from ...services import BatchView, JobView

JOB: Mapping[str, str] = {
    "new": "queued", "queued": "queued", "done": "completed", "failed": "failed", "unconfirmed": "failed",
    "cancelled": "cancelled",
}  # fmt: skip
"""Whatever is not here is `processing`."""
TASK: Mapping[str, str] = {"done": "completed", "partly": "completed", "failed": "failed", "cancelled": "cancelled"}
CELERY: Mapping[str, str] = {
    "queued": "PENDING", "processing": "PROGRESS", "completed": "SUCCESS", "failed": "FAILURE", "cancelled": "REVOKED",
}  # fmt: skip


def job_status(job: JobView) -> str:
    """The contract's word for the state of a job."""
    return JOB.get(job.state, "processing")


def task_status(view: BatchView) -> str:
    """The contract's word for the state of a batch."""
    if view.finished:
        return TASK[view.state]
    return "queued" if all(job.state in ("new", "queued") for job in view.jobs) else "processing"


def percent(share: float) -> float:
    """A share of 1 in percent."""
    return round(100 * share, 1)
