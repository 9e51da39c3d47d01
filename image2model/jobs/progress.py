"""How far a job has come: a generator's events as states and progress."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..generators.base import Downloading, Event, Queued, Running, Submitted, Submitting, Uploading
from .records import JobState

# How far a job has come when a stage begins, and how much of the whole the stage is.
STAGES: Mapping[JobState, tuple[float, float]] = {
    "uploading": (0.01, 0.04),
    "submitting": (0.05, 0.0),
    "queued": (0.05, 0.0),
    "running": (0.06, 0.84),
    "downloading": (0.90, 0.06),
    "finishing": (0.96, 0.04),
}
VISIBLE = 0.02
"""The step of progress that a person can see."""


def news(event: Event) -> dict[str, Any]:
    """An event as a state and the columns it changes."""
    state, part, fields = _told(event)
    begins, share = STAGES[state]
    return {"state": state, "progress": round(begins + share * min(max(part or 0.0, 0.0), 1.0), 3), **fields}


def _told(event: Event) -> tuple[JobState, float | None, dict[str, Any]]:
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


def tells_more(news: dict[str, Any], told: dict[str, Any]) -> bool:
    """Whether an event is worth a transaction: a new state, other words, or a step of progress one can see."""
    step = news["progress"] - told.get("progress", 0.0)
    return bool(step >= VISIBLE or {**news, "progress": 0} != {**told, "progress": 0})
