"""How the embedded engine fails."""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import Code
from ..failures import FailureRules, FailureTemplate


class LocalErrorCode(Code):
    """The codes of this engine."""

    NO_OUTLINE = "no_outline"
    NO_SUBJECT = "no_subject"
    TIMEOUT = "local_timeout"
    WORKER_DIED = "local_worker_died"


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

RULES: Mapping[str, FailureRules] = {}
"""A person may try again; nothing follows by itself."""
