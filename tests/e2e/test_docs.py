"""Every code block of README.md and docs/ does what the page says; test_docs_names.py checks links and names."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from image2model.settings import Settings
from tests.support.browser import ADMIN_KEY, ROOT, App
from tests.support.commands import problems
from tests.support.markdown import Part, code_blocks, inline_code

SNIPPETS = ROOT / "image2model" / "web" / "ui" / "snippets"
PICTURE = min((ROOT / "examples").glob("*.jpg"))
ADDRESS = "http://127.0.0.1:7860"


@pytest.mark.parametrize("block", code_blocks(), ids=str)
def test_every_code_block_works(block: Part, app: App, tmp_path: Path):
    """Each block is of a language that has a check, and passes it."""
    assert block.language in CHECKS, f"{block} is in {block.language!r}, which nothing checks"
    CHECKS[block.language](block, app, tmp_path)


def program(block: Part, app: App, folder: Path) -> None:
    """A program is one of the API tab's, each of which test_api.py runs."""
    assert block.text in [path.read_text() for path in SNIPPETS.iterdir()]


def transcript(block: Part, app: App, folder: Path) -> None:
    """The one transcript is the way to printer and engine, which test_print_and_engine.py enters."""
    assert [block] == [other for other in code_blocks() if other.language == "console"]


def commands(block: Part, app: App, folder: Path) -> None:
    """Commands to a running app are run in turn, with the ids that the answers tell; others must exist."""
    for name in ("cat.jpg", "rocket.jpg"):
        shutil.copy(PICTURE, folder / name)
    shutil.copy(SNIPPETS / "batch.py", folder)
    (folder / ".curlrc").write_text("silent\nshow-error\nfail\n")
    ids: dict[str, str] = {}
    for line in block.text.splitlines():
        if line.startswith(("curl ", "echo ", "python batch.py ")):
            for name, value in ids.items():
                line = line.replace(name, value)
            answer = run(line.replace(ADDRESS, app.url), folder)
            if answer.startswith('{"'):
                ids |= {key.upper(): value for key, value in json.loads(answer).items() if key.endswith("_id")}
        else:
            assert problems(line) == []


def run(line: str, folder: Path) -> str:
    """Output of a command line in a shell whose home is `folder`; it must succeed."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "GRADIO_TEMP_DIR": str(folder / "temp"),
        "API_KEY": ADMIN_KEY,
    }
    done = subprocess.run(
        ["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def log_line(block: Part, app: App, folder: Path) -> None:
    """A sample of a log line is one, and its page explains each of its fields."""
    explained = {code.text for code in inline_code() if code.page == block.page}
    assert json.loads(block.text).keys() <= explained


def proxy(block: Part, app: App, folder: Path) -> None:
    """The lines for nginx are whole, name the app's port, and let the largest batch through."""
    lines = [line.split("#")[0].strip() for line in block.text.splitlines()]
    assert all(line.endswith(("{", "}", ";")) for line in lines)
    settings = Settings(_env_file=None)
    assert f"proxy_pass http://127.0.0.1:{settings.port};" in lines
    allowed = re.search(r"client_max_body_size (\d+)m;", block.text)
    assert allowed
    assert int(allowed[1]) > settings.max_files * settings.max_file_mb


CHECKS: dict[str, Callable[[Part, App, Path], None]] = {
    "python": program,
    "js": program,
    "bash": program,
    "sh": commands,
    "console": transcript,
    "json": log_line,
    "nginx": proxy,
}


def test_the_api_page_lists_every_endpoint(app: App):
    """The table of docs/api.md has each endpoint that a running app describes, and no other."""
    listed = re.findall(r"^\| `(/\w+)` \|", (ROOT / "docs" / "api.md").read_text(), re.M)
    assert sorted(listed) == sorted(httpx.get(f"{app.url}/gradio_api/info").json()["named_endpoints"])


def test_addresses_in_sentences_answer(app: App):
    """Each address of the app that the documentation names answers 200."""
    paths = {code.text for code in inline_code() if re.match(r"/(health|docs|gradio_api)\b", code.text)}
    assert len(paths) > 5
    assert {path: httpx.get(app.url + path, timeout=60).status_code for path in paths} == dict.fromkeys(paths, 200)
