"""Polling for a state without a notification: of another process or thread, or of the Admin overview."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable

TIMEOUT = 60.0
"""Seconds after which it will not come any more."""
INTERVAL = 0.02


def wait_until(predicate: Callable[[], object]) -> None:
    """Look until something is so."""
    end = time.monotonic() + TIMEOUT
    while not predicate():
        assert time.monotonic() < end, "it never came"
        time.sleep(INTERVAL)


async def wait_until_async(predicate: Callable[[], object]) -> None:
    """The same while the event loop goes on; `predicate` may be async."""
    async with asyncio.timeout(TIMEOUT):
        while not (await found if inspect.isawaitable(found := predicate()) else found):  # noqa: ASYNC110  nothing tells
            await asyncio.sleep(INTERVAL)
