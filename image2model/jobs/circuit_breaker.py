"""Circuit breakers: hold jobs back from a generator that keeps failing, until a trial job succeeds.

Their state is in the database, so that all processes hold back together and a single job tries; each process keeps a
copy, which pages and waiting jobs read.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from operator import itemgetter
from time import monotonic
from typing import Any, Literal

from ..errors import Unavailable
from .db import breakers
from .db.async_store import AsyncStore
from .db.breakers import CLOSED, BreakerState, GeneratorKey
from .db.listener import BREAKERS_TOPIC

log = logging.getLogger(__name__)

FAILURE_THRESHOLD = 3
"""Failures in a row that open a breaker."""


class CircuitBreaker:
    """The breaker of one generator on one key; after `cooldown` seconds a single trial decides whether it closes.

    pybreaker and purgatory refuse calls while open and let several trials through at once; here jobs wait, and each
    trial may cost money.
    """

    def __init__(
        self, store: AsyncStore, account: GeneratorKey, cooldown: float, on_open_change: Callable[[float], object]
    ) -> None:
        self._store, self._account, self._cooldown = store, account, cooldown
        self._on_open_change = on_open_change
        self._is_trying = False
        """True if a job of this process makes the trial, or asks for it."""
        self._changed = asyncio.Event()
        self.adopt(CLOSED)

    @property
    def state(self) -> Literal["closed", "open", "half-open"]:
        """Closed: all jobs pass; open: none; half-open: one may try, or is trying."""
        if self._state.seconds_left is None:
            return "closed"
        return "half-open" if self._is_tried or not self.seconds_left else "open"

    @property
    def seconds_left(self) -> float:
        """Seconds until the next trial may start; 0 when closed."""
        return max(0.0, self._open_until - monotonic())

    @property
    def is_blocking(self) -> bool:
        """True if a new job must wait."""
        return self.state == "open" or self._is_tried

    @property
    def _is_tried(self) -> bool:
        return self._is_trying or self._state.is_tried_elsewhere

    async def admit(self) -> bool:
        """Wait until this job may pass; return whether it is the trial."""
        while self.state != "closed":
            if self.is_blocking:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(None if self._is_tried else self.seconds_left):
                        await self._changed.wait()
            elif await self._begin_trial():
                return True
        return False

    async def _begin_trial(self) -> bool:
        self._is_trying = True
        try:
            is_ours, state = await self._store.call_with_retry(
                self._store.store.run_as_holder, breakers.begin_trial, self._account
            )
        except asyncio.CancelledError:  # it may be ours by now
            await self.record_abandoned()
            raise
        self._is_trying = is_ours
        self.adopt(state)
        return is_ours

    async def record_success(self) -> None:
        """Record that the generator works, even if it refused a bad picture."""
        self._is_trying = False
        if self._state != CLOSED:
            self.adopt(
                await self._store.call_with_retry(self._store.store.run_as_holder, breakers.close, self._account)
            )

    async def record_failure(self) -> None:
        """The generator has failed by its own fault."""
        run, count = self._store.store.run_as_holder, breakers.record_failure
        self._is_trying = False
        self.adopt(await self._store.call_with_retry(run, count, self._account, FAILURE_THRESHOLD, self._cooldown))

    async def record_abandoned(self) -> None:
        """Record that a trial ended without an outcome, such as a cancelled one."""
        self._is_trying = False
        self.adopt(self._state)
        with contextlib.suppress(Unavailable):  # then it ends with the next trial here, or with this process's lease
            self.adopt(await self._store.run_as_holder(breakers.abandon_trial, self._account))

    def adopt(self, state: BreakerState) -> None:
        """Update the copy to the stored state."""
        self._state = state
        self._open_until = monotonic() + (state.seconds_left or 0.0)
        self._on_open_change(float(state.seconds_left is not None))
        self._changed.set()
        self._changed = asyncio.Event()


class CircuitBreakers:
    """The breakers of all generators and keys. `on_open_change` is called for those on the host's key."""

    def __init__(
        self, store: AsyncStore, cooldown: float, on_open_change: Callable[[str], Callable[[float], object]]
    ) -> None:
        self._store, self._cooldown, self._on_open_change = store, cooldown, on_open_change
        self._breakers: dict[GeneratorKey, CircuitBreaker] = {}

    def of(self, account: GeneratorKey) -> CircuitBreaker:
        """The breaker of a generator on one key."""
        if account not in self._breakers:
            on_open_change = float if account[1] else self._on_open_change(account[0])
            self._breakers[account] = CircuitBreaker(self._store, account, self._cooldown, on_open_change)
        return self._breakers[account]

    async def load(self) -> None:
        """Read the stored states; raises Unavailable."""
        states = await self._store.read(breakers.all_states, self._store.store.holder)
        for account in states.keys() | self._breakers.keys():
            self.of(account).adopt(states.get(account, CLOSED))

    async def follow(self, seconds: float) -> None:
        """Load whenever a change is announced, and every few seconds for trials of processes that have died."""
        while True:
            with self._store.notifier.subscribe(BREAKERS_TOPIC) as changed:
                with contextlib.suppress(Unavailable):
                    await self.load()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await changed.wait()

    def not_closed(self) -> list[dict[str, Any]]:
        """The breakers that are not closed: `generator`, `own_key`, `state`, `seconds_left`."""
        return [
            {"generator": name, "own_key": bool(mark), "state": breaker.state, "seconds_left": breaker.seconds_left}
            for (name, mark), breaker in sorted(self._breakers.items(), key=itemgetter(0))
            if breaker.state != "closed"
        ]

    async def reset(self, name: str, own_key: bool) -> None:
        """Close the breakers of a generator, on the host's key or on all others."""
        for (generator, mark), breaker in list(self._breakers.items()):
            if generator == name and bool(mark) == own_key:
                await breaker.record_success()

    async def forget(self, account: GeneratorKey) -> None:
        """Close a breaker whose key is gone."""
        if self._breakers.pop(account, None):
            with contextlib.suppress(Unavailable):  # it is forgotten after a day
                await self._store.run_as_holder(breakers.close, account)
