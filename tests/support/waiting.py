"""Waiting for what tells nobody that it has come: in another process or thread, or in what the host is told."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable

PATIENCE = 60.0
"""Seconds after which it will not come any more."""
EVERY = 0.02


def until(is_so: Callable[[], object]) -> None:
    """Look until something is so."""
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end, "it never came"
        time.sleep(EVERY)


async def until_so(is_so: Callable[[], object]) -> None:
    """The same while the event loop goes on; `is_so` may be async."""
    async with asyncio.timeout(PATIENCE):
        while not (await found if inspect.isawaitable(found := is_so()) else found):  # noqa: ASYNC110  nothing tells
            await asyncio.sleep(EVERY)
