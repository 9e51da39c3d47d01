"""USDZ: a scene description in text and its textures, in a zip without compression, each file at a multiple of 64.

Format: https://openusd.org/release/spec_usdz.html; materials: https://openusd.org/release/spec_usdpreviewsurface.html.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..glb import Glb, Integers, Scene, Surface
from .pictures import base_texture
from .shape import surfaces

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
            float2 inputs:st.connect = </Model/Material_%d/Place.outputs:result>
            float3 outputs:rgb
        }
"""


def usdz(glb: Glb, scene: Scene, up: str) -> bytes:
    """The scene in metres, `up` being its axis (y or z)."""
    files: list[tuple[str, bytes]] = []
    text = [HEAD % up.upper()]
    for number, (surface, vertices, faces) in enumerate(surfaces(scene)):
        picture = base_texture(glb, surface.material)
        name = f"textures/{number}.{picture.ending}" if picture else ""
        if picture:
            files.append((name, picture.data))
        text += _mesh(number, surface, scene.positions[vertices], faces)
        text += _material(number, surface, name)
    text.append("}\n")
    return _aligned([("model.usda", "".join(text).encode()), *files])


def _mesh(number: int, surface: Surface, positions: NDArray[Any], faces: Integers) -> Iterator[str]:
    low, high = positions.min(axis=0), positions.max(axis=0)
    yield f'    def Mesh "Mesh_{number}" (\n        prepend apiSchemas = ["MaterialBindingAPI"]\n    )\n    {{\n'
    yield f"        float3[] extent = [{_rows('(%.7g, %.7g, %.7g)', np.stack([low, high]))}]\n"
    yield f"        int[] faceVertexCounts = [{', '.join(['3'] * len(faces))}]\n"
    yield f"        int[] faceVertexIndices = [{_rows('%d, %d, %d', faces)}]\n"
    yield f"        point3f[] points = [{_rows('(%.7g, %.7g, %.7g)', positions)}]\n"
    if "NORMAL" in surface.attributes:
        normals = _rows("(%.5g, %.5g, %.5g)", surface.attributes["NORMAL"])
        yield f'        normal3f[] normals = [{normals}] (\n            interpolation = "vertex"\n        )\n'
    if "TEXCOORD_0" in surface.attributes:
        u, v = surface.attributes["TEXCOORD_0"][:, :2].T
        places = _rows("(%.6g, %.6g)", np.column_stack([u, 1 - v]))
        yield f'        texCoord2f[] primvars:st = [{places}] (\n            interpolation = "vertex"\n        )\n'
    yield '        uniform token subdivisionScheme = "none"\n'
    yield f"        rel material:binding = </Model/Material_{number}>\n    }}\n"


def _material(number: int, surface: Surface, texture: str) -> Iterator[str]:
    look = surface.material.get("pbrMetallicRoughness", {})
    red, green, blue, opacity = [*look.get("baseColorFactor", (1, 1, 1, 1)), 1][:4]
    colour = (
        f"color3f inputs:diffuseColor.connect = </Model/Material_{number}/Picture.outputs:rgb>"
        if texture
        else f"color3f inputs:diffuseColor = ({red:g}, {green:g}, {blue:g})"
    )
    yield f'    def Material "Material_{number}"\n    {{\n'
    yield f"        token outputs:surface.connect = </Model/Material_{number}/Surface.outputs:surface>\n"
    yield '        def Shader "Surface"\n        {\n            uniform token info:id = "UsdPreviewSurface"\n'
    yield f"            {colour}\n            float inputs:opacity = {opacity:g}\n"
    yield f"            float inputs:metallic = {look.get('metallicFactor', 1):g}\n"
    yield f"            float inputs:roughness = {look.get('roughnessFactor', 1):g}\n"
    yield "            token outputs:surface\n        }\n"
    yield TEXTURE % (texture, number) if texture else ""
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
