"""Nonsense at Gradio's routes: whether each request is answered, and refused with a code and a sentence.

python -m benchmarks.fuzz [requests] [seed] [--seconds most]

Prints the seed, which repeats a run, how many requests were answered with which status, and how the memory of the app
grew; while it runs, how far it is. Ends with status 1 where one failed on our side (5xx), was not answered, or was
refused without code and sentence.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from benchmarks.nonsense import Nonsense, Requests
from image2model.devtools.app_process import AppProcess

CODED = re.compile(r"[a-z_]+: .+", re.DOTALL)
WORKERS = 4
"""Requests at a time."""
ANSWER_SECONDS = 30.0
"""After which a request counts as not answered."""


@dataclass
class Result:
    """Counts of the answers to the requests; `texts` are the distinct ones."""

    seed: int
    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    texts: set[str] = field(default_factory=set)

    @property
    def count(self) -> int:
        """Requests that were answered."""
        return self.statuses.total()

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.count} requests, by status {dict(sorted(self.statuses.items()))}"


async def fuzz(
    url: str, seed: int, most: int = sys.maxsize, seconds: float = 86_400.0, progress: bool = False
) -> Result:
    """Send nonsense to the app at `url` until so many requests are sent or so much time has passed."""
    result, until = Result(seed), time.monotonic() + seconds
    async with httpx.AsyncClient(base_url=url, timeout=ANSWER_SECONDS, trust_env=False) as client:
        functions = (await client.get("/config")).json()["dependencies"]
        names = [function["api_name"] for function in functions if function["api_name"]]
        requests = Requests(seed, names, [function["id"] for function in functions])
        left = (requests.one() for _ in range(most))

        async def work() -> None:
            for request in left:
                if time.monotonic() > until:
                    return
                await _send(client, request, result)
                if progress and result.count % 1000 == 0:
                    print(f"{result.count} requests", flush=True)

        await asyncio.gather(*(work() for _ in range(WORKERS)))
    return result


async def _send(client: httpx.AsyncClient, request: Nonsense, result: Result) -> None:
    try:
        answer = await client.post(
            request.path, content=request.content, headers={"Content-Type": request.content_type}
        )
    except httpx.HTTPError as error:
        result.faults.append(f"{error!r} at {request}")
        return
    result.statuses[answer.status_code] += 1
    result.texts.add(answer.text)
    if answer.status_code >= 500 or (answer.status_code >= 400 and not _is_coded(answer)):
        result.faults.append(f"{answer.status_code} {answer.text[:200]} at {request}")


def _is_coded(answer: httpx.Response) -> bool:
    try:
        return bool(CODED.fullmatch(answer.json()["detail"]))
    except (ValueError, LookupError, TypeError):
        return False


def main() -> None:
    """Send so many requests to an app that is started for them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("requests", nargs="?", type=int, default=10_000)
    parser.add_argument("seed", nargs="?", type=int, default=random.SystemRandom().randrange(1, 10**9))
    parser.add_argument("--seconds", type=float, default=900.0, help="after which it ends (900)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        app = AppProcess(Path(folder), GENERATOR="local")
        app.start()
        try:
            process = psutil.Process(app.process.pid)
            asyncio.run(fuzz(app.url, given.seed + 1, most=500))  # what is loaded at the first request is no growth
            before = process.memory_info().rss
            result = asyncio.run(fuzz(app.url, given.seed, given.requests, given.seconds, progress=True))
            grown = (process.memory_info().rss - before) / 1e6
        finally:
            app.kill()
    print(result)
    print(f"memory {grown:+.0f} MB, faults {len(result.faults)}")
    for fault in result.faults[:10]:
        print(fault)
    sys.exit(bool(result.faults))


if __name__ == "__main__":
    main()
