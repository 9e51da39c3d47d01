"""Growth of the app's memory over many requests.

python -m benchmarks.memory [requests] [--only kind …]

Starts the app with the embedded engine and one finished batch. For each kind of request it sends a tenth of them to
warm up, then all of them, and prints how the resident memory of the main process grew meanwhile: in all, and for each
request. Ends with status 1 where a kind took more than `ALLOWED_MB` in the second half of its requests.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import httpx
import psutil

from benchmarks.nonsense import Requests
from image2model.devtools.app_process import ADMIN_KEY, AppProcess
from image2model.web.middleware.stream_end_guard import CLIENT_GUARDS

PICTURE = (Path(__file__).parents[1] / "examples" / "robot.jpg").read_bytes()
API = "/api/v1"
WORKERS = 8
"""Requests at a time."""
ALLOWED_MB = 8.0
Kind = Callable[[], Awaitable[None]]


async def finished_batch(client: httpx.AsyncClient) -> dict[str, str]:
    """A batch of one picture, done."""
    answer = await client.post(f"{API}/upload", files={"files": ("robot.jpg", PICTURE, "image/jpeg")})
    answer.raise_for_status()
    batch: dict[str, str] = answer.json()
    await client.get(f"{API}/status/tasks/{batch['task_id']}/stream")  # it ends with the task
    return batch


def kinds(client: httpx.AsyncClient, batch: Mapping[str, str], functions: Mapping[str, int]) -> dict[str, Kind]:
    """The kinds of request, by name: each call sends one request, or the few that belong together."""
    number = itertools.count()
    nonsense = Requests(1, list(functions), list(functions.values()))
    admin = {"Authorization": f"Bearer {ADMIN_KEY}"}

    async def get(path: str, status: int = 200, **headers: str) -> None:
        answer = await client.get(path, headers=headers)
        if answer.status_code != status:
            raise RuntimeError(f"{path}: {answer.status_code} {answer.text[:200]}")

    async def session(name: str, *values: object) -> None:
        """Run a function of the page in a session that nobody has had before, as the page does."""
        own = f"session{next(number)}"
        body = {"data": list(values), "fn_index": functions[name], "session_hash": own}
        (await client.post("/gradio_api/queue/join", json=body)).raise_for_status()
        await client.get("/gradio_api/queue/data", params={"session_hash": own}, headers={CLIENT_GUARDS: "1"})

    async def unread() -> None:
        """Begin what goes on for as long as the batch does, and never look at it."""
        (await client.post("/gradio_api/call/watch_batch", json={"data": [batch["batch_id"]]})).raise_for_status()

    async def call() -> None:
        started = await client.post("/gradio_api/call/batch_status", json={"data": [batch["batch_id"]]})
        await client.get(f"/gradio_api/call/batch_status/{started.json()['event_id']}")

    async def upload() -> None:
        """A picture that is never submitted, each another."""
        content = PICTURE + str(next(number)).encode()
        (await client.post("/gradio_api/upload", files={"files": ("robot.jpg", content)})).raise_for_status()

    async def fuzz() -> None:
        one = nonsense.one()
        await client.post(one.path, content=one.content, headers={"Content-Type": one.content_type})

    async def wrong_key() -> None:
        headers = {"Authorization": f"Bearer {next(number)}"}
        await client.get(f"{API}/admin/disk-usage", headers=headers)

    return {
        "page": lambda: get("/"),
        "page of a batch": lambda: get(f"/?batch={batch['batch_id']}"),
        "page session": lambda: session("open", "nobody", None, "local", ""),
        "page's board": lambda: get(f"/batches/{batch['batch_id']}/board"),
        "Gradio call": call,
        "Gradio call, unread": unread,
        "Gradio upload": upload,
        "Gradio nonsense": fuzz,
        "REST status": lambda: get(f"{API}/status/tasks/{batch['task_id']}/status"),
        "REST stream": lambda: get(f"{API}/status/tasks/{batch['task_id']}/stream"),
        "REST download": lambda: get(f"{API}/download/{batch['job_id']}/robot.glb"),
        "REST unknown": lambda: get(f"{API}/status/jobs/{next(number)}/progress", status=404),
        "REST admin": lambda: get(f"{API}/admin/system-health", **admin),
        "REST wrong key": wrong_key,
        "metrics": lambda: get(f"{API}/health/metrics"),
    }  # fmt: skip


async def send(kind: Kind, count: int) -> None:
    """Send so many requests of a kind, `WORKERS` at a time."""
    left = iter(range(count))

    async def work() -> None:
        for _ in left:
            await kind()

    await asyncio.gather(*(work() for _ in range(WORKERS)))


async def measure(app: AppProcess, count: int, only: Sequence[str]) -> int:
    """Print each kind's growth; return how many grew too much."""
    process, grown = psutil.Process(app.process.pid), 0

    def megabytes() -> float:
        return float(process.memory_info().rss / 1e6)

    async with httpx.AsyncClient(base_url=app.url, timeout=120, trust_env=False) as client:
        batch = await finished_batch(client)
        config = json.loads((await client.get("/config")).text)
        functions = {
            function["api_name"]: int(function["id"]) for function in config["dependencies"] if function["api_name"]
        }
        print(f"{'':<20}{'first half':>12}{'second half':>13}{'per request':>13}{'seconds':>9}")
        for name, kind in kinds(client, batch, functions).items():
            if not name.startswith(tuple(only)):
                continue
            began = time.monotonic()
            await send(kind, count // 10)
            first = megabytes()
            await send(kind, count // 2)
            second = megabytes()
            await send(kind, count // 2)
            late = megabytes() - second
            grown += late > ALLOWED_MB
            seconds = time.monotonic() - began
            each = 2e3 * late / count
            print(f"{name:<20}{second - first:+9.1f} MB{late:+10.1f} MB{each:+10.2f} kB{seconds:9.0f}", flush=True)
        print(f"{megabytes():.0f} MB in all")
    return grown


def main() -> None:
    """Measure with so many requests of each kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("requests", nargs="?", type=int, default=2_000)
    parser.add_argument("--only", nargs="+", metavar="kind", help="words that the names of kinds begin with")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        app = AppProcess(
            Path(folder), GENERATOR="local", UPLOADS_PER_MINUTE="100000", MAX_FILES="1000", MIN_FREE_GB="0"
        )
        app.start()
        try:
            sys.exit(asyncio.run(measure(app, given.requests, given.only or [""])) and 1)
        finally:
            app.kill()


if __name__ == "__main__":
    main()
