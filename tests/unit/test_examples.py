"""The pictures to try, and the model that the first screen shows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from image2model.generators.local import inspect
from image2model.generators.local.segment import subject_probability
from image2model.mesh.report import write_report

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.jpg"))
SOURCES = (ROOT / "examples" / "SOURCES.md").read_text()
HERO = ROOT / "image2model" / "web" / "ui" / "static" / "hero"


@pytest.mark.parametrize("picture", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_small_warns_of_nothing_and_names_its_source(picture: Path) -> None:
    """Below 300 kB, of 1024 pixels at most, one clear subject in it, and a line that says whose it is."""
    assert picture.stat().st_size < 300_000
    with Image.open(picture) as image:
        assert max(image.size) <= 1024
    seen = inspect(picture.read_bytes())
    assert seen.warnings == ()
    assert seen.cutout
    assert f"| `{picture.name}` |" in SOURCES


OURS = [picture for picture in EXAMPLES if picture.stem != "astronaut"]


@pytest.mark.parametrize("picture", OURS, ids=lambda path: path.stem)
def test_own_example_shows_its_whole_subject_and_has_its_program(picture: Path) -> None:
    """The subject keeps a twentieth of the picture's side away from each edge."""
    with Image.open(picture) as image:
        inside = subject_probability(image.convert("RGB")) > 0.5
    near = round(0.05 * len(inside))
    assert inside.any()
    assert not any(edge.any() for edge in (inside[:near], inside[-near:], inside[:, :near], inside[:, -near:]))
    assert (ROOT / "examples" / "blender" / f"{picture.stem.replace('-', '_')}.py").is_file()


def test_hero_model_equals_the_embedded_engines_result(tmp_path: Path) -> None:
    """Made again it looks the same; it is closed and light, and so are its pictures."""
    subprocess.run([sys.executable, "scripts/hero.py", tmp_path], cwd=ROOT, check=True)
    shown, again = write_report(HERO / "model.glb", None), write_report(tmp_path / "model.glb", None)
    assert shown["watertight"]
    assert shown["faces"] == pytest.approx(again["faces"], rel=0.01)  # processors round differently
    assert (HERO / "model.glb").stat().st_size < 500_000
    for name in ("poster.webp", "picture.webp"):
        assert (HERO / name).stat().st_size < 40_000
        before, after = (Image.open(folder / name).convert("RGB") for folder in (HERO, tmp_path))
        assert max(ImageStat.Stat(ImageChops.difference(before, after)).mean) < 1
