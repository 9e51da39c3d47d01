"""Tells watchers in this process that a batch has changed."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator


class Changes:
    """Wakes whoever waits for a batch; `db.listener` brings in the changes that other processes store."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def notify(self, batch_id: str) -> None:
        """Wake everyone who waits for this batch."""
        for event in self._waiting.get(batch_id, ()):
            event.set()

    def notify_all(self) -> None:
        """Wake everyone who waits, because changes may have been missed."""
        for batch_id in list(self._waiting):
            self.notify(batch_id)

    @contextlib.contextmanager
    def listening(self, batch_id: str) -> Iterator[asyncio.Event]:
        """An event that is set at each change of the batch while the block runs."""
        event = asyncio.Event()
        self._waiting[batch_id].add(event)
        try:
            yield event
        finally:
            self._waiting[batch_id].discard(event)
            if not self._waiting[batch_id]:
                del self._waiting[batch_id]
