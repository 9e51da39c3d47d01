"""A batch of 25 whose generator takes no time: from submit to all files in place.

    python -m benchmarks.batch_time

Beside it, from the same run, what cannot be retained: writing 25 results with fsync. The product's limit: 0.5 s.
"""

from __future__ import annotations

import asyncio
import io
import resource
import tempfile
import time
from pathlib import Path

from PIL import Image

from image2model.atomic_files import atomic_write
from image2model.devtools.scripted_generator import ScriptedGenerator, plain_box_glb
from image2model.services import Picture, Services, SubmitRequest
from image2model.settings import Settings

COUNT, ROUNDS = 25, 5


def pictures(folder: Path) -> list[Picture]:
    """Small pictures in files."""
    data = io.BytesIO()
    Image.new("RGB", (256, 256), "red").save(data, "PNG")
    paths = [folder / f"{number}.png" for number in range(COUNT)]
    for path in paths:
        path.write_bytes(data.getvalue())
    return [Picture(path, path.name) for path in paths]


def bare_writes(folder: Path) -> float:
    """Seconds to write the meshes alone, each whole and synced."""
    start = time.perf_counter()
    for number in range(COUNT):
        atomic_write(folder / f"bare-{number}.glb", plain_box_glb())
    return time.perf_counter() - start


async def batch(services: Services, given: list[Picture]) -> float:
    """Seconds from submit until every job is done and its files lie in place."""
    start = time.perf_counter()
    made = await services.submit(SubmitRequest(given))
    async for view in services.watch(made.id):
        last = view
    passed = time.perf_counter() - start
    assert last.counts.done == COUNT
    assert all((services.folders.job(job) / "model.glb").is_file() for job in made.jobs)
    return passed


async def main() -> None:
    """Measure several rounds; the first warms the workers and is not counted."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given = pictures(folder)
        settings = Settings(data_dir=folder / "data", generator="scripted", _env_file=None)
        services = Services(settings, [ScriptedGenerator()])
        await services.start()
        await batch(services, given)
        times = sorted([await batch(services, given) for _ in range(ROUNDS)])
        bare = min(bare_writes(folder) for _ in range(ROUNDS))
        await services.close()
    own, workers = (
        resource.getrusage(processes).ru_maxrss / 1024 for processes in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(f"25 pictures, submit to all files in place: best {times[0]:.3f} s, median {times[ROUNDS // 2]:.3f} s")
    print(f"25 bare writes with fsync: {bare:.3f} s")
    print(f"memory at most: {own:.0f} MB in this process, {workers:.0f} MB in the largest worker")


if __name__ == "__main__":
    asyncio.run(main())
