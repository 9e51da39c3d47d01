"""Tuning of the C library's allocator, so that freed memory returns to the system."""

from __future__ import annotations

import contextlib
import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Parameters of glibc's `mallopt` (malloc.h, mallopt(3))."""
PICTURE_BLOCK, MESH_BLOCK = 256 * 1024, 4 * 1024 * 1024
"""Bytes from which a block returns to the system as soon as it is freed.

A stored picture is above the first. Work on meshes goes through many blocks of a megabyte, which are better kept: that
takes 31 ms for a report where glibc's own rule takes 35 ms.
"""
MAX_FREE_BYTES, MAX_FREE_WORKER_BYTES = 8 * 1024 * 1024, 24 * 1024 * 1024
"""Free bytes that are kept for later allocations.

A report on a small mesh takes up to 15 MB and gives them back: a worker that kept less would ask the system for them
with each report, which then takes 29 ms of processor time and not 20.
"""
MAX_ARENAS = 2
"""Heaps of all threads; by default there are eight per processor, and each keeps its freed memory."""


def return_freed_memory(large_block: int, max_free: int = MAX_FREE_BYTES) -> None:
    """Let this process hold at most `max_free` bytes of unused memory; without glibc do nothing.

    By default glibc raises the size of what it gives back at once with each large block, up to 32 MB.
    """
    with contextlib.suppress(OSError, AttributeError):  # musl and macOS have no mallopt
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in (
            (M_MMAP_THRESHOLD, large_block),
            (M_TRIM_THRESHOLD, max_free),
            (M_ARENA_MAX, MAX_ARENAS),
        ):
            mallopt(parameter, value)
