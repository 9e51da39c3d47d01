"""Finding the mesh in a result, and bringing it home whole."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import pytest

from image2model.devtools.fal_stand_in import Fault, Script
from image2model.devtools.fal_stand_in.files import picture_box_glb
from image2model.errors import GenerationFailed
from image2model.generators.base import Downloading, Finished, Submitted
from image2model.generators.fal import downloads
from image2model.generators.fal.results import GlbState, glb_state, mesh_urls
from image2model.generators.providers import rules_of
from tests.support.fal_helpers import QUICK, fal_generator, names, run, task
from tests.support.fal_server import FalServer

GLB = picture_box_glb(b"")
CDN = "https://v3.fal.media/files/b"


def file(name: str) -> dict[str, Any]:
    """A file as fal describes it."""
    return {"url": f"{CDN}/{name}", "content_type": "application/octet-stream", "file_name": name, "file_size": 1}


@pytest.mark.parametrize(
    ("result", "names"),
    [
        ({"model_mesh": file("a.glb")}, ["a.glb"]),
        ({"model_glb": file("a.glb"), "model_mesh": file("b.glb")}, ["b.glb", "a.glb"]),
        ({"model_urls": {"fbx": file("a.fbx"), "glb": file("a.glb"), "obj": None}}, ["a.glb", "a.fbx"]),
        ({"model_urls": {"glb": f"{CDN}/a.GLB?x=.obj"}}, ["a.GLB?x=.obj"]),
        ({"model_glb": file("a.obj"), "model_urls": {"glb": file("a.glb")}}, ["a.glb", "a.obj"]),
        ({"model_mesh": None, "base_model": file("base.glb"), "pbr_model": file("pbr.glb")}, ["pbr.glb", "base.glb"]),
        ({"model_meshes": [file("a.glb"), file("b.glb")]}, ["a.glb", "b.glb"]),
        ({"new_name": {"deep": [file("a.glb")]}, "model_mesh": file("a.bin")}, ["a.glb", "a.bin"]),
        ({"gaussian_splat": file("a.ply"), "model_glb": file("noending")}, ["noending", "a.ply"]),
        ({"model_mesh": file("a.glb"), "model_urls": {"glb": file("a.glb")}}, ["a.glb"]),
        ({"model_mesh": {"url": 7}, "seed": 3, "prompt": "x", "timings": {}}, []),
        ({}, []),
    ],
)
def test_mesh_url_is_found_by_known_key_then_by_extension(result: dict[str, Any], names: list[str]):
    """URLs that end in .glb come first, then the files of known keys, then other meshes."""
    assert mesh_urls(result) == [f"{CDN}/{name}" for name in names]


def glb(document: bytes, *, length: int | None = None, magic: bytes = b"glTF", version: int = 2) -> bytes:
    """A GLB of one chunk."""
    chunk = struct.pack("<I4s", len(document), b"JSON") + document
    return struct.pack("<4sII", magic, version, 12 + len(chunk) if length is None else length) + chunk


ASSET = json.dumps({"asset": {"version": "2.0"}}).encode()


@pytest.mark.parametrize(
    ("data", "state"),
    [
        (GLB, "complete"),
        (glb(ASSET), "complete"),
        (GLB[:-1], "truncated"),
        (GLB[:19], "truncated"),
        (GLB[:4], "truncated"),
        (GLB + b"\0", "invalid"),
        (glb(ASSET, magic=b"glTg"), "invalid"),
        (glb(ASSET, version=1), "invalid"),
        (glb(b"{not json}"), "invalid"),
        (glb(b"[]"), "invalid"),
        (glb(b"{}"), "invalid"),
        (glb(b"\xff\xfe"), "invalid"),
        (glb(b"[" * 100_000), "invalid"),
        (b"", "invalid"),
        (b"<html>", "invalid"),
        (b"o cube\nv 1 1 1\n", "invalid"),
    ],
)
def test_glb_state_checks_length_header_and_json(data: bytes, state: GlbState):
    """Length, header and JSON chunk all have to be right."""
    assert glb_state(io.BytesIO(data)) == state


async def failure(fal: FalServer, folder: Path) -> GenerationFailed:
    """The failure of one job; no half file is left behind."""
    generator = fal_generator(fal)
    with pytest.raises(GenerationFailed) as caught:
        await run(generator, task(folder, generator))
    assert names(folder) == ["input.png"]
    return caught.value


@pytest.mark.parametrize(
    ("mesh", "code"),
    [
        (b"<html>not here</html>", "result_unusable"),
        (b"", "result_unusable"),
        (glb(b"{}"), "result_unusable"),
        (GLB[: len(GLB) // 2], "result_unusable"),
    ],
)
async def test_incomplete_glb_never_gets_the_final_name(fal: FalServer, tmp_path: Path, mesh: bytes, code: str):
    """An incomplete GLB is never renamed to the final name, and its temporary file is removed."""
    fal.script = Script(mesh=mesh)
    assert (await failure(fal, tmp_path)).code == code


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault("truncate"), "download_failed"),
        (Fault("drop_before"), "download_failed"),
        (Fault("answer", 500, "<html>"), "download_failed"),
        (Fault("answer", 302, "", {"location": "http://127.0.0.1:9/x.glb"}), "download_failed"),
        (Fault("answer", 404, "<html>"), "result_expired"),
        (Fault("answer", 410, "<html>"), "result_expired"),
    ],
)
async def test_broken_download_differs_from_missing_file(fal: FalServer, tmp_path: Path, fault: Fault, code: str):
    """The first can be had again for nothing, the second is lost; redirects are not followed."""
    fal.faults["download"].extend([fault] * QUICK.attempts)
    error = await failure(fal, tmp_path)
    assert error.code == code
    assert (rules_of(error.code).collectable == "automatic") == error.retryable


async def test_a_broken_download_can_be_collected_later(fal: FalServer, tmp_path: Path):
    """After a broken download the same job is collected, and no second one is submitted."""
    fal.faults["download"].extend([Fault("truncate")] * QUICK.attempts)
    generator = fal_generator(fal)
    async for event in generator.run(task(tmp_path, generator)):
        if isinstance(event, Submitted):
            break
    again = task(tmp_path, generator, remote=event.remote)
    with pytest.raises(GenerationFailed):
        await run(generator, again)
    events = await run(generator, again)
    assert isinstance(events[-1], Finished)
    assert len(fal.jobs) == 1


async def test_the_first_bytes_decide_when_the_ending_lies(fal: FalServer, tmp_path: Path):
    """An .obj called .glb is passed over for the next address."""
    generator = fal_generator(fal)
    wrong, right = fal.url + "/files/wrong.glb", fal.url + "/files/right"
    fal.files |= {"wrong.glb": ("model/gltf-binary", b"o cube\n" * 1000), "right": ("application/octet-stream", GLB)}
    fal.script = Script(result={"model_mesh": {"url": wrong}, "model_urls": {"other": right}})
    end = (await run(generator, task(tmp_path, generator)))[-1]
    assert end.glb.read_bytes() == GLB


@pytest.mark.parametrize(
    ("result", "code"),
    [
        ({"model_mesh": {"url": "https://evil.example/model.glb"}}, "result_elsewhere"),
        ({"model_mesh": {"url": "https://v3.fal.media.evil.example/model.glb"}}, "result_elsewhere"),
        ({"model_mesh": {"url": "file:///etc/passwd"}}, "result_unusable"),
        ({"model_mesh": None}, "result_unusable"),
        ([], "result_unusable"),
        ("text", "fal_lost_contact"),
    ],
)
async def test_results_come_from_fal_s_own_hosts_only(fal: FalServer, tmp_path: Path, result: Any, code: str):
    """An answer that points elsewhere is not followed."""
    fal.script = Script(result=result)
    assert (await failure(fal, tmp_path)).code == code
    assert fal.calls["download"] == 0


async def test_a_result_has_an_upper_size(fal: FalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A result beyond the upper size is refused, so that nobody can fill the disk from outside."""
    monkeypatch.setattr(downloads, "MAX_RESULT_BYTES", 2**20)
    fal.script = Script(mesh=b"glTF" + bytes(3 * 2**20))
    assert (await failure(fal, tmp_path)).code == "result_too_large"


@pytest.mark.parametrize(("seconds", "reports"), [(0.0, range(3, 22)), (60.0, range(1))])
async def test_slow_download_reports_progress(
    fal: FalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, reports: range
):
    """Progress grows in steps of at least 5 %, a quick download reports none, and the file has fal's bytes."""
    monkeypatch.setattr(downloads, "PROGRESS_SECONDS", seconds)
    padding = b" " * (8 * 2**20)
    fal.script = Script(mesh=glb(ASSET[:-1] + padding + b"}"))
    generator = fal_generator(fal)
    events = await run(generator, task(tmp_path, generator))
    fractions = [event.fraction for event in events if isinstance(event, Downloading) and event.fraction is not None]
    assert fractions == sorted(fractions)
    assert len(fractions) in reports
    assert events[-1].glb.read_bytes() == fal.script.mesh
