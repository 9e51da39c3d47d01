"""Which jobs are worked: one asyncio task a job, taken up again at the next start."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Coroutine, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import asdict, replace
from typing import Any

import structlog

from ..errors import ErrorCode
from ..generators.base import Generator
from ..generators.failures import GENERATOR_GONE
from ..metrics import BREAKER
from .circuit_breaker import CircuitBreaker
from .db.async_store import about
from .execution import Shop, Work
from .records import Batch, Job, Wait, failure_of

log = logging.getLogger(__name__)

Payer = tuple[str, str]
"""A generator's id and the mark of the visitor's key, empty for the host's."""


class JobScheduler:
    """Works jobs in this process; what it does not finish, the next one picks up."""

    def __init__(self, shop: Shop, generators: Mapping[str, Generator]) -> None:
        self._shop = shop
        self._desk = shop.desk
        self._generators = generators
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._keyed: dict[Payer, Generator] = {}
        self._keyed_jobs: Counter[Payer] = Counter()
        self._closing: set[asyncio.Task[None]] = set()
        self._breakers: dict[Payer, CircuitBreaker] = {}
        self._open = False
        self._slots: dict[str, AbstractAsyncContextManager[Any]] = {
            name: asyncio.Semaphore(generator.spec.max_concurrency) if generator.spec.max_concurrency else nullcontext()
            for name, generator in generators.items()
        }
        for name in generators:
            BREAKER.labels(name)  # told also of those that have never rested

    async def start(self) -> int:
        """Go on with every job that an earlier process left unfinished; return how many there are."""
        unfinished = await self._desk.surely(self._desk.store.unfinished)
        for batch, job in unfinished:  # asking costs nothing, and what made it fail may be mended
            self.add(batch, [replace(job, waiting=None) if job.remote else job])
        self._open = True
        return len(unfinished)

    def add(self, batch: Batch, jobs: Iterable[Job] | None = None, generator: Generator | None = None) -> None:
        """Start working these jobs of a batch, by default all; `generator` may be one on a visitor's own key."""
        if generator is not None and generator is not self._generators.get(batch.generator):
            self._keyed.setdefault((batch.generator, generator.key_mark), generator)
        for job in batch.jobs if jobs is None else jobs:
            if (task := self._tasks.get(job.id)) is None or task.done():
                self._begin((batch.generator, job.key_mark), batch, job)

    def for_key(self, name: str, key: str) -> Generator | None:
        """The generator on a visitor's own key, kept only while it has work; None where it takes none.

        Raises GenerationFailed for a key that cannot be one.
        """
        keyed = self._generators[name].for_key(key)
        return keyed and self._keyed.get((name, keyed.key_mark), keyed)

    def generator_of(self, batch: Batch, job: Job) -> Generator | None:
        """The generator of a job on the key that pays for it, where that is known here."""
        return self._generator((batch.generator, job.key_mark))

    @property
    def working(self) -> int | None:
        """How many jobs are being worked in this process; None before the start and after the end."""
        return len(self._tasks) if self._open else None

    def breakers(self) -> list[dict[str, Any]]:
        """The state of each breaker that is not closed."""
        return [
            {"generator": name, "own_key": bool(mark), "state": breaker.state, "seconds_left": breaker.seconds_left}
            for (name, mark), breaker in self._breakers.items()
            if breaker.state != "closed"
        ]

    def breaker(self, name: str, key_mark: str = "") -> CircuitBreaker:
        """The breaker of a generator on one key."""
        if (name, key_mark) not in self._breakers:
            cooldown = 60.0 * max(self._shop.policy.pace, 0.001)
            on_open_change = None if key_mark else BREAKER.labels(name).set
            self._breakers[name, key_mark] = CircuitBreaker(cooldown=cooldown, on_open_change=on_open_change)
        return self._breakers[name, key_mark]

    def reset_breakers(self, name: str, own_key: bool) -> None:
        """Close the breakers of a generator, on the host's key or on all others."""
        for (generator, mark), breaker in self._breakers.items():
            if generator == name and bool(mark) == own_key:
                breaker.reset()

    async def cancel(self, batch: Batch) -> None:
        """Stop every job of a batch that can be stopped; one that the generator has is watched to its end."""
        for job in batch.jobs:
            moved = await self._desk.cancel(job)
            if moved is None or (moved.state == "cancelling" and moved.remote is None):
                continue  # over, or being handed over at this very moment: told as soon as that is answered
            await self._stop(job)
            if moved.remote is not None:
                self.add(batch, [moved])

    async def drop(self, batch: Batch) -> None:
        """Stop all work on a batch at once and tell its generator, for good."""
        for job in batch.jobs:
            generator = self.generator_of(batch, job)
            moved = await self._desk.cancel(job)
            await self._stop(job)
            if moved and moved.remote and generator:
                await generator.cancel(moved.remote)

    async def close(self) -> None:
        """Stop working at once; unfinished jobs keep their states and go on at the next start."""
        self._open = False
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *self._closing, return_exceptions=True)
        self._desk.close()

    async def _stop(self, job: Job) -> None:
        task = self._tasks.get(job.id)
        if task:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _generator(self, payer: Payer) -> Generator | None:
        return self._keyed.get(payer) if payer[1] else self._generators.get(payer[0])

    def _begin(self, payer: Payer, batch: Batch, job: Job) -> None:
        generator = self._generator(payer)
        if generator is None:
            self._run(batch, job, self._hold(batch, job))
            return
        work = Work(self._shop, batch, job, generator, self.breaker(*payer), self._slots[payer[0]])
        self._keyed_jobs[payer] += 1
        self._run(batch, job, work.run()).add_done_callback(lambda _: self._leave(payer))

    def _run(self, batch: Batch, job: Job, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Work in a task of its own, whose log lines tell which request began it."""
        with structlog.contextvars.bound_contextvars(correlation_id=batch.correlation_id, **about(job)):
            task = asyncio.create_task(work, name=f"image {job.number} of batch {batch.id[:8]}")
        self._tasks[job.id] = task
        task.add_done_callback(lambda done: self._tasks.pop(job.id, None) if self._tasks.get(job.id) is done else None)
        return task

    async def _hold(self, batch: Batch, job: Job) -> None:
        """Leave a job whose generator cannot be had: its key is not known here (any more), or it is gone."""
        words = "Waiting for the fal key that it was started with: keys are not kept over a restart"
        gone = GENERATOR_GONE.error(generator=batch.generator)
        if job.key_mark:
            await self._desk.change(self._desk.store.wait, job, Wait(ErrorCode.KEY_NEEDED, words))
        elif job.remote:  # paid for: the host may bring the generator back
            await self._desk.change(self._desk.store.wait, job, Wait(gone.code, gone.message))
        else:
            await self._desk.move(job, "failed", failure=asdict(failure_of(gone)), message="")

    def _leave(self, payer: Payer) -> None:
        """Forget a visitor's key with the last job on it."""
        self._keyed_jobs[payer] -= 1
        if self._keyed_jobs[payer] > 0:
            return
        del self._keyed_jobs[payer]
        if payer[1] and (generator := self._keyed.pop(payer, None)):
            self._breakers.pop(payer, None)
            closing = asyncio.create_task(generator.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
