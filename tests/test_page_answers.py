"""In a real browser, far from the server: all that a page asks for is answered, and no connection lingers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Request, expect

from tests.browser import ROOT, App, Watch, drop, opened
from tests.conftest import DESK

pytestmark = pytest.mark.browser

FAR = 0.5
"""Seconds that the end of a stream is on its way."""


async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Pass bytes on as they come, the message that ends a stream of answers `FAR` later."""
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65536):
            if b"close_stream" in data:
                chunk = data.rfind(b"\r\n", 0, data.rfind(b"\r\n", 0, data.index(b"close_stream"))) + 2
                sink.write(data[:chunk])
                await sink.drain()
                await asyncio.sleep(FAR)
                data = data[chunk:]
            sink.write(data)
            await sink.drain()
    sink.close()


@contextlib.asynccontextmanager
async def far_from(app: App) -> AsyncIterator[str]:
    """The address of this app for somebody whose network is slow where it matters."""

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_app, to_app = await asyncio.open_connection("127.0.0.1", int(app.url.rpartition(":")[2]))
        await asyncio.gather(carry(reader, to_app), carry(from_app, writer))

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_all_is_answered_while_the_end_of_a_stream_is_on_its_way(app: App, chromium: Browser):
    """Pictures dropped as soon as the one before is counted are all judged and priced; then no stream is left open."""
    async with far_from(app) as address, await chromium.new_context(viewport=DESK) as context:
        page = await context.new_page()
        watch, listening = Watch(context, address), set[Request]()
        page.on("request", lambda request: listening.add(request) if "/queue/data" in request.url else None)
        page.on("requestfinished", lambda request: listening.discard(request))
        await opened(page, address)
        for count, name in enumerate(("cat.jpg", "rocket.jpg", "raccoon.jpg", "coffee-cup.jpg"), 1):
            await drop(page, ROOT / "examples" / name)
            await expect(page.locator("#images .thumbnail-item")).to_have_count(count)
            await expect(page.locator("#generate")).to_contain_text(f"Make {count} ", timeout=20_000)
        for _ in range(200):
            if not listening:
                break
            await page.wait_for_timeout(100)
        assert not listening
    assert watch.wrongs == []
