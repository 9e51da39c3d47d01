"""USDZ: a scene description in text and its textures, in a zip without compression, each file at a multiple of 64.

Format: https://openusd.org/release/spec_usdz.html; materials: https://openusd.org/release/spec_usdpreviewsurface.html.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..gltf.reader import Integers, Scene, Surface
from .geometry import surfaces
from .textures import Paint, Picture, file_names

HEAD = """#usda 1.0
(
    defaultPrim = "Model"
    metersPerUnit = 1
    upAxis = "%s"
)

def Xform "Model" (
    kind = "component"
)
{
"""
TEXTURE = """
        def Shader "Place"
        {
            uniform token info:id = "UsdPrimvarReader_float2"
            string inputs:varname = "st"
            float2 outputs:result
        }
        def Shader "Picture"
        {
            uniform token info:id = "UsdUVTexture"
            asset inputs:file = @%s@
            token inputs:sourceColorSpace = "sRGB"
            token inputs:wrapS = "repeat"
            token inputs:wrapT = "repeat"
            float4 inputs:scale = (%g, %g, %g, %g)
            float2 inputs:st.connect = </Model/Material_%d/Place.outputs:result>
            float3 outputs:rgb
            float outputs:a
        }
"""
COLOURS = """
        def Shader "Colours"
        {
            uniform token info:id = "UsdPrimvarReader_float3"
            string inputs:varname = "displayColor"
            float3 outputs:result
        }
"""


def usdz(scene: Scene, looks: list[Paint], up: str) -> bytes:
    """The scene in metres, each surface with its look, `up` being its axis (y or z)."""
    names = file_names([look.picture for look in looks], "textures/")
    text = [HEAD % up.upper()]
    for number, (look, (surface, vertices, faces)) in enumerate(zip(looks, surfaces(scene), strict=True)):
        text += _mesh(number, surface, look, scene.positions[vertices], faces)
        text += _material(number, surface, look, names)
    text.append("}\n")
    return _aligned([("model.usda", "".join(text).encode()), *((name, one.data) for one, name in names.items())])


def _mesh(number: int, surface: Surface, look: Paint, positions: NDArray[Any], faces: Integers) -> Iterator[str]:
    low, high = positions.min(axis=0), positions.max(axis=0)
    yield f'    def Mesh "Mesh_{number}" (\n        prepend apiSchemas = ["MaterialBindingAPI"]\n    )\n    {{\n'
    yield f"        float3[] extent = [{_rows('(%.7g, %.7g, %.7g)', np.stack([low, high]))}]\n"
    yield f"        int[] faceVertexCounts = [{', '.join(['3'] * len(faces))}]\n"
    yield f"        int[] faceVertexIndices = [{_rows('%d, %d, %d', faces)}]\n"
    yield f"        point3f[] points = [{_rows('(%.7g, %.7g, %.7g)', positions)}]\n"
    if "NORMAL" in surface.attributes:
        normals = _rows("(%.5g, %.5g, %.5g)", surface.attributes["NORMAL"])
        yield f'        normal3f[] normals = [{normals}] (\n            interpolation = "vertex"\n        )\n'
    if "COLOR_0" in surface.attributes:
        colours = _rows("(%.4g, %.4g, %.4g)", surface.attributes["COLOR_0"][:, :3])
        yield f"        color3f[] primvars:displayColor = [{colours}] (\n"
        yield '            interpolation = "vertex"\n        )\n'
    if look.places is not None:
        u, v = look.places.T
        places = _rows("(%.6g, %.6g)", np.column_stack([u, 1 - v]))
        yield f'        texCoord2f[] primvars:st = [{places}] (\n            interpolation = "vertex"\n        )\n'
    yield "        uniform bool doubleSided = 1\n" if look.double_sided else ""
    yield '        uniform token subdivisionScheme = "none"\n'
    yield f"        rel material:binding = </Model/Material_{number}>\n    }}\n"


def _material(number: int, surface: Surface, look: Paint, names: Mapping[Picture, str]) -> Iterator[str]:
    given = surface.material.get("pbrMetallicRoughness", {})
    red, green, blue, opacity = look.tint
    here = f"</Model/Material_{number}"
    painted = "COLOR_0" in surface.attributes
    if look.picture:
        colour = f"diffuseColor.connect = {here}/Picture.outputs:rgb>"
    elif painted:
        colour = f"diffuseColor.connect = {here}/Colours.outputs:result>"
    else:
        colour = f"diffuseColor = ({red:g}, {green:g}, {blue:g})"
    holes = look.picture and look.cutoff is not None
    yield f'    def Material "Material_{number}"\n    {{\n'
    yield f"        token outputs:surface.connect = {here}/Surface.outputs:surface>\n"
    yield '        def Shader "Surface"\n        {\n            uniform token info:id = "UsdPreviewSurface"\n'
    yield f"            color3f inputs:{colour}\n"
    yield f"            float inputs:opacity{f'.connect = {here}/Picture.outputs:a>' if holes else f' = {opacity:g}'}\n"
    yield f"            float inputs:opacityThreshold = {look.cutoff:g}\n" if holes else ""
    yield f"            float inputs:metallic = {given.get('metallicFactor', 1):g}\n"
    yield f"            float inputs:roughness = {given.get('roughnessFactor', 1):g}\n"
    yield "            token outputs:surface\n        }\n"
    yield TEXTURE % (names[look.picture], *look.tint, number) if look.picture else ""
    yield COLOURS if painted and not look.picture else ""
    yield "    }\n"


def _rows(pattern: str, rows: NDArray[Any]) -> str:
    return ", ".join([pattern] * len(rows)) % tuple(rows.ravel().tolist())


def _aligned(files: list[tuple[str, bytes]]) -> bytes:
    """A zip whose files' bytes begin at multiples of 64, by padding each name's extra field."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files:
            entry = zipfile.ZipInfo(name)
            begins = data.tell() + 30 + len(name.encode())
            missing = -(begins + 4) % 64
            entry.extra = b"\x86\x19" + missing.to_bytes(2, "little") + bytes(missing)
            archive.writestr(entry, content)
    return data.getvalue()
