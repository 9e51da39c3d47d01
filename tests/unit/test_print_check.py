"""Findings of the print check: whether a mesh can be printed, and why not."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from image2model.errors import Unavailable
from image2model.mesh.export import check_print, parse_options
from image2model.mesh.facts import read_facts
from tests.support import faulty, local_shapes
from tests.support.exporting import checked


def test_print_check_reports_problems_and_the_result_of_a_repair(tmp_path):
    """A broken ball is not ready, for reasons in plain words, and would be once it is repaired."""
    glb = tmp_path / "model.glb"
    glb.write_bytes(faulty.broken_ball().export(file_type="glb"))
    result = check_print(glb, parse_options("stl", size=50))
    assert not result["ready"]
    assert any("1 hole: fix before printing" in problem for problem in result["problems"])
    assert any("2 pieces" in problem for problem in result["problems"])
    assert result["mended"]["ready"]
    assert [step.split()[0] for step in result["mended"]["steps"]] == ["Removed", "Closed", "Cut"]


def test_ready_mesh_is_checked_again_if_a_repair_is_requested(tmp_path):
    """A mesh that is ready is checked once, and with a requested repair also after it, with the repair's steps."""
    glb = tmp_path / "model.glb"
    glb.write_bytes(trimesh.creation.icosphere(subdivisions=3).export(file_type="glb"))
    assert check_print(glb, parse_options("stl"))["mended"] is None
    again = check_print(glb, parse_options("stl", repair="solid"))
    assert (again["ready"], again["mended"]["ready"]) == (True, True)
    assert again["mended"]["steps"]


@pytest.mark.parametrize("mesh", [faulty.sheet(0), faulty.sheet(90), faulty.sheet(35)])
def test_mesh_without_thickness_is_reported_and_not_repaired(export_glb, tmp_path, mesh):
    """A flat mesh, however it lies, is not ready for that one reason, and a repair of it is refused."""
    data = mesh.export(file_type="glb")
    glb = tmp_path / "model.glb"
    glb.write_bytes(data)
    result = check_print(glb, parse_options("stl"))
    assert not result["ready"]
    assert result["problems"] == ["It is flat: it has no thickness, so there is nothing to print."]
    assert result["mended"] is None
    assert "It is flat: it has no thickness." in read_facts(glb).warnings
    for repair in ("solid", "rebuild"):
        with pytest.raises(Unavailable) as refused:
            export_glb(data, "stl", repair=repair)
        assert refused.value.code == "mesh_is_flat"


def test_a_tiny_body_is_not_called_flat(tmp_path):
    """A ball of a ten-millionth of a metre has a thickness, and dimensions."""
    glb = tmp_path / "model.glb"
    glb.write_bytes(trimesh.creation.icosphere(2, radius=1e-7).export(file_type="glb"))
    assert read_facts(glb).warnings == ()
    assert read_facts(glb).dimensions == pytest.approx((2e-7, 2e-7, 2e-7))


def test_thin_ends_are_reported_as_advice(tmp_path):
    """A blade that sticks out of a block by 2 mm is too small a part of it to matter, and no wall is called thick."""
    blade = trimesh.creation.box((0.004, 1, 0.6)).apply_translation([0, 0.02, 0])
    result = checked(trimesh.boolean.union([trimesh.creation.box(), blade]), tmp_path / "model.glb")
    assert result["ready"]
    assert any("as at points and edges, are thinner" in text for text in result["fine"])


@pytest.mark.parametrize(
    "direction", [[0, 1, 0], [1, 0, 0], [0, 0, 1], [1, 1, 0]], ids=["up", "aside", "ahead", "slant"]
)
def test_unprintable_hair_is_reported(tmp_path, direction):
    """A hair of .2 mm, half as long as the block that it grows from, is a reason, whichever way it grows."""
    hair = trimesh.creation.cylinder(0.002, 2, sections=8)
    hair.apply_transform(trimesh.geometry.align_vectors([0, 0, 1], direction))
    result = checked(trimesh.boolean.union([trimesh.creation.box(), hair]), tmp_path / "model.glb")
    assert [problem for problem in result["problems"] if "thinner than a nozzle of 0.4 mm" in problem]


def test_thin_leg_among_thick_ones_is_reported(tmp_path):
    """A table of which one leg is .3 mm thick is not ready, though all of its sides are reached."""
    legs = [trimesh.creation.box((0.1, 1, 0.1)).apply_translation([x, -0.5, z]) for x, z in ((0, 0), (0, 1), (1, 0))]
    legs.append(trimesh.creation.box((0.003, 1, 0.003)).apply_translation([1, -0.5, 1]))
    top = trimesh.creation.box((1.2, 0.1, 1.2)).apply_translation([0.5, 0, 0.5])
    result = checked(trimesh.boolean.union([top, *legs]), tmp_path / "model.glb")
    assert any("A part of it is thinner than a nozzle" in problem for problem in result["problems"])


def test_mesh_on_a_needle_is_reported_and_repair_gives_it_a_base(tmp_path):
    """A cone on its tip has no first layer that holds; after a repair it stands."""
    cone = trimesh.creation.cone(0.5, 1).apply_transform(trimesh.transformations.rotation_matrix(np.pi / 2, [1, 0, 0]))
    result = checked(cone, tmp_path / "model.glb")
    assert any("of first layer" in problem or "first layer has only" in problem for problem in result["problems"])
    assert result["mended"]["ready"]
    assert any("stands on a flat base" in step for step in result["mended"]["steps"])


def test_a_box_inside_out_has_a_base(tmp_path):
    """A box turned inside out has that as its only problem, and stands as well as another."""
    result = checked(faulty.flipped(trimesh.creation.box()), tmp_path / "model.glb")
    assert result["problems"] == ["Some faces are turned inside out."]
    assert result["advice"] == []


def test_a_hollow_body_is_one_piece(tmp_path):
    """The wall of a cavity is no piece of its own and not inside out; what lies loose in it is a piece."""
    mesh = faulty.hollow()
    loose = checked(mesh, tmp_path / "model.glb")
    assert loose["problems"] == ["It is made of 2 pieces."]
    assert read_facts(tmp_path / "model.glb").volume == pytest.approx(mesh.volume, rel=1e-4)
    mesh.update_faces(np.arange(len(mesh.faces)) < 12 + 20 * 4**3)
    hollow = checked(mesh, tmp_path / "model.glb")
    assert hollow["ready"]
    assert hollow["advice"] == ["It has 1 sealed cavity: a resin printer fills what has no drain hole."]


@pytest.mark.parametrize(
    ("cavity", "height", "problem"),
    [
        (trimesh.creation.box((0.5, 0.5, 0.5)), 0.25, "within 0 mm"),
        (trimesh.creation.icosphere(2, 0.2), 0.3, "within 0 mm"),
        (trimesh.creation.icosphere(2, 0.2), 0.302, "within 0 mm"),
        (trimesh.creation.icosphere(2, 0.2), 0.298, "within 0.2 mm"),
        (trimesh.creation.icosphere(2, 0.2), 0.29, None),
    ],
    ids=["a face touches", "a corner touches", "it reaches through", "a thin wall", "a wall of 1 mm"],
)
def test_a_cavity_near_the_outside_is_a_problem(tmp_path, cavity, height, problem):
    """A wall that no nozzle prints is reported, however small its place is."""
    inside = cavity.copy().apply_translation([0, height, 0])
    inside.invert()
    result = checked(trimesh.util.concatenate([trimesh.creation.box(), inside]), tmp_path / "model.glb")
    assert result["ready"] == (problem is None)
    assert [text for text in result["problems"] if problem and problem in text] == result["problems"]


def test_repair_reports_an_opened_cavity(tmp_path):
    """A cavity that touches the outside over a face becomes a hollow of it, which is said."""
    inside = trimesh.creation.box((0.5, 0.5, 0.5)).apply_translation([0, 0.25, 0])
    inside.invert()
    glb = tmp_path / "model.glb"
    glb.write_bytes(trimesh.util.concatenate([trimesh.creation.box(), inside]).export(file_type="glb"))
    mended = check_print(glb, parse_options("stl"))["mended"]
    assert mended["ready"]
    assert mended["steps"] == ["Joined 1 cavity with what it touched."]


def test_piece_inside_out_is_reported(tmp_path):
    """A piece apart that looks inwards is reported, and counts for the volume as if it were turned."""
    result = checked(faulty.inside_out(), tmp_path / "model.glb")
    assert "Some faces are turned inside out." in result["problems"]
    assert result["mended"]["steps"] == ["Turned 1 piece right side out."]
    assert result["mended"]["problems"] == ["It is made of 2 pieces."]
    known = read_facts(tmp_path / "model.glb")
    assert "Some faces are turned inside out." in known.warnings
    assert known.volume == pytest.approx(9)


@pytest.mark.parametrize(
    ("mesh", "step"),
    [
        (trimesh.creation.box().apply_translation([1, 1, 1]) + trimesh.creation.box(), None),
        (trimesh.creation.icosphere(3).apply_translation([1, 0, 0]) + trimesh.creation.icosphere(3), "Joined 2 pieces"),
    ],
    ids=["touching", "overlapping"],
)
def test_bodies_that_share_a_corner_alone_are_two_pieces(tmp_path, mesh, step):
    """Bodies that touch at a corner alone are two pieces, which a repair joins where they overlap."""
    result = checked(mesh, tmp_path / "model.glb")
    assert result["problems"] == ["It is made of 2 pieces."]
    known = read_facts(tmp_path / "model.glb")
    assert (known.parts, known.genus) == (2, 0)
    assert result["mended"]["ready"] == bool(step)
    assert not step or result["mended"]["steps"][0].startswith(step)


@pytest.mark.parametrize("detail", ["low", "high"])
@pytest.mark.parametrize("picture", sorted(Path("examples").glob("*.jpg")), ids=lambda path: path.stem)
def test_walls_of_the_local_engine_s_meshes_raise_no_alarm(tmp_path, picture, detail):
    """Meshes of the embedded engine are ready to print: thick enough and without self-overlap."""
    glb = tmp_path / "model.glb"
    glb.write_bytes(local_shapes.make(Image.open(picture).convert("RGB"), detail=detail))
    result = check_print(glb, parse_options("stl"))
    legs = "first layer"  # the chair's end in points
    assert [problem for problem in result["problems"] if legs not in problem or picture.stem != "chair"] == []
    assert "It does not pass through itself, by 400 places." in result["fine"]


@pytest.mark.parametrize(("wall", "ready"), [(0.001, False), (0.007, False), (0.01, True)])
def test_thin_walls_are_reported(tmp_path, wall, ready):
    """A cup of 100 mm with walls of .1 or .7 mm is not ready, one with walls of 1 mm is."""
    result = checked(faulty.thin_cup(wall), tmp_path / "model.glb")
    assert result["ready"] == ready
    assert ready or "of its walls are thinner than 0.8 mm" in " ".join(result["problems"])


@pytest.mark.parametrize(("wall", "ready"), [(0.01, True), (0.0099, False)])
def test_a_plate_just_as_thick_as_a_wall_must_be_is_ready(tmp_path, wall, ready):
    """A plate of exactly the least wall thickness is ready to print despite rounding errors; a thinner one is not."""
    glb = tmp_path / "model.glb"
    glb.write_bytes(trimesh.creation.box((1, 1, wall)).export(file_type="glb"))
    assert check_print(glb, parse_options("stl", size=80))["ready"] == ready


def test_a_heap_of_faces_is_judged_in_good_time(tmp_path):
    """Faces that hang together nowhere have as many holes, which are reported and not closed one by one."""
    chance = np.random.default_rng(0)
    corners = chance.normal(size=(20_000, 1, 3)) + 0.1 * chance.normal(size=(20_000, 3, 3))
    heap = trimesh.Trimesh(corners.reshape(-1, 3), np.arange(60_000).reshape(-1, 3), process=False)
    began = time.process_time()
    result = checked(heap, tmp_path / "model.glb")
    assert time.process_time() - began < 10
    assert "It has 20,000 holes: fix before printing." in result["problems"]
    assert "It is still not closed: a new surface may help." in result["mended"]["steps"]
