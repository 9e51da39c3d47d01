"""The ends of Gradio's event streams on a slow network: every event is answered, and no stream stays open."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, Request, expect

from tests.conftest import DESKTOP
from tests.support.browser import ROOT, App, Watch, drop, opened

DELAY, LONG_DELAY = 0.5, 2.5
"""Seconds by which the end of a stream is delayed; the second are more than the server waits."""
PROGRAMS = {
    "ask.py": """
import sys
from gradio_client import Client
client = Client(sys.argv[1], verbose=False)
print([len(client.predict(api_name="/list_generators")) > 0 for _ in range(3)])
""",
    "ask.mjs": """
import { Client } from "@gradio/client";
const client = await Client.connect(process.argv[2]);
const answers = [];
for (let i = 0; i < 3; i++) answers.push((await client.predict("/list_generators", {})).data[0].length > 0);
console.log(answers);
process.exit(0);
""",
}
"""Programs of Gradio's own clients that call again as soon as they are answered."""


async def forward(source: asyncio.StreamReader, sink: asyncio.StreamWriter, delay: float) -> None:
    """Pass bytes on as they come, the message that ends a stream of answers so many seconds later."""
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65536):
            if b"close_stream" in data:
                chunk = data.rfind(b"\r\n", 0, data.rfind(b"\r\n", 0, data.index(b"close_stream"))) + 2
                sink.write(data[:chunk])
                await sink.drain()
                await asyncio.sleep(delay)
                data = data[chunk:]
            sink.write(data)
            await sink.drain()
    sink.close()


@contextlib.asynccontextmanager
async def delaying_proxy(app: App, delay: float = DELAY) -> AsyncIterator[str]:
    """Address of a proxy in front of the app that delays every block by `delay` seconds."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_app, to_app = await asyncio.open_connection("127.0.0.1", int(app.url.rpartition(":")[2]))
        await asyncio.gather(forward(reader, to_app, delay), forward(from_app, writer, delay))

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("name", PROGRAMS)
async def test_a_client_gets_every_answer_while_the_end_of_its_stream_is_delayed(app: App, tmp_path: Path, name: str):
    """A program that asks again at once is answered each time."""
    (tmp_path / name).write_text(PROGRAMS[name])
    (tmp_path / "node_modules").symlink_to(ROOT / "tests" / "node_modules")
    runner = sys.executable if name.endswith(".py") else str(shutil.which("node"))
    async with delaying_proxy(app) as address:
        program = await asyncio.create_subprocess_exec(
            runner, tmp_path / name, address, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(60):
                output, problems = await program.communicate()
        finally:
            with contextlib.suppress(ProcessLookupError):
                program.kill()
    assert output.lower().count(b"true") == 3, problems.decode()


async def test_a_client_that_does_not_hang_up_is_delayed_a_second_at_most(app: App):
    """A client that reads a stream to its very end, without hanging up, gets it after a second, and its next answer."""
    session = {"session_hash": "reads-to-the-end"}
    async with httpx.AsyncClient(base_url=f"{app.url}/gradio_api/queue", timeout=10, trust_env=False) as client:
        config = (await client.get(f"{app.url}/config")).json()
        number = next(
            function["id"] for function in config["dependencies"] if function["api_name"] == "list_generators"
        )
        for _ in range(2):
            asked = await client.post("/join", json={"data": [], "fn_index": number, **session})
            began = time.monotonic()
            answer = (await client.get("/data", params=session)).text
            assert asked.json()["event_id"] in answer
            assert answer.endswith("\n\n")
            assert "close_stream" in answer
            assert time.monotonic() - began < 5


@pytest.mark.browser
@pytest.mark.parametrize(("delay", "pictures"), [(DELAY, 4), (LONG_DELAY, 2)])
async def test_page_gets_every_answer_when_streams_end_late(app: App, chromium: Browser, delay: float, pictures: int):
    """Pictures dropped as soon as the one before is counted are all judged and priced; no stream is left open."""
    async with delaying_proxy(app, delay) as address, await chromium.new_context(viewport=DESKTOP) as context:
        page = await context.new_page()
        watch, listening = Watch(context, address), set[Request]()
        page.on("request", lambda request: listening.add(request) if "/queue/data" in request.url else None)
        page.on("requestfinished", lambda request: listening.discard(request))
        await opened(page, address)
        names = ("robot.jpg", "toy-car.jpg", "mushroom-house.jpg", "mug.jpg")
        for count, name in enumerate(names[:pictures], 1):
            await drop(page, ROOT / "examples" / name)
            await expect(page.locator(".tile [data-show]")).to_have_count(count)
            await expect(page.locator("#generate")).to_contain_text(f"Make {count} ")
        for _ in range(600):
            if not listening:
                break
            await page.wait_for_timeout(100)
        assert not listening
    assert watch.wrongs == []
