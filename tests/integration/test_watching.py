"""Many watchers share one view for each change, and each of them gets the last."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from image2model.errors import ErrorCode, NotFound
from image2model.jobs.notifications import ChangeNotifier
from image2model.services import BatchView, SubmitRequest, watching
from image2model.services.watching import ViewBroadcaster
from tests.support.blank_views import BLANK_BATCH
from tests.support.scripted import picture


class Views:
    """A batch that changes on command; counts how often its view is made."""

    def __init__(self) -> None:
        self.changes, self.made = ChangeNotifier(), 0
        self.view: BatchView | Exception = replace(BLANK_BATCH, state="working", sequence=1)
        self.watching = ViewBroadcaster(self.changes, self.make)

    async def make(self, _batch_id: str) -> BatchView:
        """The view as it is now."""
        self.made += 1
        if isinstance(self.view, Exception):
            raise self.view
        return self.view

    def change(self, view: BatchView | Exception) -> None:
        """Show another view from now on."""
        self.view = view
        self.changes.notify("batch")

    async def follow(self) -> list[int]:
        """The numbers of the views that one watcher gets."""
        return [view.sequence async for view in self.watching.watch("batch")]


async def test_watchers_share_one_view(monkeypatch: pytest.MonkeyPatch):
    """Two hundred watchers cost one view at the start and one at each change, and all see the last."""
    monkeypatch.setattr(watching, "REFRESH_SECONDS", 60.0)
    views = Views()
    followers = [asyncio.create_task(views.follow()) for _ in range(200)]
    await asyncio.sleep(0.1)
    assert views.made == 1
    views.change(replace(BLANK_BATCH, state="done", sequence=2))
    async with asyncio.timeout(10):
        assert await asyncio.gather(*followers) == [[1, 2]] * 200
    assert views.made == 2


async def test_burst_of_changes_costs_one_view(monkeypatch: pytest.MonkeyPatch):
    """Changes that follow each other quickly are shown together, the last of them too."""
    monkeypatch.setattr(watching, "QUIET_SECONDS", 0.2)
    monkeypatch.setattr(watching, "GATHER_SECONDS", 60.0)
    views = Views()
    follower = asyncio.create_task(views.follow())
    await asyncio.sleep(0.1)
    for sequence in range(2, 50):
        views.change(replace(BLANK_BATCH, state="working", sequence=sequence))
        await asyncio.sleep(0)
    views.change(replace(BLANK_BATCH, state="done", sequence=50))
    assert await follower == [1, 50]
    assert views.made == 2


async def test_endless_changes_are_shown_in_between(monkeypatch: pytest.MonkeyPatch):
    """A watcher of a batch in which something always changes gets views all the same."""
    monkeypatch.setattr(watching, "QUIET_SECONDS", 60.0)
    monkeypatch.setattr(watching, "GATHER_SECONDS", 0.05)
    views = Views()
    watched = views.watching.watch("batch")
    await anext(watched)
    views.change(replace(BLANK_BATCH, state="working", sequence=2))
    async with asyncio.timeout(10):
        assert (await anext(watched)).sequence == 2
    await watched.aclose()  # type: ignore[attr-defined]  # an async generator


async def test_late_watcher_gets_the_current_view_immediately(monkeypatch: pytest.MonkeyPatch):
    """A watcher of a batch that is watched gets the newest view without waiting for a change."""
    monkeypatch.setattr(watching, "REFRESH_SECONDS", 60.0)
    views = Views()
    first = asyncio.create_task(views.follow())
    await asyncio.sleep(0.1)
    async with asyncio.timeout(1):
        assert (await anext(views.watching.watch("batch"))).sequence == 1
    assert views.made == 1
    first.cancel()


async def test_deleted_batch_ends_all_watchers():
    """Each watcher gets the error, also one that begins after it."""
    views = Views()
    followers = [asyncio.create_task(views.follow()) for _ in range(3)]
    await asyncio.sleep(0.1)
    views.change(NotFound(ErrorCode.BATCH_NOT_FOUND, "There is no such batch."))
    assert [type(error) for error in await asyncio.gather(*followers, return_exceptions=True)] == [NotFound] * 3
    with pytest.raises(NotFound):
        await views.follow()


async def test_views_stop_when_the_last_watcher_leaves(monkeypatch: pytest.MonkeyPatch):
    """The last watcher that leaves ends the work for it."""
    monkeypatch.setattr(watching, "REFRESH_SECONDS", 0.05)
    views = Views()
    watcher = asyncio.create_task(views.follow())
    await asyncio.sleep(0.3)
    watcher.cancel()
    await asyncio.gather(watcher, return_exceptions=True)
    made = views.made
    await asyncio.sleep(0.3)
    assert views.made == made > 1
    assert not views.watching._channels


async def test_retried_batch_can_be_watched_again(services, generator, tmp_path):
    """After its end a retry starts a new watching, whose first view is of the retry."""
    generator.script = lambda _: [60.0]
    batch = await services.submit(SubmitRequest([picture(tmp_path, "a.png")]))
    await services.cancel(batch.id)
    assert [view.state async for view in services.watch(batch.id)][-1] == "cancelled"
    await services.retry(batch.id)
    watcher = services.watch(batch.id)
    assert (await anext(watcher)).state == "working"
    await watcher.aclose()
