"""Circuit breaker: holds jobs back from a generator that keeps failing, until a trial job succeeds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Literal

BreakerState = Literal["closed", "open", "half-open"]


class CircuitBreaker:
    """Opens after `threshold` failures in a row; after `cooldown` seconds a single trial decides whether it closes.

    pybreaker and purgatory refuse calls while open and let several trials through at once; here jobs wait, and each
    trial may cost money. For one event loop. `on_open_change` is called
    with 1 while it is open or half-open, and with 0 when it closes.
    """

    def __init__(
        self,
        threshold: int = 3,
        cooldown: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        on_open_change: Callable[[float], object] | None = None,
    ) -> None:
        self._threshold, self._cooldown, self._clock = threshold, cooldown, clock
        self._failures = 0
        self._opened: float | None = None
        self._trial = False
        self._changed = asyncio.Event()
        self._on_open_change = on_open_change or float
        self._on_open_change(0)

    @property
    def state(self) -> BreakerState:
        """Closed: all may pass; open: none; half-open: one may try, or is trying."""
        if self._opened is None:
            return "closed"
        return "half-open" if self._trial or not self.seconds_left else "open"

    @property
    def seconds_left(self) -> float:
        """Until the next trial may start; 0 when closed."""
        return 0.0 if self._opened is None else max(0.0, self._opened + self._cooldown - self._clock())

    @property
    def is_blocking(self) -> bool:
        """Whether a job that comes now must wait."""
        return self.state == "open" or self._trial

    async def admit(self) -> bool:
        """Wait until this job may pass; return whether it is the trial."""
        while self.is_blocking:
            changed = self._changed
            try:
                async with asyncio.timeout(None if self._trial else self.seconds_left):
                    await changed.wait()
            except TimeoutError:
                continue
        self._trial = self._opened is not None
        return self._trial

    def record_success(self) -> None:
        """The generator has done its part, be it by refusing a bad picture."""
        self._failures, self._opened = 0, None
        self._notify()

    def record_failure(self) -> None:
        """The generator has failed by its own fault."""
        self._failures += 1
        if self._opened is not None or self._failures >= self._threshold:
            self._opened = self._clock()
        self._notify()

    def record_abandoned(self) -> None:
        """A job went away without a word on the generator: cancelled, say."""
        self._notify()

    reset = record_success

    def _notify(self) -> None:
        self._trial = False
        self._on_open_change(float(self._opened is not None))
        self._changed.set()
        self._changed = asyncio.Event()
