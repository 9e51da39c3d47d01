"""Polling of fal: delays between status calls, timeouts, and progress from a job's log."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

PollDelay = Callable[[float, float, int], float]
"""A polling policy, as `poll_delay` is one."""
FIRST_SECONDS, FIRST_DELAY = 1.2, 0.25
STEADY_SECONDS, STEADY_DELAY = 10.0, 1.0
EARLY_FRACTION, NEAR_END_FRACTION, LATE_FRACTION = 0.2, 0.05, 0.1
NEAR_END_FROM, NEAR_END_UNTIL = 0.75, 1.25
CONNECT_SECONDS = 15
"""Seconds within which a connection to fal or its storage is made."""
MAX_DELAY = 30.0
"""Seconds; neither an old job nor a jump of the clock makes a job wait longer."""
MAX_POLLS_PER_SECOND = 50
"""Questions a second, about all jobs of a key together, once they are past their first seconds."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds for which fal is waited for, and tries before a job is put off."""

    submit: float = 120.0
    """Seconds until the answer to a submit: without one the job is unconfirmed."""
    request: float = 30.0
    """Seconds until the answer to any other call."""
    upload: float = 300.0
    """Seconds until a whole picture is sent."""
    cancel: float = 5.0
    chunk: float = 60.0
    """Seconds until each quarter of a megabyte of a result is there."""
    download: float = 1800.0
    """Seconds until a whole result is there."""
    attempts: int = 3
    """Answers in a row that say nothing about the job, and downloads of one file that break."""
    retry_delay: float = 1.0
    """Seconds between such attempts."""


def poll_delay(elapsed: float, expected: float, polled_jobs: int = 1) -> float:
    """Seconds from one status call to the next, `elapsed` seconds after the submit, with so many `polled_jobs`.

    Quick at first, for jobs that take no time; each second until the tenth; from then on a share of the
    time elapsed, smallest around the time at which the end is expected. 5 % all the way would cost 55
    calls in two minutes; so a job that takes about its expected two minutes costs under 40, and its end
    is still noticed within the larger of 1 s and 5 %. A crowd is asked less often, so that it costs no more than
    `MAX_POLLS_PER_SECOND`.
    """
    if elapsed < FIRST_SECONDS:
        return FIRST_DELAY
    if elapsed < STEADY_SECONDS:
        return STEADY_DELAY
    if elapsed < NEAR_END_FROM * expected:
        return _clamped(min(EARLY_FRACTION * elapsed, NEAR_END_FROM * expected - elapsed), polled_jobs)
    share = NEAR_END_FRACTION if elapsed <= NEAR_END_UNTIL * expected else LATE_FRACTION
    return _clamped(share * elapsed, polled_jobs)


def _clamped(delay: float, watched: int) -> float:
    return max(STEADY_DELAY, watched / MAX_POLLS_PER_SECOND, min(delay, MAX_DELAY))


PERCENT = re.compile(r"(?<![\d.])(\d{1,3}(?:\.\d+)?) ?%")
WEB_ADDRESS = re.compile(r"\S*://\S*")
MAX_MESSAGE = 120


class LogProgress:
    """Progress in a job's log so far: the fraction done, which never falls, and the latest line."""

    def __init__(self) -> None:
        self.fraction: float | None = None
        self.message = ""
        self._seen: set[tuple[Any, Any]] = set()

    def read(self, logs: object) -> None:
        """Take in one window of the log; fal sends the same lines again and again."""
        for line in logs if isinstance(logs, list) else ():
            if not isinstance(line, Mapping) or not isinstance(line.get("message"), str):
                continue
            mark = (str(line.get("timestamp")), line["message"])
            if mark not in self._seen:
                self._seen.add(mark)
                self._read_line(line["message"])

    def _read_line(self, message: str) -> None:
        percents = [float(number) / 100 for number in PERCENT.findall(message)]
        self.fraction = max((p for p in (self.fraction, *percents) if p is not None and p <= 1), default=None)
        self.message = _display_text(message) or self.message

    def expected_seconds(self, elapsed: float, usual: float) -> float:
        """Seconds that the whole job should take by its own progress, or else as usual."""
        return elapsed / self.fraction if self.fraction and self.fraction >= 0.05 else usual


def _display_text(message: str) -> str:
    last = message.strip().splitlines()[-1:] or [""]
    return WEB_ADDRESS.sub("…", "".join(c if c.isprintable() else " " for c in last[0]))[:MAX_MESSAGE].strip()
