"""A batch as people and programs see it: plain data, with progress and time left worked out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from ..generators.base import Spec
from ..generators.failures import TRY_AGAIN, USE_KEY
from ..generators.providers import rules_of
from .ledger import bill
from .progress import STAGES
from .records import ENDED_BADLY, Batch, Job, OtherSide, Wait
from .storage.folders import picture_name

WORDS: Mapping[str, str] = {
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


def batch_view(batch: Batch, spec: Spec, now: float, ahead: int = 0) -> dict[str, Any]:
    """The batch as a dict that JSON can carry.

    `now` is in seconds since 1970; `ahead` counts the waiting jobs of older batches of the same generator.
    """
    views = []
    for job in batch.jobs:
        views.append({**job_view(job, spec, now, ahead), "action": action(job)})
        ahead += _waits_in_line(job)
    counts: dict[str, int] = {state: sum(job.state == state for job in batch.jobs) for state in ("done", *ENDED_BADLY)}
    return {
        "batch_id": batch.id,
        "state": batch.state,
        "sequence": batch.sequence,
        "progress": round(
            sum(1 if job.finished else progress(job, spec, now) for job in batch.jobs) / max(1, len(views)), 3
        ),
        "message": _summary(batch, counts, seconds := _seconds_left(batch, spec, now)),
        "seconds_left": seconds,
        "counts": {"total": len(batch.jobs), **counts},
        "generator": batch.generator,
        "generator_name": spec.name,
        "result_is": spec.result_is,
        "options": dict(batch.options),
        "face_limit": batch.face_limit,
        "cut_out": batch.cut_out,
        "created_at": batch.created_at,
        "cost": {
            "estimate": float(batch.estimate),
            "spent": float(batch.spent),
            "uncertain": float(sum(job.price for job in batch.jobs if _uncertain(job))),
            "currency": "USD",
        },
        "rejected": [
            {"name": refusal.name, "code": refusal.code, "message": refusal.message} for refusal in batch.refusals
        ],
        "jobs": views,
        "zip": f"batches/{batch.id}/zip" if counts["done"] else None,
    }


def job_view(job: Job, spec: Spec, now: float, ahead: int = 0) -> dict[str, Any]:
    """One job as a dict that JSON can carry; `ahead` counts the jobs to be started before it."""
    base = f"batches/{job.batch_id}/{job.number}"
    done = job.state == "done"
    return {
        "id": job.id,
        "number": job.number,
        "name": job.name,
        "filename": f"{job.stem}.glb",
        "state": job.state,
        "progress": round(progress(job, spec, now), 3),
        "message": _message(job, spec, now, ahead),
        "waiting": job.waiting and asdict(job.waiting),
        "queue_position": ahead if _waits_in_line(job) else job.queue_position,
        "elapsed": round((job.finished_at or now) - job.started_at, 1) if job.started_at else None,
        "sequence": job.sequence,
        "attempt": job.attempt,
        "own_key": bool(job.key_mark),
        "error": None
        if job.failure is None
        else {"code": job.failure.code, "message": job.failure.message, "hint": job.failure.hint,
              "retryable": job.failure.retryable},
        "facts": dict(job.facts) if job.facts else None,
        "cost": None if job.cost is None else float(job.cost),
        "picture": f"{base}/input.webp",
        "whole_picture": f"{base}/input.png",
        "sides": _sides(job, base),
        "url": f"{base}/{quote(job.stem)}.glb" if done else None,
        "thumbnail": f"{base}/thumbnail.webp" if done else f"{base}/input.webp",
        "turntable": f"{base}/turntable.webp" if done else None,
    }  # fmt: skip


def _sides(job: Job, base: str) -> list[dict[str, str]]:
    """All pictures of a job that has several, the front first."""
    all_sides = (OtherSide("front", job.name), *job.sides) if job.sides else ()
    return [
        {"side": one.side, "name": one.name, "picture": f"{base}/{picture_name(one.side, ending='webp')}"}
        for one in all_sides
    ]


def progress(job: Job, spec: Spec, now: float) -> float:
    """How far the job has come, 0 to 1.

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
        return f"{WORDS[job.state]}, {waiting} ahead"
    if job.state == "running" and job.running_at and now - job.running_at > 3 * spec.usual_seconds:
        return "Taking longer than usual"
    own = job.message if job.state == "running" else ""
    return own[:1].upper() + own[1:] or WORDS[job.state]


def _waits_in_line(job: Job) -> bool:
    return job.state == "new" and job.remote is None


def _uncertain(job: Job) -> bool:
    """Whether nobody has told if this job is billed."""
    return job.finished and bill(job, job.state, job.failure.code if job.failure else "") == "maybe"


def _waiting(wait: Wait, now: float) -> str:
    """What a job waits for, and for how long."""
    left = wait.until - now if wait.until else 0
    again = f"; next try in {_duration(left)}" if left > 0 else ""
    return wait.message.rstrip(".") + again


def action(job: Job) -> dict[str, str] | None:
    """The one thing that helps a job that ended badly: what kind of button, its label, and where it leads."""
    if job.failure is None:
        return None
    remedy = rules_of(job.failure.code).remedy or (TRY_AGAIN if job.failure.retryable else None)
    if remedy and remedy.kind == "link" and not job.key_mark:  # it leads to the account of whoever pays: the host's
        remedy = USE_KEY
    return {name: value for name, value in asdict(remedy).items() if value} if remedy else None


def _summary(batch: Batch, counts: Mapping[str, int], seconds: float | None) -> str:
    total = len(batch.jobs)
    parts = [f"{counts['done']} of {total} done"]
    parts += [f"{counts[state]} {state}" for state in ENDED_BADLY if counts[state]]
    if batch.state == "working" and seconds is not None:
        parts.append(f"about {_duration(seconds)} left")
    return ", ".join(parts)


def _seconds_left(batch: Batch, spec: Spec, now: float) -> float | None:
    """From the pace of this batch once something is done, until then from the generator's usual time."""
    left = [job for job in batch.jobs if not job.finished]
    if not left:
        return None
    done = [job.finished_at for job in batch.jobs if job.state == "done" and job.finished_at]
    if spec.at_once and len(done) >= spec.at_once:
        return round(len(left) * (max(done) - batch.created_at) / len(done), 1)
    rounds = math.ceil(len(left) / spec.at_once) if spec.at_once else 1
    begun = min((job.running_at for job in left if job.running_at), default=now)
    expected = rounds * spec.usual_seconds - (now - begun)
    return round(expected, 1) if expected > 0 else None


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{5 * math.ceil(seconds / 5):d} s" if seconds > 5 else f"{max(1, math.ceil(seconds))} s"
    return f"{round(seconds / 60)} min"
