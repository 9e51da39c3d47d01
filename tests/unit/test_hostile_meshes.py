"""Hostile and broken GLBs get a clear reason, or facts, and never a hang or a crash."""

from __future__ import annotations

import struct
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from image2model.errors import GenerationFailed
from image2model.mesh.facts import read_facts
from image2model.mesh.gltf.reader import Glb
from image2model.mesh.render.thumbnail import render_thumbnail
from image2model.mesh.report import write_report
from image2model.process_pool import WorkerPool, with_memory_limit
from tests.support import meshes
from tests.support.meshes import CORNERS, TRIANGLE, accessor, glb, primitive, triangle
from tests.support.pictures import photo, png_header


def with_indices(kind: int) -> bytes:
    """A triangle whose corners' bytes serve as indices too, read as glTF's component type `kind`."""
    order = {"bufferView": 0, "byteOffset": 12, "componentType": kind, "count": 12, "type": "SCALAR"}
    indexed = {"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}
    return triangle(accessors=[*TRIANGLE["accessors"], order], meshes=[indexed])


def primitive_with(material: object) -> bytes:
    """A triangle of some material, its positions serving as texture coordinates."""
    attributes = {"POSITION": 0, "TEXCOORD_0": 0}
    return triangle(materials=[material], meshes=[{"primitives": [{"attributes": attributes, "material": 0}]}])


WHOLE = triangle()
INDICES = {"bufferView": 0, "componentType": 5125, "count": 3, "type": "SCALAR"}
REFUSED = {
    "nothing": (b"", "not_a_glb"),
    "text": (b"<html>404</html>", "not_a_glb"),
    "JSON glTF": (b'{"asset": {"version": "2.0"}}', "not_a_glb"),
    "glTF 1": (WHOLE[:4] + struct.pack("<I", 1) + WHOLE[8:], "not_a_glb"),
    "header alone": (WHOLE[:12], "glb_truncated"),
    "cut in its JSON": (WHOLE[:60], "glb_truncated"),
    "cut in its buffer": (WHOLE[:-10], "glb_truncated"),
    "4 GB of JSON": (WHOLE[:12] + b"\xff\xff\xff\xff" + WHOLE[16:], "glb_truncated"),
    "JSON that is none": (glb(b"{]"), "glb_broken"),
    "JSON that is a list": (glb([]), "glb_broken"),
    "JSON too deep": (glb(b"[" * 100_000), "glb_broken"),
    "a buffer outside": (triangle(buffers=[{"uri": "secret.bin", "byteLength": 36}]), "glb_outside_files"),
    "an image outside": (triangle(images=[{"uri": "https://example.com/a.png"}]), "glb_outside_files"),
    "a file as image": (triangle(images=[{"uri": "file:///etc/passwd"}]), "glb_outside_files"),
    "no meshes": (glb({"asset": {"version": "2.0"}}), "glb_no_geometry"),
    "a mesh that is not placed": (triangle(scenes=[{"nodes": []}]), "glb_no_geometry"),
    "points only": (primitive(mode=0), "glb_no_geometry"),
    "lines only": (primitive(mode=1), "glb_no_geometry"),
    "no faces": (accessor(count=2), "glb_no_geometry"),
    "more vertices than bytes": (accessor(count=4), "glb_broken"),
    "a negative offset": (accessor(byteOffset=-12), "glb_broken"),
    "more vertices than their part of the buffer": (
        triangle(bufferViews=[{"buffer": 0, "byteLength": 24}]),
        "glb_broken",
    ),
    "a part of the buffer before its start": (
        triangle(bufferViews=[{"buffer": 0, "byteOffset": -36, "byteLength": 72}]),
        "glb_broken",
    ),
    "positions of two numbers": (accessor(type="VEC2"), "glb_broken"),
    "a mesh placed too often": (
        triangle(
            accessors=[{"componentType": 5126, "count": 10**7, "type": "VEC3"}, INDICES],
            meshes=[{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
            nodes=[{"mesh": 0}] * 9,
            scenes=[{"nodes": list(range(9))}],
        ),
        "glb_too_large",
    ),
    "a billion zeros": (accessor(count=10**9), "glb_too_large"),
    "an unknown type": (accessor(type="VEC9"), "glb_broken"),
    "indices beyond the end": (with_indices(5121), "glb_broken"),
    "negative indices": (with_indices(5122), "glb_broken"),
    "indices that are fractions": (primitive(indices=0), "glb_broken"),
    "a missing accessor": (primitive(indices=7), "glb_broken"),
    "a missing node": (triangle(scenes=[{"nodes": [5]}]), "glb_broken"),
    "a node that is text": (triangle(nodes=["mesh"]), "glb_broken"),
    "a material that is text": (primitive_with("red"), "glb_broken"),
    "buffers that are a number": (triangle(buffers=5), "glb_broken"),
    "all vertices not a number": (glb(TRIANGLE, np.full(9, np.nan, "<f4").tobytes()), "glb_no_geometry"),
}


@pytest.fixture
def write_glb(tmp_path: Path):
    """Write bytes as a GLB."""

    def save(data: bytes) -> Path:
        (tmp_path / "mesh.glb").write_bytes(data)
        return tmp_path / "mesh.glb"

    return save


@pytest.mark.parametrize(("data", "code"), REFUSED.values(), ids=REFUSED)
def test_unreadable_files_are_refused(write_glb, data, code):
    """Each kind of unusable file has its own stable code and a next step, for facts and thumbnail alike."""
    for look in (read_facts, render_thumbnail):
        with pytest.raises(GenerationFailed) as failed:
            look(write_glb(data))
        assert failed.value.code == code
        assert failed.value.hint


BEARABLE = {
    "a node that is its own child": triangle(nodes=[{"mesh": 0, "children": [0]}]),
    "two nodes in a circle": triangle(nodes=[{"mesh": 0, "children": [1]}, {"children": [0]}]),
    "no scene": triangle(scenes=[]),
    "a scale of nothing": triangle(nodes=[{"mesh": 0, "scale": [0, 0, 0]}]),
    "a place beyond all numbers": triangle(
        nodes=[{"mesh": 0, "translation": [1e300, 0, 0]}, {"mesh": 0}], scenes=[{"nodes": [0, 1]}]
    ),
    "a texture that is none": triangle(images=[{"uri": "data:image/png;base64,AAAA"}], textures=[{"source": 0}]),
    "an unknown extension": triangle(extensionsUsed=["VENDOR_magic"]),
    "an animation": triangle(animations=[{"channels": [], "samplers": []}]),
    "bytes behind its end": WHOLE + b"more",
    "a material that is not there": primitive_with({"pbrMetallicRoughness": {"baseColorTexture": {"index": 9}}}),
    "a colour of two numbers": primitive_with({"pbrMetallicRoughness": {"baseColorFactor": [1, 0]}}),
    "a cut-off that is text": primitive_with({"alphaMode": "MASK", "alphaCutoff": "half"}),
}


@pytest.mark.parametrize("data", BEARABLE.values(), ids=BEARABLE)
def test_tolerable_damage_still_gives_facts(write_glb, data):
    """Oddities that viewers bear are no reason to refuse."""
    assert read_facts(write_glb(data)).faces >= 1
    assert render_thumbnail(write_glb(data))


def test_faces_with_invalid_vertices_are_dropped_and_reported(write_glb):
    """A vertex that is no number spoils its own faces only."""
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [np.nan, 0, 0], [1, 0, 0], [0, 1, 0]], "<f4").tobytes()
    document = {**TRIANGLE, "accessors": [{**TRIANGLE["accessors"][0], "count": 6}],
                "bufferViews": [{"buffer": 0, "byteLength": 72}]}  # fmt: skip
    facts = read_facts(write_glb(glb(document, points)))
    assert facts.dimensions == (1, 1, 0)
    assert any("no valid position" in warning for warning in facts.warnings)
    assert render_thumbnail(write_glb(glb(document, points)))


def test_mesh_without_area_is_not_closed(write_glb):
    """Faces that are all at one place enclose nothing."""
    assert read_facts(write_glb(triangle(nodes=[{"mesh": 0, "scale": [0, 0, 0]}]))).watertight is False


def test_points_and_lines_beside_a_surface_are_reported(write_glb):
    """Points and lines are neither counted nor exported, and a warning says so."""
    attributes = {"POSITION": 0}
    both = triangle(meshes=[{"primitives": [{"attributes": attributes}, {"attributes": attributes, "mode": 1}]}])
    facts = read_facts(write_glb(both))
    assert facts.faces == 1
    assert "It has points or lines too: only its surface is looked at and exported." in facts.warnings
    assert not any("points" in warning for warning in read_facts(write_glb(WHOLE)).warnings)


def test_sparse_accessors_are_read(write_glb):
    """Values that a sparse accessor replaces are the ones that count."""
    binary = CORNERS + struct.pack("<I3f", 1, 9, 0, 0)
    sparse = {
        "count": 1,
        "indices": {"bufferView": 1, "componentType": 5125},
        "values": {"bufferView": 2},
    }
    views = [{"buffer": 0, "byteLength": 36}, {"buffer": 0, "byteOffset": 36, "byteLength": 4}]
    views.append({"buffer": 0, "byteOffset": 40, "byteLength": 12})
    document = {**TRIANGLE, "accessors": [{**TRIANGLE["accessors"][0], "sparse": sparse}], "bufferViews": views}
    assert read_facts(write_glb(glb(document, binary))).dimensions == (9, 1, 0)


@pytest.mark.parametrize(("mode", "faces"), [(4, 1), (5, 3), (6, 3)], ids=["triangles", "strip", "fan"])
def test_strips_and_fans_are_triangles(write_glb, mode, faces):
    """Five vertices make one triangle with two left over, or three in a strip or fan."""
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 2, 0]], "<f4").tobytes()
    document = {
        **TRIANGLE,
        "accessors": [{**TRIANGLE["accessors"][0], "count": 5}],
        "bufferViews": [{"buffer": 0, "byteLength": 60}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "mode": mode}]}],
    }
    assert read_facts(write_glb(glb(document, points))).faces == faces


def packed_ball(extension: str, name: str = "") -> bytes:
    """A ball whose geometry `extension` has packed, or damaged data in its place where `name` says so."""
    ball = trimesh.creation.icosphere(3)
    return meshes.draco(ball, damaged=bool(name)) if "draco" in extension else meshes.meshopt(ball, damaged=bool(name))


@pytest.mark.parametrize("extension", ["KHR_draco_mesh_compression", "EXT_meshopt_compression"])
def test_packed_geometry_is_unpacked(write_glb, tmp_path, extension):
    """A mesh that Draco or meshopt has packed has facts and a thumbnail like any other."""
    report = write_report(write_glb(packed_ball(extension)), tmp_path / "thumbnail.webp")
    assert (report["faces"], report["watertight"], report["genus"]) == (1280, True, 0)
    assert report["dimensions"] == pytest.approx([2, 2, 2], abs=2e-3)
    assert report["extensions"] == [extension]
    assert (tmp_path / "thumbnail.webp").exists()


@pytest.mark.parametrize("extension", ["KHR_draco_mesh_compression", "EXT_meshopt_compression"])
def test_damaged_packed_geometry_is_refused(write_glb, extension):
    """Packed data that cannot be unpacked is a broken file, not a crash and never a mesh of zeros."""
    with pytest.raises(GenerationFailed, match="contradicts"):
        read_facts(write_glb(packed_ball(extension, "damaged")))


def test_an_impossible_packed_size_is_refused(write_glb):
    """A packed part that claims more than there can be is refused before any room is made for it."""
    view = {"buffer": 0, "byteLength": 36, "byteStride": 200, "count": 10**9, "mode": "ATTRIBUTES"}
    views = [{"buffer": 0, "byteLength": 36, "extensions": {"EXT_meshopt_compression": view}}]
    with pytest.raises(GenerationFailed, match="contradicts"):
        read_facts(write_glb(triangle(bufferViews=views)))


async def test_oversized_mesh_fails_only_its_worker(write_glb):
    """Work that takes too much memory or too long fails alone: the next mesh is examined as ever."""
    workers = WorkerPool(1)
    try:
        with pytest.raises(MemoryError):
            await workers.run(with_memory_limit, memory_bomb)
        with pytest.raises(TimeoutError):
            await workers.run(with_memory_limit, time.sleep, 60, seconds=0.2)
        assert (await workers.run(with_memory_limit, write_report, write_glb(WHOLE), None))["faces"] == 1
    finally:
        workers.close()


def memory_bomb() -> int:
    """Take more memory than a mesh may."""
    return len(bytearray(8_000_000_000))


def test_a_texture_bomb_is_not_decoded(write_glb):
    """A texture of millions of pixels or more is reported with its size and a warning, and not decoded."""
    box = meshes.textured_box(photo()).export(file_type="glb")
    start = box.index(b"\x89PNG")
    for side in (16_384, 50_000):
        bomb = png_header(side, side)
        box = box[:start] + bomb + box[start + len(bomb) :]
        facts = read_facts(write_glb(box))
        assert facts.textures == ((side, side),)
        assert any("more pixels than many programs take" in warning for warning in facts.warnings)
        assert render_thumbnail(write_glb(box))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_any_damage_gives_facts_or_a_reason(write_glb, data):
    """A GLB with any bytes changed gives facts and a thumbnail, or GenerationFailed."""
    box = bytearray(meshes.textured_box(photo(8, 8)).export(file_type="glb"))
    for _ in range(data.draw(st.integers(1, 6))):
        box[data.draw(st.integers(0, len(box) - 1))] = data.draw(st.integers(0, 255))
    with suppress(GenerationFailed):
        assert write_report(write_glb(bytes(box)), None)["size_bytes"] == len(box)
        assert render_thumbnail(write_glb(bytes(box))).startswith(b"RIFF")


def test_a_buffer_written_as_text_is_read_once(tmp_path, monkeypatch):
    """A buffer in a data URI is decoded once for all its accessors, which bounds the memory."""
    decoded: list[str] = []
    monkeypatch.setattr("image2model.mesh.gltf.reader._from_data_uri", lambda uri: decoded.append(uri) or CORNERS)
    (tmp_path / "model.glb").write_bytes(
        triangle(
            buffers=[{"byteLength": 36, "uri": "data:;base64,"}],
            meshes=[{"primitives": [{"attributes": {"POSITION": 0}}] * 50}],
        )
    )
    assert len(Glb(tmp_path / "model.glb").scene().faces) == 50
    assert len(decoded) == 1
