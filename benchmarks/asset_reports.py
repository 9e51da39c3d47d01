"""Time and peak memory of a mesh's facts, thumbnail and turntable by its size: `python -m benchmarks.asset_reports`.

Each size runs in a process of its own; times are processor time, the best of seven in a warm
process, so that they can be compared on a busy machine. The rows with a texture hold a JPEG of 2048 × 2048 pixels.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

SIZES = {"12 faces": 0, "4k faces": 64, "100k faces": 316, "1M faces": 1000}


def mesh(steps: int) -> bytes:
    """The GLB of a bumpy, textured ball of about `steps`² faces; of a plain box for 0."""
    import numpy as np
    import trimesh
    from PIL import Image

    from image2model.devtools.sample_meshes import bumpy_ball

    if not steps:
        return bytes(trimesh.creation.box().export(file_type="glb"))
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize((2048, 2048), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return bytes(bumpy_ball(steps, Image.open(buffer)).export(file_type="glb", include_normals=True))


def measure(path: Path) -> dict[str, float]:
    """Seconds for thumbnail, facts, both at once and turntable, and the peak memory in MB, of this process."""
    from image2model.mesh.facts import read_facts
    from image2model.mesh.render.thumbnail import render_thumbnail
    from image2model.mesh.render.turntable import write_turntable
    from image2model.mesh.report import write_report

    before = peak_memory()
    write_report(path, path.with_suffix(".webp"))
    peak = peak_memory()
    return {
        "thumbnail": best(lambda: render_thumbnail(path)),
        "facts": best(lambda: read_facts(path)),
        "report": best(lambda: write_report(path, path.with_suffix(".webp"))),
        "turntable": best(lambda: write_turntable(path, path.with_suffix(".webp")), times=1),
        "before": before,
        "peak": peak,
    }


def peak_memory() -> float:
    """The most memory that this process ever held, in MB (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def best(function: Callable[[], object], times: int = 7) -> float:
    """The least processor time of several runs, in seconds."""
    taken = []
    for _ in range(times):
        start = time.process_time()
        function()
        taken.append(time.process_time() - start)
    return min(taken)


def main() -> None:
    """Measure each size in a process of its own and print a table."""
    print("| mesh | file | thumbnail | facts | report (both, file written) | turntable | peak memory of a report |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, steps in SIZES.items():
            path = Path(folder) / "mesh.glb"
            path.write_bytes(mesh(steps))
            run = [sys.executable, "-m", "benchmarks.asset_reports", str(path)]
            body = json.loads(subprocess.run(run, check=True, capture_output=True).stdout)
            times = " | ".join(f"{body[key] * 1e3:.0f} ms" for key in ("thumbnail", "facts", "report", "turntable"))
            size = path.stat().st_size / 1e6
            print(f"| {name} | {size:.1f} MB | {times} | {body['peak']:.0f} MB ({body['before']:.0f} MB before) |")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(Path(sys.argv[1]))))
    else:
        main()
