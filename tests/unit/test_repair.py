"""Meshes repaired for the printer: what is closed, joined and turned, what stays as it was, and what is reported."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from PIL import Image

from image2model.mesh.export import bake, check_print, exporter, parse_options
from image2model.mesh.facts import read_facts
from image2model.mesh.gltf.reader import Glb
from image2model.mesh.topology import analyze_topology
from tests.support import faulty, meshes
from tests.support.exporting import checked
from tests.support.pictures import photo

BOX = 100**3


@pytest.mark.parametrize(
    ("mesh", "volume", "note"),
    [
        (faulty.hollow(), faulty.hollow().volume * BOX, "Nothing had to be repaired."),
        (faulty.flipped(faulty.hollow()), faulty.hollow().volume * BOX, "Turned it right side out."),
        (faulty.inside_out(), 9 * (100 / 4.5) ** 3, "Turned 1 piece right side out."),
        (faulty.some_turned(), 4 * BOX / 3 / 8 * np.pi, "Turned 200 faces so that all look to one side."),
        (faulty.cup(), np.pi * (0.25 - 0.9 * 0.2025) * BOX, "Closed 2 holes."),
        (faulty.c_shape(), 7 * BOX / 27, "Closed 1 hole. The widest was 100 mm: what it led into is solid now."),
        (
            trimesh.util.concatenate([trimesh.creation.box(), trimesh.creation.box().apply_translation([0.5] * 3)]),
            1.875 * BOX * (2 / 3) ** 3,
            "Joined 2 pieces into 1. Its volume went from 592.6 cm³ to 555.6 cm³.",
        ),
    ],
    ids=["hollow", "hollow, inside out", "a piece inside out", "faces inside out", "cup", "C", "overlap"],
)
def test_repair_reports_every_filled_hole(export_glb, mesh, volume, note):
    """Cavities stay, holes are closed along their rims, and what changes the volume is reported."""
    found, path = export_glb(mesh.export(file_type="glb"), "stl", repair="solid")
    solid = trimesh.load(path)
    assert solid.is_watertight
    assert solid.volume == pytest.approx(volume, rel=0.003)
    assert found["notes"][0] == note


def test_repaired_mesh_keeps_its_position(export_glb):
    """A repaired mesh keeps its position, and flattening the base only cuts at the bottom."""
    box = trimesh.creation.box().apply_translation([5, 7, 9])
    box.update_faces(np.arange(12) != 3)
    found, path = export_glb(box.export(file_type="glb"), "glb", repair="solid")
    assert found["notes"][0].startswith("Closed 1 hole.")
    assert trimesh.load(path).bounds == pytest.approx(box.bounds, abs=1e-5)
    ball = trimesh.creation.icosphere(4)
    found, path = export_glb(ball.export(file_type="glb"), "glb", repair="solid")
    assert found["notes"][0].startswith("Cut ")
    bounds = trimesh.load(path).bounds
    assert bounds[1] == pytest.approx(ball.bounds[1], abs=1e-5)
    assert -1 < bounds[0][1] < -0.95


@pytest.fixture
def small_textures(monkeypatch):
    """Baked textures of 256 × 256 pixels, which take a sixteenth of the time."""
    for module in (bake, exporter):
        monkeypatch.setattr(module, "TEXTURE_SIZE", 256)


@pytest.mark.usefixtures("small_textures")
@pytest.mark.parametrize("form", ["glb", "obj", "3mf", "usdz", "ply", "stl"])
def test_repair_recolours_only_changed_meshes(export_glb, form):
    """A box that needs no repair keeps its texture; one with a hole gets a new one, where the format has any."""
    box = meshes.textured_box(photo(64, 32))
    found, path = export_glb(box.export(file_type="glb"), form, repair="solid")
    assert found["notes"] == ["Nothing had to be repaired."]
    if form == "glb":
        assert read_facts(path).textures == ((64, 32),)
        assert trimesh.load(path, force="mesh").bounds == pytest.approx(box.bounds)
    box.update_faces(np.arange(12) > 0)
    found, path = export_glb(box.export(file_type="glb"), form, repair="solid")
    assert any("new texture of 256 × 256" in note for note in found["notes"]) == (form not in ("ply", "stl"))
    if form == "glb":
        assert read_facts(path).textures == ((256, 256),)
        (material,) = Glb(path).json["materials"]
        assert material["pbrMetallicRoughness"]["metallicFactor"] == 0


@pytest.mark.usefixtures("small_textures")
@pytest.mark.parametrize("repair", ["solid", "rebuild"])
def test_repaired_mesh_has_the_colour_of_the_closest_point(export_glb, repair):
    """A box of 12 faces whose texture is a chequerboard keeps its squares, though its vertices know nothing of them."""
    squares = np.kron(np.indices((8, 8)).sum(axis=0) % 2, np.ones((16, 16)))
    board = Image.fromarray(np.uint8(40 + 160 * squares)).convert("RGB")
    box = meshes.textured_box(board)
    box.update_faces(np.arange(12) > 0)
    path = export_glb(box.export(file_type="glb"), "glb", repair=repair)[1]
    repaired = trimesh.load(path, force="mesh")
    points, faces = trimesh.sample.sample_surface(repaired, 1000, seed=1)
    shown = _colours_at(repaired, points, faces)
    closest, _, source_faces = trimesh.proximity.closest_point_naive(box, points)
    expected = _colours_at(box, closest, source_faces)
    assert np.mean(np.abs(shown - expected) < 40) > 0.9


def _colours_at(mesh: trimesh.Trimesh, points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """The texture's red (n,) at points on faces."""
    weights = trimesh.triangles.points_to_barycentric(mesh.triangles[faces], points)
    uv = np.einsum("nc,ncx->nx", weights, mesh.visual.uv[mesh.faces[faces]])
    image = np.asarray(mesh.visual.material.baseColorTexture.convert("RGB"))[..., 0].astype(int)
    height, width = image.shape
    column, row = (uv[:, 0] * width).astype(int) % width, ((1 - uv[:, 1]) * height).astype(int) % height
    return image[row, column]


@pytest.mark.parametrize("repair", ["solid", "rebuild"])
@pytest.mark.parametrize("name", sorted(faulty.NONMANIFOLD))
def test_repaired_mesh_has_two_faces_at_each_edge(export_glb, name, repair):
    """Fins, shelves, doubled faces and touching solids: what is written, welded as slicers do, is closed everywhere."""
    path = export_glb(faulty.NONMANIFOLD[name]().export(file_type="glb"), "stl", size=80, repair=repair)[1]
    solid = trimesh.load(path)
    _, counts = np.unique(np.sort(solid.edges, axis=1), axis=0, return_counts=True)
    assert set(counts.tolist()) == {2}
    assert solid.is_winding_consistent
    assert solid.volume > 0


@pytest.mark.parametrize(
    ("name", "pieces"),
    [("two boxes at a face", 2), ("three boxes in a row", 3), ("box at half a face", 2)],
)
def test_solids_that_share_a_face_become_one(export_glb, name, pieces):
    """Solids that touch over an area are one body, of the same volume, that is ready to print; that is reported."""
    mesh = faulty.NONMANIFOLD[name]()
    found, path = export_glb(mesh.export(file_type="glb"), "stl", size=80, repair="solid")
    solid = trimesh.load(path)
    assert solid.body_count == 1
    assert solid.volume == pytest.approx(mesh.volume * (80 / mesh.extents.max()) ** 3, rel=1e-4)
    assert found["notes"] == [f"Joined {pieces} touching pieces into 1."]
    assert found["print_check"]["ready"]


def test_solids_sharing_only_an_edge_are_reported_as_several(export_glb):
    """Solids that touch in a line are moved apart by a hair, and not called ready, for they fall apart."""
    found, _ = export_glb(faulty.boxes((0, 0, 0), (1, 1, 0)).export(file_type="glb"), "stl", repair="solid")
    assert found["notes"] == ["Parted 1 edge where several solids touched."]
    assert found["print_check"]["problems"] == ["It is made of 2 pieces."]


def test_a_flat_part_beside_a_body_is_removed(export_glb):
    """A sheet without thickness is left out, with a word, instead of closed into two faces upon each other."""
    found, path = export_glb(faulty.box_with_sheet().export(file_type="glb"), "stl", size=80, repair="solid")
    assert found["notes"] == ["Removed 1 flat part that enclosed nothing."]
    assert trimesh.load(path).volume == pytest.approx(80**3, rel=1e-4)


def test_a_needle_loses_no_more_than_it_must(export_glb):
    """The base of a body that ends in a point is cut where it is first large enough, within half a percent."""
    cone = trimesh.creation.cone(0.5, 1, sections=64).apply_translation([0, 0, -1])
    cone.apply_transform(trimesh.transformations.rotation_matrix(np.pi / 2, [1, 0, 0]))
    found, _ = export_glb(cone.export(file_type="glb"), "stl", size=100, repair="solid")
    (note,) = found["notes"]
    share = np.sqrt(0.02 / 1.02)
    assert float(note.split()[1]) == pytest.approx(100 * share, abs=0.5)


def test_an_open_box_with_a_bent_rim_is_closed(export_glb):
    """A wide hole that lies in no plane is closed where a sound solid comes of it, and that is reported."""
    found, path = export_glb(faulty.open_box().export(file_type="glb"), "stl", repair="solid")
    assert found["notes"][0].startswith("Closed 1 hole. The widest was 83.3 mm")
    assert trimesh.load(path).is_watertight


@pytest.mark.parametrize("repair", ["solid", "rebuild"])
def test_holes_that_touch_at_a_corner_are_all_closed(export_glb, repair):
    """A ball that lacks two faces with nothing but a corner in common has two holes in its facts and its repair."""
    ball = trimesh.creation.icosphere(subdivisions=2)
    shared = (ball.faces[:, None, :, None] == ball.faces[:1, None]).sum(axis=(1, 2, 3))
    ball.update_faces(~np.isin(np.arange(len(ball.faces)), [0, np.flatnonzero(shared == 1)[0]]))
    assert analyze_topology(ball.vertices, ball.faces).holes == 2
    report, _ = export_glb(ball.export(file_type="glb"), "stl", repair=repair)
    assert report["closed"]
    assert report["notes"][0] == "Closed 2 holes."


def test_self_intersection_is_reported_and_remesh_removes_it(export_glb, tmp_path):
    """A tube that crosses itself is not ready; wrapped in a new surface it is."""
    result = checked(faulty.eight(), tmp_path / "model.glb")
    assert result["problems"] == ["It passes through itself: a new surface would repair that."]
    _, path = export_glb(faulty.eight().export(file_type="glb"), "glb", repair="rebuild")
    assert check_print(path, parse_options("stl"))["ready"]


def test_remesh_reports_a_filled_cavity(export_glb):
    """A rebuild that fills a cavity reports the change in volume."""
    notes = export_glb(faulty.hollow().export(file_type="glb"), "stl", repair="rebuild")[0]["notes"]
    assert "Its volume went from 767.4 cm³ to " in notes[0]


@pytest.mark.parametrize("repair", ["solid", "rebuild"])
@pytest.mark.parametrize("form", ["stl", "3mf", "glb"])
def test_repaired_export_is_a_stable_solid(export_glb, form, repair):
    """A repaired export is closed, one piece and of the requested size, with a note on each change."""
    found, path = export_glb(faulty.broken_ball().export(file_type="glb"), form, size=50, repair=repair)
    solid = trimesh.load(path, force="mesh")
    assert found["closed"]
    assert solid.is_watertight
    assert solid.body_count == 1
    assert solid.extents.max() == pytest.approx(50 if found["unit"] == "mm" else 0.05, rel=1e-4)
    assert any("Closed 1 hole" in note for note in found["notes"])


def test_repaired_mesh_keeps_its_colours(export_glb):
    """A rebuilt mesh whose texture cannot be kept has the nearest colour at each vertex."""
    data = meshes.textured_box(Image.new("RGB", (8, 8), (200, 40, 10))).export(file_type="glb")
    colours = trimesh.load(export_glb(data, "ply", repair="rebuild")[1], process=False).visual.vertex_colors
    assert np.abs(colours[:, :3].astype(int) - (200, 40, 10)).max() <= 3
