"""Appearance of exports: textures and where they lie, tints, holes, colours of vertices."""

from __future__ import annotations

import base64
import io
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image

from image2model.mesh.facts import read_facts
from image2model.mesh.gltf.reader import Glb
from tests.support import meshes
from tests.support.exporting import inside, model_3mf, sample, usd_text
from tests.support.pictures import encoded, photo

TEXTURE_FILES = Path(__file__).parents[1] / "support/texture_files"


@pytest.mark.parametrize("form", ["obj", "ply", "3mf", "glb"])
@pytest.mark.parametrize(
    "look", [None, {"metallicFactor": "x"}, {"baseColorFactor": [1, 2]}, {"baseColorTexture": 3}], ids=str
)
def test_a_material_that_makes_no_sense_spoils_no_export(export_glb, form, look):
    """Invalid values of a material are ignored by every export."""
    data = meshes.edited(meshes.textured_box(photo(8, 8)), lambda json: json["materials"][0].update(
        pbrMetallicRoughness=look, extensions="none", alphaMode="MASK", alphaCutoff="half", emissiveFactor=7
    ))  # fmt: skip
    assert export_glb(data, form, **({"face_limit": 8} if form == "glb" else {}))[0]["faces"] > 0


def test_factors_beyond_their_range_are_limited(export_glb):
    """Colours, metal, roughness and light below 0 or above 1 become the nearest allowed ones, as the format demands."""
    data = meshes.edited(meshes.textured_box(photo(8, 8)), lambda json: json["materials"][0].update(
        pbrMetallicRoughness={"metallicFactor": -3, "roughnessFactor": 2, "baseColorFactor": [2, 0.5, -1, 1]},
        emissiveFactor=[0.5, -1, 3],
    ))  # fmt: skip
    (material,) = Glb(export_glb(data, "glb")[1]).json["materials"]
    assert material["pbrMetallicRoughness"] == {
        "metallicFactor": 0, "roughnessFactor": 1, "baseColorFactor": [1, 0.5, 0, 1]
    }  # fmt: skip
    assert material["emissiveFactor"] == [0.5, 0, 1]


@pytest.mark.parametrize("packing", ["none", "meshopt", "draco"])
def test_a_second_set_of_texture_coordinates_is_kept(export_glb, packing):
    """A material that uses the second set finds it in every packing."""
    data = meshes.edited(meshes.textured_box(photo(8, 8)), meshes.second_places)
    (surface,) = Glb(export_glb(data, "glb", size=2, packing=packing)[1]).scene().primitives
    assert {"TEXCOORD_0", "TEXCOORD_1"} <= set(surface.attributes)


def test_textures_stay_the_bytes_they_were(export_glb):
    """A JPEG stays the same JPEG in GLB and OBJ."""
    data = sample("the local engine's")
    glb, archive = export_glb(data, "glb", face_limit=2000)[1], export_glb(data, "obj")[1]
    original = Glb(glb.parent.parent / "model.glb").image(0)
    assert Glb(glb).image(0) == original
    with zipfile.ZipFile(archive) as files:
        assert files.read("thing-0.jpg") == original
        assert "map_Kd thing-0.jpg" in files.read("thing.mtl").decode()


def test_a_ply_has_the_texture_s_colours(export_glb):
    """A vertex of a PLY has the texture's colour at its place."""
    data = meshes.textured_box(Image.new("RGB", (8, 8), (200, 40, 10))).export(file_type="glb")
    colours = trimesh.load(export_glb(data, "ply")[1], process=False).visual.vertex_colors
    assert np.abs(colours[:, :3].astype(int) - (200, 40, 10)).max() <= 2


def test_a_3mf_has_the_colours_of_vertices(export_glb):
    """Each vertex has its own colour, in sRGB."""
    model, mesh = model_3mf(export_glb(sample("coloured vertices"), "3mf")[1])
    group = model.GetColorGroupByID(mesh.GetTriangleProperties(0).ResourceID)
    seen = [(colour.Red, colour.Green, colour.Blue) for colour in map(group.GetColor, group.GetAllPropertyIDs())]
    before = trimesh.load(io.BytesIO(sample("coloured vertices")), file_type="glb", force="mesh", process=False)
    linear = before.visual.vertex_colors[:, :3] / 255
    srgb = np.where(linear < 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055) * 255
    assert np.array(seen) == pytest.approx(srgb, abs=1.5)


def looking(**changes: Any) -> bytes:
    """A textured box whose material is changed so."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (8, 8, 4), np.uint8))
    return meshes.edited(meshes.textured_box(picture), lambda json: json["materials"][0].update(changes))


MOVED = {"index": 0, "extensions": {"KHR_texture_transform": {"offset": [0.5, 0.25], "scale": [0.25, 0.5]}}}


def test_a_moved_texture_lies_where_it_was_moved(export_glb):
    """KHR_texture_transform, which other formats do not have, is in the coordinates of OBJ, 3MF and USDZ."""
    data = looking(pbrMetallicRoughness={"baseColorTexture": MOVED})
    uv = Glb(export_glb(data, "glb", size=1)[1]).scene().primitives[0].attributes["TEXCOORD_0"] * (0.25, 0.5) + (
        0.5,
        0.25,
    )
    wanted_places = np.column_stack([uv[:, 0], 1 - uv[:, 1]])
    lines = [
        line.split()[1:] for line in inside(export_glb(data, "obj")[1], "thing.obj").splitlines() if line[:2] == "vt"
    ]
    assert np.array(lines, float) == pytest.approx(wanted_places, abs=1e-5)
    model, _ = model_3mf(export_glb(data, "3mf")[1])
    assert model.GetTexture2DGroups().MoveNext()
    places = re.findall(r'tex2coord u="(.+?)" v="(.+?)"', inside(export_glb(data, "3mf")[1], "3D/3dmodel.model"))
    assert np.array(places, float) == pytest.approx(wanted_places, abs=1e-5)
    (text,) = re.findall(r"primvars:st = \[(.+?)\] \(\n", usd_text(export_glb(data, "usdz")[1]))
    assert np.array(re.findall(r"\((.+?), (.+?)\)", text), float) == pytest.approx(wanted_places, abs=1e-5)


def test_a_tint_over_a_texture_is_kept(export_glb):
    """A red factor over the texture stays: as a colour in OBJ, a scale in USDZ, in the picture itself in 3MF."""
    data = looking(pbrMetallicRoughness={"baseColorTexture": {"index": 0}, "baseColorFactor": [1, 0, 0, 1]})
    assert "Kd 1 0 0" in inside(export_glb(data, "obj")[1], "thing.mtl")
    assert "inputs:scale = (1, 0, 0, 1)" in usd_text(export_glb(data, "usdz")[1])
    with zipfile.ZipFile(export_glb(data, "3mf")[1]) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".png")]
        picture = np.asarray(Image.open(io.BytesIO(archive.read(name))))
    assert picture[..., 0].max() > 200
    assert picture[..., 1:3].max() == 0


def test_holes_and_both_sides_are_kept(export_glb):
    """A texture's holes and a surface that is seen from both sides are said in the words of OBJ and USDZ."""
    data = looking(alphaMode="MASK", alphaCutoff=0.3, doubleSided=True)
    assert "map_d thing-0.png" in inside(export_glb(data, "obj")[1], "thing.mtl")
    scene = usd_text(export_glb(data, "usdz")[1])
    for said in ("opacity.connect", "opacityThreshold = 0.3", "doubleSided = 1"):
        assert said in scene


def test_colours_of_vertices_are_kept_in_obj_and_usdz(export_glb):
    """OBJ has them behind the positions, in sRGB; USDZ as displayColor, which its material reads."""
    data = sample("coloured vertices")
    before = (
        trimesh.load(io.BytesIO(data), file_type="glb", force="mesh", process=False).visual.vertex_colors[:, :3] / 255
    )
    lines = [
        line.split()[4:] for line in inside(export_glb(data, "obj")[1], "thing.obj").splitlines() if line[:2] == "v "
    ]
    srgb = np.where(before < 0.0031308, before * 12.92, 1.055 * before ** (1 / 2.4) - 0.055)
    assert np.array(lines, float) == pytest.approx(srgb, abs=0.01)
    connection = "diffuseColor.connect = </Model/Materials/Material_0/Colours.outputs:result>"
    assert connection in usd_text(export_glb(data, "usdz")[1])


@pytest.mark.parametrize("form", ["obj", "3mf", "usdz"])
def test_a_picture_that_many_parts_show_is_in_the_file_once(export_glb, form):
    """Thirty parts with one texture need no thirty copies of it."""
    box = meshes.textured_box(photo(64, 64))
    scene = trimesh.Scene([box.copy().apply_translation([2 * number, 0, 0]) for number in range(30)])
    with zipfile.ZipFile(export_glb(scene.export(file_type="glb"), form)[1]) as archive:
        assert len([name for name in archive.namelist() if name.endswith((".png", ".jpg"))]) == 1


@pytest.mark.parametrize("form", ["glb", "obj", "ply", "3mf", "usdz"])
def test_unreadable_texture_is_left_out_with_a_note(export_glb, form):
    """A KTX2 texture keeps no mesh from being exported; a note says what is missing."""
    data = meshes.edited(meshes.textured_box(photo(8, 8)), lambda json: json["images"][0].update(
        bufferView=None, uri="data:image/ktx2;base64," + base64.b64encode(b"\xabKTX 20\xbb rest").decode()
    ) or json["images"][0].pop("bufferView"))  # fmt: skip
    found, _ = export_glb(data, form, size=5)
    assert found["faces"] == 12
    assert any("texture could not be read" in note for note in found["notes"])


@pytest.mark.parametrize("packing", ["meshopt", "draco"])
def test_packed_colours_of_vertices_are_read_as_they_were(export_glb, packing):
    """Whole numbers that stand for colours in a packed file are shares of the brightest, so they are the same."""
    before, after = (
        Glb(path).scene().primitives[0].attributes["COLOR_0"].mean(axis=0)
        for path in (
            export_glb(sample("coloured vertices"), "glb", size=1, **how)[1] for how in ({}, {"packing": packing})
        )
    )
    assert after == pytest.approx(before, abs=0.01)


@pytest.mark.parametrize("image", [{}, {"bufferView": 99}, "none"], ids=str)
def test_missing_texture_image_does_not_prevent_a_glb(export_glb, image):
    """A texture whose bytes are nowhere becomes one white pixel, and a note says that it could not be read."""
    data = meshes.edited(meshes.textured_box(photo(8, 8)), lambda json: json.update(images=[image]))
    found, path = export_glb(data, "glb", size=5)
    assert any("texture could not be read" in note for note in found["notes"])
    assert read_facts(path).textures == ((1, 1),)


def test_webp_becomes_png_or_jpeg_in_a_glb_and_the_delivered_file_warns(export_glb, tmp_path):
    """A GLB that requires EXT_texture_webp is exported without it: many programs refuse such files."""
    webp = encoded(photo(32, 32), "WEBP")

    def as_webp(json: Any) -> None:
        json["images"] = [{"mimeType": "image/webp", "uri": "data:;base64," + base64.b64encode(webp).decode()}]
        json["textures"] = [{"extensions": {"EXT_texture_webp": {"source": 0}}}]
        json["extensionsUsed"] = json["extensionsRequired"] = ["EXT_texture_webp"]

    data = meshes.edited(meshes.textured_box(photo(32, 32)), as_webp)
    (tmp_path / "delivered.glb").write_bytes(data)
    assert any("WebP" in warning for warning in read_facts(tmp_path / "delivered.glb").warnings)
    exported = Glb(export_glb(data, "glb", size=1)[1])
    assert exported.image(0).startswith(b"\xff\xd8")
    assert not exported.list("extensionsUsed")
    assert exported.json["textures"][0]["source"] == 0


def test_colours_in_an_older_kind_of_material_are_exported(export_glb):
    """The diffuse texture of KHR_materials_pbrSpecularGlossiness is the base colour of an exported GLB."""

    def as_older(json: Any) -> None:
        texture = json["materials"][0].pop("pbrMetallicRoughness")["baseColorTexture"]
        json["materials"][0]["extensions"] = {"KHR_materials_pbrSpecularGlossiness": {"diffuseTexture": texture}}

    exported = Glb(export_glb(meshes.edited(meshes.textured_box(photo(32, 32)), as_older), "glb", size=1)[1])
    (material,) = exported.list("materials")
    assert exported.texture(material["pbrMetallicRoughness"]["baseColorTexture"])
    assert not material.get("extensions")


def test_colours_of_vertices_are_shares_where_the_file_does_not_say_so(export_glb):
    """Bytes as colours, which have to be normalised, are read as if they were also in an OBJ."""
    data = meshes.edited(trimesh.load(io.BytesIO(sample("coloured vertices")), file_type="glb", force="mesh"),
                         lambda json: [accessor.pop("normalized", None) for accessor in json["accessors"]])  # fmt: skip
    _, path = export_glb(data, "obj", size=1)
    colours = [line.split()[4:] for line in inside(path, "thing.obj").splitlines() if line.startswith("v ")]
    assert 0.4 < np.mean(np.array(colours, float)) < 0.8


def test_hidden_nodes_are_left_out(tmp_path):
    """KHR_node_visibility: neither a hidden node nor what is below it is part of the mesh."""
    hidden = {"KHR_node_visibility": {"visible": False}}
    nodes = [{"mesh": 0}, {"children": [2], "extensions": hidden}, {"mesh": 0, "translation": [9, 0, 0]}]
    (tmp_path / "model.glb").write_bytes(meshes.triangle(scenes=[{"nodes": [0, 1]}], nodes=nodes))
    assert read_facts(tmp_path / "model.glb").faces == 1


def test_all_instances_are_exported(tmp_path):
    """EXT_mesh_gpu_instancing: a node with three translations has its mesh three times."""
    instancing = {"EXT_mesh_gpu_instancing": {"attributes": {"TRANSLATION": 0}}}
    data = meshes.triangle(
        nodes=[{"mesh": 0, "extensions": instancing}], extensionsRequired=["EXT_mesh_gpu_instancing"]
    )
    (tmp_path / "model.glb").write_bytes(data)
    facts = read_facts(tmp_path / "model.glb")
    assert (facts.faces, facts.parts) == (3, 3)
    assert not any("unknown" in warning for warning in facts.warnings)


@pytest.mark.parametrize("form", ["glb", "obj", "usdz", "ply", "3mf", "stl"])
def test_far_from_the_origin_is_as_good_as_near(export_glb, form):
    """A ball of one unit, 10,000 units away, is exported in every format."""
    ball = trimesh.creation.icosphere(2).apply_translation([10_000, 0, 0])
    assert export_glb(ball.export(file_type="glb"), form)[0]["closed"]


@pytest.mark.parametrize(
    ("kind", "start"), [("etc1s", b"\xff\xd8"), ("uastc", b"\xff\xd8"), ("transparent", b"\x89PNG")]
)
def test_ktx2_becomes_png_or_jpeg_in_an_export_and_the_delivered_file_warns(export_glb, tmp_path, kind, start):
    """A texture that Basis Universal's own encoder wrote has its colours in the export, and is warned of as it came."""
    ktx2 = (TEXTURE_FILES / f"{kind}.ktx2").read_bytes()

    def as_ktx2(json: Any) -> None:
        json["images"] = [{"mimeType": "image/ktx2", "uri": "data:;base64," + base64.b64encode(ktx2).decode()}]
        json["textures"] = [{"extensions": {"KHR_texture_basisu": {"source": 0}}}]
        json["extensionsUsed"] = json["extensionsRequired"] = ["KHR_texture_basisu"]

    data = meshes.edited(meshes.textured_box(photo(16, 16)), as_ktx2)
    (tmp_path / "delivered.glb").write_bytes(data)
    facts = read_facts(tmp_path / "delivered.glb")
    assert facts.textures == ((16, 16),)
    assert any("KTX2" in warning for warning in facts.warnings)
    found, path = export_glb(data, "glb", size=1)
    exported = Glb(path)
    assert exported.image(0).startswith(start)
    assert not exported.list("extensionsUsed")
    assert not found["notes"]
    quarters = Image.open(io.BytesIO(exported.image(0))).convert("RGB").resize((2, 2), Image.Resampling.BOX)
    shown = np.asarray(quarters).reshape(4, 3).astype(int)[1:]
    assert np.abs(shown - [(40, 160, 60), (50, 70, 190), (230, 220, 200)]).max() <= 8


def test_our_own_engine_s_meshes_are_named_after_the_picture(export_glb):
    """Exports of the embedded engine's meshes name nodes, meshes and materials after the picture."""
    data = sample("the local engine's")
    document = Glb(export_glb(data, "glb", size=1)[1]).json
    assert {entry["name"] for kind in ("nodes", "meshes", "materials") for entry in document[kind]} == {"thing"}
    assert "\nusemtl thing\n" in inside(export_glb(data, "obj")[1], "thing.obj")
    assert 'def Material "thing_0"' in usd_text(export_glb(data, "usdz")[1])


def test_usdz_keeps_the_names_of_meshes_and_materials(export_glb):
    """Names stay as far as USD takes them, which has ASCII letters and digits alone; others are spelled with these."""
    box = meshes.textured_box(photo(8, 8), name="Glänzendes Holz")
    scene = trimesh.Scene()
    scene.add_geometry(box, node_name="木 椅", geom_name="chair")
    text = usd_text(export_glb(scene.export(file_type="glb"), "usdz")[1])
    assert 'def Mesh "Mu_Yi_0"' in text
    assert 'def Material "Glanzendes_Holz_0"' in text


CLEAR_FACTOR = {"pbrMetallicRoughness": {"baseColorFactor": [1, 0.2, 0.1, 0.3]}}


@pytest.mark.parametrize(
    ("mode", "opacity"), [("OPAQUE", 1), (None, 1), ("MASK", 0), ("BLEND", 0.3)], ids=lambda value: str(value)
)
def test_alpha_counts_only_where_the_material_says_so(export_glb, mode, opacity):
    """An opaque material's alpha means nothing, a masked one's a hole below its cutoff."""
    data = looking(**CLEAR_FACTOR, **({"alphaMode": mode} if mode else {}))
    assert f"inputs:opacity = {opacity:g}\n" in usd_text(export_glb(data, "usdz")[1])
    assert f"d {opacity:g}\n" in inside(export_glb(data, "obj")[1], "thing.mtl")
    alpha = trimesh.load(export_glb(data, "ply")[1], process=False).visual.vertex_colors[:, 3]
    assert set(alpha) == {round(255 * opacity)}


def test_a_texture_that_lets_light_through_does_so_in_usdz_and_obj(export_glb):
    """The alpha of a blended texture is the opacity."""
    data = looking(alphaMode="BLEND")
    assert "inputs:opacity.connect" in usd_text(export_glb(data, "usdz")[1])
    assert "map_d thing-0.png" in inside(export_glb(data, "obj")[1], "thing.mtl")


def test_a_black_material_is_exported_in_the_colour_of_its_light(export_glb):
    """A black material that emits light is exported in the colours of the light, textured or plain."""
    texture = {"emissiveTexture": {"index": 0}, "emissiveFactor": [1, 1, 1]}
    black = {"pbrMetallicRoughness": {"baseColorFactor": [0, 0, 0, 1]}}
    glow = looking(**black, **texture)
    assert "map_Kd thing-0.png" in inside(export_glb(glow, "obj")[1], "thing.mtl")
    assert "textures/0.png" in usd_text(export_glb(glow, "usdz")[1])
    red = looking(**black, emissiveFactor=[1, 0, 0])
    assert "Kd 1 0 0\n" in inside(export_glb(red, "obj")[1], "thing.mtl")
    assert trimesh.load(export_glb(red, "ply")[1], process=False).visual.vertex_colors[0].tolist() == [255, 0, 0, 255]


@pytest.mark.parametrize(("number", "usd", "threemf"), [(33071, "clamp", "clamp"), (33648, "mirror", "mirror")])
def test_a_texture_goes_on_beyond_its_edges_as_it_did(export_glb, number, usd, threemf):
    """Clamped and mirrored textures stay so in USDZ and 3MF."""
    box = meshes.textured_box(photo(8, 8))
    data = meshes.edited(box, lambda json: json.update(samplers=[{"wrapS": number}]) or json["textures"][0].update(
        sampler=0))  # fmt: skip
    written = usd_text(export_glb(data, "usdz")[1])
    assert (f'wrapS = "{usd}"' in written, 'wrapT = "repeat"' in written) == (True, True)
    assert f'tilestyleu="{threemf}" tilestylev="wrap"' in inside(export_glb(data, "3mf")[1], "3D/3dmodel.model")


@pytest.mark.parametrize("form", ["obj", "ply", "3mf", "usdz", "glb"])
@pytest.mark.parametrize(
    "broken",
    [
        {"samplers": [{"wrapS": []}], "textures": [{"source": 0, "sampler": 0}]},
        {"samplers": [{"wrapS": 7}], "textures": [{"source": 0, "sampler": 0}]},
        {"textures": [{"source": 0, "sampler": 9}]},
        {"materials": [{"pbrMetallicRoughness": {"baseColorFactor": [0, 0, 0, 1]}, "emissiveFactor": ["x", 1]}]},
        {"materials": [{"pbrMetallicRoughness": {"baseColorFactor": [0, 0, 0, 1]}, "emissiveFactor": [1, 1, 1],
                        "extensions": {"KHR_materials_emissive_strength": 5}}]},
    ],
    ids=["wrap that is a list", "unknown wrap", "no such sampler", "light that is no number", "no strength"],
)  # fmt: skip
def test_a_sampler_or_a_light_that_makes_no_sense_spoils_no_export(export_glb, form, broken):
    """Invalid samplers and lights are ignored by every export."""
    data = meshes.edited(meshes.textured_box(photo(8, 8)), lambda json: json.update(broken))
    assert export_glb(data, form)[0]["faces"] == 12


def test_a_glb_declares_just_the_extensions_of_its_materials(export_glb):
    """One that its materials do not use is not required, and one that they use is declared."""
    data = meshes.edited(meshes.textured_box(photo(8, 8)), lambda json: json.update(
        extensionsUsed=["KHR_materials_variants"], extensionsRequired=["KHR_materials_variants"]
    ) or json["materials"][0].update(extensions={"ACME_shine": {}}))  # fmt: skip
    document = Glb(export_glb(data, "glb")[1]).json
    assert document["extensionsUsed"] == ["ACME_shine"]
    assert "extensionsRequired" not in document


def test_numbers_that_make_no_sense_are_mended_in_a_glb(export_glb):
    """Normals of no length are those of the faces around, and no attribute holds what is no number."""
    ball = trimesh.creation.icosphere(2)
    normals = np.array(ball.vertex_normals)
    ball.vertex_normals = np.where(np.arange(len(normals))[:, None] % 3 == 0, 0, normals)
    (part,) = Glb(export_glb(ball.export(file_type="glb", include_normals=True), "glb")[1]).scene().primitives
    assert part.attributes["NORMAL"] == pytest.approx(normals, abs=0.05)


def test_an_avif_texture_becomes_one_that_every_program_reads(export_glb):
    """EXT_texture_avif is read as the extension for WebP is."""
    picture = Image.new("RGB", (16, 16), (200, 40, 10))

    def as_avif(json: dict[str, Any]) -> None:
        json["images"] = [{"uri": "data:image/avif;base64," + base64.b64encode(encoded(picture, "AVIF")).decode()}]
        json["textures"] = [{"extensions": {"EXT_texture_avif": {"source": 0}}}]

    glb = Glb(export_glb(meshes.edited(meshes.textured_box(picture), as_avif), "glb")[1])
    assert glb.json["images"][0]["mimeType"] == "image/jpeg"
    assert Image.open(io.BytesIO(glb.image(0))).getpixel((8, 8)) == pytest.approx((200, 40, 10), abs=4)


def test_colours_for_printers_follow_a_texture_of_light(export_glb):
    """Triangles that shine in a texture's colours are divided as textured ones are."""
    black = {"pbrMetallicRoughness": {"baseColorFactor": [0, 0, 0, 1]}}
    glow = looking(**black, emissiveTexture={"index": 0}, emissiveFactor=[1, 1, 1])
    assert export_glb(glow, "3mf", colors=4, size=20)[0]["faces"] > 100
