"""Generators' events as updates of a job: its state, its progress and other columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..generators.base import Downloading, Event, Queued, Running, Submitted, Submitting, Uploading
from .models import JobState

STAGES: Mapping[JobState, tuple[float, float]] = {
    "uploading": (0.01, 0.04),
    "submitting": (0.05, 0.0),
    "queued": (0.05, 0.0),
    "running": (0.06, 0.84),
    "downloading": (0.90, 0.06),
    "finishing": (0.96, 0.04),
}
"""Progress (0 to 1) at the beginning of each state, and the share of the whole that the state is."""
VISIBLE_STEP = 0.02
"""Smallest step of progress that is stored."""


def event_to_update(event: Event) -> dict[str, Any]:
    """The columns of a job that an event changes, `state` and `progress` among them."""
    state, part, fields = _state_and_fields(event)
    begins, share = STAGES[state]
    return {"state": state, "progress": round(begins + share * min(max(part or 0.0, 0.0), 1.0), 3), **fields}


def _state_and_fields(event: Event) -> tuple[JobState, float | None, dict[str, Any]]:
    match event:
        case Uploading():
            return "uploading", None, {}
        case Submitting(intent):
            return "submitting", None, {"intent": dict(intent)}
        case Submitted(remote):
            return "queued", None, {"remote": dict(remote)}
        case Queued(position):
            return "queued", None, {"queue_position": position}
        case Running(fraction, message):
            return "running", fraction, {"message": message}
        case Downloading(fraction):
            return "downloading", fraction, {"message": ""}
        case _:
            raise TypeError(f"not a generator's event: {event!r}")


def is_worth_storing(update: dict[str, Any], last: dict[str, Any]) -> bool:
    """True if an update is worth a transaction: another state, message or position, or visible progress."""
    step = update["progress"] - last.get("progress", 0.0)
    return bool(step >= VISIBLE_STEP or {**update, "progress": 0} != {**last, "progress": 0})
