"""1,000 fal jobs in flight in one process, against the stand-in in a process of its own.

    python -m benchmarks.fal_in_flight

While all of them run: the share of one processor that this process computes, its memory above idle, and beside that
what as many bare questions over httpx compute. When they end, after four minutes or up to a quarter less or more: how
much later than its end and one interval of the polling policy each is noticed. Shares are of processor time, so other
programs do not count; lateness is of the clock, so they do.
"""

from __future__ import annotations

import argparse
import asyncio
import bisect
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from PIL import Image

from benchmarks.fal_batch import PORT, stand_in
from image2model.devtools.fal_stand_in import run_seconds_of
from image2model.generators.fal import FalAccount, FalGenerator, FalHosts
from image2model.generators.fal.catalogue import FAL_MODELS
from image2model.generators.fal.polling import poll_delay
from image2model.services import Picture, Services, SubmitRequest
from image2model.settings import Settings

MODEL = next(model for model in FAL_MODELS if model.spec.id == "tripo-v2.5")
KEY = "test-key"
WHERE = f"http://127.0.0.1:{PORT}"
MEGABYTE = 2**20


@dataclass
class Policy:
    """The app's own polling policy, counted."""

    asked: int = 0

    def __call__(self, elapsed: float, expected: float, crowd: int) -> float:
        """Seconds to the next question, as the app has it."""
        self.asked += 1
        return poll_delay(elapsed, expected, crowd)


def resident() -> float:
    """Megabytes that this process occupies."""
    return float(psutil.Process().memory_info().rss) / MEGABYTE


async def until_submitted(services: Services, batch_id: str) -> list[float]:
    """Wait until fal has every job; return when each was taken."""
    while True:
        batch = await services.batch(batch_id)
        if all(job.remote for job in batch.jobs):
            return [float(job.remote["submitted_at"]) for job in batch.jobs if job.remote]
        await asyncio.sleep(1)


async def in_flight(policy: Policy, end: float) -> tuple[float, float, int]:
    """Until `end`: the share of a processor, the most memory in megabytes, and how many questions were asked."""
    began, computed, asked, most = time.perf_counter(), time.process_time(), policy.asked, 0.0
    while time.time() < end:
        most = max(most, resident())
        await asyncio.sleep(0.5)
    share = (time.process_time() - computed) / (time.perf_counter() - began)
    return share, most, policy.asked - asked


async def bare(url: str, count: int) -> float:
    """Processor seconds of so many questions over httpx, and nothing else."""
    limits = httpx.Limits(max_connections=8)
    async with httpx.AsyncClient(headers={"Authorization": f"Key {KEY}"}, limits=limits) as client:
        computed = time.process_time()
        for _ in range(count // 8):
            await asyncio.gather(*(client.get(url, params={"logs": "true"}) for _ in range(8)))
        return (time.process_time() - computed) * count / max(1, count // 8 * 8)


async def noticed(services: Services, batch_id: str, count: int) -> dict[str, float]:
    """Wait for every end; return when each was noticed, by the job's id."""
    while True:
        history = await asyncio.to_thread(services._store.events, batch_id)
        seen = {row["job_id"]: row["at"] for row in reversed(history) if row["state"] == "downloading"}
        if len(seen) == count:
            return seen
        await asyncio.sleep(2)


def lateness(seen: dict[str, float], taken: dict[str, float], ran: dict[str, float]) -> list[float]:
    """By how many seconds each end was noticed later than itself and the interval at that time."""
    ends = sorted(taken[key] + ran[key] for key in ran)
    late = []
    for key, seconds in ran.items():
        longest = poll_delay(seconds, MODEL.spec.usual_seconds, len(ends))
        watched = len(ends) - bisect.bisect(ends, taken[key] + seconds - longest)
        interval = poll_delay(seconds, MODEL.spec.usual_seconds, watched)
        late.append(seen[key] - taken[key] - seconds - interval)
    return late


async def measure(jobs: int, run_seconds: float, spread: float) -> None:
    """Print what was measured."""
    policy = Policy()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Image.effect_noise((64, 64), 40).convert("RGB").save(folder / "small.png")
        settings = Settings(
            data_dir=folder / "data", generator=MODEL.spec.id, max_files=1000, min_free_gb=0, _env_file=None
        )
        services = Services(settings, [FalGenerator(MODEL, FalAccount(KEY, FalHosts.at(WHERE)), policy)])
        await services.start()
        await asyncio.sleep(5)
        idle = resident()
        began = time.time()
        batch = await services.submit(SubmitRequest([Picture(folder / "small.png", f"{n}.png") for n in range(jobs)]))
        taken = await until_submitted(services, batch.id)
        took = time.time() - began
        print(f"{jobs} jobs handed over in {took:.0f} s; each runs {run_seconds:.0f} s ± {spread:.0%}", flush=True)
        first_end = min(taken) + run_seconds * (1 - spread)
        window = first_end - time.time()
        share, most, asked = await in_flight(policy, first_end)
        print(f"in flight for {window:.0f} s, {asked / window:.0f} questions a second")
        print(f"| processor | {share:.1%} | under 30% |")
        print(f"| memory above idle ({idle:.0f} MB) | {most - idle:.0f} MB | under 150 MB |", flush=True)
        some = (await services.batch(batch.id)).jobs[0].remote or {}
        seen = await noticed(services, batch.id, jobs)
        alone = await bare(str(some["status_url"]), asked) / window
        remotes = {job.id: job.remote or {} for job in (await services.batch(batch.id)).jobs}
        ran = {key: run_seconds_of(remote["request_id"], run_seconds, spread) for key, remote in remotes.items()}
        late = lateness(seen, {key: remote["submitted_at"] for key, remote in remotes.items()}, ran)
        await services.close()
    print(f"| processor, the bare questions alone | {alone:.1%} | baseline |")
    median, most_late = statistics.median(late), max(late)
    print(f"| noticed after end and interval | {most_late:.2f} s at most, {median:.2f} s median | 1 s |")


def main() -> None:
    """Run it against the stand-in."""
    parser = argparse.ArgumentParser(description="Many fal jobs in flight.")
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--run-seconds", type=float, default=240.0)
    parser.add_argument("--spread", type=float, default=0.25)
    given = parser.parse_args()
    server = stand_in(given.run_seconds, given.spread)
    try:
        asyncio.run(measure(given.jobs, given.run_seconds, given.spread))
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
