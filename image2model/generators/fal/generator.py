"""A model of fal as a generator."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
from fal_client.client import AsyncRequestHandle, Completed, FalClientHTTPError, InProgress, Status
from fal_client.client import Queued as InQueue

from ...errors import GenerationFailed
from ..base import (
    Downloading,
    Event,
    Finished,
    Generator,
    Queued,
    Running,
    Spec,
    Submitted,
    Submitting,
    Task,
    Told,
    Uploading,
)
from ..catalogue import FAL_MODELS, FalModel
from .account import FalAccount
from .failures import (
    LOST_CONTACT,
    MODEL_GONE,
    RESULT_WRONG,
    UNREACHABLE,
    failure_of_exception,
    failure_of_type,
    speaks_of_the_job,
)
from .hosts import FalHosts
from .polling import Progress, poll_delay

NO_KEY = "Needs a fal.ai key: get one at fal.ai/dashboard/keys and set it as FAL_KEY."
GONE_SECONDS = 3600
SUBMIT_GRACE_SECONDS = 5
ODD_ANSWERS_BORNE = 10
"""In a row: a job that is paid for is not given up for an answer that makes no sense."""


def fal_generators(credentials: str | None, hosts: FalHosts) -> list[FalGenerator]:
    """All models of the catalogue, on one key; without a key they are there and say how to get one."""
    account = FalAccount(credentials, hosts) if credentials and credentials.strip() else None
    return [FalGenerator(model, account) for model in FAL_MODELS]


class FalGenerator:
    """Turns pictures into GLBs with one model of fal. `delay` is the polling policy: see `poll_delay`."""

    def __init__(
        self, model: FalModel, account: FalAccount | None, delay: Callable[[float, float], float] = poll_delay
    ) -> None:
        self.model = model
        self._account = account
        self._delay = delay
        self._gone_until = 0.0

    @property
    def spec(self) -> Spec:
        """What it is and takes."""
        return self.model.spec

    @property
    def unavailable(self) -> str:
        """Why it cannot be used now, in a sentence for people; empty when it can."""
        if self._account is None:
            return NO_KEY
        gone = time.monotonic() < self._gone_until
        return MODEL_GONE.error(model=self.spec.name).message if gone else ""

    @property
    def account(self) -> FalAccount:
        """The account it works on; raises GenerationFailed without one."""
        if self._account is None:
            raise GenerationFailed("no_key", f"{self.spec.name} cannot be used without a key.", NO_KEY)
        return self._account

    async def run(self, task: Task) -> AsyncIterator[Event]:
        """Upload, submit once, watch, download; a task with `remote` is picked up where it was submitted.

        Raises GenerationFailed. Being cancelled leaves the job at fal alone: that is what `cancel` is for. A
        submit that is under way is finished first, and Submitted told, so that no paid job is forgotten.
        """
        remote = task.remote
        if remote is None:
            yield Uploading()
            image_url = await self._upload(task.image)
            yield Submitting()
            submitting = asyncio.create_task(self._submit(self.model.arguments(image_url, task.choice)))
            stopped = await _done_although_cancelled(submitting)
            remote = submitting.result()
            try:
                yield Submitted(remote)
            except GeneratorExit:
                if stopped:  # a person's cancel: nobody keeps what would find the job again
                    await self.cancel(remote)
                raise
            if stopped:
                raise asyncio.CancelledError
        handle = self.account.handle(remote)
        end = None
        async for told in self._watch(handle, remote):
            if isinstance(told, Completed):
                end = told
            else:
                yield told
        yield Downloading()
        async for event in self._collect(await _result(handle, end), task.folder):
            yield event

    @property
    def key_mark(self) -> str:
        """Tells one key from another."""
        return ""

    def with_key(self, key: str) -> Generator | None:
        """The same model on a visitor's own key."""
        return None

    async def find(self, intent: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The job that a submit without an answer became."""
        return None

    async def refresh(self) -> None:
        """Look up prices and availability."""

    async def cancel(self, remote: Mapping[str, Any]) -> Told:
        """Tell fal that a submitted job is not wanted any more; never raises."""
        if self._account is not None:
            await self._account.cancel(remote)
        return "unknown"

    async def close(self) -> None:
        """Free the connections of the running event loop."""
        if self._account is not None:
            await self._account.close()

    async def _upload(self, image: Path) -> str:
        try:
            return await self.account.upload(image)
        except Exception as error:
            raise failure_of_exception(error, UNREACHABLE) from error

    async def _submit(self, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            return await self.account.submit(self.model, arguments)
        except GenerationFailed as failure:
            if failure.code == MODEL_GONE.code:
                self._gone_until = time.monotonic() + GONE_SECONDS
            raise

    async def _watch(
        self, handle: AsyncRequestHandle, remote: Mapping[str, Any]
    ) -> AsyncIterator[Queued | Running | Completed]:
        """Ask until the job is over, yielding what is new and at the end fal's Completed."""
        progress, told, odd = Progress(), None, 0
        start = time.monotonic() - _seconds_since(remote.get("submitted_at"))
        while odd <= ODD_ANSWERS_BORNE:
            asked = time.monotonic()
            status = await _status(handle)
            odd = odd + 1 if status is None else 0
            if isinstance(status, Completed):
                yield status
                return
            event = _event(status, progress)
            if event is not None and event != told:
                told = event
                yield event
            expected = progress.expected_seconds(asked - start, self.spec.usual_seconds)
            await asyncio.sleep(asked + self._delay(asked - start, expected) - time.monotonic())
        raise LOST_CONTACT.error()

    async def _collect(self, result: Mapping[str, Any], folder: Path) -> AsyncIterator[Event]:
        downloads = self.account.here.downloads
        async for part in downloads.mesh(result, folder):
            if isinstance(part, Path):
                yield Finished(part, await downloads.preview(result, folder))
            else:
                yield Downloading(part)


async def _done_although_cancelled(submitting: asyncio.Task[Any]) -> bool:
    """Wait for a submit; when cancelled meanwhile, give it a few seconds more and return True if it was taken."""
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


def _seconds_since(submitted_at: object) -> float:
    return max(0.0, time.time() - submitted_at) if isinstance(submitted_at, int | float) else 0.0


async def _status(handle: AsyncRequestHandle) -> Status | None:
    """The job's status; None for an answer that tells nothing about the job."""
    try:
        return await handle.status(with_logs=True)
    except FalClientHTTPError as error:
        if speaks_of_the_job(error.response):
            raise failure_of_exception(error, LOST_CONTACT) from error
        return None
    except httpx.HTTPError as error:
        raise LOST_CONTACT.error() from error
    except Exception:  # KeyError, ValueError and more, for bodies that fal-client does not understand
        return None


def _event(status: Status | None, progress: Progress) -> Queued | Running | None:
    if isinstance(status, InQueue):
        return Queued(status.position if isinstance(status.position, int) else None)
    if isinstance(status, InProgress):
        progress.read(status.logs)
        return Running(progress.fraction, progress.message)
    return None


class _Over(AsyncRequestHandle):
    """A job that is known to be over: `get` need not ask for its status again."""

    async def iter_events(self, **_: Any) -> AsyncIterator[Status]:
        """Nothing more happens."""
        nothing: tuple[Status, ...] = ()
        for status in nothing:
            yield status


async def _result(handle: AsyncRequestHandle, end: Completed | None) -> Mapping[str, Any]:
    """What the model made; raises GenerationFailed where it failed, for fal has no status that says so."""
    try:
        over = _Over(handle.request_id, handle.response_url, handle.status_url, handle.cancel_url, handle.client)
        result = await over.get()
    except FalClientHTTPError as error:
        known = speaks_of_the_job(error.response)
        raise (failure_of_exception(error, LOST_CONTACT) if known else LOST_CONTACT.error()) from error
    except Exception as error:
        raise LOST_CONTACT.error() from error
    if end is not None and end.error:
        raise failure_of_type(end.error_type)
    if not isinstance(result, Mapping):
        raise RESULT_WRONG.error()
    return result
