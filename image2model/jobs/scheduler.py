"""The scheduler of jobs: one asyncio task for each that this process holds; what a process leaves, others take."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import asdict, replace
from typing import Any

import structlog

from ..errors import ErrorCode, Unavailable
from ..generators.base import Generator
from ..generators.failure_messages import GENERATOR_REMOVED
from ..metrics import BREAKER
from .circuit_breaker import CircuitBreakers
from .db import leases
from .db.async_store import log_context, retrying
from .db.breakers import GeneratorKey
from .db.listener import FREE_JOBS_TOPIC
from .execution import JobContext, JobExecution
from .models import Batch, Job, Wait, stored_failure

log = logging.getLogger(__name__)

ACQUIRE_LIMIT = 10
"""Jobs that a process takes before others have a turn."""
ACQUIRE_LIMIT_ALONE = 1000
"""Jobs that a process takes in one transaction where there are no others."""
BREAKER_COOLDOWN = 60.0
"""Seconds for which a generator that keeps failing rests, at the host's RETRY_PACE of 1."""
RENEWALS = 5
"""Renewals of a lease before it would lapse."""


class JobScheduler:
    """Runs the jobs that this process holds; whatever it leaves unfinished, another process or the next one runs.

    With `lease_seconds` it shares its database with other processes: its lease is renewed, and free jobs are taken as
    soon as there are any. Without, it is alone, and takes everything when it starts. One that does not run jobs
    (`acquires_jobs`) runs only those that the store makes it the holder of.
    """

    def __init__(
        self,
        context: JobContext,
        generators: Mapping[str, Generator],
        lease_seconds: float | None = None,
        acquires_jobs: bool = True,
    ) -> None:
        self._context = context
        self._lease_seconds, self._takes_jobs = lease_seconds, acquires_jobs
        self._lease_tasks: list[asyncio.Task[None]] = []
        self._store = context.store
        self._generators = generators
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._own_key_generators: dict[GeneratorKey, Generator] = {}
        self._own_key_job_counts: Counter[GeneratorKey] = Counter()
        self._closing: set[asyncio.Task[None]] = set()
        cooldown = BREAKER_COOLDOWN * max(context.policy.delay_factor, 0.001)
        self.breakers = CircuitBreakers(context.store, cooldown, lambda name: BREAKER.labels(name).set)
        self._is_running = False
        self._slots: dict[str, AbstractAsyncContextManager[Any]] = {
            name: asyncio.Semaphore(generator.spec.max_concurrency) if generator.spec.max_concurrency else nullcontext()
            for name, generator in generators.items()
        }
        for name in generators:
            BREAKER.labels(name)  # the metric exists before its first change

    async def start(self) -> int:
        """Take the unfinished jobs that earlier processes have left; return how many there are."""
        self._is_running = True
        if self._lease_seconds is None:
            await retrying()(self.breakers.load)
            return await self._acquire_all_jobs()
        coroutines = self._renew_leases(self._lease_seconds), self.breakers.follow(self._lease_seconds / RENEWALS)
        self._lease_tasks = [asyncio.create_task(coroutine, name="leases") for coroutine in coroutines]
        return 0

    async def _acquire_all_jobs(self) -> int:
        count, run_as_holder = 0, self._store.store.run_as_holder
        while taken := await self._store.call_with_retry(run_as_holder, leases.acquire_jobs, ACQUIRE_LIMIT_ALONE):
            count += await self._schedule(taken)
        return count

    async def _renew_leases(self, seconds: float) -> None:
        """Renew the lease in time, and take free jobs then and whenever some are announced, until cancelled."""
        while True:
            with self._store.notifier.subscribe(FREE_JOBS_TOPIC) as announced:
                try:
                    await self._store.run_as_holder(leases.renew, seconds)
                    while self._takes_jobs and await self._schedule(
                        await self._store.run_as_holder(leases.acquire_jobs, ACQUIRE_LIMIT)
                    ):
                        pass
                except Unavailable:
                    log.warning("could not renew the lease on this process's jobs")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds / RENEWALS):
                        await announced.wait()

    async def _schedule(self, taken: Sequence[tuple[Batch, Job]]) -> int:
        """Run jobs that this process has just taken; return how many they are."""
        for batch, job in taken:
            await self._stop(job)  # it may be our own, of which another process was asked to cancel it
            # polling is free, and the cause of the wait may be gone
            self.add(batch, [replace(job, waiting=None) if job.remote else job])
        return len(taken)

    def add(self, batch: Batch, jobs: Iterable[Job] | None = None, generator: Generator | None = None) -> None:
        """Schedule those of these jobs that this process holds; by default the whole batch.

        `generator` may be one on a visitor's own key.
        """
        if generator is not None and generator is not self._generators.get(batch.generator):
            self._own_key_generators.setdefault((batch.generator, generator.key_mark), generator)
        held = [job for job in (batch.jobs if jobs is None else jobs) if job.holder == self._store.store.holder]
        for job in held:
            if (task := self._tasks.get(job.id)) is None or task.done():
                self._start_job((batch.generator, job.key_mark), batch, job)

    async def resume(self, batch: Batch, jobs: Iterable[Job], generator: Generator) -> None:
        """Run these jobs here, whoever holds them, because the key that they wait for is known here now."""
        self.add(
            batch, await self._store.run_as_holder(leases.reassign_jobs, batch.id, [job.id for job in jobs]), generator
        )

    def for_key(self, name: str, key: str) -> Generator | None:
        """The generator on a visitor's own key, kept only while it has jobs; None where it takes no key.

        Raises GenerationFailed for a key that cannot be one.
        """
        keyed = self._generators[name].for_key(key)
        return keyed and self._own_key_generators.get((name, keyed.key_mark), keyed)

    def generator_of(self, batch: Batch, job: Job) -> Generator | None:
        """The generator of a job on the key that pays for it; None where that key is not in memory."""
        return self._generator((batch.generator, job.key_mark))

    @property
    def active_jobs(self) -> int | None:
        """Number of jobs that run or wait in this process; None before `start` and after `close`."""
        return len(self._tasks) if self._is_running else None

    async def cancel(self, batch: Batch) -> None:
        """Cancel every job of a batch; one that its generator has taken is followed to its end."""
        for job in batch.jobs:
            cancelled = await self._store.cancel(job)
            if cancelled is None or (cancelled.state == "cancelling" and cancelled.remote is None):
                continue  # finished, or being submitted at this moment: cancelled as soon as that is answered
            await self._stop(job)
            if cancelled.remote is not None:
                self.add(batch, [cancelled])

    async def abort(self, batch: Batch) -> None:
        """Cancel every job of a batch and follow none of them any further."""
        for job in batch.jobs:
            generator = self.generator_of(batch, job)
            cancelled = await self._store.cancel(job)
            await self._stop(job)
            if cancelled and cancelled.remote and generator:
                await generator.cancel(cancelled.remote)

    async def close(self) -> None:
        """Stop all tasks; unfinished jobs keep their states and go on at the next start."""
        self._is_running = False
        keepers, self._lease_tasks = self._lease_tasks, []
        tasks = [*self._tasks.values(), *keepers]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *self._closing, return_exceptions=True)
        if keepers:
            with contextlib.suppress(Unavailable):  # then it lapses
                await self._store.run_as_holder(leases.release)
        self._store.close()

    async def _stop(self, job: Job) -> None:
        task = self._tasks.get(job.id)
        if task:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _generator(self, account: GeneratorKey) -> Generator | None:
        return self._own_key_generators.get(account) if account[1] else self._generators.get(account[0])

    def _start_job(self, account: GeneratorKey, batch: Batch, job: Job) -> None:
        generator = self._generator(account)
        if generator is None:
            self._start_task(batch, job, self._wait_or_fail_without_generator(batch, job))
            return
        execution = JobExecution(
            self._context, batch, job, generator, self.breakers.of(account), self._slots[account[0]]
        )
        self._own_key_job_counts[account] += 1
        self._start_task(batch, job, execution.run()).add_done_callback(lambda _: self._release_own_key(account))

    def _start_task(self, batch: Batch, job: Job, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run the coroutine in a task of its own, whose log lines name the job and the request that made it."""
        with structlog.contextvars.bound_contextvars(correlation_id=batch.correlation_id, **log_context(job)):
            task = asyncio.create_task(coroutine, name=f"image {job.number} of batch {batch.id[:8]}")
        self._tasks[job.id] = task
        task.add_done_callback(lambda done: self._tasks.pop(job.id, None) if self._tasks.get(job.id) is done else None)
        return task

    async def _wait_or_fail_without_generator(self, batch: Batch, job: Job) -> None:
        """Let a job wait, or fail, whose generator is gone or whose key is not in memory (any more)."""
        message = "Waiting for the fal key that it was started with: keys are not kept over a restart"
        failure = GENERATOR_REMOVED.error(generator=batch.generator)
        if job.key_mark:
            await self._store.set_waiting(job, Wait(ErrorCode.KEY_NEEDED, message))
        elif job.remote:  # paid for: the host may bring the generator back
            await self._store.set_waiting(job, Wait(failure.code, failure.message))
        else:
            await self._store.transition(job, "failed", failure=asdict(stored_failure(failure)), message="")

    def _release_own_key(self, account: GeneratorKey) -> None:
        """Forget a visitor's key after its last job."""
        self._own_key_job_counts[account] -= 1
        if self._own_key_job_counts[account] > 0:
            return
        del self._own_key_job_counts[account]
        if account[1] and (generator := self._own_key_generators.pop(account, None)):
            closing = asyncio.create_task(self._close_own_key(account, generator))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def _close_own_key(self, account: GeneratorKey, generator: Generator) -> None:
        await self.breakers.forget(account)
        await generator.close()
