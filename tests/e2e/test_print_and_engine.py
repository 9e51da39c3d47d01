"""The commands of docs/exporting.md from one photograph to a printer and an engine, run as printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import trimesh
from playwright.async_api import Browser

from tests.support.browser import ROOT, App
from tests.support.exporting import model_3mf
from tests.support.markdown import code_blocks
from tests.support.three_reader import ThreeReader

pytestmark = pytest.mark.browser


def documented_commands() -> tuple[str, list[str], str]:
    """The program's line, what it output when the page was written, and the line after it."""
    [block] = [block.text for block in code_blocks() if block.language == "console"]
    _, program, last = re.split(r"^\$ ", block, flags=re.M)[1:]
    first, *lines = program.splitlines()
    return first, lines, last


def without_numbers(line: str) -> str:
    """A line without its numbers and ids."""
    return re.sub(r"[0-9a-f]{8}-[-0-9a-f]+|(?<![\w-])[\d.,]*\d", "N", line)


async def test_the_way_to_printer_and_engine_works(app: App, chromium: Browser, tmp_path: Path):
    """The output is as printed; the STL is a solid 80 mm high, the GLB has 5,000 faces in three.js."""
    program, lines, curl = documented_commands()
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    place = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "GRADIO_TEMP_DIR": str(tmp_path / "temp")}

    def run(line: str) -> list[str]:
        line = line.replace("http://127.0.0.1:7860", app.url)
        done = subprocess.run(
            ["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, env={**os.environ, **place}, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    output = run(program)
    assert [without_numbers(line) for line in output] == [without_numbers(line) for line in lines]
    run(curl.replace(lines[-1].split()[-1], output[-1].split()[-1]))

    solid = trimesh.load(tmp_path / "astronaut-80mm-high-solid.stl")
    assert solid.is_watertight
    assert solid.extents[2] == pytest.approx(80, rel=1e-4)
    page = await chromium.new_page()
    corners = await (await ThreeReader(page).start()).read(tmp_path / "astronaut-5000-faces.glb")
    await page.close()
    assert 4500 < len(corners.positions) / 3 <= 5000
    assert corners.textured
    _, mesh = model_3mf(tmp_path / "astronaut-80mm.3mf")
    assert mesh.IsManifoldAndOriented()
