"""A model of fal as a generator."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from ...errors import GenerationFailed
from ...redaction import register_secrets
from ..base import (
    CancelOutcome,
    Downloading,
    Event,
    Finished,
    GenerationParams,
    Side,
    Spec,
    Submitted,
    Submitting,
    Task,
    Uploading,
)
from .account import RESULT_KEPT_SECONDS, FalAccount
from .catalogue import FAL_MODELS
from .errors import failure_of_exception
from .failure_messages import CONNECTION_LOST, KEY_REFUSED, MODEL_UNAVAILABLE, NO_KEY
from .hosts import FalHosts
from .model import FalModel
from .polling import PollDelay, poll_delay
from .remote_job import RemoteJob

log = logging.getLogger(__name__)

SUBMIT_GRACE_SECONDS = 5


def fal_generators(credentials: str | None, hosts: FalHosts) -> list[FalGenerator]:
    """All models of the catalogue, on one key; without a key they are unavailable and say how to get one."""
    account = FalAccount(credentials or "", hosts)
    return [FalGenerator(model, account) for model in FAL_MODELS]


class FalGenerator:
    """Turns pictures into GLBs with one model of fal. `delay` is the polling policy: see `poll_delay`."""

    def __init__(self, model: FalModel, account: FalAccount, delay: PollDelay = poll_delay) -> None:
        self.model = model
        self.account = account
        self._delay = delay
        self._spec = replace(model.spec, price=self._price, result_retention_seconds=RESULT_KEPT_SECONDS)
        self._single = replace(self._spec, sides=())

    @property
    def spec(self) -> Spec:
        """Its description; for one picture of each object while fal does not offer the endpoint for several."""
        return self._single if self.account.listing.is_unavailable(self.model.endpoints[-1]) else self._spec

    @property
    def unavailable(self) -> str:
        """Reason why it is unavailable, in a sentence for people; empty if it is available."""
        if not self.account.key_mark:
            return NO_KEY.hint
        gone = self.account.listing.is_unavailable(self.model.endpoint)
        return MODEL_UNAVAILABLE.error(model=self.spec.name).message if gone else ""

    @property
    def key_mark(self) -> str:
        """Pseudonym of the key; empty without a key."""
        return self.account.key_mark

    def for_key(self, key: str) -> FalGenerator:
        """The same model on a visitor's own key; raises GenerationFailed `key_refused` for one that cannot be sent."""
        keyed = FalGenerator(self.model, self.account.for_key(key), self._delay)
        register_secrets(key.strip(), owner=keyed)
        return keyed

    async def check_key(self) -> str | None:
        """Return why fal does not accept the key; empty if it does, None if it does not say; never raises."""
        try:
            return "" if await self.account.is_key_accepted(self.model.endpoint) else KEY_REFUSED.error().message
        except Exception as error:
            log.info("could not check a key at fal: %s", type(error).__name__)
            return None

    async def run(self, task: Task) -> AsyncIterator[Event]:
        """Upload, submit once, watch, download; a task with `remote` is picked up where it was submitted.

        Raises GenerationFailed. Cancelling the task does not cancel the job at fal (see `cancel`). A submit in progress
        is finished first, and Submitted reported, so that no paid job is forgotten.
        """
        remote = task.remote
        if remote is None:
            yield Uploading()
            image_url = await self._upload(task.image)
            sides: dict[Side, str] = {side: await self._upload(path) for side, path in task.sides.items()}
            endpoint = self.model.endpoint_for(bool(sides))
            arguments = self.model.arguments(image_url, task.params, sides)
            yield Submitting(self._intent(endpoint, image_url))  # nothing between its being stored and the request
            submitting = asyncio.create_task(self.account.submit(endpoint, arguments, self.spec.name))
            stopped = await _finish_despite_cancel(submitting)
            remote = submitting.result()
            try:
                yield Submitted(remote)
            except GeneratorExit:
                if stopped:  # cancelled by a person: nothing else will find the job again
                    await self.cancel(remote)
                raise
            if stopped:
                raise asyncio.CancelledError
        try:
            async for event in self._collect(remote, task.folder):
                yield event
        except (GenerationFailed, OSError):
            raise
        except Exception as error:  # after any error the job is paid for and must be collected, not submitted again
            log.exception("could not collect a job from fal because of an error of this app; retrying")
            raise CONNECTION_LOST.error() from error

    async def find(self, intent: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The job that a submit without an answer became, by the address of its picture; never raises.

        None also where the key may not list jobs, or is another than that of the submit.
        """
        try:
            return await self.account.find(intent) if intent.get("key_mark") == self.key_mark else None
        except Exception as error:
            log.info("fal's request list is not available: %s", type(error).__name__)
            return None

    async def refresh(self) -> None:
        """Look up the prices of all models and whether they are still on offer, every few hours; never raises."""
        if not self.account.key_mark:
            return
        try:
            endpoints = [endpoint for model in FAL_MODELS for endpoint in model.endpoints]
            await self.account.listing.refresh(self.account.connections.api, self.account.hosts, endpoints)
        except Exception as error:
            log.info("fal's prices and model list are not available: %s", type(error).__name__)

    async def cancel(self, remote: Mapping[str, Any]) -> CancelOutcome:
        """Ask fal to cancel a submitted job; never raises."""
        return await self.account.cancel(remote)

    async def close(self) -> None:
        """Free the connections of the running event loop; new ones are opened when they are needed."""
        await self.account.close()

    def _price(self, params: GenerationParams) -> Decimal:
        endpoint = self.model.endpoint_for(params.multiview)
        return max(self.model.spec.price(params), self.account.listing.minimum_price(endpoint))

    def _intent(self, endpoint: str, image_url: str) -> dict[str, Any]:
        """Data that finds a job in fal's request list when its submit gets no answer."""
        context = {"submitted_at": time.time(), "key_mark": self.key_mark}
        return {"endpoint": endpoint, "image_url": image_url, **context}

    async def _upload(self, image: Path) -> str:
        if not self.account.key_mark:
            raise NO_KEY.error(model=self.spec.name)
        try:
            return await self.account.upload(image)
        except Exception as error:
            if isinstance(error, OSError) and not isinstance(error, TimeoutError):
                raise
            raise failure_of_exception(error) from error

    async def _collect(self, remote: Mapping[str, Any], folder: Path) -> AsyncIterator[Event]:
        """Poll a submitted job to its end and download its result."""
        job = RemoteJob(self.account, remote)
        async for event in job.watch(self.spec.usual_seconds, self._delay):
            yield event
        result = await job.result()
        yield Downloading()
        downloads = self.account.connections.downloads
        async for part in downloads.fetch_mesh(result.urls, folder):
            if isinstance(part, Path):
                cost = self.account.listing.cost(remote.get("endpoint", self.model.endpoint), result.billable_units)
                yield Finished(part, cost)
            else:
                yield Downloading(part)


async def _finish_despite_cancel(submitting: asyncio.Task[Any]) -> bool:
    """Wait for a submit; when cancelled meanwhile, give it SUBMIT_GRACE_SECONDS and return True if fal took the job."""
    try:
        await asyncio.wait([submitting])
    except asyncio.CancelledError:
        try:
            await asyncio.wait([submitting], timeout=SUBMIT_GRACE_SECONDS)
        finally:
            submitting.cancel()
        if submitting.cancelled() or not submitting.done() or submitting.exception():
            raise
        return True
    return False
