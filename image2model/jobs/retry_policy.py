"""When a job is attempted again: by the rules of its failure's code, never by its text."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from tenacity import RetryCallState, Retrying, wait_exponential_jitter

from ..errors import Image2ModelError
from ..generators.failures import RetryRule
from ..generators.providers import failure_rules, rules_of

MAX_SUBMITS = 5
"""Submissions of one picture that the provider may take for one purchase."""
COLLECT_RULE = RetryRule(2, 300)
"""Results that were paid for are asked for as long as the provider keeps them."""
MAX_WAIT = 900.0
"""Seconds; whatever an answer or a jump of the clock asks for."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The rules with the host's deadline (seconds from a person's request to the last submission).

    `pace` multiplies every wait: 0 is the test mode, in which nothing sleeps.
    """

    deadline: float = 1800.0
    pace: float = 1.0

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
            return self._wait_seconds(COLLECT_RULE, failures, failure) if now < kept_until else None
        rule = rules_of(failure.code).retry
        taken = kept_until is not None
        if rule is None or not failure.retryable or (taken and tries >= MAX_SUBMITS):
            return None
        wait = self._wait_seconds(rule, max(tries, failures), failure)
        return wait if now + wait < requested_at + self.deadline else None

    @staticmethod
    def collects(failure: Image2ModelError) -> bool:
        """Whether the next attempt of a submitted job only collects its result."""
        return rules_of(failure.code).collectable == "by_itself"

    def _wait_seconds(self, rule: RetryRule, number: int, failure: Image2ModelError) -> float:
        said = getattr(failure, "retry_after", None)
        if said is None:
            said = backoff(rule, number)
        return self.pace * min(max(0.0, said), MAX_WAIT)

    async def sleep_until(self, until: float | None) -> None:
        """Sleep until a stored moment, and never longer than the longest wait."""
        if until is not None:
            await asyncio.sleep(min(max(0.0, until - time.time()), self.pace * MAX_WAIT))


def backoff(rule: RetryRule, number: int) -> float:
    """Seconds before the try after the `number`th, from 1."""
    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = number
    return wait_exponential_jitter(multiplier=rule.first, max=rule.most, jitter=rule.jitter * rule.first)(state)


def collect_first_codes() -> frozenset[str]:
    """Codes after which a person's retry first collects what the provider has taken, instead of buying again."""
    return frozenset(code for code, rules in failure_rules().items() if rules.collectable != "no")
