"""Views of watched batches: each is made once for all its watchers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from ..jobs.notifications import ChangeNotifier
from ..jobs.views import BatchView

REFRESH_SECONDS = 1.0
"""Seconds between views without a stored change: progress also depends on time."""
WATCHERS_PER_REFRESH = 40
"""Number of watchers beyond which that interval grows in proportion; stored changes are still shown at once."""
QUIET_SECONDS, GATHER_SECONDS = 0.03, 0.25
"""Seconds without another change after which changes are shown, and the maximum time to collect them in one view."""


class ViewBroadcaster:
    """The batches that are watched; `make_view` makes the view of one and raises NotFound."""

    def __init__(self, notifier: ChangeNotifier, make_view: Callable[[str], Awaitable[BatchView]]) -> None:
        self._notifier, self._make_view = notifier, make_view
        self._channels: dict[str, _Channel] = {}
        self._watchers = 0

    async def watch(self, batch_id: str) -> AsyncIterator[BatchView]:
        """Yield the view now and at each change until the batch is finished; raises NotFound.

        A slow watcher skips some.
        """
        channel = self._channels.get(batch_id) or self._open(batch_id)
        channel.watchers += 1
        self._watchers += 1
        try:
            seen = 0
            while True:
                await channel.wait_for_newer(seen)
                seen, view = channel.number, channel.view
                if isinstance(view, Exception):
                    raise view
                yield view
                if view.finished:
                    return
        finally:
            channel.watchers -= 1
            self._watchers -= 1
            if not channel.watchers:
                self._close(batch_id, channel)

    def _open(self, batch_id: str) -> _Channel:
        channel = self._channels[batch_id] = _Channel()
        channel.producer = asyncio.create_task(self._produce(batch_id, channel))
        return channel

    def _close(self, batch_id: str, channel: _Channel) -> None:
        if self._channels.get(batch_id) is channel:
            del self._channels[batch_id]
        if channel.producer:
            channel.producer.cancel()

    async def _produce(self, batch_id: str, channel: _Channel) -> None:
        """Publish views until the batch is finished, or cannot be read: the next watcher then opens a new channel."""
        try:
            with self._notifier.subscribe(batch_id) as changed:
                while True:
                    changed.clear()
                    view = await self._make_view(batch_id)
                    if view.finished:
                        self._channels.pop(batch_id, None)
                    channel.publish(view)
                    if view.finished:
                        return
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(self._pause):
                            await changed.wait()
                    await _gather_changes(changed)
        except Exception as error:
            self._channels.pop(batch_id, None)
            channel.publish(error)

    @property
    def _pause(self) -> float:
        return REFRESH_SECONDS * max(1.0, self._watchers / WATCHERS_PER_REFRESH)


async def _gather_changes(changed: asyncio.Event) -> None:
    """Wait for the end of a burst of changes; one that goes on is shown in between, the last change soon."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GATHER_SECONDS):
            while await _changes_again(changed):
                pass


async def _changes_again(changed: asyncio.Event) -> bool:
    """Return True at the next change, False after QUIET_SECONDS without one."""
    changed.clear()
    try:
        async with asyncio.timeout(QUIET_SECONDS):
            return await changed.wait()
    except TimeoutError:
        return False


class _Channel:
    """The newest view of a batch, or the error in its place, numbered; and the watchers waiting for the next."""

    def __init__(self) -> None:
        self.view: BatchView | Exception = LookupError("There is no view yet.")
        self.number = self.watchers = 0
        self.producer: asyncio.Task[None] | None = None
        self._published = asyncio.Event()

    async def wait_for_newer(self, number: int) -> None:
        """Return once there is a newer view than this."""
        while self.number <= number:
            await self._published.wait()

    def publish(self, view: BatchView | Exception) -> None:
        """Publish a view or an error to all watchers."""
        self.view, self.number = view, self.number + 1
        self._published.set()
        self._published = asyncio.Event()
