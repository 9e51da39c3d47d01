"""Retries of a job and the waits before them: by its failure's code, never by its text."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

from tenacity import RetryCallState, Retrying, wait_exponential_jitter

from ..errors import Image2ModelError
from ..generators.failure_rules import RetryReason
from ..generators.providers import failure_rules, rules_of

MAX_SUBMITS = 5
"""Submissions of one picture that the provider may take for one purchase."""
MAX_WAIT = 900.0
"""Maximum seconds, also where an answer, or a jump of the clock, demands more."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds before the second try, doubling up to `longest`, with up to `jitter` of the first wait on top."""

    first: float
    longest: float
    jitter: float = 0.2

    def seconds(self, number: int) -> float:
        """Seconds before the try after the `number`th, from 1."""
        state = RetryCallState(Retrying(), None, (), {})
        state.attempt_number = number
        return wait_exponential_jitter(multiplier=self.first, max=self.longest, jitter=self.jitter * self.first)(state)


RESUBMIT_BACKOFF: Mapping[RetryReason, Backoff] = {
    "rate_limit": Backoff(60, 900),
    "temporary": Backoff(15, 600),
    "timeout": Backoff(30, 300),
    "unreachable": Backoff(10, 300),
    "disk_full": Backoff(30, 300),
}
"""Waits before a picture is submitted again, by the reason in the rules of its failure (`FailureRules.retry`)."""
COLLECT_BACKOFF = Backoff(2, 300)
"""Waits before a paid result is asked for again, as long as the provider keeps it."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The rules with the host's deadline (seconds from a person's request to the last submission).

    `delay_factor` multiplies every wait: 0 is the test mode, in which nothing sleeps.
    """

    deadline: float = 1800.0
    delay_factor: float = 1.0

    def wait_before_next(
        self, failure: Image2ModelError, tries: int, failures: int, requested_at: float, kept_until: float | None
    ) -> float | None:
        """Seconds until a job that failed is tried again; None: it has failed for good.

        `tries` counts submissions since the request that the provider has taken, the present one included, `failures`
        failed attempts in a row; `kept_until` is when the provider forgets the job's result, None unless it has taken
        the job. A picture that was certainly not taken costs nothing, so only the deadline ends its attempts. Times
        are in seconds since 1970.
        """
        now = time.time()
        if kept_until is not None and self.collects(failure):
            return self._wait_seconds(COLLECT_BACKOFF, failures, failure) if now < kept_until else None
        reason = rules_of(failure.code).retry
        taken = kept_until is not None
        if reason is None or not failure.retryable or (taken and tries >= MAX_SUBMITS):
            return None
        wait = self._wait_seconds(RESUBMIT_BACKOFF[reason], max(tries, failures), failure)
        return wait if now + wait < requested_at + self.deadline else None

    @staticmethod
    def collects(failure: Image2ModelError) -> bool:
        """True if the next attempt of a submitted job only collects its result."""
        return rules_of(failure.code).collectable == "automatic"

    def _wait_seconds(self, backoff: Backoff, number: int, failure: Image2ModelError) -> float:
        delay = getattr(failure, "retry_after", None)
        if delay is None:
            delay = backoff.seconds(number)
        return self.delay_factor * min(max(0.0, delay), MAX_WAIT)

    async def sleep_until(self, until: float | None) -> None:
        """Sleep until a stored moment, and never longer than the longest wait."""
        if until is not None:
            await asyncio.sleep(min(max(0.0, until - time.time()), self.delay_factor * MAX_WAIT))


def collectable_codes() -> frozenset[str]:
    """Codes after which a person's retry first collects what the provider has taken, instead of buying again."""
    return frozenset(code for code, rules in failure_rules().items() if rules.is_collectable)
