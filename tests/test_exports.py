"""Meshes in other formats, sizes and face counts, read back by at least two libraries each."""

from __future__ import annotations

import base64
import io
import json
import re
import sys
import time
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import lib3mf
import manifold3d
import meshio
import numpy as np
import pytest
import trimesh
from PIL import Image

from image2model.assets.export import check_print, export, readers, shape, wanted
from image2model.assets.facts import facts
from image2model.assets.glb import Glb
from image2model.errors import GenerationFailed, OptionRefused, Unavailable
from tests import local_shapes, meshes
from tests.fal_files import box_glb
from tests.pictures import encoded, photo
from tests.samples import ten


def coloured() -> trimesh.Trimesh:
    """A ball with colours at its vertices."""
    ball = trimesh.creation.icosphere(3)
    ball.visual.vertex_colors = np.random.default_rng(1).integers(0, 255, (len(ball.vertices), 4))
    return ball


def scene() -> trimesh.Scene:
    """Several materials, one mesh placed twice, once mirrored."""
    placed = trimesh.Scene()
    box = meshes.textured_box(photo(64, 32))
    placed.add_geometry(box, geom_name="box", transform=trimesh.transformations.translation_matrix([2, 0, 0]))
    placed.add_geometry(trimesh.creation.cone(1, 2), transform=np.diag([-1.0, 1, 2, 1]))
    placed.add_geometry(coloured(), transform=trimesh.transformations.translation_matrix([0, 5, 0]))
    return placed


SAMPLES = {
    "the local engine's": lambda: local_shapes.make(
        Image.open("examples/rocket.jpg").convert("RGB").resize((256, 256))
    ),
    "the stand-in's": lambda: box_glb(encoded(photo(32, 32), "PNG")),
    "textured box": lambda: meshes.textured_box(photo(64, 32)),
    "ball with a seam": lambda: meshes.bumpy_ball(40, photo(64, 64)),
    "large ball with a seam": lambda: meshes.bumpy_ball(200, photo(64, 64)),
    "bowl": meshes.bowl,
    "tube": meshes.tube,
    "two pieces": meshes.two_pieces,
    "Draco": lambda: meshes.draco(trimesh.creation.torus(1, 0.3)),
    "meshopt": lambda: meshes.meshopt(trimesh.creation.capsule()),
    "coloured vertices": coloured,
    "scene": scene,
}


@cache
def sample(name: str) -> bytes:
    """A GLB of ours, or of another program."""
    made = SAMPLES[name]()
    return made if isinstance(made, bytes) else made.export(file_type="glb")


@pytest.fixture
def made(tmp_path: Path):
    """Export a GLB; return what is known of the file, and its path."""

    def make(data: bytes, form: str, **options):
        glb = tmp_path / "model.glb"
        glb.write_bytes(data)
        choice = wanted(form, **options)
        target = tmp_path / "exports" / choice.filename("thing")
        found = export(glb, choice, target, "thing")
        assert glb.read_bytes() == data, "the original is never touched"
        assert json.loads(target.with_name(target.name + ".json").read_text()) == found
        return found, target

    return make


def read_meshio(path: Path) -> tuple[int, np.ndarray]:
    """Faces and bounds, by meshio."""
    mesh = meshio.read(path)
    return sum(len(block.data) for block in mesh.cells), np.array([mesh.points.min(0), mesh.points.max(0)])


def read_obj(path: Path) -> tuple[int, np.ndarray]:
    """Faces and bounds of the OBJ in a zip, by meshio."""
    with zipfile.ZipFile(path) as archive:
        lines = archive.read("thing.obj").decode().splitlines(keepends=True)
    bare = path.with_name("bare.obj")  # meshio wants texture coordinates for all vertices or for none, and no colours
    kept = (line.split() for line in lines if not line.startswith(("vt", "vn")))
    bare.write_text("".join(" ".join(words[:4]) + "\n" for words in kept))
    return read_meshio(bare)


def read_3mf(path: Path) -> tuple[int, np.ndarray]:
    """Faces and bounds, by trimesh."""
    loaded = trimesh.load_scene(path, process=False)
    return sum(len(mesh.faces) for mesh in loaded.geometry.values()), loaded.bounds


def model_3mf(path: Path) -> tuple[Any, Any]:
    """A 3MF, and its only mesh, as the 3MF consortium's own library holds them."""
    model = lib3mf.get_wrapper().CreateModel()
    reader = model.QueryReader("3mf")
    reader.SetStrictModeActive(True)
    reader.ReadFromFile(str(path))
    assert reader.GetWarningCount() == 0
    found = model.GetMeshObjects()
    assert found.MoveNext()
    return model, found.GetCurrentMeshObject()


def read_glb(path: Path) -> tuple[int, np.ndarray]:
    """Faces and bounds, by our own reader."""
    scene = Glb(path).scene()
    return len(scene.faces), np.array([scene.positions.min(0), scene.positions.max(0)])


SECOND_READERS = {"glb": read_glb, "obj": read_obj, "stl": read_meshio, "ply": read_meshio, "3mf": read_3mf}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("form", SECOND_READERS)
def test_two_readers_find_the_same_mesh(made, name, form):
    """Each format of each sample opens in two libraries with the faces and bounds that were told."""
    found, path = made(sample(name), form, size=80)
    assert found["checked_with"] == ("lib3mf" if form == "3mf" else "trimesh")
    faces, bounds = SECOND_READERS[form](path)
    side = 80 if found["unit"] == "mm" else 0.08
    assert faces == found["faces"] == facts(path.parent.parent / "model.glb").faces
    assert np.ptp(bounds, axis=0) == pytest.approx(found["dimensions"], rel=1e-3, abs=side / 1e4)
    assert np.ptp(bounds, axis=0).max() == pytest.approx(side, rel=1e-4)


@pytest.mark.parametrize("packing", ["meshopt", "draco"])
@pytest.mark.parametrize("name", ["ball with a seam", "scene", "coloured vertices", "the local engine's"])
def test_packed_glbs_are_smaller_and_the_same(made, name, packing):
    """Packing keeps faces, bounds within a thousandth and textures, and takes less room."""
    plain, packed = made(sample(name), "glb", size=1, unit="m"), made(sample(name), "glb", packing=packing)
    assert packed[0]["faces"] == plain[0]["faces"]
    assert Glb(packed[1]).list("extensionsRequired")[0].endswith("compression")
    before, after = facts(plain[1]), facts(packed[1])
    assert (after.faces, after.textures, after.materials) == (before.faces, before.textures, before.materials)
    assert after.size_bytes < before.size_bytes


@pytest.mark.parametrize("packing", ["meshopt", "draco"])
def test_packed_colours_of_vertices_are_read_as_they_were(made, packing):
    """Whole numbers that stand for colours in a packed file are shares of the brightest, so they are the same."""
    before, after = (
        Glb(path).scene().surfaces[0].attributes["COLOR_0"].mean(axis=0)
        for path in (made(sample("coloured vertices"), "glb", size=1, **how)[1] for how in ({}, {"packing": packing}))
    )
    assert after == pytest.approx(before, abs=0.01)


@pytest.mark.parametrize("form", ["obj", "ply", "3mf", "glb"])
@pytest.mark.parametrize(
    "look", [None, {"metallicFactor": "x"}, {"baseColorFactor": [1, 2]}, {"baseColorTexture": 3}], ids=str
)
def test_a_material_that_makes_no_sense_spoils_no_export(made, form, look):
    """What a material says against glTF's rules counts as not said."""
    data = meshes.edited(meshes.textured_box(photo(8, 8)), lambda json: json["materials"][0].update(
        pbrMetallicRoughness=look, extensions="none", alphaMode="MASK", alphaCutoff="half", emissiveFactor=7
    ))  # fmt: skip
    assert made(data, form, **({"face_limit": 8} if form == "glb" else {}))[0]["faces"] > 0


@pytest.mark.parametrize("form", SECOND_READERS)
@pytest.mark.parametrize("packing", ["none", "draco"])
def test_faces_without_area_are_left_out_and_told(made, form, packing):
    """Faces of which two corners are one, or lie at one place, stop no format; a note says how many they were."""
    ball = trimesh.creation.icosphere(2)
    vertices = np.vstack([ball.vertices, ball.vertices[:1]])
    flat = [[0, 0, 1], [2, 2, 2], [0, len(ball.vertices), 5]]
    broken = trimesh.Trimesh(vertices, np.vstack([ball.faces, flat]), process=False)
    options = {"packing": packing} if form == "glb" else {}
    found, path = made(broken.export(file_type="glb"), form, size=2, unit="m", **options)
    assert (found["faces"], found["faces_before"], found["closed"]) == (len(ball.faces), len(ball.faces) + 3, True)
    assert found["notes"] == ["3 faces without any area left out."]
    assert SECOND_READERS[form](path)[0] == len(ball.faces)


def test_a_buffer_written_as_text_is_read_once(tmp_path, monkeypatch):
    """However many parts lie in a buffer that is a data URI, it is decoded once, so memory stays bounded."""
    decoded: list[str] = []
    monkeypatch.setattr("image2model.assets.glb._from_data_uri", lambda uri: decoded.append(uri) or meshes.CORNERS)
    (tmp_path / "model.glb").write_bytes(
        meshes.triangle(
            buffers=[{"byteLength": 36, "uri": "data:;base64,"}],
            meshes=[{"primitives": [{"attributes": {"POSITION": 0}}] * 50}],
        )
    )
    assert len(Glb(tmp_path / "model.glb").scene().faces) == 50
    assert len(decoded) == 1


@pytest.mark.parametrize("packing", ["none", "meshopt", "draco"])
def test_a_second_set_of_texture_coordinates_is_kept(made, packing):
    """A material that uses the second set finds it in every packing."""
    data = meshes.edited(meshes.textured_box(photo(8, 8)), meshes.second_places)
    (surface,) = Glb(made(data, "glb", size=2, packing=packing)[1]).scene().surfaces
    assert {"TEXCOORD_0", "TEXCOORD_1"} <= set(surface.attributes)


def test_textures_stay_the_bytes_they_were(made):
    """A JPEG stays the same JPEG in GLB and OBJ."""
    data = sample("the local engine's")
    glb, archive = made(data, "glb", face_limit=2000)[1], made(data, "obj")[1]
    original = Glb(glb.parent.parent / "model.glb").image(0)
    assert Glb(glb).image(0) == original
    with zipfile.ZipFile(archive) as files:
        assert files.read("thing-0.jpg") == original
        assert "map_Kd thing-0.jpg" in files.read("thing.mtl").decode()


def test_a_face_limit_is_kept_with_the_texture_in_its_place(made):
    """Thinning keeps shape and texture coordinates: a point of the surface shows the same texel before and after."""
    data = sample("ball with a seam")
    found, path = made(data, "glb", face_limit=400)
    assert found["faces"] <= 400 < found["faces_before"]
    before = trimesh.load(io.BytesIO(data), file_type="glb", force="mesh", process=False)
    after = trimesh.load(path, force="mesh", process=False)
    known = {tuple(row) for row in np.hstack([before.vertices, before.visual.uv]).astype(np.float32).round(5)}
    assert {tuple(row) for row in np.hstack([after.vertices, after.visual.uv]).astype(np.float32).round(5)} <= known
    assert after.volume == pytest.approx(before.volume, rel=0.05)


def test_a_face_limit_is_kept_where_a_texture_is_repeated_many_times(made):
    """Texture coordinates that reach far, or are whole numbers, count for no more than others when faces are chosen."""
    ball = meshes.bumpy_ball(60, photo(64, 64))
    ball.visual.uv *= 4095
    found, _ = made(ball.export(file_type="glb"), "glb", face_limit=200)
    assert found["faces"] <= 200
    assert found["notes"] == []


@pytest.mark.parametrize("limit", [100, 1000, 5000])
@pytest.mark.parametrize("name", ["the local engine's", "large ball with a seam"])
@pytest.mark.parametrize("form", ["glb", "stl"])
def test_a_closed_mesh_stays_closed_under_a_face_limit(made, name, form, limit):
    """What was closed is closed with fewer faces too, with its texture, and nothing is told."""
    found, path = made(sample(name), form, face_limit=limit)
    assert found["closed"]
    assert found["notes"] == []
    assert limit * 0.9 < found["faces"] <= limit
    assert form == "stl" or (facts(path).watertight and facts(path).textures)


@pytest.mark.parametrize(("limit", "lost"), [(100, 0.5), (300, 0.2)])
def test_a_small_face_limit_is_kept_whatever_the_normals(made, limit, lost):
    """Where texture and shading leave no face to spare they count less, and the shape is kept."""
    found, path = made(ten("Khronos's duck"), "glb", face_limit=limit)
    assert (found["faces"] <= limit, found["closed"], found["notes"]) == (True, True, [])
    assert facts(path).volume == pytest.approx(1.196, rel=lost)


def test_a_face_limit_that_opens_a_mesh_is_told(made, monkeypatch):
    """Where no way to thin leaves a closed mesh closed, a note says so."""
    monkeypatch.setattr(shape, "_is_closed", lambda scene, faces: False)
    found, _ = made(sample("large ball with a seam"), "glb", face_limit=1000)
    assert not found["closed"]
    assert found["notes"] == ["With so few faces its surface is no longer closed: take more for printing."]


def test_axes_pivot_and_units_are_as_asked(made):
    """A box 1 wide, 2 high, 3 deep: Y up becomes Z up, its bottom middle or its middle the origin, in true sizes."""
    data = trimesh.creation.box((1, 2, 3)).export(file_type="glb")
    standing = trimesh.load(made(data, "stl", size=3, unit="in")[1])
    assert standing.bounds == pytest.approx(np.array([[-12.7, -38.1, 0], [12.7, 38.1, 50.8]]), abs=1e-3)
    middle = trimesh.load(made(data, "stl", size=6, unit="cm", up="y", pivot="centre")[1])
    assert middle.bounds == pytest.approx(np.array([[-10, -20, -30], [10, 20, 30]]), abs=1e-3)
    untouched = trimesh.load(made(data, "ply", up="y")[1])
    assert untouched.bounds == pytest.approx(np.array([[-0.5, -1, -1.5], [0.5, 1, 1.5]]))


def test_a_size_can_be_the_height(made):
    """A box 1 wide, 2 high, 3 deep becomes 80 mm high, also lying on another axis; the print check takes it so too."""
    data = trimesh.creation.box((1, 2, 3)).export(file_type="glb")
    found, path = made(data, "stl", size=80, measure="height")
    assert path.name == "thing-80mm-high.stl"
    assert found["dimensions"] == [40, 120, 80]
    assert found["print_check"]["ready"]
    assert made(data, "stl", size=8, unit="cm", measure="height", up="y", repair="solid")[0]["dimensions"][1] == 80
    verdict = check_print(path.parent.parent / "model.glb", wanted("stl", size=400, measure="height"))
    assert (verdict["size_mm"], verdict["measure"]) == (400, "height")
    assert made(data, "glb", size=80, measure="height")[0]["print_check"] is None


def test_what_has_no_height_cannot_be_made_so_high(made, tmp_path):
    """A sheet that lies on the ground is refused a height, and given a longest side."""
    floor = trimesh.Trimesh([[0, 0, 0], [2, 0, 0], [2, 0, 1], [0, 0, 1]], [[0, 2, 1], [0, 3, 2]])
    flat = floor.export(file_type="glb")
    with pytest.raises(Unavailable) as refused:
        made(flat, "glb", size=80, measure="height")
    assert refused.value.code == "no_height"
    assert made(flat, "glb", size=80)[0]["dimensions"] == pytest.approx([0.08, 0, 0.04])
    assert not check_print(tmp_path / "model.glb", wanted("stl", measure="height"))["ready"]


def test_a_ply_has_the_texture_s_colours(made):
    """What the texture shows at a vertex is the vertex's colour."""
    data = meshes.textured_box(Image.new("RGB", (8, 8), (200, 40, 10))).export(file_type="glb")
    colours = trimesh.load(made(data, "ply")[1], process=False).visual.vertex_colors
    assert np.abs(colours[:, :3].astype(int) - (200, 40, 10)).max() <= 2


def test_a_3mf_is_sound_and_in_millimetres(made):
    """The seam of a texture does not open the mesh: slicers find each edge joined by two faces."""
    model, mesh = model_3mf(made(sample("ball with a seam"), "3mf")[1])
    assert model.GetUnit() == lib3mf.ModelUnit.MilliMeter
    assert mesh.IsManifoldAndOriented()
    assert model.GetTexture2DGroups().Count() == 1


def test_a_3mf_has_the_colours_of_vertices(made):
    """Each vertex has its own colour, in sRGB."""
    model, mesh = model_3mf(made(sample("coloured vertices"), "3mf")[1])
    group = model.GetColorGroupByID(mesh.GetTriangleProperties(0).ResourceID)
    seen = [(one.Red, one.Green, one.Blue) for one in map(group.GetColor, group.GetAllPropertyIDs())]
    before = trimesh.load(io.BytesIO(sample("coloured vertices")), file_type="glb", force="mesh", process=False)
    linear = before.visual.vertex_colors[:, :3] / 255
    srgb = np.where(linear < 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055) * 255
    assert np.array(seen) == pytest.approx(srgb, abs=1.5)


def looking(**changes: Any) -> bytes:
    """A textured box whose material is changed so."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (8, 8, 4), np.uint8))
    return meshes.edited(meshes.textured_box(picture), lambda json: json["materials"][0].update(changes))


def inside(path: Path, name: str) -> str:
    """A text file in a zip."""
    with zipfile.ZipFile(path) as archive:
        return archive.read(name).decode()


def test_names_in_an_obj_are_one_word_each(tmp_path):
    """What a picture is called breaks no reader that ends names at spaces, or looks for options and comments there."""
    glb = tmp_path / "model.glb"
    glb.write_bytes(sample("textured box"))
    found = export(glb, wanted("obj"), tmp_path / "exports" / "cat.zip", "my cat -o #1 кошка")
    with zipfile.ZipFile(tmp_path / "exports" / "cat.zip") as archive:
        assert archive.namelist() == [f"my_cat_-o__1_кошка{end}" for end in (".obj", ".mtl", "-0.png")]
        assert b"mtllib my_cat_-o__1_\xd0" in archive.read("my_cat_-o__1_кошка.obj")
    assert found["faces"] == 12


MOVED = {"index": 0, "extensions": {"KHR_texture_transform": {"offset": [0.5, 0.25], "scale": [0.25, 0.5]}}}


def test_a_moved_texture_lies_where_it_was_moved(made):
    """KHR_texture_transform, which other formats do not have, is in the coordinates of OBJ, 3MF and USDZ."""
    data = looking(pbrMetallicRoughness={"baseColorTexture": MOVED})
    uv = Glb(made(data, "glb", size=1)[1]).scene().surfaces[0].attributes["TEXCOORD_0"] * (0.25, 0.5) + (0.5, 0.25)
    wanted_places = np.column_stack([uv[:, 0], 1 - uv[:, 1]])
    lines = [line.split()[1:] for line in inside(made(data, "obj")[1], "thing.obj").splitlines() if line[:2] == "vt"]
    assert np.array(lines, float) == pytest.approx(wanted_places, abs=1e-5)
    model, _ = model_3mf(made(data, "3mf")[1])
    assert model.GetTexture2DGroups().MoveNext()
    places = re.findall(r'tex2coord u="(.+?)" v="(.+?)"', inside(made(data, "3mf")[1], "3D/3dmodel.model"))
    assert np.array(places, float) == pytest.approx(wanted_places, abs=1e-5)
    (text,) = re.findall(r"primvars:st = \[(.+?)\] \(\n", inside(made(data, "usdz")[1], "model.usda"))
    assert np.array(re.findall(r"\((.+?), (.+?)\)", text), float) == pytest.approx(wanted_places, abs=1e-5)


def test_a_tint_over_a_texture_is_kept(made):
    """A red factor over the texture stays: as a colour in OBJ, a scale in USDZ, in the picture itself in 3MF."""
    data = looking(pbrMetallicRoughness={"baseColorTexture": {"index": 0}, "baseColorFactor": [1, 0, 0, 1]})
    assert "Kd 1 0 0" in inside(made(data, "obj")[1], "thing.mtl")
    assert "inputs:scale = (1, 0, 0, 1)" in inside(made(data, "usdz")[1], "model.usda")
    with zipfile.ZipFile(made(data, "3mf")[1]) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".png")]
        picture = np.asarray(Image.open(io.BytesIO(archive.read(name))))
    assert picture[..., 0].max() > 200
    assert picture[..., 1:3].max() == 0


def test_holes_and_both_sides_are_kept(made):
    """A texture's holes and a surface that is seen from both sides are said in the words of OBJ and USDZ."""
    data = looking(alphaMode="MASK", alphaCutoff=0.3, doubleSided=True)
    assert "map_d thing-0.png" in inside(made(data, "obj")[1], "thing.mtl")
    scene = inside(made(data, "usdz")[1], "model.usda")
    for said in ("opacity.connect", "opacityThreshold = 0.3", "doubleSided = 1"):
        assert said in scene


def test_colours_of_vertices_are_kept_in_obj_and_usdz(made):
    """OBJ has them behind the positions, in sRGB; USDZ as displayColor, which its material reads."""
    data = sample("coloured vertices")
    before = (
        trimesh.load(io.BytesIO(data), file_type="glb", force="mesh", process=False).visual.vertex_colors[:, :3] / 255
    )
    lines = [line.split()[4:] for line in inside(made(data, "obj")[1], "thing.obj").splitlines() if line[:2] == "v "]
    srgb = np.where(before < 0.0031308, before * 12.92, 1.055 * before ** (1 / 2.4) - 0.055)
    assert np.array(lines, float) == pytest.approx(srgb, abs=0.01)
    assert "diffuseColor.connect = </Model/Material_0/Colours.outputs:result>" in inside(
        made(data, "usdz")[1], "model.usda"
    )


@pytest.mark.parametrize("form", ["obj", "3mf", "usdz"])
def test_a_picture_that_many_parts_show_is_in_the_file_once(made, form):
    """Thirty parts with one texture need no thirty copies of it."""
    box = meshes.textured_box(photo(64, 64))
    scene = trimesh.Scene([box.copy().apply_translation([2 * number, 0, 0]) for number in range(30)])
    with zipfile.ZipFile(made(scene.export(file_type="glb"), form)[1]) as archive:
        assert len([name for name in archive.namelist() if name.endswith((".png", ".jpg"))]) == 1


@pytest.mark.parametrize("form", ["glb", "obj", "ply", "3mf", "usdz"])
def test_a_texture_that_cannot_be_read_is_left_out_and_told(made, form):
    """A KTX2 texture keeps no mesh from being exported; a note says what is missing."""
    data = meshes.edited(meshes.textured_box(photo(8, 8)), lambda json: json["images"][0].update(
        bufferView=None, uri="data:image/ktx2;base64," + base64.b64encode(b"\xabKTX 20\xbb rest").decode()
    ) or json["images"][0].pop("bufferView"))  # fmt: skip
    found, _ = made(data, form, size=5)
    assert found["faces"] == 12
    assert any("texture could not be read" in note for note in found["notes"])


@pytest.mark.parametrize("image", [{}, {"bufferView": 99}, "none"], ids=str)
def test_a_picture_that_is_not_there_keeps_no_glb_from_being_made(made, image):
    """A texture whose bytes are nowhere becomes one white pixel, and a note says that it could not be read."""
    data = meshes.edited(meshes.textured_box(photo(8, 8)), lambda json: json.update(images=[image]))
    found, path = made(data, "glb", size=5)
    assert any("texture could not be read" in note for note in found["notes"])
    assert facts(path).textures == ((1, 1),)


def test_usdz_is_refused_with_a_way_out_where_it_is_not_installed(made, monkeypatch):
    """Without usd-core no USDZ can be checked, so none is offered."""
    monkeypatch.setitem(sys.modules, "pxr", None)
    monkeypatch.setattr(readers, "find_spec", lambda name: None)
    with pytest.raises(Unavailable, match="usd-core"):
        made(sample("textured box"), "usdz")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"format": "fbx"}, "format_unknown"),
        ({"size": "tall"}, "option_out_of_range"),
        ({"size": -1}, "option_out_of_range"),
        ({"unit": "miles"}, "unit_unknown"),
        ({"up": "x"}, "up_unknown"),
        ({"face_limit": 1}, "option_out_of_range"),
        ({"format": "stl", "packing": "draco"}, "packing_unknown"),
    ],
)
def test_what_cannot_be_is_refused(options, code):
    """Each wrong choice has its own code and says what can be chosen."""
    with pytest.raises(OptionRefused) as refused:
        wanted(**options)
    assert refused.value.code == code
    assert refused.value.hint


def test_equal_choices_have_one_name_and_different_ones_several():
    """The name of an export tells its choice, so that it is found again and nothing is overwritten."""
    assert wanted("stl", size=8, unit="cm").filename("cat") == wanted("stl", size="80").filename("cat")
    names = {wanted("glb", **options).filename("cat") for options in (
        {}, {"size": 80}, {"face_limit": 500}, {"packing": "draco"}, {"up": "z"}, {"pivot": "centre"},
        {"repair": "solid"},
    )}  # fmt: skip
    assert len(names) == 7


def broken_ball() -> trimesh.Trimesh:
    """A ball with a small hole and a crumb beside it."""
    ball = trimesh.creation.icosphere(4)
    ball.update_faces(ball.triangles_center[:, 0] < 0.99)
    return trimesh.util.concatenate([ball, trimesh.creation.box((0.02,) * 3).apply_translation([1.5, 0, 0])])


def test_the_print_check_tells_what_is_wrong_and_what_mending_would_do(tmp_path):
    """A broken ball is not ready, for reasons in plain words, and would be once it is mended."""
    glb = tmp_path / "model.glb"
    glb.write_bytes(broken_ball().export(file_type="glb"))
    found = check_print(glb, wanted("stl", size=50))
    assert not found["ready"]
    assert any("1 hole: fix before printing" in problem for problem in found["problems"])
    assert any("2 pieces" in problem for problem in found["problems"])
    assert found["mended"]["ready"]
    assert [step.split()[0] for step in found["mended"]["steps"]] == ["Removed", "Closed", "Cut"]


def sheet(tilt: float) -> trimesh.Trimesh:
    """A square without thickness, tilted by so many degrees."""
    quad = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], [[0, 1, 2], [0, 2, 3]])
    return quad.apply_transform(trimesh.transformations.rotation_matrix(np.radians(tilt), [1, 0.3, 0]))


def test_a_mesh_without_any_area_is_none(made):
    """Where all faces are lines there is nothing to export, and the reason is told."""
    line = trimesh.Trimesh([[0, 0, 0], [1, 2, 3]], [[0, 1, 1]], process=False)
    with pytest.raises(GenerationFailed) as refused:
        made(line.export(file_type="glb"), "stl")
    assert refused.value.code == "glb_no_geometry"


@pytest.mark.parametrize("mesh", [sheet(0), sheet(90), sheet(35)])
def test_what_has_no_thickness_is_told_and_not_mended(made, tmp_path, mesh):
    """A flat mesh, however it lies, is not ready for that one reason, and a repair of it is refused."""
    data = mesh.export(file_type="glb")
    glb = tmp_path / "model.glb"
    glb.write_bytes(data)
    found = check_print(glb, wanted("stl"))
    assert not found["ready"]
    assert found["problems"] == ["It is flat: it has no thickness, so there is nothing to print."]
    assert found["mended"] is None
    assert "It is flat: it has no thickness." in facts(glb).warnings
    for repair in ("solid", "rebuild"):
        with pytest.raises(Unavailable) as refused:
            made(data, "stl", repair=repair)
        assert refused.value.code == "mesh_is_flat"


def test_a_tiny_body_is_not_called_flat(tmp_path):
    """A ball of a ten-millionth of a metre has a thickness, and dimensions."""
    glb = tmp_path / "model.glb"
    glb.write_bytes(trimesh.creation.icosphere(2, radius=1e-7).export(file_type="glb"))
    assert facts(glb).warnings == ()
    assert facts(glb).dimensions == pytest.approx((2e-7, 2e-7, 2e-7))


def test_thin_ends_are_told_though_they_are_fine(tmp_path):
    """A blade on a block is too small a part of it to matter; the verdict does not call it thick."""
    blade = trimesh.creation.box((0.004, 1, 0.03)).apply_translation([0, 0.9, 0])
    found = checked(trimesh.boolean.union([trimesh.creation.box(), blade]), tmp_path / "model.glb")
    assert found["ready"]
    assert any("as at points and edges, are thinner" in told for told in found["fine"])


BOX = 100**3


def hollow() -> trimesh.Trimesh:
    """A box of one unit around a cavity, a ball of .4, in which lies a ball of .2."""
    cavity = trimesh.creation.icosphere(3, radius=0.4)
    cavity.invert()
    return trimesh.util.concatenate([trimesh.creation.box(), cavity, trimesh.creation.icosphere(3, radius=0.2)])


def inside_out() -> trimesh.Trimesh:
    """A box of two units, and one of one unit beside it that is turned inside out."""
    turned = trimesh.creation.box().apply_translation([3, 0, 0])
    turned.invert()
    return trimesh.util.concatenate([trimesh.creation.box((2, 2, 2)), turned])


def some_turned() -> trimesh.Trimesh:
    """A ball of which 200 faces look inwards."""
    ball = trimesh.creation.icosphere(5)
    faces = ball.faces.copy()
    faces[:200] = faces[:200, ::-1]
    return trimesh.Trimesh(ball.vertices, faces, process=False)


def cup() -> trimesh.Trimesh:
    """Two walls, .5 and .45 from the middle, each closed at the bottom, that are not joined at the rim."""
    walls = []
    for radius, bottom in ((0.5, 0.0), (0.45, 0.1)):
        wall = trimesh.creation.cylinder(radius, 1 - bottom, sections=64)
        wall.update_faces(wall.face_normals[:, 2] < 0.5)
        walls.append(wall.apply_translation([0, 0, (1 + bottom) / 2]))
    walls[1].invert()
    return trimesh.util.concatenate(walls).apply_transform(
        trimesh.transformations.rotation_matrix(-np.pi / 2, [1, 0, 0])
    )


def c_shape() -> trimesh.Trimesh:
    """A letter C, three units wide and one deep, its area 7, that is open below."""
    outline = [[0, 0], [3, 0], [3, 1], [1, 1], [1, 2], [3, 2], [3, 3], [0, 3]]
    solid = manifold3d.Manifold.extrude(manifold3d.CrossSection([outline]), 1.0).to_mesh()
    letter = trimesh.Trimesh(solid.vert_properties[:, :3], solid.tri_verts)
    letter.update_faces(letter.face_normals[:, 2] > -0.5)
    return letter.apply_transform(trimesh.transformations.rotation_matrix(-np.pi / 2, [1, 0, 0]))


def checked(mesh: trimesh.Trimesh, path: Path) -> dict[str, Any]:
    """The print check of a mesh, saved at `path`."""
    path.write_bytes(mesh.export(file_type="glb"))
    return check_print(path, wanted("stl"))


def test_a_hollow_body_is_one_piece(tmp_path):
    """The wall of a cavity is no piece of its own and not inside out; what lies loose in it is a piece."""
    mesh = hollow()
    loose = checked(mesh, tmp_path / "model.glb")
    assert loose["problems"] == ["It is made of 2 pieces."]
    assert facts(tmp_path / "model.glb").volume == pytest.approx(mesh.volume, rel=1e-4)
    mesh.update_faces(np.arange(len(mesh.faces)) < 12 + 20 * 4**3)
    assert checked(mesh, tmp_path / "model.glb")["ready"]


def test_a_piece_that_is_inside_out_is_told(tmp_path):
    """A piece apart that looks inwards is told, and counts for the volume as if it were turned."""
    found = checked(inside_out(), tmp_path / "model.glb")
    assert "Some faces are turned inside out." in found["problems"]
    assert found["mended"]["steps"] == ["Turned 1 piece right side out."]
    assert found["mended"]["problems"] == ["It is made of 2 pieces."]
    known = facts(tmp_path / "model.glb")
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
    """Nothing holds them together there: it is told, and where they overlap mending joins them."""
    found = checked(mesh, tmp_path / "model.glb")
    assert found["problems"] == ["It is made of 2 pieces."]
    known = facts(tmp_path / "model.glb")
    assert (known.parts, known.genus) == (2, 0)
    assert found["mended"]["ready"] == bool(step)
    assert not step or found["mended"]["steps"][0].startswith(step)


def flipped(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """The mesh, all of it turned inside out."""
    mesh.invert()
    return mesh


@pytest.mark.parametrize(
    ("mesh", "volume", "note"),
    [
        (hollow(), hollow().volume * BOX, "Nothing had to be mended."),
        (flipped(hollow()), hollow().volume * BOX, "Turned it right side out."),
        (inside_out(), 9 * (100 / 4.5) ** 3, "Turned 1 piece right side out."),
        (some_turned(), 4 * BOX / 3 / 8 * np.pi, "Turned 200 faces so that all look to one side."),
        (cup(), np.pi * (0.25 - 0.9 * 0.2025) * BOX, "Closed 2 holes."),
        (c_shape(), 7 * BOX / 27, "Closed 1 hole. The widest was 100 mm: what it led into is solid now."),
        (
            trimesh.util.concatenate([trimesh.creation.box(), trimesh.creation.box().apply_translation([0.5] * 3)]),
            1.875 * BOX * (2 / 3) ** 3,
            "Joined 2 pieces into 1. Its volume went from 592.6 cm³ to 555.6 cm³.",
        ),
    ],
    ids=["hollow", "hollow, inside out", "a piece inside out", "faces inside out", "cup", "C", "overlap"],
)
def test_mending_fills_nothing_without_a_word(made, mesh, volume, note):
    """Cavities stay, holes are closed along their rims, and what changes the volume is told."""
    found, path = made(mesh.export(file_type="glb"), "stl", repair="solid")
    solid = trimesh.load(path)
    assert solid.is_watertight
    assert solid.volume == pytest.approx(volume, rel=0.003)
    assert found["notes"][0] == note


def test_a_mended_mesh_comes_back_where_it_was(made):
    """With the pivot kept, mending moves nothing; flattening the base only cuts off there."""
    box = trimesh.creation.box().apply_translation([5, 7, 9])
    box.update_faces(np.arange(12) != 3)
    found, path = made(box.export(file_type="glb"), "glb", repair="solid")
    assert found["notes"][0].startswith("Closed 1 hole.")
    assert trimesh.load(path).bounds == pytest.approx(box.bounds, abs=1e-5)
    ball = trimesh.creation.icosphere(4)
    found, path = made(ball.export(file_type="glb"), "glb", repair="solid")
    assert found["notes"][0].startswith("Cut ")
    bounds = trimesh.load(path).bounds
    assert bounds[1] == pytest.approx(ball.bounds[1], abs=1e-5)
    assert -1 < bounds[0][1] < -0.95


@pytest.mark.parametrize("form", ["glb", "obj", "3mf", "usdz", "ply", "stl"])
def test_a_texture_is_lost_only_where_something_was_mended_and_that_is_told(made, form):
    """A box that needs no mending keeps its texture; one with a hole says that it lost it, where the format has any."""
    box = meshes.textured_box(photo(64, 32))
    found, path = made(box.export(file_type="glb"), form, repair="solid")
    assert found["notes"] == ["Nothing had to be mended."]
    if form == "glb":
        assert facts(path).textures == ((64, 32),)
        assert trimesh.load(path, force="mesh").bounds == pytest.approx(box.bounds)
    box.update_faces(np.arange(12) > 0)
    found, _ = made(box.export(file_type="glb"), form, repair="solid")
    assert any("texture could not be kept" in note for note in found["notes"]) == (form not in ("ply", "stl"))


@pytest.mark.parametrize("detail", ["low", "high"])
@pytest.mark.parametrize("picture", sorted(Path("examples").glob("*.jpg")), ids=lambda path: path.stem)
def test_walls_of_the_local_engine_s_meshes_raise_no_alarm(tmp_path, picture, detail):
    """What the embedded engine makes is ready to print: thick enough, and it does not pass through itself."""
    glb = tmp_path / "model.glb"
    glb.write_bytes(local_shapes.make(Image.open(picture).convert("RGB"), detail=detail))
    found = check_print(glb, wanted("stl"))
    assert found["problems"] == []
    assert "It does not pass through itself, by 400 places." in found["fine"]


@pytest.mark.parametrize(("wall", "ready"), [(0.001, False), (0.007, False), (0.01, True)])
def test_walls_that_are_too_thin_are_told(tmp_path, wall, ready):
    """A cup of 100 mm with walls of .1 or .7 mm is not ready, one with walls of 1 mm is."""
    found = checked(meshes.thin_cup(wall), tmp_path / "model.glb")
    assert found["ready"] == ready
    assert ready or "of its walls are thinner than 0.8 mm" in " ".join(found["problems"])


def test_a_mesh_that_passes_through_itself_is_told_and_a_new_skin_mends_it(made, tmp_path):
    """A tube that crosses itself is not ready; wrapped in a new skin it is."""
    found = checked(meshes.eight(), tmp_path / "model.glb")
    assert found["problems"] == ["It passes through itself: a new skin would mend that."]
    _, path = made(meshes.eight().export(file_type="glb"), "glb", repair="rebuild")
    assert check_print(path, wanted("stl"))["ready"]


def test_a_new_skin_leaves_out_what_has_no_thickness(made):
    """A sheet that sticks out of a box cannot be printed: without it the new skin is a solid, and that is told."""
    box = trimesh.creation.box()
    fin = [*box.faces[0][:2], 8]
    sheeted = trimesh.Trimesh([*box.vertices, [0, 0, 2]], [*box.faces, fin], process=False)
    found, path = made(sheeted.export(file_type="glb"), "stl", repair="rebuild")
    assert "What had no thickness was left out." in found["notes"][0]
    assert found["print_check"]["ready"]
    assert trimesh.load(path).is_watertight
    assert (
        "It is still not closed: a new skin may help."
        in made(sheeted.export(file_type="glb"), "stl", repair="solid")[0]["notes"]
    )


def test_a_heap_of_faces_is_judged_in_good_time(tmp_path):
    """Faces that hang together nowhere have as many holes, which are told and not closed one by one."""
    chance = np.random.default_rng(0)
    corners = chance.normal(size=(20_000, 1, 3)) + 0.1 * chance.normal(size=(20_000, 3, 3))
    heap = trimesh.Trimesh(corners.reshape(-1, 3), np.arange(60_000).reshape(-1, 3), process=False)
    began = time.process_time()
    found = checked(heap, tmp_path / "model.glb")
    assert time.process_time() - began < 10
    assert "It has 20,000 holes: fix before printing." in found["problems"]
    assert "It is still not closed: a new skin may help." in found["mended"]["steps"]


def test_a_new_skin_tells_that_it_fills_a_cavity(made):
    """What changes the volume by much is told, whichever step it is."""
    notes = made(hollow().export(file_type="glb"), "stl", repair="rebuild")[0]["notes"]
    assert "Its volume went from 767.4 cm³ to " in notes[0]


@pytest.mark.parametrize("repair", ["solid", "rebuild"])
@pytest.mark.parametrize("form", ["stl", "3mf", "glb"])
def test_a_mended_export_is_a_solid_that_stands(made, form, repair):
    """What is mended is closed, one piece, of the size asked for, and says each thing that was done."""
    found, path = made(broken_ball().export(file_type="glb"), form, size=50, repair=repair)
    solid = trimesh.load(path, force="mesh")
    assert found["closed"]
    assert solid.is_watertight
    assert solid.body_count == 1
    assert solid.extents.max() == pytest.approx(50 if found["unit"] == "mm" else 0.05, rel=1e-4)
    assert any("Closed 1 hole" in note for note in found["notes"])


def test_a_mended_mesh_keeps_its_colours(made):
    """Where the texture cannot be kept, each vertex takes the colour of the nearest place."""
    data = meshes.textured_box(Image.new("RGB", (8, 8), (200, 40, 10))).export(file_type="glb")
    colours = trimesh.load(made(data, "ply", repair="rebuild")[1], process=False).visual.vertex_colors
    assert np.abs(colours[:, :3].astype(int) - (200, 40, 10)).max() <= 3
