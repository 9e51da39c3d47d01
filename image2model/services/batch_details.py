"""Facts of batches for the host: pages of a search, and the details of one batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..jobs.models import Batch, Job
from ..jobs.storage.disk_usage import Usage
from ..jobs.views import BatchView, JobView


@dataclass(frozen=True, slots=True)
class BatchPage:
    """A page of the batches that a search found, and their total number."""

    batches: Sequence[BatchView]
    total: int


@dataclass(frozen=True, slots=True)
class JobDetails:
    """A job as the host sees it. Times are in seconds since 1970."""

    view: JobView
    price: float
    """Estimated US dollars."""
    request_id: str | None
    """Id at the provider."""
    requested_at: float
    started_at: float | None
    finished_at: float | None
    paid: Sequence[Mapping[str, Any]]
    """Entries of the ledger on each of its purchases: `state`, `amount` and `at`."""


@dataclass(frozen=True, slots=True)
class BatchDetails:
    """A batch as the host sees it."""

    view: BatchView
    task_id: str
    legacy_job_id: str
    correlation_id: str
    size: int
    """Bytes that deleting it frees."""
    files: int
    in_use: bool
    """True if one of its files is being downloaded."""
    jobs: Sequence[JobDetails]
    events: Sequence[Mapping[str, Any]]
    """History of its jobs, oldest first: `number`, `name`, `attempt`, `state`, `message`, `code` and `at`."""


def batch_details(
    batch: Batch,
    view: BatchView,
    use: Usage,
    in_use: bool,
    payments: Mapping[str, Sequence[Mapping[str, Any]]],
    events: Sequence[Mapping[str, Any]],
) -> BatchDetails:
    """Build the details of a batch; `payments` are the ledger's rows by the job's id, `events` the store's."""
    jobs = {job.id: job for job in batch.jobs}
    event_fields = ("attempt", "state", "message", "code", "at")
    return BatchDetails(
        view=view,
        task_id=batch.task_id,
        legacy_job_id=batch.legacy_job_id,
        correlation_id=batch.correlation_id,
        size=use.size,
        files=use.files,
        in_use=in_use,
        jobs=[
            _job_details(job, shown, payments.get(job.id, ())) for job, shown in zip(batch.jobs, view.jobs, strict=True)
        ],
        events=[
            {"number": jobs[event["job_id"]].number, "name": jobs[event["job_id"]].name}
            | {key: event[key] for key in event_fields}
            for event in events
        ],
    )


def _job_details(job: Job, view: JobView, paid: Sequence[Mapping[str, Any]]) -> JobDetails:
    request_id = (job.remote or {}).get("request_id")
    return JobDetails(view, float(job.price), request_id, job.requested_at, job.started_at, job.finished_at, paid)
