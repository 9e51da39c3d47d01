"""Time to check 25 photographs of 12 megapixels, and the delay of the event loop meanwhile.

`python -m benchmarks.image_checks` prints the wall time of all cores and of one thread, the processor time, the longest
time for which the event loop did not answer, and the peak memory, each picture being written to disk as soon as it is
checked, as a batch does. The second row asks for the same files again, as the submission after a drop does.
"""

from __future__ import annotations

import asyncio
import io
import multiprocessing
import tempfile
import time
from itertools import count
from pathlib import Path

import numpy as np
from PIL import Image

from image2model.errors import ImageRefused
from image2model.images import ImageChecker, ImageLimits, check_image

COUNT = 25
LIMITS = ImageLimits(max_bytes=25_000_000, max_pixels=65_000_000)


def make_pictures(folder: Path) -> None:
    """Write 25 different noisy JPEGs of 4032 × 3024 pixels and 9 MB."""
    noise = np.random.default_rng(0).normal(0, 24, (3024, 4032, 3)).astype(np.float32)
    slope = np.linspace(40, 200, 4032, dtype=np.float32)[None, :, None]
    for number in range(COUNT):
        picture = Image.fromarray(np.clip(np.roll(noise, 97 * number, axis=1) + slope, 0, 255).astype(np.uint8))
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=91)
        (folder / f"{number:02}.jpg").write_bytes(buffer.getvalue())


def one_thread(items: list[tuple[Path, str]]) -> float:
    """Seconds for all pictures, one after the other."""
    start = time.perf_counter()
    for path, name in items:
        check_image(path.read_bytes(), name, LIMITS)
    return time.perf_counter() - start


async def together(checker: ImageChecker, items: list[tuple[Path, str]], out: Path) -> tuple[float, list[float]]:
    """Seconds for all pictures through a checker, and how late the event loop was, each time it was asked."""
    late: list[float] = []
    asking = asyncio.create_task(_ask(late))
    start = time.perf_counter()
    written = count()
    async for image in checker.check_files(items):
        if isinstance(image, ImageRefused):
            raise image
        await asyncio.to_thread((out / str(next(written))).write_bytes, image.data)
    taken = time.perf_counter() - start
    asking.cancel()
    return taken, late


async def _ask(late: list[float]) -> None:
    while True:
        start = time.perf_counter()
        await asyncio.sleep(0.002)
        late.append(time.perf_counter() - start - 0.002)


async def idle() -> list[float]:
    """Delay of the event loop without any work of ours, as the machine's own share."""
    late: list[float] = []
    asking = asyncio.create_task(_ask(late))
    await asyncio.sleep(3)
    asking.cancel()
    return late


def lateness(late: list[float]) -> str:
    """The longest and the 99th percentile, as cells of the table."""
    return f"{max(late) * 1e3:.0f} ms | {sorted(late)[int(len(late) * 0.99)] * 1e3:.0f} ms |"


def peak_memory() -> float:
    """The most memory that this process ever held, in MB (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


async def measure(items: list[tuple[Path, str]], out: Path) -> None:
    """Check the files, check them again, and print a table."""
    print(f"{len(items)} files, {sum(path.stat().st_size for path, _ in items) / len(items) / 1e6:.1f} MB each")
    print("| | all cores | processor time | loop late, max | loop late, 99 % | peak memory |")
    print("|---|---|---|---|---|---|")
    print(f"| nothing | | | {lateness(await idle())} {peak_memory():.0f} MB |")
    checker = ImageChecker(LIMITS)
    for step in ("checked", "asked for again"):
        before = time.process_time()
        wall, late = await together(checker, items, out)
        spent = time.process_time() - before
        print(f"| {step} | {wall:.2f} s | {spent:.2f} s | {lateness(late)} {peak_memory():.0f} MB |")
    print(f"One thread: {one_thread(items):.2f} s")


def main() -> None:
    """Make the pictures in another process, so that its memory does not count here, and measure."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "pictures"
        folder.mkdir()
        maker = multiprocessing.get_context("spawn").Process(target=make_pictures, args=(folder,))
        maker.start()
        maker.join()
        out = Path(place) / "out"
        out.mkdir()
        asyncio.run(measure([(path, path.name) for path in sorted(folder.iterdir())], out))


if __name__ == "__main__":
    main()
