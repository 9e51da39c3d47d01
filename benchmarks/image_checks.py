"""How long 25 pictures of 10 MB take to be checked, and what the page feels of it: `python -m benchmarks.image_checks`.

Prints the wall time against one thread, the longest time for which the event loop did not answer,
and the peak memory, each picture being written to disk as soon as it is checked, as a batch does.
"""

from __future__ import annotations

import asyncio
import io
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
from PIL import Image

from image2model.images import CheckedImage, ImageLimits, ImageRefused, Preview, check_files, check_image, preview_image

COUNT = 25
LIMITS = ImageLimits(max_bytes=10_500_000, max_pixels=50_000_000)


def make_pictures(folder: Path) -> None:
    """Write 25 noisy files of 8 to 10 MB: four JPEGs of 24 megapixels for each PNG of 3.5."""
    made = {"jpg": _picture(6000, 4000, "JPEG", quality=90), "png": _picture(2300, 1500, "PNG", compress_level=1)}
    for number in range(COUNT):
        kind = "png" if number % 5 == 4 else "jpg"
        (folder / f"{number:02}.{kind}").write_bytes(made[kind])


def _picture(width: int, height: int, kind: str, **options: int) -> bytes:
    noise = np.random.default_rng(0).normal(0, 14, (height, width, 3)).astype(np.float32)
    slope = np.linspace(40, 200, width, dtype=np.float32)[None, :, None]
    buffer = io.BytesIO()
    Image.fromarray(np.clip(noise + slope, 0, 255).astype(np.uint8)).save(buffer, kind, **options)
    return buffer.getvalue()


def one_thread(items: list[tuple[Path, str]], check: Callable[[bytes, str, ImageLimits], object]) -> float:
    """Seconds for all pictures, one after the other."""
    start = time.perf_counter()
    for path, name in items:
        check(path.read_bytes(), name, LIMITS)
    return time.perf_counter() - start


async def together(
    items: list[tuple[Path, str]], check: Callable[[bytes, str, ImageLimits], CheckedImage | Preview], out: Path
) -> tuple[float, list[float]]:
    """Seconds for all pictures through `check_files`, and how late the event loop was, each time it was asked."""
    late: list[float] = []
    asking = asyncio.create_task(_ask(late))
    start = time.perf_counter()
    written = count()
    async for result in check_files(items, LIMITS, check):
        if isinstance(result, ImageRefused):
            raise result
        data = result.png if isinstance(result, CheckedImage) else result.thumbnail
        await asyncio.to_thread((out / str(next(written))).write_bytes, data)
    taken = time.perf_counter() - start
    asking.cancel()
    return taken, late


async def _ask(late: list[float]) -> None:
    while True:
        start = time.perf_counter()
        await asyncio.sleep(0.002)
        late.append(time.perf_counter() - start - 0.002)


async def idle() -> list[float]:
    """How late the event loop is without any work of ours: what the machine itself does."""
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


def measure(folder: Path) -> None:
    """Measure `preview_image` and `check_image` on the files of a folder, and print a table."""
    items = [(path, path.name) for path in sorted(folder.iterdir())]
    out = folder.with_name("out")
    out.mkdir()
    print(f"{len(items)} files, {sum(path.stat().st_size for path, _ in items) / len(items) / 1e6:.1f} MB each")
    print("| | all cores | one thread | ratio | loop late, max | loop late, 99 % | peak memory |")
    print("|---|---|---|---|---|---|---|")
    print(f"| nothing | | | | {lateness(asyncio.run(idle()))} {peak_memory():.0f} MB |")
    for check in (preview_image, check_image):
        wall, late = asyncio.run(together(items, check, out))
        peak = peak_memory()
        alone = one_thread(items, check)
        ratio = f"{wall / alone:.2f}"
        print(f"| {check.__name__} | {wall:.2f} s | {alone:.2f} s | {ratio} | {lateness(late)} {peak:.0f} MB |")


def main() -> None:
    """Make the pictures in another process, so that its memory does not count here, and measure."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "pictures"
        folder.mkdir()
        maker = multiprocessing.get_context("spawn").Process(target=make_pictures, args=(folder,))
        maker.start()
        maker.join()
        measure(folder)


if __name__ == "__main__":
    main()
