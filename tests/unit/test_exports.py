"""Meshes in other formats and sizes, read back by at least two libraries each."""

from __future__ import annotations

import sys
import zipfile

import lib3mf
import numpy as np
import pytest
import trimesh

from image2model.errors import GenerationFailed, OptionRefused, Unavailable
from image2model.mesh.export import check_print, export, parse_options, read_back
from image2model.mesh.export.stl_ply import format_rows
from image2model.mesh.facts import read_facts
from image2model.mesh.gltf.reader import Glb
from tests.support.exporting import SAMPLES, SECOND_READERS, inside, model_3mf, sample


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("form", SECOND_READERS)
def test_two_readers_find_the_same_mesh(export_glb, name, form):
    """Each format of each sample opens in two libraries with the reported faces and bounds."""
    found, path = export_glb(sample(name), form, size=80)
    assert found["checked_with"] == {"3mf": "lib3mf", "obj": "tinyobjloader"}.get(form, "trimesh")
    faces, bounds = SECOND_READERS[form](path)
    side = 80 if found["unit"] == "mm" else 0.08
    assert faces == found["faces"] == read_facts(path.parent.parent / "model.glb").faces
    assert np.ptp(bounds, axis=0) == pytest.approx(found["dimensions"], rel=1e-3, abs=side / 1e4)
    assert np.ptp(bounds, axis=0).max() == pytest.approx(side, rel=1e-4)


@pytest.mark.parametrize("packing", ["meshopt", "draco"])
@pytest.mark.parametrize("name", ["ball with a seam", "scene", "coloured vertices", "the local engine's"])
def test_packed_glbs_are_smaller_and_the_same(export_glb, name, packing):
    """Packing keeps faces, bounds within a thousandth and textures, and takes less room."""
    plain, packed = export_glb(sample(name), "glb", size=1, unit="m"), export_glb(sample(name), "glb", packing=packing)
    assert packed[0]["faces"] == plain[0]["faces"]
    assert Glb(packed[1]).list("extensionsRequired")[0].endswith("compression")
    before, after = read_facts(plain[1]), read_facts(packed[1])
    assert (after.faces, after.textures, after.materials) == (before.faces, before.textures, before.materials)
    assert after.size_bytes < before.size_bytes


@pytest.mark.parametrize("form", SECOND_READERS)
@pytest.mark.parametrize("packing", ["none", "draco"])
def test_faces_without_area_are_left_out_with_a_note(export_glb, form, packing):
    """Faces of which two corners are one, or lie at one place, stop no format; a note says how many they were."""
    ball = trimesh.creation.icosphere(2)
    vertices = np.vstack([ball.vertices, ball.vertices[:1]])
    flat = [[0, 0, 1], [2, 2, 2], [0, len(ball.vertices), 5]]
    broken = trimesh.Trimesh(vertices, np.vstack([ball.faces, flat]), process=False)
    options = {"packing": packing} if form == "glb" else {}
    found, path = export_glb(broken.export(file_type="glb"), form, size=2, unit="m", **options)
    assert (found["faces"], found["faces_before"], found["closed"]) == (len(ball.faces), len(ball.faces) + 3, True)
    assert found["notes"] == ["3 faces without any area left out."]
    assert SECOND_READERS[form](path)[0] == len(ball.faces)


def test_axes_pivot_and_units_follow_the_options(export_glb):
    """A box 1 wide, 2 high, 3 deep: Y up becomes Z up, its bottom middle or its middle the origin, in true sizes."""
    data = trimesh.creation.box((1, 2, 3)).export(file_type="glb")
    standing = trimesh.load(export_glb(data, "stl", size=3, unit="in")[1])
    assert standing.bounds == pytest.approx(np.array([[-12.7, -38.1, 0], [12.7, 38.1, 50.8]]), abs=1e-3)
    middle = trimesh.load(export_glb(data, "stl", size=6, unit="cm", up="y", pivot="centre")[1])
    assert middle.bounds == pytest.approx(np.array([[-10, -20, -30], [10, 20, 30]]), abs=1e-3)
    untouched = trimesh.load(export_glb(data, "ply", up="y")[1])
    assert untouched.bounds == pytest.approx(np.array([[-0.5, -1, -1.5], [0.5, 1, 1.5]]))


def test_a_glb_with_z_up_says_that_viewers_lay_it_down(export_glb):
    """glTF takes Y for up, so a GLB of another axis comes with a note; one with Y up has none."""
    data = trimesh.creation.box((1, 2, 3)).export(file_type="glb")
    notes = {up: export_glb(data, "glb", up=up, pivot="bottom")[0]["notes"] for up in ("y", "z")}
    assert notes == {"y": [], "z": ["It lies on its back in glTF viewers, which take Y for up."]}


def test_a_size_can_be_the_height(export_glb):
    """A box 1 wide, 2 high, 3 deep becomes 80 mm high, also lying on another axis; the print check takes it so too."""
    data = trimesh.creation.box((1, 2, 3)).export(file_type="glb")
    found, path = export_glb(data, "stl", size=80, measure="height")
    assert path.name == "thing-80mm-high.stl"
    assert found["dimensions"] == [40, 120, 80]
    assert found["print_check"]["ready"]
    assert (
        export_glb(data, "stl", size=8, unit="cm", measure="height", up="y", repair="solid")[0]["dimensions"][1] == 80
    )
    verdict = check_print(path.parent.parent / "model.glb", parse_options("stl", size=400, measure="height"))
    assert (verdict["size_mm"], verdict["measure"]) == (400, "height")
    assert export_glb(data, "glb", size=80, measure="height")[0]["print_check"] is None


def test_flat_mesh_cannot_be_scaled_by_height(export_glb, tmp_path):
    """A sheet that lies on the ground is refused a height, and given a longest side."""
    floor = trimesh.Trimesh([[0, 0, 0], [2, 0, 0], [2, 0, 1], [0, 0, 1]], [[0, 2, 1], [0, 3, 2]])
    flat = floor.export(file_type="glb")
    with pytest.raises(Unavailable) as refused:
        export_glb(flat, "glb", size=80, measure="height")
    assert refused.value.code == "no_height"
    assert export_glb(flat, "glb", size=80)[0]["dimensions"] == pytest.approx([0.08, 0, 0.04])
    assert not check_print(tmp_path / "model.glb", parse_options("stl", measure="height"))["ready"]


def test_a_3mf_is_sound_and_in_millimetres(export_glb):
    """The seam of a texture does not open the mesh: slicers find each edge joined by two faces."""
    model, mesh = model_3mf(export_glb(sample("ball with a seam"), "3mf")[1])
    assert model.GetUnit() == lib3mf.ModelUnit.MilliMeter
    assert mesh.IsManifoldAndOriented()
    assert model.GetTexture2DGroups().Count() == 1


def test_names_in_an_obj_are_one_word_each(tmp_path):
    """A picture's name is written into an OBJ as one word, with spaces, option and comment signs replaced."""
    glb = tmp_path / "model.glb"
    glb.write_bytes(sample("textured box"))
    report = export(glb, parse_options("obj"), tmp_path / "exports" / "cat.zip", "my cat -o #1 кошка")
    with zipfile.ZipFile(tmp_path / "exports" / "cat.zip") as archive:
        assert archive.namelist() == [f"my_cat_-o__1_кошка{end}" for end in (".obj", ".mtl", "-0.png")]
        assert b"mtllib my_cat_-o__1_\xd0" in archive.read("my_cat_-o__1_кошка.obj")
    assert report["faces"] == 12


def test_usdz_without_its_package_is_refused_with_a_hint(export_glb, monkeypatch):
    """Without usd-core no USDZ can be checked, so none is offered."""
    monkeypatch.setitem(sys.modules, "pxr", None)
    monkeypatch.setattr(read_back, "find_spec", lambda name: None)
    with pytest.raises(Unavailable, match="usd-core"):
        export_glb(sample("textured box"), "usdz")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"format": "fbx"}, "format_unknown"),
        ({"size": "tall"}, "option_out_of_range"),
        ({"size": -1}, "option_out_of_range"),
        ({"size": 10**400}, "option_out_of_range"),
        ({"unit": ["mm"]}, "unit_unknown"),
        ({"up": 5}, "up_unknown"),
        ({"unit": "miles"}, "unit_unknown"),
        ({"up": "x"}, "up_unknown"),
        ({"face_limit": 1}, "option_out_of_range"),
        ({"format": "stl", "packing": "draco"}, "packing_unknown"),
    ],
)
def test_invalid_options_are_refused(options, code):
    """Each wrong choice has its own code and says what can be chosen."""
    with pytest.raises(OptionRefused) as refused:
        parse_options(**options)
    assert refused.value.code == code
    assert refused.value.hint


def test_equal_choices_have_one_name_and_different_ones_several():
    """The name of an export contains its options, so that it is found again and nothing is overwritten."""
    assert parse_options("stl", size=8, unit="cm").filename("cat") == parse_options("stl", size="80").filename("cat")
    names = {parse_options("glb", **options).filename("cat") for options in (
        {}, {"size": 80}, {"face_limit": 500}, {"packing": "draco"}, {"up": "z"}, {"pivot": "centre"},
        {"repair": "solid"},
    )}  # fmt: skip
    assert len(names) == 7


def test_a_mesh_without_any_area_is_none(export_glb):
    """A mesh whose faces have no area fails with `glb_no_geometry`."""
    line = trimesh.Trimesh([[0, 0, 0], [1, 2, 3]], [[0, 1, 1]], process=False)
    with pytest.raises(GenerationFailed) as refused:
        export_glb(line.export(file_type="glb"), "stl")
    assert refused.value.code == "glb_no_geometry"


def test_indices_are_written_as_python_formats_them():
    """Rows of indices come out of the fast path as `%d` writes them, whatever their number of digits."""
    rows = np.random.default_rng(0).integers(0, 150_000, (120_000, 3))
    rows[0] = 0
    pattern = "f %d/%d %d\n"
    assert b"".join(format_rows(pattern, rows)).decode() == "".join(pattern % tuple(row) for row in rows.tolist())


def test_normals_of_an_obj_are_the_mesh_s(export_glb):
    """The directions in an OBJ, written in steps, are those of the mesh within a hundredth of a degree."""
    data = sample("the local engine's")
    lines = inside(export_glb(data, "obj")[1], "thing.obj").splitlines()
    written = [line.split()[1:] for line in lines if line.startswith("vn ")]
    (primitive,) = Glb(export_glb(data, "glb", size=1)[1]).scene().primitives
    normals = primitive.attributes["NORMAL"]
    assert np.asarray(written, float) == pytest.approx(normals, abs=1e-4)
