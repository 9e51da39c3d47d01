"""The bounded pool of processes in which pictures and meshes are processed.

CPU-bound and untrusted work runs here, so that it neither stalls the page nor takes the app down:
a worker that crashes or passes its time limit is replaced and only its own task fails. The workers start when they are
first needed, as forks of a process that has loaded their libraries once for all, and leave when nobody needs them.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import resource
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from pebble import ProcessPool

from .allocator import MAX_FREE_WORKER_BYTES, MESH_BLOCK, return_freed_memory

T = TypeVar("T")

NICENESS = 10
"""Niceness of the workers: the page and its jobs have priority."""
IDLE_SECONDS = 60.0
"""Seconds without work after which the workers leave; they are back in about a second."""
MESH_MEMORY = 6_000_000_000
"""Bytes that work on one untrusted mesh may take on top of what its worker holds already."""


class Executor(Protocol):
    """Runs functions of the package in other processes; their arguments and values are pickled."""

    @property
    def processes(self) -> int | None:
        """Number of tasks that run at the same time; None where others know that."""

    @property
    def running(self) -> bool:
        """True if tasks are accepted."""

    async def run(self, function: Callable[..., T], *args: Any, seconds: float = 60) -> T:
        """Return `function(*args)`, which may be run more than once; cancelling the caller gives the task up.

        Raises TimeoutError after `seconds` of work, pebble.ProcessExpired when the process died,
        and whatever the function raises.
        """

    def start(self) -> None:
        """Start the workers, because work is expected; returns at once."""

    def close(self) -> None:
        """Free what this process has of it."""


class WorkerPool:
    """Up to `processes` workers; each of `warm_ups` runs once in each new one. One event loop at a time uses them.

    `preload` names modules that the workers share, as do those of this process's later pools.
    """

    def __init__(
        self,
        processes: int,
        *warm_ups: Callable[[], Any],
        preload: Sequence[str] = (),
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self.processes = processes
        self._warm_ups, self._preload, self._idle_seconds = warm_ups, list(preload), idle_seconds
        self._manager = ThreadPoolExecutor(1, "workers")
        """Starts and stops pools: both take too long for the event loop."""
        self._pool: Future[ProcessPool] | None = None
        self._closed = False
        self._tasks = 0
        self._idle_timer: asyncio.TimerHandle | None = None

    async def run(self, function: Callable[..., T], *args: Any, seconds: float = 60) -> T:
        """See `Executor.run`; cancelling the caller stops the worker's task."""
        with self._counted_task():
            pool = await asyncio.shield(asyncio.wrap_future(self._open()))  # others wait for it too
            future = pool.schedule(function, args=args, timeout=seconds)
            return cast(T, await asyncio.wrap_future(future))

    def start(self) -> None:
        """See `Executor.start`; where work does not come, the workers leave as usual."""
        with self._counted_task():
            self._open()

    @property
    def running(self) -> bool:
        """True if tasks are accepted."""
        if self._closed or self._pool is None or not self._pool.done():
            return not self._closed
        return self._pool.exception() is None and bool(self._pool.result().active)

    def close(self) -> None:
        """Stop the workers immediately."""
        self._closed = True
        pool, self._pool = self._pool, None
        if pool:
            self._manager.submit(_stop_pool, pool)
        self._manager.shutdown()

    @contextlib.contextmanager
    def _counted_task(self) -> Iterator[None]:
        """Keep the workers while the block runs, and for some time after the last one."""
        self._tasks += 1
        if self._idle_timer:
            self._idle_timer.cancel()
        try:
            yield
        finally:
            self._tasks -= 1
            if not self._tasks:
                self._idle_timer = asyncio.get_running_loop().call_later(self._idle_seconds, self._stop_idle)

    def _open(self) -> Future[ProcessPool]:
        """The pool, which may be starting."""
        if self._pool is None or (self._pool.done() and self._pool.exception()):
            self._pool = self._manager.submit(self._start_pool)
        return self._pool

    def _stop_idle(self) -> None:
        """Let idle workers go; the process that they are forks of stays, with the libraries."""
        pool, self._pool = self._pool, None
        if pool:
            self._manager.submit(_stop_pool, pool)

    def _start_pool(self) -> ProcessPool:
        context = multiprocessing.get_context("forkserver")
        pool = ProcessPool(
            max_workers=self.processes, initializer=_initialize, initargs=self._warm_ups, context=context
        )
        context.set_forkserver_preload(self._preload)
        pool.schedule(_noop)  # starts the workers
        return pool


def _stop_pool(started: Future[ProcessPool]) -> None:
    pool = started.result()
    pool.stop()  # type: ignore[no-untyped-call]
    pool.join(timeout=5)


def with_memory_limit(function: Callable[..., T], *args: Any) -> T:
    """Return `function(*args)`, in a worker; it ends in a MemoryError where it takes more than MESH_MEMORY bytes."""
    with memory_limit(MESH_MEMORY):
        return function(*args)


@contextlib.contextmanager
def memory_limit(extra: int) -> Iterator[None]:
    """Limit this process's address space to its present size plus `extra` bytes; no limit except on Linux."""
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
    return_freed_memory(MESH_BLOCK, MAX_FREE_WORKER_BYTES)
    for function in functions:
        function()
    os.nice(NICENESS)  # only now: a visitor may be waiting for the worker


def _noop() -> None:
    pass
