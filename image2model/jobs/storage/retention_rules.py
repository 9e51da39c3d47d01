"""Rules of retention: decide which batches are deleted, and why; nothing is deleted here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from ...units import HOUR

Reason = Literal["age", "data size", "free disk", "no files", "asked"]
RetainReason = Literal["is being worked on", "is kept for good", "is being downloaded"]
GRACE_SECONDS = HOUR
"""Seconds for which a batch may be without files: it may just be being made or deleted."""


@dataclass(frozen=True, slots=True)
class RetentionCandidate:
    """A batch that may be deleted, as it lies on disk. Sizes in bytes, times in seconds since 1970."""

    batch_id: str
    ended: float | None
    """Time at which its last job ended; None while one runs."""
    pinned: bool
    size: int = 0
    files: int = 0
    in_use: bool = False
    """True if something of it is being read or sent."""
    title: str = ""
    """Name for people: its first picture's."""
    images: int = 1
    """Number of its jobs."""

    @property
    def retain_reason(self) -> RetainReason | None:
        """Reason why no rule may delete it; None where a rule may."""
        if self.ended is None:
            return "is being worked on"
        if self.pinned:
            return "is kept for good"
        return "is being downloaded" if self.in_use else None


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """The host's rules; None: no limit."""

    hours: float | None = None
    """Hours for which a batch is kept after its last job has ended."""
    max_bytes: int | None = None
    """Most bytes that all data may take."""
    free_bytes: int | None = None
    """Bytes that shall stay free on the disk."""


@dataclass(frozen=True, slots=True)
class Eviction:
    """A batch that is to be deleted, and the rule that says so."""

    candidate: RetentionCandidate
    reason: Reason


def plan_evictions(
    candidates: Iterable[RetentionCandidate], rules: RetentionRules, now: float, used: int, free: int
) -> list[Eviction]:
    """Return the batches to delete: those too old or without files, then the oldest until the data fits.

    `used` is what the data takes and `free` what is free on its disk, both in bytes.
    """
    deletable = (candidate for candidate in candidates if candidate.retain_reason is None)
    oldest_first = sorted(deletable, key=lambda candidate: candidate.ended or 0.0)
    evictions = [
        Eviction(candidate, reason) for candidate in oldest_first if (reason := _overdue(candidate, rules, now))
    ]
    evicted = {eviction.candidate.batch_id for eviction in evictions}
    freed = sum(eviction.candidate.size for eviction in evictions)
    for candidate in oldest_first:
        reason = exceeded_space_rule(rules, used - freed, free + freed)
        if reason is None:
            break
        if candidate.batch_id not in evicted:
            evictions.append(Eviction(candidate, reason))
            freed += candidate.size
    return evictions


def exceeded_space_rule(rules: RetentionRules, used: int, free: int) -> Reason | None:
    """The rule on space that is exceeded; None for none."""
    if rules.max_bytes is not None and used > rules.max_bytes:
        return "data size"
    return "free disk" if rules.free_bytes is not None and free < rules.free_bytes else None


def retained(candidates: Iterable[RetentionCandidate], hours: float, now: float) -> list[RetentionCandidate]:
    """Return the batches that are kept although they ended that long ago, and the unfinished ones."""
    return [
        candidate
        for candidate in candidates
        if candidate.retain_reason and (candidate.ended is None or candidate.ended + hours * HOUR <= now)
    ]


def kept_until(ended: float | None, pinned: bool, hours: float | None) -> float | None:
    """Time (since 1970) until which a batch is kept by its age; None while it runs, if pinned, and without a limit."""
    return None if pinned or ended is None or hours is None else ended + hours * HOUR


def batch_end(finished: Sequence[float | None]) -> float | None:
    """Time at which a batch ended, by its jobs' ends; None while one has not."""
    times = [moment for moment in finished if moment is not None]
    return max(times) if times and len(times) == len(finished) else None


def _overdue(candidate: RetentionCandidate, rules: RetentionRules, now: float) -> Reason | None:
    until = kept_until(candidate.ended, candidate.pinned, rules.hours)
    if until is not None and until <= now:
        return "age"
    return "no files" if not candidate.files and (candidate.ended or now) < now - GRACE_SECONDS else None
