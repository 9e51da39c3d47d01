"""Texts of a job of the embedded engine that failed."""

from __future__ import annotations

from ...errors import Code, ErrorCode
from ..failure_messages import FailureTemplate


class LocalErrorCode(Code):
    """The codes of this engine."""

    NO_OUTLINE = "no_outline"
    NO_SUBJECT = "no_subject"
    TIMEOUT = "local_timeout"
    WORKER_DIED = "local_worker_died"


RELIEF_HINT = "Set the shape to “relief card” to get a card with the picture in relief instead."
LESS_DETAIL = "Try again, with less detail if it goes on."

TOO_LONG = FailureTemplate(
    LocalErrorCode.TIMEOUT, "This picture took longer than {seconds:.0f} s.", LESS_DETAIL, retryable=True
)
WORKER_DIED = FailureTemplate(
    LocalErrorCode.WORKER_DIED,
    "The process that worked on this picture ended unexpectedly.",
    LESS_DETAIL,
    retryable=True,
)
IMAGE_TOO_SMALL = FailureTemplate(
    ErrorCode.IMAGE_TOO_SMALL, "This picture is too small to show a subject.", "Use a larger one."
)
NO_SUBJECT = FailureTemplate(LocalErrorCode.NO_SUBJECT, "No subject was found in this picture.", RELIEF_HINT)
SUBJECT_INVISIBLE = NO_SUBJECT._replace(message="Nothing in this picture stands out enough to be its subject.")
NO_OUTLINE = FailureTemplate(
    LocalErrorCode.NO_OUTLINE, "The subject fills the whole picture, so it has no outline to work from.", RELIEF_HINT
)
