"""Scripts: the course of a job at the stand-in for fal, and faults of single calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True)
class Script:
    """The course of a job."""

    queue_seconds: float = 0.0
    run_seconds: float = 0.0
    spread: float = 0.0
    """Share by which a run may be shorter or longer; see `run_seconds_of`."""
    percentages: tuple[int, ...] = (10, 35, 60, 85)
    """Progress in the job's log, evenly over the run."""
    error: tuple[int, Any] | None = None
    """HTTP status and body that the result answers with."""
    error_headers: dict[str, str] = field(default_factory=dict)
    status_error: tuple[str, str | None] | None = None
    """`error` and `error_type` in the COMPLETED status, the result being there all the same."""
    result: Any = None
    """The result's body in place of the endpoint's own."""
    mesh: bytes | None = None
    """The bytes of the mesh in place of the box."""
    ignores_cancel: bool = False
    """True if it ignores a cancel while it runs."""
    units: str | None = "1"
    """X-Fal-Billable-Units of the result; None: no such header."""


@dataclass(frozen=True)
class Fault:
    """A fault of one call: the connection drops, hangs, is slow or cut off, or another response is sent.

    drop_before, answer and hang leave the call undone; after drop_after and answer_after it has been done. slow waits
    before it is done, late after that.
    truncate breaks off in mid-body; trickle waits there for some seconds.
    """

    kind: str
    status: int = 500
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 60.0


@dataclass
class Job:
    """A job that was accepted, and so is billed."""

    id: str
    endpoint: str
    arguments: dict[str, Any]
    script: Script
    submitted: float
    headers: dict[str, str]
    sent_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    cancelled: float | None = None
    status_calls: int = 0
    errors: list[dict[str, Any]] = field(default_factory=list)
