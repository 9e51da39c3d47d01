"""Consequences of a job's failure: rules by its code. The texts are in failure_messages.py.

Retries, billing, circuit breaker, views and the admin's list read these and know no provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..errors import ErrorCode

FailureKind = Literal["input", "generator", "account", "connection", "installation"]
"""Cause: the picture or an option; the generator, whose circuit breaker it opens; the key or the credit of the account
that pays; the connection to a job that was accepted; this installation."""
CollectPolicy = Literal["never", "manual", "automatic"]
"""Retries that first collect the result of a job that was accepted: none, a person's, or the app's as well."""
RetryReason = Literal["rate_limit", "temporary", "timeout", "unreachable", "disk_full"]
"""Reason to submit a picture again automatically; its delays are `jobs.retry_policy.RESUBMIT_BACKOFF`."""
RemedyKind = Literal["again", "key", "model", "link"]


@dataclass(frozen=True, slots=True)
class Remedy:
    """The button offered after a failure: try again, use another key or model, or follow a link."""

    kind: RemedyKind
    label: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class HostAlert:
    """A problem that only the host can solve: a sentence and the next step."""

    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class FailureRules:
    """Rules of one code; the defaults hold for a code that is unknown, perhaps from an older version."""

    kind: FailureKind = "input"
    billed: bool = True
    """True if a job that was accepted may be billed."""
    collectable: CollectPolicy = "never"
    retry: RetryReason | None = None
    """None: no automatic retry. Only where the picture was certainly not accepted, or nothing is billed."""
    remedy: Remedy | None = None
    """None: to try again, where the failure is retryable."""
    host_alert: HostAlert | None = None
    """Alert about failures, or waits, on the host's key."""

    @property
    def is_collectable(self) -> bool:
        """True if a retry, automatic or by a person, first collects what the provider has taken."""
        return self.collectable != "never"


RETRY = Remedy("again", "Try again")
RESUBMIT = Remedy("again", "Run it again")
USE_KEY = Remedy("key", "Use your own key")
OTHER_MODEL = Remedy("model", "Other generator")

COMMON_RULES: Mapping[str, FailureRules] = {
    ErrorCode.UNCONFIRMED: FailureRules("generator", remedy=Remedy("again", "Run it again anyway")),
    ErrorCode.INTERNAL_ERROR: FailureRules("installation", collectable="manual"),
    ErrorCode.DISK_FULL: FailureRules("installation", collectable="automatic", retry="disk_full"),
    ErrorCode.NO_RESULT: FailureRules(collectable="manual"),
    ErrorCode.GENERATOR_REMOVED: FailureRules("installation", remedy=OTHER_MODEL),
}
"""Rules of the failures that a job of any generator can have."""
