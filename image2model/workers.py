"""The bounded pool of warm processes in which pictures and meshes are worked.

CPU-bound and untrusted work runs here, so that it neither stalls the page nor takes the app down:
a worker that crashes or passes its time limit is replaced and only its own task fails.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Callable
from typing import Any, TypeVar, cast

from pebble import ProcessPool

T = TypeVar("T")


class Workers:
    """A pool of `processes` workers; each of `warm_ups` runs once in each new one."""

    def __init__(self, processes: int, *warm_ups: Callable[[], Any]) -> None:
        self.processes = processes
        self._pool = ProcessPool(
            max_workers=processes,
            initializer=_run_all,
            initargs=warm_ups,
            context=multiprocessing.get_context("spawn"),
        )
        self._pool.schedule(_nothing)  # starts the workers now, before the first visitor waits

    async def run(self, function: Callable[..., T], *args: Any, seconds: float = 60) -> T:
        """Return `function(*args)` from a worker; cancelling the caller stops the worker's task.

        Raises TimeoutError after `seconds` of work, pebble.ProcessExpired when the worker died,
        and whatever the function raises.
        """
        future = self._pool.schedule(function, args=args, timeout=seconds)
        return cast(T, await asyncio.wrap_future(future))

    def close(self) -> None:
        """Stop the workers at once."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join(timeout=5)


def _run_all(*functions: Callable[[], Any]) -> None:
    for function in functions:
        function()


def _nothing() -> None:
    pass
