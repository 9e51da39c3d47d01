"""Exports with fewer faces: the texture stays in its place, and what was closed stays closed."""

from __future__ import annotations

import io

import numpy as np
import pytest
import trimesh

from image2model.devtools.sample_meshes import bumpy_ball
from image2model.mesh.export import geometry
from image2model.mesh.facts import read_facts
from tests.support.exporting import sample
from tests.support.pictures import photo
from tests.support.samples import ten


def test_a_face_limit_is_kept_with_the_texture_in_its_place(export_glb):
    """Thinning keeps shape and texture coordinates: a point of the surface shows the same texel before and after."""
    data = sample("ball with a seam")
    found, path = export_glb(data, "glb", face_limit=400)
    assert found["faces"] <= 400 < found["faces_before"]
    before = trimesh.load(io.BytesIO(data), file_type="glb", force="mesh", process=False)
    after = trimesh.load(path, force="mesh", process=False)
    known = {tuple(row) for row in np.hstack([before.vertices, before.visual.uv]).astype(np.float32).round(5)}
    assert {tuple(row) for row in np.hstack([after.vertices, after.visual.uv]).astype(np.float32).round(5)} <= known
    assert after.volume == pytest.approx(before.volume, rel=0.05)


def test_a_face_limit_is_kept_where_a_texture_is_repeated_many_times(export_glb):
    """Texture coordinates that reach far, or are whole numbers, count for no more than others when faces are chosen."""
    ball = bumpy_ball(60, photo(64, 64))
    ball.visual.uv *= 4095
    found, _ = export_glb(ball.export(file_type="glb"), "glb", face_limit=200)
    assert found["faces"] <= 200
    assert found["notes"] == []


@pytest.mark.parametrize(("limit", "lost"), [(100, 0.5), (300, 0.2)])
def test_small_face_limit_is_kept_with_any_normals(export_glb, limit, lost):
    """A small face limit is kept, with less weight for texture and shading and the volume preserved."""
    found, path = export_glb(ten("Khronos's duck"), "glb", face_limit=limit)
    assert (found["faces"] <= limit, found["closed"], found["notes"]) == (True, True, [])
    assert read_facts(path).volume == pytest.approx(1.196, rel=lost)


@pytest.mark.parametrize("limit", [100, 1000, 5000])
@pytest.mark.parametrize("name", ["the local engine's", "large ball with a seam"])
@pytest.mark.parametrize("form", ["glb", "stl"])
def test_a_closed_mesh_stays_closed_under_a_face_limit(export_glb, name, form, limit):
    """A closed mesh stays closed with fewer faces, keeps its texture, and has no note."""
    found, path = export_glb(sample(name), form, face_limit=limit)
    assert found["closed"]
    assert found["notes"] == []
    assert limit * 0.9 < found["faces"] <= limit
    assert form == "stl" or (read_facts(path).watertight and read_facts(path).textures)


def test_face_limit_that_opens_a_mesh_has_a_note(export_glb, monkeypatch):
    """A face limit that opens a closed mesh is reported in a note."""
    monkeypatch.setattr(geometry, "_is_closed", lambda scene, faces: False)
    found, _ = export_glb(sample("large ball with a seam"), "glb", face_limit=1000)
    assert not found["closed"]
    assert found["notes"] == ["With so few faces its surface is no longer closed: take more for printing."]
