"""Notifications of changed batches to watchers in this process."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator


class ChangeNotifier:
    """Sets the events of a batch's watchers; `db.listener` adds the changes that other processes store."""

    def __init__(self) -> None:
        self._subscribers: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def notify(self, batch_id: str) -> None:
        """Wake the watchers of this batch."""
        for event in self._subscribers.get(batch_id, ()):
            event.set()

    def notify_all(self) -> None:
        """Wake all watchers, because changes may have been missed."""
        for batch_id in list(self._subscribers):
            self.notify(batch_id)

    @contextlib.contextmanager
    def subscribe(self, batch_id: str) -> Iterator[asyncio.Event]:
        """An event that is set at each change of the batch while the block runs."""
        event = asyncio.Event()
        self._subscribers[batch_id].add(event)
        try:
            yield event
        finally:
            self._subscribers[batch_id].discard(event)
            if not self._subscribers[batch_id]:
                del self._subscribers[batch_id]
