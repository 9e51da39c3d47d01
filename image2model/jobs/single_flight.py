"""One run of a coroutine for all simultaneous callers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Makes each file once for all callers, by path; a caller that stops waiting does not stop it."""

    def __init__(self) -> None:
        self._making: dict[Path, asyncio.Task[T]] = {}

    async def __call__(self, path: Path, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of `make`, which is called unless it already runs for `path`."""
        if path not in self._making:
            task = asyncio.create_task(make())
            self._making[path] = task
            task.add_done_callback(lambda _: self._making.pop(path, None))
        return await asyncio.shield(self._making[path])
