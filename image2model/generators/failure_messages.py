"""Texts of a failed job. Each provider has a file of this name for failures of its own."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import Code, ErrorCode, GenerationFailed


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
GENERATOR_REMOVED = FailureTemplate(
    ErrorCode.GENERATOR_REMOVED, "The generator {generator} is no longer there.", "Choose another one."
)
