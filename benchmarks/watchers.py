"""How soon visitors who watch one process are shown their batch, and what an upload takes meanwhile.

python -m benchmarks.watchers [watchers] [batches]

Starts the app and the stand-in for fal, submits batches that last, opens all streams at once (server-sent events of
REST), and says how long the first event and the one after a change took, median and 95th percentile.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
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


async def watch(client: httpx.AsyncClient, task_id: str, times: list[tuple[float, str]], opened: asyncio.Event) -> None:
    """Note when each event of a stream came, in seconds since it was asked for, until the task ends."""
    began = time.perf_counter()
    async with client.stream("GET", f"{API}/status/tasks/{task_id}/stream") as answer:
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if line.startswith("event:"):
                times.append((time.perf_counter() - began, line))
                opened.set()


def told(name: str, seconds: list[float]) -> None:
    """Print the median and the 95th percentile."""
    p95 = statistics.quantiles(seconds, n=20)[-1]
    print(f"{name:<34} median {1000 * statistics.median(seconds):7.0f} ms   p95 {1000 * p95:7.0f} ms")


async def measure(app: AppProcess, watchers: int, batches: int) -> None:
    """Open all streams, upload among them, cancel, and print what was measured."""
    limits = httpx.Limits(max_connections=None)
    process = psutil.Process(app.process.pid)
    async with httpx.AsyncClient(base_url=app.url, timeout=120, limits=limits, trust_env=False) as client:
        started = [await submit(client) for _ in range(batches)]
        await asyncio.sleep(2)
        memory = process.memory_info().rss
        used = sum(process.cpu_times()[:2])
        events: list[list[tuple[float, str]]] = [[] for _ in range(watchers)]
        opened = [asyncio.Event() for _ in range(watchers)]
        streams = [
            asyncio.create_task(watch(client, started[number % batches]["task_id"], events[number], opened[number]))
            for number in range(watchers)
        ]
        await asyncio.gather(*(event.wait() for event in opened))
        used = sum(process.cpu_times()[:2]) - used
        told("first event", [times[0][0] for times in events])
        print(f"processor time of the server        {1000 * used:7.0f} ms")
        uploads = []
        for _ in range(5):
            began = time.perf_counter()
            started.append(await submit(client))
            uploads.append(time.perf_counter() - began)
        told("upload of five pictures", uploads)
        counts = [len(times) for times in events]
        began = time.perf_counter()
        for batch in started:
            (await client.post(f"{API}/status/tasks/{batch['task_id']}/cancel")).raise_for_status()
        done, late = await asyncio.wait(streams, timeout=60)
        errors = [stream.exception() for stream in done if stream.exception()]
        print(f"all told of the end after          {1000 * (time.perf_counter() - began):7.0f} ms")
        print(f"events before it, per watcher      {statistics.mean(counts):7.1f}")
        print(f"memory                             {(process.memory_info().rss - memory) / 1e6:+7.0f} MB")
        print(f"errors                             {len(errors) + len(late):7}")


def main() -> None:
    """Measure with so many watchers of so many batches."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("watchers", nargs="?", type=int, default=200)
    parser.add_argument("batches", nargs="?", type=int, default=1)
    given = parser.parse_args()
    script = Script(queue_seconds=1, run_seconds=600)
    with tempfile.TemporaryDirectory() as folder, FalServer(script) as fal:
        app = AppProcess(Path(folder), FAL_HOST=fal.url, FAL_KEY=KEY, UPLOADS_PER_MINUTE="1000", MIN_FREE_GB="0")
        app.start()
        try:
            asyncio.run(measure(app, given.watchers, given.batches))
        finally:
            app.kill()


if __name__ == "__main__":
    main()
