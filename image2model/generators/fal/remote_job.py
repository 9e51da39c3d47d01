"""A submitted job: polled until it has ended, its result read, and kept collectable through passing failures."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from ...errors import GenerationFailed
from ..base import Queued, Running
from .account import URL_FIELDS, FalAccount
from .errors import failure_of_result, failure_of_type, retry_after
from .failure_messages import (
    CONNECTION_LOST,
    JOB_ON_OTHER_HOST,
    NO_KEY_TO_COLLECT,
    OTHER_KEY,
    RESULT_EXPIRED,
    RESULT_ON_OTHER_HOST,
    RESULT_UNUSABLE,
)
from .polling import LogProgress, PollDelay
from .results import mesh_urls

GONE_STATUSES = frozenset({404, 410})
ENDED_STATUSES: frozenset[object] = GONE_STATUSES | {499}
"""Status responses after which only the result can tell how the job ended."""


@dataclass(frozen=True, slots=True)
class RemoteResult:
    """Result of the model, as JSON."""

    urls: list[str]
    """Addresses at which its GLB may be, all at fal, likeliest first."""
    billable_units: str | None


class RemoteJob:
    """A submitted job; every failure is collectable but fal's own verdict on it."""

    def __init__(self, account: FalAccount, remote: Mapping[str, Any]) -> None:
        if not account.is_valid_header:
            raise NO_KEY_TO_COLLECT.error()
        if not all(account.hosts.is_queue(remote.get(name)) for name in URL_FIELDS):
            raise JOB_ON_OTHER_HOST.error()
        self._account, self._timeouts, self._remote = account, account.timeouts, remote
        self._unknown = False
        """fal answered 404 or 410 to the last status call."""
        self._error: str | None = None
        """The error type in a COMPLETED status that has one."""

    async def watch(self, usual: float, delay: PollDelay) -> AsyncIterator[Queued | Running]:
        """Poll until the job has ended, yielding each new event; `usual` is the typical duration in seconds."""
        progress, last_event, unreadable = LogProgress(), None, 0
        start = time.monotonic() - _seconds_since(self._remote.get("submitted_at"))
        with self._account.count_watched() as connections:
            while True:
                asked = time.monotonic()
                response = await self._account.get(self._remote["status_url"], logs="true")
                status = _status(response)
                if self._has_ended(response, status):
                    return
                unreadable = 0 if status else unreadable + 1
                _raise_if_connection_lost(self._timeouts.attempts, unreadable, response)
                event = _event(status, progress)
                if event is not None and event != last_event:
                    last_event = event
                    yield event
                pause = delay(asked - start, progress.expected_seconds(asked - start, usual), connections.watched_jobs)
                await asyncio.sleep(asked + pause - time.monotonic())

    async def result(self) -> RemoteResult:
        """Read the result; raises GenerationFailed where the model failed (fal has no status for that).

        A failure counts when two answers agree: a retry could be paid twice, and giving up would lose what is paid.
        """
        first: GenerationFailed | None = None
        number = 0
        while True:
            number += 1
            response = await self._account.get(self._remote["response_url"])
            outcome = None if response is None else self._read(response)
            if isinstance(outcome, RemoteResult):
                return outcome
            if outcome and first and (outcome.code, outcome.message) == (first.code, first.message):
                raise outcome
            first = outcome or first
            _raise_if_connection_lost(self._timeouts.attempts, number, None if outcome else response)
            await asyncio.sleep(self._timeouts.retry_delay)

    def _has_ended(self, response: httpx.Response | None, status: Mapping[str, Any] | None) -> bool:
        self._unknown = response is not None and response.status_code in GONE_STATUSES
        if status and status["status"] == "COMPLETED":
            self._error = str(status.get("error_type") or "") if status.get("error") else None
            return True
        return response is not None and response.status_code in ENDED_STATUSES

    def _read(self, response: httpx.Response) -> RemoteResult | GenerationFailed | None:
        """Read a response: the result, the failure, or None where it says neither for certain."""
        if response.status_code in GONE_STATUSES:
            return self._expired() if self._unknown else None
        if response.status_code != 200:
            return failure_of_result(response) if response.status_code >= 400 else None
        try:
            result = response.json()
        except (ValueError, RecursionError):
            return None
        urls = mesh_urls(result) if isinstance(result, Mapping) else []
        is_ours = self._account.hosts.is_result
        ours = [url for url in urls if is_ours(url)]
        if ours:
            return RemoteResult(ours, response.headers.get("x-fal-billable-units"))
        if self._error is not None:
            return failure_of_type(self._error)
        return (RESULT_ON_OTHER_HOST if urls else RESULT_UNUSABLE).error()

    def _expired(self) -> GenerationFailed:
        return (OTHER_KEY if self._account.was_sent_with_other_key(self._remote) else RESULT_EXPIRED).error()


def _raise_if_connection_lost(tries: int, number: int, response: httpx.Response | None) -> None:
    """Raise `fal_lost_contact` after `tries` useless answers in a row, or where fal sends Retry-After."""
    wait = None if response is None or number == 0 else retry_after(response)
    if number >= tries or wait is not None:
        raise CONNECTION_LOST.error(retry_after=wait)


def _seconds_since(submitted_at: object) -> float:
    return max(0.0, time.time() - submitted_at) if isinstance(submitted_at, int | float) else 0.0


def _status(response: httpx.Response | None) -> Mapping[str, Any] | None:
    """The body of a status response; None where it has no known status."""
    try:
        body = response.json() if response is not None and response.is_success else None
    except (ValueError, RecursionError):
        return None
    known = isinstance(body, Mapping) and body.get("status") in ("IN_QUEUE", "IN_PROGRESS", "COMPLETED")
    return body if known else None


def _event(status: Mapping[str, Any] | None, progress: LogProgress) -> Queued | Running | None:
    if status is None:
        return None
    if status["status"] == "IN_QUEUE":
        position = status.get("queue_position")
        return Queued(position if isinstance(position, int) else None)
    progress.read(status.get("logs"))
    return Running(progress.fraction, progress.message)
