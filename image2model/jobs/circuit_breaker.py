"""A circuit breaker that lets jobs wait, rather than fail, while their generator fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Literal

BreakerState = Literal["closed", "open", "half-open"]


class CircuitBreaker:
    """Opens after `failures` failures in a row; after `reset_seconds` a single trial decides whether it closes.

    pybreaker and purgatory refuse calls while open and let several trials through at once; here jobs wait, and each
    trial may cost money. For one event loop. `on_change` gets 1 when it opens and 0 when it closes.
    """

    def __init__(
        self,
        failures: int = 3,
        reset_seconds: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        on_change: Callable[[float], object] | None = None,
    ) -> None:
        self._max_failures, self._reset_seconds, self._clock = failures, reset_seconds, clock
        self._failures = 0
        self._opened: float | None = None
        self._trial = False
        self._state_changed = asyncio.Event()
        self._on_change = on_change or float
        self._on_change(0)

    @property
    def state(self) -> BreakerState:
        """Closed: all jobs pass; open: none; half-open: a single trial may pass, or is running."""
        if self._opened is None:
            return "closed"
        return "half-open" if self._trial or not self.seconds_left else "open"

    @property
    def seconds_left(self) -> float:
        """Seconds until the next trial may start; 0 when closed."""
        return 0.0 if self._opened is None else max(0.0, self._opened + self._reset_seconds - self._clock())

    @property
    def is_blocking(self) -> bool:
        """Whether a job that comes now has to wait."""
        return self.state == "open" or self._trial

    async def admit(self) -> bool:
        """Wait until this job may pass; return whether it is the trial."""
        while self.is_blocking:
            changed = self._state_changed
            try:
                await asyncio.wait_for(changed.wait(), None if self._trial else self.seconds_left)
            except TimeoutError:
                continue
        self._trial = self._opened is not None
        return self._trial

    def record_success(self) -> None:
        """Close it: the generator has worked, be it by refusing a picture."""
        self._failures, self._opened = 0, None
        self._notify()

    def record_failure(self) -> None:
        """Count a failure of the generator itself."""
        self._failures += 1
        if self._opened is not None or self._failures >= self._max_failures:
            self._opened = self._clock()
        self._notify()

    def abandon_trial(self) -> None:
        """Let another job be the trial: this one says nothing of the generator, because it was cancelled, say."""
        self._notify()

    reset = record_success

    def _notify(self) -> None:
        self._trial = False
        self._on_change(float(self._opened is not None))
        self._state_changed.set()
        self._state_changed = asyncio.Event()
