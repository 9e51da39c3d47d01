"""25 pictures through a fal generator alone and through the whole app, against the stand-in in a process of its own.

    python -m benchmarks.fal_batch

For jobs of 0 s and 1.0 s: the time from start (uploads included) to all files in place, the share of it that
this process computed, and its peak memory. The whole app also checks the pictures, stores each step, measures the
meshes and draws their thumbnails. The first image2model took 1.07 s and 5.2 s without downloading
anything, and 647 MB.
"""

from __future__ import annotations

import asyncio
import itertools
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from image2model.generators.base import Finished, Task
from image2model.generators.fal import FalGenerator, FalHosts, fal_generators
from image2model.services import Picture, Services, SubmitRequest
from image2model.settings import Settings

PICTURES, REPEATS, PORT = 25, 5, 9931
SIZE = (1024, 1024)
PHOTOGRAPH = Path(__file__).parent.parent / "examples" / "mushroom-house.jpg"


def picture(folder: Path) -> Path:
    """A PNG of 1024² with some noise: 1.4 MB, as a photograph of this size has."""
    path = folder / "input.png"
    Image.merge("RGB", [Image.effect_noise(SIZE, sigma) for sigma in (2, 2, 2)]).save(path)
    return path


async def batch(generator: FalGenerator, image: Path, folder: Path) -> tuple[float, float]:
    """Run all pictures at once; return the seconds it took, and those this process computed."""

    async def one(number: int) -> None:
        place = folder / str(number)
        place.mkdir(parents=True)
        events = [event async for event in generator.run(Task(image, place, generator.spec.check({}, None)))]
        assert isinstance(events[-1], Finished)
        assert events[-1].glb.stat().st_size > 0

    start, computed = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one(number) for number in range(PICTURES)))
    return time.perf_counter() - start, time.process_time() - computed


async def app_batch(services: Services, given: list[Picture]) -> tuple[float, float]:
    """Submit all pictures as one batch; return the seconds until it is done, and those this process computed."""
    start, computed = time.perf_counter(), time.process_time()
    made = await services.submit(SubmitRequest(given))
    async for view in services.watch(made.id):
        last = view
    assert last.counts.done == PICTURES
    return time.perf_counter() - start, time.process_time() - computed


async def measure_app() -> list[tuple[float, float]]:
    """Time several batches of the whole app, the first one cold."""
    with tempfile.TemporaryDirectory() as name:
        given = [Picture(PHOTOGRAPH, f"{number}.jpg") for number in range(PICTURES)]
        fal_host = f"http://127.0.0.1:{PORT}"
        services = Services(
            Settings(data_dir=Path(name) / "data", fal_key="test-key", fal_host=fal_host, _env_file=None)
        )
        await services.start()
        times = [await app_batch(services, given) for _ in range(REPEATS)]
        await services.close()
    return times


async def measure() -> list[tuple[float, float]]:
    """Time several batches in one event loop, the first one cold."""
    (generator, *_) = fal_generators("test-key", FalHosts.at(f"http://127.0.0.1:{PORT}"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image = picture(folder)
        times = [await batch(generator, image, folder / str(repeat)) for repeat in range(REPEATS)]
    await generator.close()
    return times


def stand_in(run_seconds: float, spread: float = 0.0) -> subprocess.Popen[str]:
    """Start the stand-in and wait until it is up."""
    options = ["--port", str(PORT), "--queue-seconds", "0", "--run-seconds", str(run_seconds), "--spread", str(spread)]
    server = subprocess.Popen(
        [sys.executable, "-u", "-m", "image2model.devtools.fal_stand_in", *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    server.stdout.readline()
    return server


MEASURED = {"generator alone": measure, "whole app": measure_app}


def main() -> None:
    """Print one line for each job length."""
    print(f"{PICTURES} pictures, the app's an example photograph, {REPEATS} batches\n")
    print("| what | job | first batch | median | best | computing, best | peak memory |\n|---|---|---|---|---|---|---|")
    for scope, run_seconds in itertools.product(MEASURED, (0.0, 1.0)):
        server = stand_in(run_seconds)
        try:
            times = asyncio.run(MEASURED[scope]())
        finally:
            server.terminate()
            server.wait()
        walls, computed = zip(*times, strict=True)
        megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        seconds = " | ".join(f"{x:.2f} s" for x in (walls[0], statistics.median(walls), min(walls), min(computed)))
        print(f"| {scope} | {run_seconds} s | {seconds} | {megabytes:.0f} MB |")


if __name__ == "__main__":
    main()
