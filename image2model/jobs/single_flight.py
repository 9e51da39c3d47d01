"""Work that is done once for all who ask for it at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Makes files: whoever asks for one that is being made waits for the same work, which goes on when one leaves."""

    def __init__(self) -> None:
        self._making: dict[Path, asyncio.Task[T]] = {}

    async def __call__(self, path: Path, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What `make` returns or raises, from the one time that it is called for `path`."""
        if path not in self._making:
            task = asyncio.create_task(make())
            self._making[path] = task
            task.add_done_callback(lambda _: self._making.pop(path, None))
        return await asyncio.shield(self._making[path])
