"""The built wheel, installed into an empty environment without a checkout."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file

from image2model import __version__
from tests.support.browser import ROOT, App

UV = Path(sys.executable).with_name("uv")


def output_of(*command: str | Path, folder: Path) -> str:
    """Output of a command in `folder`, where no checkout can be imported; it must succeed."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def bin_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a new environment into which the wheel is installed, with the locked versions."""
    folder = tmp_path_factory.mktemp("wheel")
    output_of(UV, "build", "--quiet", "--wheel", "--out-dir", folder, ROOT, folder=folder)
    [wheel] = folder.glob("*.whl")
    output_of(UV, "venv", "--quiet", "--python", sys.executable, "venv", folder=folder)
    python = folder / "venv" / "bin" / "python"
    output_of(
        UV, "pip", "install", "--quiet", "--python", python, "-c", ROOT / "requirements.lock", wheel, folder=folder
    )
    return python.parent


@pytest.fixture(scope="module")
def installed(bin_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The installed app, started by its command."""
    app = App(tmp_path_factory.mktemp("installed"))
    app.command = (str(bin_folder / "image2model"),)
    yield app.start()
    assert app.stop() == 0


@pytest.mark.parametrize("command", [["image2model"], ["python", "-m", "image2model"]])
def test_command_prints_version_and_usage(bin_folder: Path, tmp_path: Path, command: list[str]):
    """`--version` and `--help` answer without starting anything."""
    program = [bin_folder / command[0], *command[1:]]
    assert output_of(*program, "--version", folder=tmp_path) == f"image2model {__version__}\n"
    assert "--version" in output_of(*program, "--help", folder=tmp_path)


def test_the_installed_app_serves_its_page_and_makes_a_mesh_of_an_example(installed: App, tmp_path: Path):
    """The page has its example pictures, and one of them becomes a mesh."""
    with httpx.Client(base_url=installed.url, timeout=60) as visitor:
        assert "image2model" in visitor.get("/").raise_for_status().text
        added = [event["js"] for event in visitor.get("/config").raise_for_status().json()["dependencies"]]
        [script] = [script for script in added if isinstance(script, str) and "addExample" in script]
        pictures = re.findall(r'"url": "([^"]+)"', script)
        assert len(pictures) == len(list((ROOT / "examples").glob("*.jpg")))
        picture = tmp_path / "example.jpg"
        picture.write_bytes(visitor.get(pictures[0]).raise_for_status().content)
    client = Client(installed.url, verbose=False, download_files=tmp_path)
    mesh, facts = client.predict(image=handle_file(picture), generator="local", api_name="/generate")
    assert Path(mesh).read_bytes()[:4] == b"glTF"
    assert facts["faces"] > 1000
