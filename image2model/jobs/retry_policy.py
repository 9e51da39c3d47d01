"""When a job is tried again: the whole policy as data, by the stable codes of failures and never by their text."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

from tenacity import RetryCallState, Retrying, wait_exponential_jitter

from ..errors import Image2ModelError
from ..generators.fal import RESULT_KEPT_SECONDS, STILL_AT_FAL


@dataclass(frozen=True, slots=True)
class Rule:
    """Seconds before the second try, doubling up to `most`, with up to `jitter` of a share on top."""

    first: float
    most: float
    jitter: float = 0.2


TRIES = 5
"""Submits of one picture for one press of a button, at most."""
AGAIN: Mapping[str, Rule] = {
    "fal_busy": Rule(60, 900),
    "fal_timeout": Rule(30, 300),
    "fal_temporary": Rule(15, 600),
    "fal_odd_answer": Rule(15, 600),
    "fal_unreachable": Rule(10, 300),
    "disk_full": Rule(30, 300),
}
"""Failures after which a picture is submitted again: it was certainly not taken, or nothing was made and billed."""
COLLECT = Rule(2, 300)
"""What was taken is asked for again and again, for as long as the far side keeps results."""
COLLECTABLE = STILL_AT_FAL | {"disk_full"}
"""Failures after which what was taken may still be there."""
NOT_OVER_THERE = COLLECTABLE | {"internal_error", "no_result"}
"""Failures that say nothing of the far side: when a person tries again, what was taken is collected first."""
FAULTS = frozenset({"fal_timeout", "fal_temporary", "fal_odd_answer", "fal_unreachable", "unconfirmed"})
"""Failures that are the generator's own and open its breaker."""
LONGEST_WAIT = 900.0
"""Seconds; no answer and no jump of the clock makes a job wait longer."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules with the host's deadline (seconds from the press of the button to the last submit).

    `pace` multiplies every wait: 0 is the test mode, in which nothing sleeps.
    """

    deadline: float = 1800.0
    pace: float = 1.0

    def wait_before_next(
        self, failure: Image2ModelError, tries: int, failures: int, pressed_at: float, submitted_at: float | None
    ) -> float | None:
        """Seconds until a job that failed is tried again; None: it has failed for good.

        `tries` counts submits since the press, `failures` those of this kind in a row; `submitted_at` is
        None unless the job is at the far side. Times are in seconds since 1970.
        """
        now = time.time()
        if submitted_at is not None and self.collects(failure):
            kept = now < submitted_at + RESULT_KEPT_SECONDS
            return self._seconds(COLLECT, failures, failure) if kept else None
        rule = AGAIN.get(failure.code)
        if rule is None or not failure.retryable or tries >= TRIES:
            return None
        wait = self._seconds(rule, tries, failure)
        return wait if now + wait < pressed_at + self.deadline else None

    @staticmethod
    def collects(failure: Image2ModelError) -> bool:
        """Whether the next try of a job that was taken only collects it."""
        return failure.code in COLLECTABLE

    def _seconds(self, rule: Rule, number: int, failure: Image2ModelError) -> float:
        said = getattr(failure, "retry_after", None)
        if said is None:
            said = backoff(rule, number)
        return self.pace * min(max(0.0, said), LONGEST_WAIT)

    async def sleep_until(self, until: float | None) -> None:
        """Sleep until a stored moment, and never longer than the longest wait."""
        if until is not None:
            await asyncio.sleep(min(max(0.0, until - time.time()), self.pace * LONGEST_WAIT))


def backoff(rule: Rule, number: int) -> float:
    """Seconds before the try after the `number`th, from 1."""
    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = number
    return wait_exponential_jitter(multiplier=rule.first, max=rule.most, jitter=rule.jitter * rule.first)(state)
