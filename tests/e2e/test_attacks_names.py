"""Attacks through what files are called, and through links among them, on the running app."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import httpx
import pytest
from PIL import Image, ImageDraw

from tests.support.attacks import call, file, secrets_in, uploaded
from tests.support.browser import App
from tests.support.pictures import encoded

NAMES = [
    "../../../evil.png", "..\\..\\evil.png", "/etc/passwd.png", "C:\\Windows\\evil.png", "CON.png", "nul.tar.png",
    "<img src=x onerror=alert(1)>.png", "\"><script>alert(1)</script>.png", "=cmd|' /C calc'!A0.png", "+1.png",
    "@SUM(1).png",
    "-rf.png", "a\r\nX-Evil: 1.png", "a\x00b.png", "\u202egnp.exe.png", "x" * 300 + ".png", "....png", "a%2F..%2Fb.png",
    'a"; filename="evil.exe.png', "кот 🐱.png", "{{7*7}}.png",
]  # fmt: skip
DISC = Image.new("RGBA", (96, 96))
ImageDraw.Draw(DISC).ellipse((12, 12, 84, 84), fill="red")
PICTURE = encoded(DISC)
UNFIT = re.compile(r"[<>:\"\\|?*\x00-\x1f\u202a-\u202e\u2066-\u2069]")


def rest(visitor: httpx.Client) -> str:
    """A batch of all these names, sent as a form over REST."""
    answer = visitor.post(
        "/api/v1/upload",
        files=[("files", (name, PICTURE)) for name in NAMES],
        data={"model": "local", "face_limit": "500"},
    )
    return str(answer.json()["batch_id"])


def gradio(visitor: httpx.Client) -> str:
    """The same through Gradio's API, whose files tell their names themselves."""
    files = [file(uploaded(visitor, f"{number}.png", PICTURE), orig_name=name) for number, name in enumerate(NAMES)]
    answer = call(visitor, "submit_batch", files, "local", 500, None)
    return str(json.loads(answer.rpartition("data: ")[2])[0]["batch_id"])


@pytest.fixture(scope="module", params=[rest, gradio], ids=["rest", "gradio"])
def batch(request: pytest.FixtureRequest, visitor: httpx.Client) -> dict[str, Any]:
    """The finished batch, as programs see it."""
    batch_id = request.param(visitor)
    answer = call(visitor, "watch_batch", batch_id)
    view: dict[str, Any] = json.loads([line for line in answer.splitlines() if line.startswith("data: [")][-1][6:])[0]
    return view


def test_a_name_is_a_name_and_never_a_path(target: App, visitor: httpx.Client, batch: dict[str, Any]):
    """Every picture has its own folder in the batch's, and nothing lies elsewhere."""
    folder = target.data / "batches" / batch["batch_id"]
    assert len([place for place in folder.iterdir() if place.is_dir()]) == len(NAMES)
    for place in target.data.parent.rglob("*evil*"):
        assert place.is_relative_to(target.data / "batches") or place.is_relative_to(target.cache)
    assert all(not re.search(r"[/\\\x00-\x1f\u202e]", job["name"]) for job in batch["jobs"])


def test_a_zip_unpacks_into_its_folder_on_every_system(visitor: httpx.Client, batch: dict[str, Any], tmp_path: Path):
    """No member climbs, starts at a root or a drive, has what Windows forbids, or meets another in any case."""
    answer = visitor.get(batch["zip"])
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        names = packed.namelist()
        manifest = json.loads(packed.read("manifest.json"))
        packed.extractall(tmp_path)
    assert [
        name for name in names if UNFIT.search(name) or name.startswith("/") or ".." in PurePosixPath(name).parts
    ] == []
    assert len({name.casefold() for name in names}) == len(names)
    assert len(manifest["jobs"]) == len(NAMES)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == set(names)


def test_a_name_cannot_break_a_header(visitor: httpx.Client, batch: dict[str, Any]):
    """Each file comes with one plain Content-Disposition and no header of the name's own."""
    for job in batch["jobs"]:
        answer = visitor.get(f"/batches/{batch['batch_id']}/{job['number']}/export", params={"format": "stl"})
        disposition = answer.headers["content-disposition"]
        assert "x-evil" not in answer.headers
        assert re.fullmatch(r"attachment; filename(=\"[^\"\\]*\"|\*=utf-8''[\w.%~!$&+-]*)", disposition), disposition


LINKED = ["input.png", "input.webp", "model.glb", "thumbnail.webp", "turntable.webp"]


def test_a_link_to_elsewhere_is_neither_served_nor_packed_nor_followed(target: App, visitor: httpx.Client):
    """A symbolic link among a batch's files is never followed, neither by a download nor by a deletion."""
    answer = visitor.post("/api/v1/upload", files={"files": ("cup.png", PICTURE)}, data={"model": "local"})
    batch_id = answer.json()["batch_id"]
    call(visitor, "watch_batch", batch_id)
    (folder,) = (target.data / "batches" / batch_id).iterdir()
    outside = target.data.parent / "treasure"
    outside.write_bytes(b"root:x:0 treasure")
    for name in LINKED:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(outside)
    base = f"/batches/{batch_id}"
    for path in ("input.png", "input.webp", "cup.glb", "thumbnail.webp", "turntable.webp", "export?format=glb"):
        answer = visitor.get(f"{base}/1/{path}")
        assert (path, answer.status_code >= 400, secrets_in(answer.text)) == (path, True, [])
    for path in (f"{base}/zip", f"{base}/export?format=stl", f"/gradio_api/file={folder / 'model.glb'}"):
        assert b"treasure" not in visitor.get(path).content
    for name in ("download_batch", "export", "turntable"):
        assert secrets_in(call(visitor, name, batch_id, *[1] * (name != "download_batch"))) == []
    call(visitor, "delete_batch", batch_id)
    assert not folder.parent.exists()
    assert outside.read_bytes() == b"root:x:0 treasure"
