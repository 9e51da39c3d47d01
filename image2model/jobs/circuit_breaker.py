"""Holds jobs back from a generator that fails by its own fault, until one of them has found it well again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Literal

BreakerState = Literal["closed", "open", "half-open"]


class Breaker:
    """Opens after so many failures in a row; after `rest` seconds a single trial decides whether it closes.

    Libraries that were looked at (pybreaker, purgatory) refuse calls while open, and let several trials
    through at once; here jobs wait, and each trial may cost money. For one event loop. `tell_open` is told
    1 while it is open or half-open, and 0 when it closes.
    """

    def __init__(
        self,
        failures: int = 3,
        rest: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        tell_open: Callable[[float], object] | None = None,
    ) -> None:
        self._most, self._rest, self._clock = failures, rest, clock
        self._failures = 0
        self._opened: float | None = None
        self._trial = False
        self._news = asyncio.Event()
        self._tell_open = tell_open or float
        self._tell_open(0)

    @property
    def state(self) -> BreakerState:
        """Closed: all may pass; open: none; half-open: one may try, or is trying."""
        if self._opened is None:
            return "closed"
        return "half-open" if self._trial or not self.seconds_left else "open"

    @property
    def seconds_left(self) -> float:
        """Until the next trial may start; 0 when closed."""
        return 0.0 if self._opened is None else max(0.0, self._opened + self._rest - self._clock())

    @property
    def holds(self) -> bool:
        """Whether a job that comes now must wait."""
        return self.state == "open" or self._trial

    async def admit(self) -> bool:
        """Wait until this job may pass; the one that passes while it is half-open is the trial and gets True."""
        while self.holds:
            news = self._news
            try:
                await asyncio.wait_for(news.wait(), None if self._trial else self.seconds_left)
            except TimeoutError:
                continue
        self._trial = self._opened is not None
        return self._trial

    def succeeded(self) -> None:
        """The generator has done its part, be it by refusing a bad picture."""
        self._failures, self._opened = 0, None
        self._tell()

    def failed(self) -> None:
        """The generator has failed by its own fault."""
        self._failures += 1
        if self._opened is not None or self._failures >= self._most:
            self._opened = self._clock()
        self._tell()

    def left(self) -> None:
        """A job went away without a word on the generator: cancelled, say."""
        self._tell()

    reset = succeeded

    def _tell(self) -> None:
        self._trial = False
        self._tell_open(float(self._opened is not None))
        self._news.set()
        self._news = asyncio.Event()
