"""A batch as people and programs see it, with its progress and remaining time.

Page, REST and Gradio's API show the same: everything derived from a job's state is derived here and nowhere else.
`to_dict` is the wire format, a contract with existing clients.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any
from urllib.parse import quote

from ..generators.base import Side, Spec
from ..generators.failure_rules import RETRY, USE_KEY
from ..generators.providers import rules_of
from .ledger import BillingOutcome, billing_outcome
from .models import (
    BULK_RETRYABLE,
    FINISHED,
    UNSUCCESSFUL,
    Batch,
    BatchState,
    Failure,
    Job,
    JobState,
    Refusal,
    Wait,
)
from .progress import STAGES
from .storage.folders import THUMBNAIL_FILE, TURNTABLE_FILE, picture_filename

STATE_LABELS: Mapping[str, str] = {
    "new": "Waiting",
    "uploading": "Uploading",
    "submitting": "Handing over",
    "queued": "In the queue",
    "running": "Making the mesh",
    "cancelling": "Cancelling; it may still be billed",
    "downloading": "Fetching the result",
    "finishing": "Measuring the mesh",
    "done": "Done",
    "failed": "Failed",
    "cancelled": "Cancelled",
    "unconfirmed": "Unconfirmed",
}


PAGE_ONLY_FIELDS = ("billed", "seconds_taken", "visitor")
"""Fields that are not part of the API."""
FAILURE_FIELDS = ("code", "message", "hint", "retryable")


@dataclass(frozen=True, slots=True)
class SideView:
    """One of several pictures of a job's object; `picture` is the address of its thumbnail."""

    side: Side
    name: str
    picture: str


@dataclass(frozen=True, slots=True)
class JobView:
    """One job as people and programs see it. Addresses are relative to the page, times are in seconds."""

    id: str
    number: int
    name: str
    filename: str
    state: JobState
    progress: float
    message: str
    waiting: Wait | None
    queue_position: int | None
    elapsed: float | None
    sequence: int
    attempt: int
    own_key: bool
    error: Failure | None
    facts: Mapping[str, Any] | None
    cost: float | None
    picture: str
    whole_picture: str
    sides: tuple[SideView, ...]
    url: str | None
    thumbnail: str
    turntable: str | None
    action: Mapping[str, str] | None
    retry_price: float | None
    """US dollars of a retry: 0 if the result can still be collected; None if it cannot be retried."""
    retry_may_be_billed_twice: bool
    """True if a retry may pay twice for the job."""
    billed: BillingOutcome
    """Outcome of billing, for the page only; not part of the API."""

    @property
    def finished(self) -> bool:
        """True if nothing more will happen by itself."""
        return self.state in FINISHED

    @property
    def succeeded(self) -> bool:
        """True if there is a mesh."""
        return self.state == "done"

    @property
    def retryable(self) -> bool:
        """True if a retry of the batch takes it too: it ended without a mesh, and has certainly not been made."""
        return self.state in BULK_RETRYABLE

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of the APIs, with keys in a fixed order."""
        return {
            **{field.name: getattr(self, field.name) for field in fields(self) if field.name not in PAGE_ONLY_FIELDS},
            "waiting": self.waiting and asdict(self.waiting),
            "error": self.error and {name: getattr(self.error, name) for name in FAILURE_FIELDS},
            "sides": [asdict(side) for side in self.sides],
        }


@dataclass(frozen=True, slots=True)
class Counts:
    """Number of jobs of a batch, and of those that ended in each way."""

    total: int
    done: int
    failed: int
    cancelled: int
    unconfirmed: int

    @property
    def unsuccessful(self) -> int:
        """Number of jobs that ended without a mesh."""
        return self.failed + self.cancelled + self.unconfirmed


@dataclass(frozen=True, slots=True)
class Cost:
    """Estimated cost of a batch, its cost so far, and what may have been billed besides, in US dollars."""

    estimate: float
    spent: float
    uncertain: float
    currency: str = "USD"


@dataclass(frozen=True, slots=True)
class BatchView:
    """A batch as people and programs see it. Addresses are relative to the page, moments in seconds since 1970."""

    batch_id: str
    state: BatchState
    sequence: int
    progress: float
    message: str
    seconds_left: float | None
    counts: Counts
    generator: str
    generator_name: str
    result_is: str
    options: Mapping[str, Any]
    face_limit: int | None
    cut_out: bool
    created_at: float
    cost: Cost
    rejected: tuple[Refusal, ...]
    jobs: tuple[JobView, ...]
    zip: str | None
    pinned: bool
    kept_until: float | None
    kept_while_space: bool
    """True if the host deletes old batches where space runs out."""
    retry_price: float
    """US dollars that a retry of the whole batch buys its jobs for."""
    retry_may_be_billed_twice: bool
    """True if that may pay twice for a job."""
    seconds_taken: float | None
    """Seconds from the start to the last job's end, for the page only; None while it runs, and after a retry."""
    visitor: str
    """The secret that identifies the browser of a batch; never exposed."""

    @property
    def finished(self) -> bool:
        """True if nothing more will happen by itself."""
        return self.state != "working"

    def is_of(self, visitor: str) -> bool:
        """True if this browser made the batch."""
        return bool(visitor) and self.visitor == visitor

    @property
    def retryable(self) -> bool:
        """True if a retry would start any job."""
        return self.finished and any(job.retryable for job in self.jobs)

    def job(self, number: int) -> JobView | None:
        """The job of this number; None where there is none."""
        return next((job for job in self.jobs if job.number == number), None)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON of the APIs, with keys in a fixed order."""
        return {
            **{field.name: getattr(self, field.name) for field in fields(self) if field.name not in PAGE_ONLY_FIELDS},
            "counts": asdict(self.counts),
            "cost": asdict(self.cost),
            "rejected": [asdict(refusal) for refusal in self.rejected],
            "jobs": [job.to_dict() for job in self.jobs],
        }


def batch_view(
    batch: Batch,
    spec: Spec,
    now: float,
    ahead: int = 0,
    kept_until: float | None = None,
    kept_while_space: bool = False,
) -> BatchView:
    """Return the batch as it is shown.

    `now` and `kept_until` are in seconds since 1970; `ahead` counts the waiting jobs of older batches of the same
    generator.
    """
    views = []
    for job in batch.jobs:
        views.append(job_view(job, spec, now, ahead))
        ahead += _is_locally_queued(job)
    counts = Counts(len(views), *(sum(view.state == state for view in views) for state in ("done", *UNSUCCESSFUL)))
    seconds = _seconds_left(batch, spec, now)
    shares = [1 if view.finished else progress(job, spec, now) for view, job in zip(views, batch.jobs, strict=True)]
    return BatchView(
        batch_id=batch.id,
        state=batch.state,
        sequence=batch.sequence,
        progress=round(sum(shares) / max(1, len(shares)), 3),
        message=_summary(batch, counts, seconds),
        seconds_left=seconds,
        counts=counts,
        generator=batch.generator,
        generator_name=spec.name,
        result_is=spec.result_is,
        options=batch.options,
        face_limit=batch.face_limit,
        cut_out=batch.cut_out,
        created_at=batch.created_at,
        cost=_cost(batch, views),
        rejected=batch.refusals,
        jobs=tuple(views),
        zip=f"batches/{batch.id}/zip" if counts.done else None,
        pinned=batch.pinned,
        kept_until=kept_until,
        kept_while_space=kept_while_space,
        retry_price=round(sum(view.retry_price or 0.0 for view in views if view.retryable), 6),
        retry_may_be_billed_twice=any(view.retry_may_be_billed_twice for view in views if view.retryable),
        seconds_taken=_seconds_taken(batch),
        visitor=batch.visitor,
    )


def job_view(job: Job, spec: Spec, now: float, ahead: int = 0) -> JobView:
    """Return the job as it is shown; `ahead` counts the jobs to be started before it."""
    base = f"batches/{job.batch_id}/{job.number}"
    done = job.state == "done"
    billed = _billed(job)
    collectable = bool(job.failure and job.remote and rules_of(job.failure.code).is_collectable)
    bought_anew = job.state in UNSUCCESSFUL and not collectable
    return JobView(
        id=job.id,
        number=job.number,
        name=job.name,
        filename=f"{job.stem}.glb",
        state=job.state,
        progress=round(progress(job, spec, now), 3),
        message=_message(job, spec, now, ahead),
        waiting=job.waiting,
        queue_position=ahead if _is_locally_queued(job) else job.queue_position,
        elapsed=round((job.finished_at or now) - job.started_at, 1) if job.started_at else None,
        sequence=job.sequence,
        attempt=job.attempt,
        own_key=bool(job.key_mark),
        error=job.failure,
        facts=job.facts or None,
        cost=None if job.cost is None else float(job.cost),
        picture=f"{base}/input.webp",
        whole_picture=f"{base}/input.png",
        sides=_sides(job, base),
        url=f"{base}/{quote(job.stem)}.glb" if done else None,
        thumbnail=f"{base}/{THUMBNAIL_FILE}" if done else f"{base}/input.webp",
        turntable=f"{base}/{TURNTABLE_FILE}" if done else None,
        action=action(job),
        retry_price=float(job.price if bought_anew else 0) if job.state in UNSUCCESSFUL else None,
        retry_may_be_billed_twice=bought_anew and billed == "maybe",
        billed=billed,
    )


def _seconds_taken(batch: Batch) -> float | None:
    ends = [job.finished_at for job in batch.jobs if job.finished_at and job.attempt == 1]
    return round(max(ends) - batch.created_at, 1) if ends and len(ends) == len(batch.jobs) else None


def _sides(job: Job, base: str) -> tuple[SideView, ...]:
    """All pictures of a job that has several, the front first."""
    pictures = job.pictures if job.sides else ()
    return tuple(
        SideView(picture.side, picture.name, f"{base}/{picture_filename(picture.side, ending='webp')}")
        for picture in pictures
    )


def _billed(job: Job) -> BillingOutcome:
    if not job.finished:
        return "reserved"
    return billing_outcome(job, job.state, job.failure.code if job.failure else "")


def _cost(batch: Batch, views: Sequence[JobView]) -> Cost:
    maybe = (job.price for job, view in zip(batch.jobs, views, strict=True) if view.billed == "maybe")
    uncertain = sum(maybe, batch.earlier_uncertain)
    return Cost(float(batch.estimate), float(batch.spent), float(uncertain))


def progress(job: Job, spec: Spec, now: float) -> float:
    """Progress of the job, 0 to 1.

    What the generator tells, else the time it has run against the time that this generator usually
    takes: as that passes, the rest is approached ever more slowly and never reached.
    """
    if job.state != "running" or job.running_at is None:
        return job.progress
    begins, share = STAGES["running"]
    usual = 1 - math.exp(-1.5 * max(0.0, now - job.running_at) / spec.usual_seconds)
    return max(job.progress, begins + share * usual)


def _message(job: Job, spec: Spec, now: float, ahead: int) -> str:
    if job.failure:
        return job.failure.message
    if job.waiting:
        return _waiting(job.waiting, now)
    waiting = ahead if job.state == "new" else job.queue_position
    if job.state in ("new", "queued") and waiting:
        return f"{STATE_LABELS[job.state]}, {waiting} ahead"
    if job.state == "running" and job.running_at and now - job.running_at > 3 * spec.usual_seconds:
        return "Taking longer than usual"
    own = job.message if job.state == "running" else ""
    return own[:1].upper() + own[1:] or STATE_LABELS[job.state]


def _is_locally_queued(job: Job) -> bool:
    return job.state == "new" and job.remote is None


def _waiting(wait: Wait, now: float) -> str:
    """Reason and duration of a job's wait, as a sentence."""
    left = wait.until - now if wait.until else 0
    again = f"; next try in {_duration(left)}" if left > 0 else ""
    if wait.deadline:
        again += f", given up in {_duration(max(0.0, wait.deadline - now))}"
    return wait.message.rstrip(".") + again


def action(job: Job) -> dict[str, str] | None:
    """The remedy for a job that ended badly: the kind of its button, the label, and the link."""
    if job.failure is None:
        return None
    remedy = rules_of(job.failure.code).remedy or (RETRY if job.failure.retryable else None)
    if remedy and remedy.kind == "link" and not job.key_mark:  # it leads to the payer's account, which is the host's
        remedy = USE_KEY
    return {name: value for name, value in asdict(remedy).items() if value} if remedy else None


def _summary(batch: Batch, counts: Counts, seconds: float | None) -> str:
    parts = [f"{counts.done} of {counts.total} done"]
    badly = {"failed": counts.failed, "cancelled": counts.cancelled, "unconfirmed": counts.unconfirmed}
    parts += [f"{count} {state}" for state, count in badly.items() if count]
    if batch.state == "working" and seconds is not None:
        parts.append(f"about {_duration(seconds)} left")
    return ", ".join(parts)


def _seconds_left(batch: Batch, spec: Spec, now: float) -> float | None:
    """Seconds by the pace of this batch once something is done, until then by the generator's usual time."""
    left = [job for job in batch.jobs if not job.finished]
    if not left:
        return None
    done = [job.finished_at for job in batch.jobs if job.state == "done" and job.finished_at]
    if spec.max_concurrency and len(done) >= spec.max_concurrency:
        return round(len(left) * (max(done) - batch.created_at) / len(done), 1)
    rounds = math.ceil(len(left) / spec.max_concurrency) if spec.max_concurrency else 1
    begun = min((job.running_at for job in left if job.running_at), default=now)
    expected = rounds * spec.usual_seconds - (now - begun)
    return round(expected, 1) if expected > 0 else None


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{5 * math.ceil(seconds / 5):d} s" if seconds > 5 else f"{max(1, math.ceil(seconds))} s"
    return f"{round(seconds / 60)} min"
