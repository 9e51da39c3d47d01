"""Which batches may go from the disk, and why: decisions only, nothing is deleted here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Reason = Literal["age", "data size", "free disk", "no files", "asked"]
Stay = Literal["is being worked on", "is kept for good", "is being downloaded"]
HOUR = 3600.0
SETTLING = HOUR
"""Seconds in which a row may be without files: it may be on its way in or out."""


@dataclass(frozen=True, slots=True)
class Held:
    """A batch as it lies on disk. Sizes in bytes, times in seconds since 1970."""

    batch_id: str
    ended: float | None
    """When its last job ended; None while one is worked."""
    pinned: bool
    size: int = 0
    files: int = 0
    in_use: bool = False
    """Whether something of it is being read or sent."""
    title: str = ""
    """What people call it: its first picture's name."""
    images: int = 1
    """Its jobs."""

    @property
    def stays(self) -> Stay | None:
        """Why it may not be deleted without a person's word on this very batch; None where it may."""
        if self.ended is None:
            return "is being worked on"
        if self.pinned:
            return "is kept for good"
        return "is being downloaded" if self.in_use else None


@dataclass(frozen=True, slots=True)
class Rules:
    """The host's rules; None: no limit."""

    hours: float | None = None
    """How long a batch is kept after its last job has ended."""
    max_bytes: int | None = None
    """What all data may take."""
    free_bytes: int | None = None
    """What shall stay free on the disk."""


@dataclass(frozen=True, slots=True)
class Doomed:
    """A batch that goes, and the rule that says so."""

    held: Held
    reason: Reason


def doomed(held: Iterable[Held], rules: Rules, now: float, used: int, free: int) -> list[Doomed]:
    """Return what must go: first what is too old or has lost its files, then the oldest until all fits.

    `used` is what the data takes and `free` what is free on its disk, both in bytes.
    """
    oldest_first = sorted((one for one in held if one.stays is None), key=lambda one: one.ended or 0.0)
    going = [Doomed(one, reason) for one in oldest_first if (reason := _overdue(one, rules, now))]
    gone = {one.held.batch_id for one in going}
    freed = sum(one.held.size for one in going)
    for one in oldest_first:
        reason = too_much(rules, used - freed, free + freed)
        if reason is None:
            break
        if one.batch_id not in gone:
            going.append(Doomed(one, reason))
            freed += one.size
    return going


def too_much(rules: Rules, used: int, free: int) -> Reason | None:
    """Which of the rules on space is broken, if any."""
    if rules.max_bytes is not None and used > rules.max_bytes:
        return "data size"
    return "free disk" if rules.free_bytes is not None and free < rules.free_bytes else None


def spared(held: Iterable[Held], hours: float, now: float) -> list[Held]:
    """Return what stays although it ended that long ago, and what is still being worked on."""
    return [one for one in held if one.stays and (one.ended is None or one.ended + hours * HOUR <= now)]


def kept_until(ended: float | None, pinned: bool, hours: float | None) -> float | None:
    """Until when a batch is kept by its age (since 1970); None while it runs, when pinned, and without a limit."""
    return None if pinned or ended is None or hours is None else ended + hours * HOUR


def ended(finished: Sequence[float | None]) -> float | None:
    """When a batch ended, by when its jobs did; None while one has not."""
    times = [moment for moment in finished if moment is not None]
    return max(times) if times and len(times) == len(finished) else None


def _overdue(one: Held, rules: Rules, now: float) -> Reason | None:
    until = kept_until(one.ended, one.pinned, rules.hours)
    if until is not None and until <= now:
        return "age"
    return "no files" if not one.files and (one.ended or now) < now - SETTLING else None
