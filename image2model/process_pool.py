"""The bounded pool of warm processes in which pictures and meshes are worked.

CPU-bound and untrusted work runs here, so that it neither stalls the page nor takes the app down:
a worker that crashes or passes its time limit is replaced and only its own task fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from pebble import ProcessPool

T = TypeVar("T")

NICENESS = 10
"""Of the workers: the page and its jobs go before them."""
MESH_MEMORY = 6_000_000_000
"""Bytes that work on one untrusted mesh may take on top of what its worker holds already."""


class Executor(Protocol):
    """What runs functions of the package in other processes; their arguments and values are pickled."""

    @property
    def processes(self) -> int | None:
        """How many tasks run at the same time; None where others know that."""

    @property
    def running(self) -> bool:
        """Whether tasks are taken."""

    async def run(self, function: Callable[..., T], *args: Any, seconds: float = 60) -> T:
        """Return `function(*args)`, which may be run more than once; cancelling the caller gives the task up.

        Raises TimeoutError after `seconds` of work, pebble.ProcessExpired when the process died,
        and whatever the function raises.
        """

    def close(self) -> None:
        """Free what this process has of it."""


class WorkerPool:
    """A pool of `processes` workers; each of `warm_ups` runs once in each new one."""

    def __init__(self, processes: int, *warm_ups: Callable[[], Any]) -> None:
        self.processes = processes
        self._pool = ProcessPool(
            max_workers=processes,
            initializer=_initialize,
            initargs=warm_ups,
            context=multiprocessing.get_context("spawn"),
        )
        self._pool.schedule(_noop)  # starts the workers now, before the first visitor waits

    async def run(self, function: Callable[..., T], *args: Any, seconds: float = 60) -> T:
        """See `Executor.run`; cancelling the caller stops the worker's task."""
        future = self._pool.schedule(function, args=args, timeout=seconds)
        return cast(T, await asyncio.wrap_future(future))

    @property
    def running(self) -> bool:
        """Whether tasks are taken."""
        return bool(self._pool.active)

    def close(self) -> None:
        """Stop the workers at once."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join(timeout=5)


def with_memory_limit(function: Callable[..., T], *args: Any) -> T:
    """Return `function(*args)`, in a worker; it ends in a MemoryError where it takes more than MESH_MEMORY bytes."""
    with memory_limit(MESH_MEMORY):
        return function(*args)


@contextlib.contextmanager
def memory_limit(extra: int) -> Iterator[None]:
    """Let this process take `extra` bytes of address space on top of what it has; only Linux tells how much that is."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_AS)
    most = int(statm.read_text().split()[0]) * resource.getpagesize() + extra
    resource.setrlimit(resource.RLIMIT_AS, (most if before[1] < 0 else min(most, before[1]), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _initialize(*functions: Callable[[], Any]) -> None:
    os.nice(NICENESS)
    for function in functions:
        function()


def _noop() -> None:
    pass
