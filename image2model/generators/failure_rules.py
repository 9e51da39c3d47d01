"""What follows from a failure of a job: rules by its code. What people read of it is in failure_messages.py.

Retries, billing, circuit breaker, views and the admin's list read these and know no provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..errors import ErrorCode

FailureKind = Literal["input", "generator", "account", "contact", "host"]
"""Where it lies: in the picture or an option; in the generator, whose circuit breaker it opens; in the key or the
credit of the account that pays; in the way to a job that was taken; in this installation."""
CollectPolicy = Literal["no", "when_asked", "by_itself"]
"""Whether a job that was taken may still be there: it is not; a person's retry collects it first; so does the app's."""
RetryReason = Literal["rate_limit", "temporary", "timeout", "unreachable", "disk_full"]
"""Why a picture is submitted again automatically; its delays are `jobs.retry_policy.RESUBMIT_BACKOFF`."""
RemedyKind = Literal["again", "key", "model", "link"]


@dataclass(frozen=True, slots=True)
class Remedy:
    """The one button that helps after a failure: try again, use another key or model, or follow a link."""

    kind: RemedyKind
    label: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class HostNotice:
    """What only the host can mend: a sentence and the next step."""

    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class FailureRules:
    """What follows from one code; the defaults hold for a code that nobody knows (any more)."""

    kind: FailureKind = "input"
    billed: bool = True
    """Whether a job that was taken may have to be paid for."""
    collectable: CollectPolicy = "no"
    retry: RetryReason | None = None
    """None: not by itself. Only where the picture was certainly not taken, or nothing is billed."""
    remedy: Remedy | None = None
    """None: to try again, where the failure is retryable."""
    host_notice: HostNotice | None = None
    """For failures, or waits, on the host's key."""


RETRY = Remedy("again", "Try again")
RESUBMIT = Remedy("again", "Run it again")
USE_KEY = Remedy("key", "Use your own key")
OTHER_MODEL = Remedy("model", "Pick another model")

COMMON_RULES: Mapping[str, FailureRules] = {
    ErrorCode.UNCONFIRMED: FailureRules("generator", remedy=Remedy("again", "Run it again anyway")),
    ErrorCode.INTERNAL_ERROR: FailureRules("host", collectable="when_asked"),
    ErrorCode.DISK_FULL: FailureRules("host", collectable="by_itself", retry="disk_full"),
    ErrorCode.NO_RESULT: FailureRules(collectable="when_asked"),
    ErrorCode.GENERATOR_REMOVED: FailureRules("host", remedy=OTHER_MODEL),
}
"""Of the failures that a job of any generator can have."""
