"""What follows from a failure of a job: rules by its code, kept beside the failures that they are of.

Retries, billing, circuit breaker, views and the admin's list read these and know no provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ..errors import Code, ErrorCode, GenerationFailed

FailureKind = Literal["input", "generator", "account", "contact", "host"]
"""Where it lies: in the picture or an option; in the generator, whose circuit breaker it opens; in the key or the
credit of the account that pays; in the way to a job that was taken; in this installation."""
Collectable = Literal["no", "when_asked", "by_itself"]
"""Whether a job that was taken may still be there: it is not; a person's retry collects it first; so does the app's."""
RemedyKind = Literal["again", "key", "model", "link"]


@dataclass(frozen=True, slots=True)
class RetryRule:
    """Seconds before the second try, doubling up to `most`, with up to `jitter` of a share on top."""

    first: float
    most: float
    jitter: float = 0.2


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
    collectable: Collectable = "no"
    retry: RetryRule | None = None
    """When the picture is submitted again by itself. Only where it was certainly not taken, or nothing is billed."""
    remedy: Remedy | None = None
    """None: to try again, where the failure is retryable."""
    host_notice: HostNotice | None = None
    """For failures, or waits, on the host's key."""


class FailureTemplate(NamedTuple):
    """A code, a sentence for a person, the next step, and whether trying again can help."""

    code: Code
    message: str
    hint: str
    retryable: bool = False

    def error(self, *, retry_after: float | None = None, **facts: object) -> GenerationFailed:
        """Return the exception, its sentences completed with `facts`."""
        message, hint = self.message.format(**facts), self.hint.format(**facts)
        return GenerationFailed(self.code, message, hint, retryable=self.retryable, retry_after=retry_after)


TRY_AGAIN = Remedy("again", "Try again")
RUN_AGAIN = Remedy("again", "Run it again")
USE_KEY = Remedy("key", "Use your own key")
OTHER_MODEL = Remedy("model", "Pick another model")

UNCONFIRMED = FailureTemplate(
    ErrorCode.UNCONFIRMED,
    "The generator may have taken this picture; nothing has told us.",
    "Running it again may cost again.",
)
INTERNAL_ERROR = FailureTemplate(
    ErrorCode.INTERNAL_ERROR, "Something went wrong on our side.", "Try this picture again.", True
)
DISK_FULL = FailureTemplate(
    ErrorCode.DISK_FULL, "There is no room left on the server's disk.", "Try again later.", True
)
NO_RESULT = FailureTemplate(ErrorCode.NO_RESULT, "{generator} ended without a result.", "Try again.", True)
GENERATOR_GONE = FailureTemplate(
    ErrorCode.GENERATOR_GONE, "The generator {generator} is no longer there.", "Choose another one."
)

RULES: Mapping[str, FailureRules] = {
    ErrorCode.UNCONFIRMED: FailureRules("generator", remedy=Remedy("again", "Run it again anyway")),
    ErrorCode.INTERNAL_ERROR: FailureRules("host", collectable="when_asked"),
    ErrorCode.DISK_FULL: FailureRules("host", collectable="by_itself", retry=RetryRule(30, 300)),
    ErrorCode.NO_RESULT: FailureRules(collectable="when_asked"),
    ErrorCode.GENERATOR_GONE: FailureRules("host", remedy=OTHER_MODEL),
}
"""Of the failures that a job of any generator can have."""
