"""When a job is tried again: by the rules of its failure's code and never by its text."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from tenacity import RetryCallState, Retrying, wait_exponential_jitter

from ..errors import Image2ModelError
from ..generators.failures import RetryRule
from ..generators.providers import failure_rules, rules_of

MAX_SUBMITS = 5
"""Submits of one picture that the far side may take for one press of a button."""
COLLECT_RULE = RetryRule(2, 300)
"""Waits between attempts to collect a job that was taken, for as long as the far side keeps its result."""
MAX_WAIT = 900.0
"""Seconds; no answer and no jump of the clock makes a job wait longer."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules with the host's deadline (seconds from the press of the button to the last submit).

    `pace` multiplies every wait: 0 is the test mode, in which nothing sleeps.
    """

    deadline: float = 1800.0
    pace: float = 1.0

    def wait_before_next(
        self, failure: Image2ModelError, tries: int, failures: int, pressed_at: float, kept_until: float | None
    ) -> float | None:
        """Seconds until a job that failed is tried again; None: it has failed for good.

        `tries` counts submits since the press that the far side took, the present one included, `failures` failed
        tries in a row; `kept_until` is when the far side forgets the job's result, None unless it has taken the job.
        A picture that was certainly not taken costs nothing, so only the deadline ends its tries. Times are in
        seconds since 1970.
        """
        now = time.time()
        if kept_until is not None and self.collects(failure):
            return self._seconds(COLLECT_RULE, failures, failure) if now < kept_until else None
        rule = rules_of(failure.code).retry
        taken = kept_until is not None
        if rule is None or not failure.retryable or (taken and tries >= MAX_SUBMITS):
            return None
        wait = self._seconds(rule, max(tries, failures), failure)
        return wait if now + wait < pressed_at + self.deadline else None

    @staticmethod
    def collects(failure: Image2ModelError) -> bool:
        """Whether the next try of a job that was taken only collects it."""
        return rules_of(failure.code).collectable == "by_itself"

    def _seconds(self, rule: RetryRule, number: int, failure: Image2ModelError) -> float:
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
    """Codes that say nothing of the far side: when a person tries again, what was taken is collected first."""
    return frozenset(code for code, rules in failure_rules().items() if rules.collectable != "no")
