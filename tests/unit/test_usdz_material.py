"""Materials in USDZ as OpenUSD reads them: metal, roughness, normals, occlusion and emission."""

from __future__ import annotations

import base64
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pxr import Usd, UsdGeom, UsdShade, UsdValidation

from image2model.mesh.export.textures import as_png_or_jpeg
from tests.support import meshes
from tests.support.pictures import encoded, photo

MOVED = {"extensions": {"KHR_texture_transform": {"offset": [0.5, 0.25], "scale": [0.5, 0.5]}}}
SHINING = {
    "metallicFactor": 0.5, "roughnessFactor": 0.75,
    "baseColorTexture": {"index": 0}, "metallicRoughnessTexture": {"index": 1},
}  # fmt: skip
NORMALS = Image.fromarray(np.array([[[128, 128, 255], [255, 0, 128]]], np.uint8))


def box(pictures: list[Image.Image | bytes], wrap: int = 10497, **material: Any) -> bytes:
    """A box of a material whose texture 0 is a photo, in one `wrap` across, and whose others are `pictures`."""

    def change(json: dict[str, Any]) -> None:
        for picture in pictures:
            data = picture if isinstance(picture, bytes) else encoded(picture, "PNG")
            json["images"].append({"uri": "data:image/png;base64," + base64.b64encode(data).decode()})
            json["textures"].append({"source": len(json["images"]) - 1})
        json["samplers"] = [{"wrapS": wrap}]
        json["textures"][0]["sampler"] = 0
        json["materials"] = [material]

    return meshes.edited(meshes.textured_box(photo(8, 8)), change)


def surface(stage: Usd.Stage) -> UsdShade.Shader:
    """The UsdPreviewSurface of the only material."""
    (material,) = (UsdShade.Material(prim) for prim in stage.Traverse() if prim.IsA(UsdShade.Material))
    return material.ComputeSurfaceSource()[0]


def texture(stage: Usd.Stage, name: str) -> tuple[UsdShade.Shader, str]:
    """The texture that an input of the surface reads, and the channels of it."""
    return source(surface(stage), name)


def source(shader: UsdShade.Shader, name: str) -> tuple[UsdShade.Shader, str]:
    """The shader that an input is connected to, and the output."""
    ((found,), _) = shader.GetInput(name).GetConnectedSources()
    return UsdShade.Shader(found.source.GetPrim()), found.sourceName


def read(shader: UsdShade.Shader, *names: str) -> list[Any]:
    """Values of a texture's inputs."""
    return [shader.GetInput(name).Get() for name in names]


def picture(path: Path, shader: UsdShade.Shader) -> Image.Image:
    """The image that a texture shows, out of the package."""
    with zipfile.ZipFile(path) as archive:
        return Image.open(io.BytesIO(archive.read(shader.GetInput("file").Get().path)))


def test_metal_and_roughness_are_those_of_their_texture(export_glb):
    """Blue is metal and green roughness, each times its factor, and neither is a colour."""
    data = box([Image.new("RGB", (4, 4), (7, 60, 0))], pbrMetallicRoughness=SHINING)
    _, path = export_glb(data, "usdz")
    stage = Usd.Stage.Open(str(path))
    (metal, blue), (rough, green) = texture(stage, "metallic"), texture(stage, "roughness")
    assert (blue, green, metal.GetPath()) == ("b", "g", rough.GetPath())
    assert read(metal, "scale", "bias", "sourceColorSpace") == [(1, 0.75, 0.5, 1), (0, 0, 0, 0), "raw"]
    assert picture(path, metal).getpixel((0, 0)) == (7, 60, 0)
    assert picture(path, texture(stage, "diffuseColor")[0]).size == (8, 8)


def test_an_image_of_two_textures_is_decoded_once(export_glb, monkeypatch):
    """A WebP that is colour and light is converted once and is in the package once."""
    converted: list[int] = []

    def convert(data: bytes) -> Any:
        converted.append(len(data))
        return as_png_or_jpeg(data)

    seen = {"baseColorTexture": {"index": 1}}
    data = box(
        [encoded(photo(), "WEBP")], pbrMetallicRoughness=seen, emissiveTexture={"index": 1}, emissiveFactor=[1] * 3
    )
    monkeypatch.setattr("image2model.mesh.export.textures.as_png_or_jpeg", convert)
    _, path = export_glb(data, "usdz")
    assert len(converted) == 1
    assert len(zipfile.ZipFile(path).namelist()) == 2


def test_normals_occlusion_and_light_are_those_of_their_textures(export_glb):
    """Normals become -1 to 1, occlusion is as strong as the material says, and light has its colour."""
    data = box(
        [NORMALS, Image.new("RGB", (4, 4), (9, 0, 0)), Image.new("RGB", (4, 4), (0, 90, 0))],
        pbrMetallicRoughness={"baseColorTexture": {"index": 0}}, emissiveFactor=[1, 0.5, 0.25],
        normalTexture={"index": 1}, occlusionTexture={"index": 2, "strength": 0.25}, emissiveTexture={"index": 3},
    )  # fmt: skip
    _, path = export_glb(data, "usdz")
    stage = Usd.Stage.Open(str(path))
    seen = {
        name: (channels, picture(path, shader).getpixel((0, 0)), *read(shader, "scale", "bias", "sourceColorSpace"))
        for name in ("normal", "occlusion", "emissiveColor")
        for shader, channels in [texture(stage, name)]
    }
    assert seen == {
        "normal": ("rgb", (128, 128, 255), (2, 2, 2, 1), (-1, -1, -1, 0), "raw"),
        "occlusion": ("r", (9, 0, 0), (0.25, 1, 1, 1), (0.75, 0, 0, 0), "raw"),
        "emissiveColor": ("rgb", (0, 90, 0), (1, 0.5, 0.25, 1), (0, 0, 0, 0), "sRGB"),
    }


@pytest.mark.parametrize("strength", [0.5, 2, -1])
def test_a_normal_map_is_as_strong_as_its_material_says(export_glb, strength):
    """The directions in the package are those of glTF: x and y times the strength."""
    data = box([NORMALS], normalTexture={"index": 1, "scale": strength})
    _, path = export_glb(data, "usdz")
    stage = Usd.Stage.Open(str(path))
    shader, _ = texture(stage, "normal")
    written, wanted = (np.asarray(image)[0] / 127.5 - 1 for image in (picture(path, shader), NORMALS))
    wanted = wanted * (strength, strength, 1)
    written, wanted = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (written, wanted))
    assert written == pytest.approx(wanted, abs=0.015)
    assert read(shader, "scale", "bias") == [(2, 2, 2, 1), (-1, -1, -1, 0)]


def test_each_texture_lies_where_its_own_transform_says(export_glb):
    """One with a transform of its own has coordinates of its own, the others share theirs; each wraps as it did."""
    data = box(
        [], wrap=33071, pbrMetallicRoughness=SHINING | {"metallicRoughnessTexture": {"index": 0}},
        occlusionTexture={"index": 0, **MOVED},
    )  # fmt: skip
    _, path = export_glb(data, "usdz")
    stage = Usd.Stage.Open(str(path))
    (mesh,) = (UsdGeom.PrimvarsAPI(prim) for prim in stage.Traverse() if prim.IsA(UsdGeom.Mesh))
    places = {}
    for name in ("diffuseColor", "metallic", "occlusion"):
        shader, _ = texture(stage, name)
        assert read(shader, "wrapS", "wrapT") == ["clamp", "repeat"]
        (varname,) = read(source(shader, "st")[0], "varname")
        places[name] = mesh.GetPrimvar(varname).Get()
    u, v = np.array(places["diffuseColor"]).T
    assert np.array_equal(places["metallic"], places["diffuseColor"])
    assert np.array(places["occlusion"]) == pytest.approx(np.column_stack([u / 2 + 0.5, v / 2 + 0.25]), abs=1e-5)
    with zipfile.ZipFile(path) as archive:
        assert len(archive.namelist()) == 2


def test_a_material_of_numbers_keeps_them(export_glb):
    """Without textures metal, roughness and light are those of the material."""
    look = {"baseColorFactor": [1, 0, 0, 1], "metallicFactor": 0.25, "roughnessFactor": 0.5}
    found, path = export_glb(box([], pbrMetallicRoughness=look, emissiveFactor=[0, 0.5, 1]), "usdz")
    stage = Usd.Stage.Open(str(path))
    values = read(surface(stage), "diffuseColor", "metallic", "roughness", "emissiveColor")
    assert values == [(1, 0, 0), 0.25, 0.5, (0, 0.5, 1)]
    assert not found["notes"]


def test_a_black_material_that_emits_light_is_emissive(export_glb):
    """Its texture is connected to the emissive colour alone."""
    black = {"baseColorFactor": [0, 0, 0, 1]}
    data = box([], pbrMetallicRoughness=black, emissiveTexture={"index": 0}, emissiveFactor=[1, 1, 1])
    stage = Usd.Stage.Open(str(export_glb(data, "usdz")[1]))
    assert texture(stage, "emissiveColor")[1] == "rgb"
    assert read(surface(stage), "diffuseColor") == [(0, 0, 0)]


def test_an_unlit_material_is_its_base_colour_alone(export_glb):
    """KHR_materials_unlit has glTF readers ignore all else."""
    data = box(
        [NORMALS], pbrMetallicRoughness=SHINING | {"metallicRoughnessTexture": {"index": 1}},
        normalTexture={"index": 1}, emissiveFactor=[1, 1, 1], extensions={"KHR_materials_unlit": {}},
    )  # fmt: skip
    stage = Usd.Stage.Open(str(export_glb(data, "usdz")[1]))
    assert read(surface(stage), "metallic", "emissiveColor") == [0, (0, 0, 0)]
    assert not surface(stage).GetInput("normal")


@pytest.mark.parametrize(
    "textures",
    [
        {"normalTexture": {"index": 1}},
        {"normalTexture": {"index": 9, "scale": 2}},
        {"occlusionTexture": {"index": 0, "extensions": 5}},
        {"occlusionTexture": {"index": 0, "extensions": {"KHR_texture_transform": {"scale": "x"}}}},
    ],
    ids=["damaged", "missing", "no extensions", "no transform"],
)
def test_a_texture_that_cannot_be_read_is_left_out_with_a_note(export_glb, textures):
    """The rest of the material stays, and the answer says that something is missing."""
    data = box(
        [b"no image"], pbrMetallicRoughness={"metallicFactor": 0.5, "baseColorTexture": {"index": 0}}, **textures
    )
    found, path = export_glb(data, "usdz")
    stage = Usd.Stage.Open(str(path))
    assert any("texture could not be read" in note for note in found["notes"])
    assert read(surface(stage), "metallic") == [0.5]
    assert not any(surface(stage).GetInput(name) for name in ("normal", "occlusion"))
    assert not any("could not be read" in note for note in export_glb(data, "obj")[0]["notes"])


def test_openusd_s_validators_accept_every_texture(export_glb):
    """No validator of OpenUSD, among them those of packages, shaders and normal maps, finds anything."""
    data = box(
        [NORMALS, Image.new("RGB", (4, 4))], pbrMetallicRoughness=SHINING, emissiveFactor=[1, 1, 1],
        normalTexture={"index": 1, "scale": 0.5}, occlusionTexture={"index": 2, **MOVED}, emissiveTexture={"index": 2},
    )  # fmt: skip
    stage = Usd.Stage.Open(str(export_glb(data, "usdz")[1]))
    validators = UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
    errors = UsdValidation.ValidationContext(validators).Validate(stage)
    assert len(validators) > 20
    assert [error.GetMessage() for error in errors] == []
