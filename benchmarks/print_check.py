"""The print check beside PrusaSlicer's answer: `python -m benchmarks.print_check` (needs `prusa-slicer`).

Each mesh, made here, sound or faulty in a known way, is exported as an STL of 80 mm and sliced with PrusaSlicer's own
defaults. It counts as printable there when `--info` finds it manifold in one part and slicing writes a program that
uses filament in the first layer, and up to 2 mm or 4 % below the top. Prints the 2 × 2 table, and each disagreement.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import trimesh

from image2model.mesh.export import export, parse_options

SIZE_MM = 80
SLICER_SECONDS = 120
MISSING_TOP_MM, MISSING_TOP = 2.0, 0.04
Z_UP_TO_Y_UP = trimesh.transformations.rotation_matrix(-np.pi / 2, [1, 0, 0])


def solids() -> Iterator[tuple[str, trimesh.Trimesh]]:
    """Meshes without a fault, most of which stand."""
    for height in (0.2, 0.5, 1, 2, 5):
        yield f"box 1:{height}", trimesh.creation.box((1, 1, height))
        yield f"cylinder 1:{height}", trimesh.creation.cylinder(0.5, height, sections=48)
        yield f"cone 1:{height}", trimesh.creation.cone(0.5, height, sections=48)
    for level in (1, 2, 3, 4):
        yield f"ball, {20 * 4**level} faces", trimesh.creation.icosphere(level)
    for radius in (0.1, 0.2, 0.4):
        yield f"ring of {radius}", trimesh.creation.torus(1, radius)
        yield f"capsule of {radius}", trimesh.creation.capsule(1, radius)
    chance = np.random.default_rng(0)
    for number in range(5):
        yield f"hull {number}", trimesh.convex.convex_hull(chance.normal(size=(12, 3)))
        ball = trimesh.creation.icosphere(4)
        waves = 1 + 0.1 * np.sin(ball.vertices @ chance.normal(size=(3, 4)) * 3).sum(axis=1)
        yield f"bumpy ball {number}", trimesh.Trimesh(ball.vertices * waves[:, None], ball.faces, process=False)


def hairs() -> Iterator[tuple[str, trimesh.Trimesh]]:
    """A block with a hair of some width (of the block's) and length above it."""
    for width in (0.002, 0.004, 0.008, 0.03, 0.1):
        for length in (0.05, 0.5):
            hair = trimesh.creation.box((width, width, 0.6 + length)).apply_translation([0, 0, 0.2 + length / 2])
            yield f"hair {width} × {length}", trimesh.boolean.union([trimesh.creation.box(), hair])


def faults() -> Iterator[tuple[str, trimesh.Trimesh]]:
    """Meshes with one fault each."""
    for name, shape in (("box", trimesh.creation.box()), ("ball", trimesh.creation.icosphere(3))):
        open_, turned, doubled = shape.copy(), shape.copy(), shape.copy()
        open_.update_faces(np.arange(len(shape.faces)) > 0)
        turned.faces[0] = turned.faces[0, ::-1]
        doubled.faces = np.vstack([shape.faces, shape.faces[:1]])
        inverted = shape.copy()
        inverted.invert()
        yield from ((f"{name}, open", open_), (f"{name}, a face turned", turned), (f"{name}, a face twice", doubled))
        yield f"{name}, inside out", inverted
    for angle in (30, 90, 180):
        turn = trimesh.transformations.rotation_matrix(np.radians(angle), [1, 0, 0])
        yield f"cone turned by {angle}°", trimesh.creation.cone(0.5, 1, sections=48).apply_transform(turn)
    for name, place in (("edge", (1, 1, 0)), ("corner", (1, 1, 1)), ("nothing", (3, 0, 0)), ("overlap", (0.5, 0.5, 0))):
        other = trimesh.creation.box().apply_translation(place)
        yield f"two boxes, {name} shared", trimesh.util.concatenate([trimesh.creation.box(), other])
    for wall in (0.002, 0.005, 0.02, 0.05):
        outside, inside = (trimesh.creation.cylinder(0.5 - inset, 1, sections=64) for inset in (0, wall))
        inside.apply_translation([0, 0, wall])
        yield f"cup with a wall of {wall}", trimesh.boolean.difference([outside, inside])


def slicer_prints(stl: Path) -> tuple[bool, str]:
    """Let PrusaSlicer slice an STL; return whether it can, and its complaint if not."""
    program = stl.with_suffix(".gcode")
    info = _slicer("--info", str(stl))
    if "manifold = yes" not in info:
        return False, "not manifold"
    parts = int(re.findall(r"number_of_parts = +(\d+)", info)[0])
    if parts > 1:
        return False, f"{parts} parts"
    output = _slicer("--export-gcode", "--output", str(program), str(stl))
    if not program.is_file():
        return False, output.strip().splitlines()[-1][:60] if output.strip() else "nothing to slice"
    heights = _printed_heights(program.read_text())
    height = float(re.findall(r"size_z = ([\d.]+)", info)[0])
    if not heights or height - max(heights) > max(MISSING_TOP_MM, MISSING_TOP * height):
        return False, f"printed up to {max(heights, default=0):.0f} of {height:.0f} mm"
    return True, ""


def _slicer(*arguments: str) -> str:
    command = ["prusa-slicer", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SLICER_SECONDS)
    return run.stdout + run.stderr


def _printed_heights(program: str) -> list[float]:
    """Heights of the layers of a G-code in which filament is used."""
    heights: list[float] = []
    height = 0.0
    for line in program.splitlines():
        if line.startswith(";Z:"):
            height = float(line[3:])
        elif line.startswith("G1 X") and " E" in line and (not heights or heights[-1] != height):
            heights.append(height)
    return heights


def main() -> None:
    """Print the table and the disagreements."""
    kinds: tuple[Callable[[], Iterator[tuple[str, trimesh.Trimesh]]], ...] = (solids, hairs, faults)
    table: Counter[tuple[bool, bool]] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for name, mesh in (item for kind in kinds for item in kind()):
            glb = Path(folder) / "model.glb"
            glb.write_bytes(mesh.apply_transform(Z_UP_TO_Y_UP).export(file_type="glb"))
            stl = Path(folder) / f"{sum(table.values())}.stl"
            report = export(glb, parse_options("stl", size=SIZE_MM), stl, "model")["print_check"]
            prints, reason = slicer_prints(stl)
            table[report["ready"], prints] += 1
            if report["ready"] != prints:
                print(f"{name}: {'ready' if report['ready'] else report['problems']}; slicer: {reason or 'prints it'}")
    sys.stdout.write(
        f"\n{sum(table.values())} meshes\n\n| | PrusaSlicer prints it | it does not |\n|---|---|---|\n"
        f"| ready | {table[True, True]} | {table[True, False]} |\n"
        f"| not ready | {table[False, True]} | {table[False, False]} |\n"
    )


if __name__ == "__main__":
    main()
