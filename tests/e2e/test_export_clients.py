"""Exports opened in programs that we did not write: Blender and PrusaSlicer, one run each."""

from __future__ import annotations

import json
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from image2model.mesh.export import export, parse_options
from tests.support.exporting import sample

FACES, SIDES = 1520, (80, 75.6724, 80)
"""Of the sample in millimetres: width, height, depth."""
SECONDS = 90
READER = Path(__file__).parents[1] / "support" / "blender_reader.py"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A textured ball of 80 mm in every format that these programs read."""
    folder = tmp_path_factory.mktemp("exports")
    (folder / "model.glb").write_bytes(sample("ball with a seam"))
    made = {}
    for form in ("glb", "obj", "stl", "ply", "3mf"):
        options = parse_options(form, size=80)
        made[form] = folder / "exports" / options.filename("thing")
        export(folder / "model.glb", options, made[form], "thing")
    with zipfile.ZipFile(made["obj"]) as archive:
        archive.extractall(folder)
    return {**made, "obj": folder / "thing.obj"}


def test_blender_imports_every_format_in_its_size(files: dict[str, Path]) -> None:
    """GLB and OBJ come upright with their texture, in metres; STL in millimetres and PLY in metres, Z up."""
    paths = [str(files[form]) for form in ("glb", "obj", "stl", "ply")]
    command = ["blender", "--background", "--factory-startup", "--python", str(READER), "--", *paths]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=SECONDS)
    body = json.loads(run.stdout.partition("FOUND ")[2].splitlines()[0])
    assert {form: facts["faces"] for form, facts in body.items()} == dict.fromkeys(body, FACES)
    assert [body[form]["images"] for form in ("glb", "obj", "stl", "ply")] == [1, 1, 0, 0]
    width, height, depth = (side / 1000 for side in SIDES)
    for form in ("glb", "ply"):
        assert body[form]["size"] == pytest.approx([width, depth, height], abs=1e-4)
    assert body["obj"]["size"] == pytest.approx([width, height, depth], abs=1e-4)  # turned by its object, not its mesh
    assert body["stl"]["size"] == pytest.approx([80, 80, 75.6724], abs=1e-3)


@pytest.mark.parametrize("form", ["stl", "3mf", "obj"])
def test_prusaslicer_finds_one_closed_solid(files: dict[str, Path], form: str) -> None:
    """PrusaSlicer reads an export as one manifold part with all its faces, across texture seams too."""
    command = ["prusa-slicer", "--info", str(files[form])]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=SECONDS).stdout
    facts = dict(re.findall(r"^(\w+) = +(\S+)$", output, re.MULTILINE))
    assert (facts["manifold"], facts["number_of_parts"], facts["number_of_facets"]) == ("yes", "1", str(FACES))


def test_prusaslicer_slices_an_stl(files: dict[str, Path], tmp_path: Path) -> None:
    """A program for the printer comes of it, with filament in its first layer."""
    target = tmp_path / "thing.gcode"
    command = ["prusa-slicer", "--export-gcode", "--output", str(target), str(files["stl"])]
    subprocess.run(command, capture_output=True, check=True, timeout=SECONDS)
    first_layer = target.read_text().split(";LAYER_CHANGE")[1]
    assert re.search(r"^G1 X\S+ Y\S+ E", first_layer, re.MULTILINE)


def test_prusaslicer_prints_a_3mf_in_its_solid_colours(files: dict[str, Path], tmp_path: Path) -> None:
    """On a printer with three filaments each colour of the mesh is drawn with one of them, half with the first."""
    options = parse_options("3mf", colors=3, size=20)
    export(files["3mf"].parents[1] / "model.glb", options, tmp_path / "thing.3mf", "thing")
    target = tmp_path / "thing.gcode"
    command = ["prusa-slicer", "--export-gcode", "--nozzle-diameter", "0.4,0.4,0.4", "--fill-density", "0",
               "--output", str(target), str(tmp_path / "thing.3mf")]  # fmt: skip
    subprocess.run(command, capture_output=True, check=True, timeout=SECONDS)
    used = re.search(r"^; filament used \[mm\] = (.+)$", target.read_text(), re.MULTILINE)
    assert used
    lengths = [float(length) for length in used[1].split(",")]
    assert [length / sum(lengths) for length in lengths] == pytest.approx([0.5, 0.25, 0.25], abs=0.06)
