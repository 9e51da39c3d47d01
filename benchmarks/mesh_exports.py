"""Time and peak memory of facts, thumbnail and each export by the mesh's size: `python -m benchmarks.mesh_exports`.

Each step runs once in a process of its own, which like the app's has done the same to a small mesh before; reading back
of what was written is included; the first row, loading the mesh and nothing else, is the baseline. Times are processor
time, so that they can be compared on a busy machine. Names of steps choose some: `… 3MF "STL, mended"`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .asset_reports import SIZES, mesh, peak_memory

STEPS: dict[str, dict[str, Any]] = {
    "load only": {},
    "facts": {},
    "thumbnail": {},
    "print check": {},
    "GLB, a fifth of the faces": {"format": "glb", "share": 5},
    "GLB, meshopt": {"format": "glb", "packing": "meshopt"},
    "GLB, Draco": {"format": "glb", "packing": "draco"},
    "OBJ": {"format": "obj"},
    "STL": {"format": "stl"},
    "STL, mended": {"format": "stl", "repair": "solid"},
    "STL, new skin": {"format": "stl", "repair": "rebuild"},
    "PLY": {"format": "ply"},
    "3MF": {"format": "3mf"},
    "USDZ": {"format": "usdz"},
}


def work(step: str, glb: Path) -> Callable[[], Any]:
    """The function to be measured for a row."""
    from image2model.mesh.export import check_print, export, parse_options
    from image2model.mesh.facts import read_facts
    from image2model.mesh.gltf.reader import Glb
    from image2model.mesh.render.thumbnail import render_thumbnail

    if not (options := dict(STEPS[step])):
        looks: dict[str, Callable[[Path], Any]] = {
            "load only": lambda path: Glb(path).scene(), "facts": read_facts, "thumbnail": render_thumbnail,
            "print check": lambda path: check_print(path, parse_options("stl")),
        }  # fmt: skip
        return lambda: looks[step](glb)
    if share := options.pop("share", None):
        options["face_limit"] = len(Glb(glb).scene().faces) // share
    choice = parse_options(**options)
    return lambda: export(glb, choice, glb.with_name(choice.filename("mesh")), "mesh")


def measure(step: str, glb: Path) -> dict[str, float]:
    """Seconds of processor time and MB of peak memory of one step in this process."""
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.glb"
        small.write_bytes(mesh(8))
        work(step, small)()
    run = work(step, glb)
    start = time.process_time()
    run()
    return {"seconds": time.process_time() - start, "peak": peak_memory()}


def main() -> None:
    """Print a table for 100k and 1M faces."""
    steps = sys.argv[1:] or STEPS
    for size in ("100k faces", "1M faces"):
        with tempfile.TemporaryDirectory() as folder:
            glb = Path(folder) / "mesh.glb"
            glb.write_bytes(mesh(SIZES[size]))
            print(f"\n{size:26}{'seconds':>9}{'peak MB':>9}")
            for step in steps:
                command = [sys.executable, "-m", "benchmarks.mesh_exports", "one", step, str(glb)]
                body = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
                print(f"{step:26}{body['seconds']:>9.2f}{body['peak']:>9.0f}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        print(json.dumps(measure(sys.argv[2], Path(sys.argv[3]))))
    else:
        main()
