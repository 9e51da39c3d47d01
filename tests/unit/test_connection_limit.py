"""One network cannot take every connection that the app may have open."""

from __future__ import annotations

import asyncio

import pytest
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from image2model.web.middleware import connection_limit
from image2model.web.middleware.connection_limit import ConnectionLimitMiddleware


async def test_a_network_has_so_many_requests_open_and_another_as_many(monkeypatch: pytest.MonkeyPatch):
    """The next is refused until one is over, from a neighbour in the same /64, too; nothing is kept afterwards."""
    monkeypatch.setattr(connection_limit, "MAX_OPEN_REQUESTS", 2)
    over = asyncio.Event()

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        await over.wait()
        await Response()(scope, receive, send)

    limited = ConnectionLimitMiddleware(stream)

    async def status(client: str) -> int:
        statuses: list[int] = []

        async def send(message: Message) -> None:
            statuses.extend([message["status"]] if "status" in message else [])

        async def receive() -> Message:
            return {"type": "http.request"}

        await limited({"type": "http", "client": (client, 1), "headers": []}, receive, send)
        return statuses[0]

    opened = [asyncio.create_task(status(client)) for client in ("2001:db8::1", "2001:db8::2", "192.0.2.1")]
    await asyncio.sleep(0)
    assert await status("2001:db8::3") == 429
    assert not any(task.done() for task in opened)
    over.set()
    assert await asyncio.gather(*opened) == [200, 200, 200]
    assert await status("2001:db8::3") == 200
    assert not limited._open
