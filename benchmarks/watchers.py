"""Delay until many watchers of one process see their batch, and the duration of an upload meanwhile.

python -m benchmarks.watchers [watchers] [batches] [--page | --api] [--uploads number]

Starts the app and the stand-in for fal, submits batches that last, opens all streams at once (server-sent events of
REST, with --page the boards that the page shows, with --api those of Gradio's API), and prints how long the first
event, an upload and the last event took, median and 95th percentile. The watchers are bare sockets, so that what is
measured is the server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psutil

from image2model.devtools.app_process import AppProcess
from image2model.devtools.fal_stand_in.script import Script
from image2model.devtools.fal_stand_in.server import KEY, FalServer

PICTURE = Path(__file__).parents[1] / "examples" / "robot.jpg"
API = "/api/v1"


async def submit(client: httpx.AsyncClient) -> dict[str, str]:
    """Start a batch of five."""
    files = [("files", (f"{number}.jpg", PICTURE.read_bytes(), "image/jpeg")) for number in range(5)]
    answer = await client.post(f"{API}/upload", files=files, data={"model": "tripo-v2.5"})
    answer.raise_for_status()
    return dict(answer.json())


async def lines(host: str, request: str) -> AsyncIterator[str]:
    """The lines of the answer to a request, until the server ends it; raises RuntimeError for a refusal."""
    address, _, port = host.partition(":")
    reader, writer = await asyncio.open_connection(address, int(port), limit=2**20)
    try:
        writer.write(request.encode())
        status = await reader.readline()
        if b" 200 " not in status:
            raise RuntimeError(status.decode())
        while line := await reader.readline():
            yield line.decode()
    finally:
        writer.close()


async def rest_stream(host: str, batch: dict[str, str]) -> AsyncIterator[str]:
    """The stream of a task in REST: the names of its events."""
    path = f"{API}/status/tasks/{batch['task_id']}/stream"
    async for line in lines(host, f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"):
        if line.startswith("event:"):
            yield line
            if line.startswith(("event: task_cancelled", "event: task_failed", "event: task_completed")):
                return


async def page_stream(host: str, batch: dict[str, str]) -> AsyncIterator[str]:
    """The stream of a batch's page: each of the boards that it shows is an event."""
    head = f"Host: {host}\r\nX-Visitor: nobody\r\nConnection: close"
    async for line in lines(host, f"GET /batches/{batch['batch_id']}/board HTTP/1.1\r\n{head}\r\n\r\n"):
        if line.startswith("data: <section"):
            yield line


async def api_stream(host: str, batch: dict[str, str]) -> AsyncIterator[str]:
    """The stream of Gradio's API: each of the states that its endpoint `/watch_batch` yields is an event."""
    path, body = "/gradio_api/call/watch_batch", json.dumps({"data": [batch["batch_id"]]})
    head = f"Host: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close"
    *_, answer = [line async for line in lines(host, f"POST {path} HTTP/1.1\r\n{head}\r\n\r\n{body}")]
    path = f"{path}/{json.loads(answer)['event_id']}"
    async for line in lines(host, f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"):
        if line.startswith("event: "):
            yield line


STREAMS = {"rest": rest_stream, "page": page_stream, "api": api_stream}


async def watch(stream: AsyncIterator[str], times: list[float], opened: asyncio.Event) -> None:
    """Note when each event of a stream came, in seconds since it was asked for, until the stream ends."""
    began = time.perf_counter()
    async for _ in stream:
        times.append(time.perf_counter() - began)
        opened.set()


def print_times(name: str, seconds: list[float]) -> None:
    """Print the median and the 95th percentile."""
    p95 = statistics.quantiles(seconds, n=20)[-1]
    print(f"{name:<34} median {1000 * statistics.median(seconds):7.0f} ms   p95 {1000 * p95:7.0f} ms")


async def measure(app: AppProcess, watchers: int, batches: int, way: str, upload_count: int) -> None:
    """Open all streams, upload among them, one after another, cancel, and print what was measured."""
    process = psutil.Process(app.process.pid)
    async with httpx.AsyncClient(base_url=app.url, timeout=120, trust_env=False) as client:
        host = app.url.removeprefix("http://")
        started = [await submit(client) for _ in range(batches)]
        await asyncio.sleep(2)
        memory, used, threads = process.memory_info().rss, sum(process.cpu_times()[:2]), process.num_threads()
        times: list[list[float]] = [[] for _ in range(watchers)]
        opened = [asyncio.Event() for _ in range(watchers)]
        tasks = [
            asyncio.create_task(watch(STREAMS[way](host, started[number % batches]), times[number], opened[number]))
            for number in range(watchers)
        ]
        async with asyncio.timeout(100):
            await asyncio.gather(*(event.wait() for event in opened))
        used = sum(process.cpu_times()[:2]) - used
        print_times("first event", [durations[0] for durations in times])
        print(f"processor time of the server        {1000 * used:7.0f} ms")
        print(f"threads                            {process.num_threads() - threads:+8}")
        uploads = []
        for _ in range(upload_count):
            began = time.perf_counter()
            started.append(await submit(client))
            uploads.append(time.perf_counter() - began)
        print_times("upload of five pictures", uploads)
        counts = [len(durations) for durations in times]
        began = time.perf_counter()
        for batch in started:
            (await client.post(f"{API}/status/tasks/{batch['task_id']}/cancel")).raise_for_status()
        done, late = await asyncio.wait(tasks, timeout=60)
        errors = [task.exception() for task in done if task.exception()]
        print(f"all told of the end after          {1000 * (time.perf_counter() - began):7.0f} ms")
        print(f"events before it, per watcher      {statistics.mean(counts):7.1f}")
        print(f"memory                             {(process.memory_info().rss - memory) / 1e6:+7.0f} MB")
        print(f"errors                             {len(errors) + len(late):7}")


def main() -> None:
    """Measure with so many watchers of so many batches."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("watchers", nargs="?", type=int, default=200)
    parser.add_argument("batches", nargs="?", type=int, default=1)
    way = parser.add_mutually_exclusive_group()
    way.set_defaults(way="rest")
    way.add_argument("--page", action="store_const", dest="way", const="page", help="watch as the page does")
    way.add_argument("--api", action="store_const", dest="way", const="api", help="watch over Gradio's API")
    parser.add_argument("--uploads", type=int, default=5, help="of five pictures each, while all watch (5)")
    given = parser.parse_args()
    script = Script(queue_seconds=1, run_seconds=600)
    with tempfile.TemporaryDirectory() as folder, FalServer(script) as fal:
        app = AppProcess(Path(folder), FAL_HOST=fal.url, FAL_KEY=KEY, UPLOADS_PER_MINUTE="1000", MIN_FREE_GB="0")
        app.start()
        try:
            asyncio.run(measure(app, given.watchers, given.batches, given.way, given.uploads))
        finally:
            app.kill()


if __name__ == "__main__":
    main()
