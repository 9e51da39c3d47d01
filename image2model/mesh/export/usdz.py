"""USDZ: a scene description and its textures in an uncompressed zip aligned to 64 bytes.

Format: https://openusd.org/release/spec_usdz.html; materials: https://openusd.org/release/spec_usdpreviewsurface.html.
"""

from __future__ import annotations

import io
import re
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from anyascii import anyascii
from numpy.typing import NDArray

from ..bounding_box import bounding_box
from ..gltf.colours import CLAMP, MIRROR, REPEAT
from ..gltf.reader import MAX_NAME_LENGTH, IndexArray, MeshPrimitive
from .geometry import iter_primitives
from .textures import SimpleMaterial, TextureImage, file_names
from .writer_input import WriterInput

HEADER = """#usda 1.0
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
TEXTURE_SHADERS = """
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
            token inputs:wrapS = "%s"
            token inputs:wrapT = "%s"
            float4 inputs:scale = (%g, %g, %g, %g)
            float2 inputs:st.connect = </Model/Materials/%s/Place.outputs:result>
            float3 outputs:rgb
            float outputs:a
        }
"""
WRAPS = {REPEAT: "repeat", CLAMP: "clamp", MIRROR: "mirror"}
COLOUR_SHADER = """
        def Shader "Colours"
        {
            uniform token info:id = "UsdPrimvarReader_float3"
            string inputs:varname = "displayColor"
            float3 outputs:result
        }
"""


def write_usdz(mesh: WriterInput) -> bytes:
    """USDZ of the scene in metres."""
    scene, materials = mesh.scene, mesh.materials
    texture_files = file_names([material.texture for material in materials], "textures/")
    lines = [HEADER % mesh.up.upper()]
    for number, (material, (primitive, vertices, faces)) in enumerate(
        zip(materials, iter_primitives(scene), strict=True)
    ):
        lines += _mesh(number, primitive, material, scene.positions[vertices], faces)
    lines.append('    def Scope "Materials"\n    {\n')
    for number, (material, primitive) in enumerate(zip(materials, scene.primitives, strict=True)):
        lines += _material(number, primitive, material, texture_files)
    lines.append("    }\n}\n")
    text = "".join(lines)
    return _aligned_zip(
        [("model.usdc", _binary(text)), *((name, texture.data) for texture, name in texture_files.items())]
    )


def _binary(text: str) -> bytes:
    """A scene description in USD's binary form, a quarter of the size."""
    from pxr import Sdf  # not every server has it

    layer = Sdf.Layer.CreateAnonymous(".usda")
    layer.ImportFromString(text)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.usdc"
        layer.Export(str(path))
        return path.read_bytes()


def _mesh(
    number: int, primitive: MeshPrimitive, material: SimpleMaterial, positions: NDArray[Any], faces: IndexArray
) -> Iterator[str]:
    low, high = bounding_box(positions)
    name = _identifier(primitive.names[0], "Mesh", number)
    yield f'    def Mesh "{name}" (\n        prepend apiSchemas = ["MaterialBindingAPI"]\n    )\n    {{\n'
    yield f"        float3[] extent = [{_format_tuples('(%.9g, %.9g, %.9g)', np.stack([low, high]))}]\n"
    yield f"        int[] faceVertexCounts = [{', '.join(['3'] * len(faces))}]\n"
    yield f"        int[] faceVertexIndices = [{_format_tuples('%d, %d, %d', faces)}]\n"
    yield f"        point3f[] points = [{_format_tuples('(%.9g, %.9g, %.9g)', positions)}]\n"
    if "NORMAL" in primitive.attributes:
        normals = _format_tuples("(%.5g, %.5g, %.5g)", primitive.attributes["NORMAL"])
        yield f'        normal3f[] normals = [{normals}] (\n            interpolation = "vertex"\n        )\n'
    if "COLOR_0" in primitive.attributes:
        tinted = primitive.attributes["COLOR_0"][:, :3] * np.array(material.base_colour[:3])
        colours = _format_tuples("(%.4g, %.4g, %.4g)", tinted)
        yield f"        color3f[] primvars:displayColor = [{colours}] (\n"
        yield '            interpolation = "vertex"\n        )\n'
    if material.uv is not None:
        u, v = material.uv.T
        uv = _format_tuples("(%.6g, %.6g)", np.column_stack([u, 1 - v]))
        yield f'        texCoord2f[] primvars:st = [{uv}] (\n            interpolation = "vertex"\n        )\n'
    yield "        uniform bool doubleSided = 1\n" if material.double_sided else ""
    yield '        uniform token subdivisionScheme = "none"\n'
    yield f"        rel material:binding = </Model/Materials/{_material_name(primitive, number)}>\n    }}\n"


def _material(
    number: int, primitive: MeshPrimitive, material: SimpleMaterial, texture_files: Mapping[TextureImage, str]
) -> Iterator[str]:
    pbr = primitive.material.get("pbrMetallicRoughness", {})
    red, green, blue, opacity = material.base_colour
    name = _material_name(primitive, number)
    path = f"</Model/Materials/{name}"
    has_vertex_colours = "COLOR_0" in primitive.attributes
    if material.texture:
        colour = f"diffuseColor.connect = {path}/Picture.outputs:rgb>"
    elif has_vertex_colours:
        colour = f"diffuseColor.connect = {path}/Colours.outputs:result>"
    else:
        colour = f"diffuseColor = ({red:g}, {green:g}, {blue:g})"
    has_holes = material.texture and material.alpha_cutoff is not None
    has_alpha = material.texture and (has_holes or material.is_blended)
    is_unlit = "KHR_materials_unlit" in primitive.material.get("extensions", {})
    yield f'    def Material "{name}"\n    {{\n'
    yield f"        token outputs:surface.connect = {path}/Surface.outputs:surface>\n"
    yield '        def Shader "Surface"\n        {\n            uniform token info:id = "UsdPreviewSurface"\n'
    yield f"            color3f inputs:{colour}\n"
    alpha = f".connect = {path}/Picture.outputs:a>" if has_alpha else f" = {opacity:g}"
    yield f"            float inputs:opacity{alpha}\n"
    yield f"            float inputs:opacityThreshold = {material.alpha_cutoff:g}\n" if has_holes else ""
    yield f"            float inputs:metallic = {0 if is_unlit else pbr.get('metallicFactor', 1):g}\n"
    yield f"            float inputs:roughness = {pbr.get('roughnessFactor', 1):g}\n"
    yield "            token outputs:surface\n        }\n"
    if material.texture:
        wraps = (WRAPS[wrap] for wrap in material.wraps)
        yield TEXTURE_SHADERS % (texture_files[material.texture], *wraps, *material.base_colour, name)
    yield COLOUR_SHADER if has_vertex_colours and not material.texture else ""
    yield "    }\n"


def _material_name(primitive: MeshPrimitive, number: int) -> str:
    name = primitive.material.get("name")
    return _identifier(name if isinstance(name, str) else "", "Material", number)


def _identifier(name: str, kind: str, number: int) -> str:
    """A prim's name, which is of ASCII letters and digits: `name` as far as that goes, else its kind; numbered."""
    plain = re.sub(r"\W", "_", anyascii(name)[:MAX_NAME_LENGTH], flags=re.ASCII).lstrip("_0123456789")
    return f"{plain or kind}_{number}"


def _format_tuples(pattern: str, rows: NDArray[Any]) -> str:
    return ", ".join([pattern] * len(rows)) % tuple(rows.ravel().tolist())


def _aligned_zip(files: list[tuple[str, bytes]]) -> bytes:
    """An uncompressed zip whose contents start at multiples of 64 bytes, by padding the extra fields."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files:
            entry = zipfile.ZipInfo(name)
            offset = data.tell() + 30 + len(name.encode())
            padding = -(offset + 4) % 64
            entry.extra = b"\x86\x19" + padding.to_bytes(2, "little") + bytes(padding)
            archive.writestr(entry, content)
    return data.getvalue()
