"""Time and memory of an inflated preview, beside the bare network in the same run.

    python -m benchmarks.local_speed

The picture is a photograph of 1024 × 1024. Cold: a process that starts, makes one preview and ends,
beside one that only runs the network once. Warm: the same in a process that has made one before.
Medians; on a busy machine the processor time says more than the wall clock.
"""

from __future__ import annotations

import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageChops
from skimage import data

from image2model.generators.local.engine import generate_preview
from image2model.generators.local.segment import subject_probability

SIDE = 1024
COLD_RUNS, WARM_RUNS = 5, 9
ONE_PREVIEW = """
import sys
from pathlib import Path
from image2model.generators.local.worker import generate
source, target = map(Path, sys.argv[1:])
generate(source, target, target.with_suffix('.txt'), {'detail': '%s'}, None)
"""
BARE_NETWORK = """
import sys
from PIL import Image
from image2model.generators.local.segment import subject_probability
subject_probability(Image.open(sys.argv[1]))
"""


def cold(program: str, *arguments: str) -> tuple[float, float, float]:
    """Run `program` in a new process; return the medians of wall seconds, processor seconds and peak MB."""
    runs = []
    for _ in range(COLD_RUNS):
        start = time.perf_counter()
        pid = os.posix_spawn(sys.executable, [sys.executable, "-c", program, *arguments], dict(os.environ))
        _, status, usage = os.wait4(pid, 0)
        assert status == 0
        runs.append((time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024))
    return tuple(map(statistics.median, zip(*runs, strict=True)))  # type: ignore[return-value]


def warm(work: Callable[[], object]) -> tuple[float, float]:
    """Return the medians of wall and processor seconds of `work`, after one run that does not count."""
    work()
    runs = []
    for _ in range(WARM_RUNS):
        start, used = time.perf_counter(), time.process_time()
        work()
        runs.append((time.perf_counter() - start, time.process_time() - used))
    return tuple(map(statistics.median, zip(*runs, strict=True)))  # type: ignore[return-value]


def main() -> None:
    """Print the table."""
    photo = Image.fromarray(data.astronaut()).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    print("| | wall s | processor s | peak MB |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "photo.png"), Path(folder, "model.glb")
        photo.save(source)
        bare = cold(BARE_NETWORK, str(source))
        print("| cold, bare network | {:.2f} | {:.2f} | {:.0f} |".format(*bare))
        for detail in ("medium", "high"):
            made = cold(ONE_PREVIEW % detail, str(source), str(target))
            print(f"| cold, {detail} | {made[0]:.2f} | {made[1]:.2f} | {made[2]:.0f} |")
            print(f"| ratio | {made[0] / bare[0]:.2f} | {made[1] / bare[1]:.2f} | {made[2] / bare[2]:.2f} |")
    photos = (ImageChops.offset(photo, shift, 0) for shift in itertools.count())  # all new to the network
    network = warm(lambda: subject_probability(next(photos)))
    print("| warm, bare network | {:.2f} | {:.2f} | |".format(*network))
    for detail in ("low", "medium", "high"):
        chosen = {"detail": detail}
        took = warm(lambda chosen=chosen: generate_preview(next(photos), chosen, None, lambda done, what: None))  # type: ignore[misc]
        print(f"| warm, {detail} | {took[0]:.2f} | {took[1]:.2f} | |")
        print(f"| ratio | {took[0] / network[0]:.2f} | {took[1] / network[1]:.2f} | |")


if __name__ == "__main__":
    main()
