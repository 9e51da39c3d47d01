"""A job that fal has taken: watched until it is over, its result fetched, and never given up for a passing trouble."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from ...errors import GenerationFailed
from ..base import Queued, Running
from .account import URLS, FalAccount
from .errors import (
    LOST_CONTACT,
    NO_KEY_TO_COLLECT,
    OTHER_KEY,
    RESULT_ELSEWHERE,
    RESULT_GONE,
    RESULT_WRONG,
    WRONG_PLACE,
    failure_of_type,
    retry_after,
    verdict_of,
)
from .polling import Delay, Progress
from .results import mesh_urls, preview_url

GONE = frozenset({404, 410})
OVER: frozenset[object] = GONE | {499}
"""Answers to the question for the status after which only the result can tell."""


@dataclass(frozen=True, slots=True)
class Made:
    """What the model made."""

    urls: list[str]
    """Where its GLB may be, all at fal, likeliest first."""
    preview: str | None
    """Where the model's own picture of it is, at fal too."""
    billable_units: str | None


class RemoteJob:
    """A submitted job; every failure that is not fal's own last word on it is collectable."""

    def __init__(self, account: FalAccount, remote: Mapping[str, Any]) -> None:
        if not account.can_be_sent:
            raise NO_KEY_TO_COLLECT.error()
        if not all(account.hosts.is_queue(remote.get(name)) for name in URLS):
            raise WRONG_PLACE.error()
        self._account, self._patience, self._remote = account, account.patience, remote
        self._unknown = False
        """fal answered that it does not know the job."""
        self._error: str | None = None
        """The error type of a status that spoke of an error."""

    async def watch(self, usual: float, delay: Delay) -> AsyncIterator[Queued | Running]:
        """Ask until the job is over, yielding what is new; `usual` seconds are what such a job takes."""
        progress, told, odd = Progress(), None, 0
        start = time.monotonic() - _seconds_since(self._remote.get("submitted_at"))
        with self._account.watching() as here:
            while True:
                asked = time.monotonic()
                answer = await self._account.ask(self._remote["status_url"], logs="true")
                status = _status(answer)
                if self._is_over(answer, status):
                    return
                odd = 0 if status else odd + 1
                _give_up_after(self._patience.tries, odd, answer)
                event = _event(status, progress)
                if event is not None and event != told:
                    told = event
                    yield event
                pause = delay(asked - start, progress.expected_seconds(asked - start, usual), here.watched)
                await asyncio.sleep(asked + pause - time.monotonic())

    async def result(self) -> Made:
        """What the model made; raises GenerationFailed where it failed, for fal has no status that says so.

        A failure is believed when it is told twice: trying again could be paid twice, giving up lose what is paid.
        """
        doubt: GenerationFailed | None = None
        number = 0
        while True:
            number += 1
            answer = await self._account.ask(self._remote["response_url"])
            said = None if answer is None else self._read(answer)
            if isinstance(said, Made):
                return said
            if said and doubt and (said.code, said.message) == (doubt.code, doubt.message):
                raise said
            doubt = said or doubt
            _give_up_after(self._patience.tries, number, None if said else answer)
            await asyncio.sleep(self._patience.pause)

    def _is_over(self, answer: httpx.Response | None, status: Mapping[str, Any] | None) -> bool:
        self._unknown = answer is not None and answer.status_code in GONE
        if status and status["status"] == "COMPLETED":
            self._error = str(status.get("error_type") or "") if status.get("error") else None
            return True
        return answer is not None and answer.status_code in OVER

    def _read(self, answer: httpx.Response) -> Made | GenerationFailed | None:
        """What an answer says of the result: there it is; why there is none; or nothing for certain."""
        if answer.status_code in GONE:
            return self._gone() if self._unknown else None
        if answer.status_code != 200:
            return verdict_of(answer) if answer.status_code >= 400 else None
        try:
            result = answer.json()
        except (ValueError, RecursionError):
            return None
        urls = mesh_urls(result) if isinstance(result, Mapping) else []
        is_ours = self._account.hosts.is_result
        ours = [url for url in urls if is_ours(url)]
        if ours:
            preview = preview_url(result)
            return Made(ours, preview if is_ours(preview) else None, answer.headers.get("x-fal-billable-units"))
        if self._error is not None:
            return failure_of_type(self._error)
        return (RESULT_ELSEWHERE if urls else RESULT_WRONG).error()

    def _gone(self) -> GenerationFailed:
        return (OTHER_KEY if self._account.is_other_key(self._remote) else RESULT_GONE).error()


def _give_up_after(tries: int, number: int, answer: httpx.Response | None) -> None:
    """Put the job off when it was asked for in vain so often, or when fal says when to come again."""
    wait = None if answer is None or number == 0 else retry_after(answer)
    if number >= tries or wait is not None:
        raise LOST_CONTACT.error(retry_after=wait)


def _seconds_since(submitted_at: object) -> float:
    return max(0.0, time.time() - submitted_at) if isinstance(submitted_at, int | float) else 0.0


def _status(answer: httpx.Response | None) -> Mapping[str, Any] | None:
    """The body of a status answer; None for one that tells nothing about the job."""
    try:
        body = answer.json() if answer is not None and answer.is_success else None
    except (ValueError, RecursionError):
        return None
    known = isinstance(body, Mapping) and body.get("status") in ("IN_QUEUE", "IN_PROGRESS", "COMPLETED")
    return body if known else None


def _event(status: Mapping[str, Any] | None, progress: Progress) -> Queued | Running | None:
    if status is None:
        return None
    if status["status"] == "IN_QUEUE":
        position = status.get("queue_position")
        return Queued(position if isinstance(position, int) else None)
    progress.read(status.get("logs"))
    return Running(progress.fraction, progress.message)
