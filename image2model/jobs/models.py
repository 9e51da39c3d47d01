"""Batches and jobs as records, and the states of a job.

    new → uploading → submitting → queued → running → downloading → finishing → done
                          │           │        │
                          ▼           ▼        ▼
                     cancelling: the provider was asked, and decides how it ends

From every unfinished state a job may also go forward by leaving states out (a collected result begins with
`downloading`) or end: `failed` with a code, `cancelled`, or `unconfirmed` (unknown whether the provider has accepted
it; only a person sends it again). It goes back to `new` with the next attempt, which `Job.attempt` counts: by itself
(`Store.schedule_next_attempt`, the same purchase) or because a person asks (`Store.retry_jobs`, a new purchase unless
the result of the last one can still be collected). `Store` is the only place that changes states, and `can_transition`
its rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from ..errors import Image2ModelError
from ..generators.base import Side

JobState = Literal[
    "new", "uploading", "submitting", "queued", "running", "cancelling", "downloading", "finishing",
    "done", "failed", "cancelled", "unconfirmed",
]  # fmt: skip
BatchState = Literal["working", "done", "partly", "failed", "cancelled"]

STATE_ORDER: Mapping[JobState, int] = {
    "new": 0,
    "uploading": 1,
    "submitting": 2,
    "queued": 3,
    "running": 4,
    "cancelling": 5,
    "downloading": 6,
    "finishing": 7,
    "done": 8,
    "failed": 8,
    "cancelled": 8,
    "unconfirmed": 8,
}
FINISHED: frozenset[JobState] = frozenset({"done", "failed", "cancelled", "unconfirmed"})
UNSUCCESSFUL: tuple[JobState, ...] = ("failed", "cancelled", "unconfirmed")
BULK_RETRYABLE: tuple[JobState, ...] = ("failed", "cancelled")
"""States that a retry of a whole batch includes; unconfirmed jobs may be paid for already: by number only."""
UNFINISHED: tuple[JobState, ...] = tuple(state for state in STATE_ORDER if state not in FINISHED)


def can_transition(current: JobState, target: JobState) -> bool:
    """True if an attempt may go from one state to another: never backwards, never out of a finished one."""
    return current not in FINISHED and STATE_ORDER[target] >= STATE_ORDER[current]


def fold_case(text: str) -> str:
    """Text in the case in which it is stored and searched."""
    return text.casefold()


def batch_state(states: Set[str]) -> BatchState:
    """State of a batch whose jobs have these states."""
    if not states <= FINISHED:
        return "working"
    if "done" in states:
        return "done" if len(states) == 1 else "partly"
    return "cancelled" if states == {"cancelled"} else "failed"


@dataclass(frozen=True, slots=True)
class Failure:
    """Reason of a job's failure: a stable code, a sentence for a person, the next step."""

    code: str
    message: str
    hint: str = ""
    retryable: bool = False


def stored_failure(error: Image2ModelError) -> Failure:
    """The stored form of an error that ends a job."""
    return Failure(str(error.code), error.message, error.hint, error.retryable)


@dataclass(frozen=True, slots=True)
class Wait:
    """A reason to wait before a job goes on by itself: a stable code, a sentence, and until when (since 1970)."""

    code: str
    message: str
    until: float | None = None
    deadline: float | None = None
    """Time (since 1970) at which a picture that the provider has not accepted is given up."""


@dataclass(frozen=True, slots=True)
class SidePicture:
    """A picture that shows a job's object from another side than the front."""

    side: Side
    name: str
    """The picture's own name, for display."""


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job that is about to be stored: see `Job`."""

    name: str
    stem: str
    price: Decimal
    sides: tuple[SidePicture, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A picture that was left out of the batch."""

    name: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A batch that is about to be stored: see `Batch`."""

    id: str
    generator: str
    options: Mapping[str, Any]
    face_limit: int | None
    cut_out: bool
    jobs: Sequence[NewJob]
    refusals: Sequence[Refusal] = ()
    visitor: str = ""
    correlation_id: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """One object's way from a picture, or several sides of it, to a mesh. Times are seconds since 1970 (UTC)."""

    id: str
    batch_id: str
    number: int
    name: str
    """The picture's own name, for display."""
    stem: str
    """Safe name of everything that comes out: `<stem>.glb`."""
    sides: tuple[SidePicture, ...]
    """Other sides of its object, in the order they were given; `name` is the front's then."""
    price: Decimal
    """Estimated US dollars."""
    state: JobState
    attempt: int
    """Number of the attempt, from 1: an update of an earlier one is recognised and ignored."""
    purchase: int
    """Number of the purchase, from 1: each is paid for at most once, and is a row of the ledger."""
    key_mark: str
    """Mark of the visitor's own key that pays for this purchase; empty for the host's."""
    tries: int
    """Submissions that the provider has taken since a person's last request, the present one included."""
    sequence: int
    progress: float
    message: str
    queue_position: int | None
    failure: Failure | None
    waiting: Wait | None
    intent: Mapping[str, Any] | None
    """Data that may find a submission that got no answer at the provider."""
    remote: Mapping[str, Any] | None
    """Data that finds the job at the provider, which has accepted it."""
    facts: Mapping[str, Any] | None
    cost: Decimal | None
    created_at: float
    requested_at: float
    started_at: float | None
    running_at: float | None
    finished_at: float | None
    holder: str | None
    """Id of the process that runs it; None if it is free."""
    fence: int
    """Fencing number, which grows whenever the holder changes: updates under an earlier one are refused."""

    @property
    def finished(self) -> bool:
        """True if it has ended and nothing continues automatically."""
        return self.state in FINISHED

    @property
    def pictures(self) -> tuple[SidePicture, ...]:
        """All pictures of the object, the front first."""
        return (SidePicture("front", self.name), *self.sides)


@dataclass(frozen=True, slots=True)
class Batch:
    """The jobs of one submission."""

    id: str
    task_id: str
    """The id by which REST clients follow its progress."""
    legacy_job_id: str
    """The id by which REST clients fetch its results; REST calls it `job_id`."""
    visitor: str
    generator: str
    options: Mapping[str, Any]
    face_limit: int | None
    cut_out: bool
    """The pictures' subjects are sent, without what is behind them."""
    refusals: tuple[Refusal, ...]
    names: str
    """Names of all its pictures, one a line, as `fold_case` makes them for the search."""
    state: BatchState
    """State derived from the states of its jobs (`batch_state`)."""
    sequence: int
    pinned: bool
    """Exempt from retention."""
    correlation_id: str
    """Id of the request that made it, for the logs."""
    created_at: float
    jobs: tuple[Job, ...]
    earlier_spent: Decimal = Decimal(0)
    """US dollars charged for purchases that retries have followed."""
    earlier_uncertain: Decimal = Decimal(0)
    """US dollars that may have been billed for such purchases."""

    def job(self, number: int) -> Job | None:
        """The job of this number; None where there is none."""
        return next((job for job in self.jobs if job.number == number), None)

    @property
    def estimate(self) -> Decimal:
        """Estimated US dollars of the whole batch."""
        return sum((job.price for job in self.jobs), Decimal(0))

    @property
    def spent(self) -> Decimal:
        """US dollars that the batch's jobs have cost so far, with all their purchases."""
        return sum((job.cost or Decimal(0) for job in self.jobs), self.earlier_spent)
