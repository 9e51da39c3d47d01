"""The page's stream of boards over HTTP."""

from __future__ import annotations

import uuid

import httpx
import pytest
from starlette.applications import Starlette

from image2model.services import Caller, Services, SubmitRequest
from image2model.web.file_routes import file_routes
from image2model.web.ui.picture_cache import PictureCache
from tests.support.scripted import picture


async def boards(services: Services, batch_id: str, visitor: str = "") -> list[str]:
    """The boards that a page gets, when its stream has ended."""
    app = httpx.ASGITransport(Starlette(routes=file_routes(services, PictureCache())))
    async with httpx.AsyncClient(transport=app, base_url="http://here") as client:
        answer = await client.get(f"/batches/{batch_id}/board", headers={"X-Visitor": visitor})
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert answer.headers["X-Accel-Buffering"] == "no"
    events = [event.removeprefix("data: ").replace("\ndata: ", "\n") for event in answer.text.split("\n\n") if event]
    return [event for event in events if not event.startswith(":")]


@pytest.mark.parametrize(("visitor", "shared"), [("me", False), ("you", True), ("", True)])
async def test_stream_ends_with_the_finished_board(services: Services, generator, tmp_path, visitor: str, shared: bool):
    """Each event is a whole board, the last one finished; to all but the browser that made the batch it is shared."""
    generator.script = lambda _: [0.01]
    batch = await services.submit(SubmitRequest([picture(tmp_path, "a.png")]), Caller("me"))
    *_, last = await boards(services, batch.id, visitor)
    assert last.startswith(f'<section class="board{" shared" if shared else ""}" data-state="done"')
    assert last.rstrip().endswith("</section>")
    assert ("data-shared" in last) == shared


async def test_unknown_batch_is_not_here(services: Services):
    """Of a batch that does not exist, or is deleted, one board says so and the stream ends."""
    (board,) = await boards(services, str(uuid.uuid4()))
    assert 'data-state="gone"' in board
