"""Retries that a person asks for: jobs submitted again, looked for at the provider, or resumed with a key."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import ErrorCode, NotAllowed, Unavailable
from ..generators.base import Generator
from ..jobs import ledger
from ..jobs.db.async_store import AsyncStore
from ..jobs.models import BULK_RETRYABLE, UNSUCCESSFUL, Batch, Job
from ..jobs.retry_policy import collectable_codes
from ..jobs.scheduler import JobScheduler
from .requests import Caller

log = logging.getLogger(__name__)

Remotes = Mapping[str, Mapping[str, Any]]
"""Data of jobs at a provider, by their ids."""


class RetryService:
    """Restarts jobs that ended badly, at their price or where they were left.

    `for_key` is the generator of an id on a key, as `Services.for_key`; `secret` makes pseudonyms of addresses.
    """

    def __init__(
        self,
        store: AsyncStore,
        scheduler: JobScheduler,
        for_key: Callable[[str | None, str], Generator],
        limits: ledger.Limits,
        secret: str,
    ) -> None:
        self._store, self._scheduler, self._for_key = store, scheduler, for_key
        self._limits, self._secret = limits, secret

    async def retry(self, batch: Batch, numbers: Sequence[int] | None, caller: Caller) -> None:
        """Retry jobs that failed or were cancelled; raises Unavailable, LimitReached, NotAllowed.

        By default all of them; unconfirmed ones, which may be paid for already, only by their numbers.
        """
        states = UNSUCCESSFUL if numbers else BULK_RETRYABLE
        jobs = [job for job in batch.jobs if job.state in states and (not numbers or job.number in numbers)]
        await self._restart(batch, jobs, await self._find_unconfirmed(batch, jobs), caller)

    async def recheck_unconfirmed(self, batch: Batch, numbers: Sequence[int], caller: Caller) -> int:
        """Collect unconfirmed jobs that are found at the provider; buy nothing. Return their number.

        Raises as `retry` does.
        """
        unconfirmed = [job for job in batch.jobs if job.state == "unconfirmed" and job.number in numbers]
        remotes = await self._find_unconfirmed(batch, unconfirmed)
        jobs = [job for job in unconfirmed if job.id in remotes]
        if jobs:
            await self._restart(batch, jobs, remotes, caller)
        return len(jobs)

    async def resume(self, batch: Batch, key: str) -> None:
        """Resume jobs that wait for this key; raises NotAllowed for another key than theirs."""
        generator = self._for_key(batch.generator, key)
        waiting = [job for job in batch.jobs if job.waiting and job.waiting.code == ErrorCode.KEY_NEEDED]
        resumed = [job for job in waiting if job.key_mark == generator.key_mark]
        if waiting and not resumed:
            raise NotAllowed(
                ErrorCode.OTHER_KEY, "This is not the key that these pictures were started with.", "Paste that one."
            )
        await self._scheduler.resume(batch, resumed, generator)

    async def _restart(self, batch: Batch, jobs: Sequence[Job], remotes: Remotes, caller: Caller) -> None:
        """Restart `jobs`; those found at the provider (`remotes`) are only collected."""
        generator = self._generator_for(batch, jobs, caller.key)
        numbers, states = [job.number for job in jobs], {job.state for job in jobs}
        restarted = await self._store.call(
            self._store.store.retry_jobs, batch.id, numbers, states, collectable_codes(),
            found_remotes=remotes, buyer=caller.as_buyer(generator, self._secret, batch.visitor),
            keeps_payer=not caller.key.strip(), limits=self._limits,
        )  # fmt: skip
        self._scheduler.add(batch, restarted, generator)
        short = batch.id[:8]
        about = {"batch": short, "images": [job.number for job in restarted], "client": caller.client}
        log.info("retry of %d images of batch %s requested", len(restarted), short, extra=about)
        self._store.notifier.notify(batch.id)

    def _generator_for(self, batch: Batch, jobs: Sequence[Job], key: str) -> Generator:
        """The generator on the given key, or on the host's; without one, each job needs the key that it had."""
        if not key.strip() and not all(self._scheduler.generator_of(batch, job) for job in jobs if job.key_mark):
            raise Unavailable(
                ErrorCode.KEY_NEEDED, "This was started with a visitor's own fal key.", "Paste that key and try again."
            )
        generator = self._for_key(batch.generator, key)
        if generator.unavailable and not all(job.key_mark for job in jobs):
            raise Unavailable(ErrorCode.GENERATOR_UNAVAILABLE, generator.unavailable)
        return generator

    async def _find_unconfirmed(self, batch: Batch, jobs: Sequence[Job]) -> Remotes:
        """Data that finds unconfirmed submissions at the provider."""
        remotes: dict[str, Mapping[str, Any]] = {}
        for job in jobs:
            generator = self._scheduler.generator_of(batch, job) if job.state == "unconfirmed" else None
            if generator and job.intent and (remote := await generator.find(job.intent)):
                remotes[job.id] = remote
        return remotes
