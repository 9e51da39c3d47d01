"""USDZ: a scene description and its textures in an uncompressed zip aligned to 64 bytes.

Format: https://openusd.org/release/spec_usdz.html.
"""

from __future__ import annotations

import io
import re
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from anyascii import anyascii
from numpy.typing import NDArray

from ..bounding_box import bounding_box
from ..gltf.reader import MAX_NAME_LENGTH, IndexArray, MeshPrimitive
from .geometry import iter_primitives
from .textures import SimpleMaterial, file_names
from .usd_material import coordinate_sets, format_material, primvar_name
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


def write_usdz(mesh: WriterInput) -> bytes:
    """USDZ of the scene in metres."""
    scene, materials = mesh.scene, mesh.materials
    texture_files = file_names([image for material in materials for image in material.images], "textures/")
    lines = [HEADER % mesh.up.upper()]
    for number, (material, (primitive, vertices, faces)) in enumerate(
        zip(materials, iter_primitives(scene), strict=True)
    ):
        lines += _mesh(number, primitive, material, scene.positions[vertices], faces)
    lines.append('    def Scope "Materials"\n    {\n')
    for number, (material, primitive) in enumerate(zip(materials, scene.primitives, strict=True)):
        lines += format_material(_material_name(primitive, number), primitive, material, texture_files)
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
    for key, (u, v) in enumerate(uv.T for uv in coordinate_sets(material)):
        uv = _format_tuples("(%.6g, %.6g)", np.column_stack([u, 1 - v]))
        yield f"        texCoord2f[] primvars:{primvar_name(key)} = [{uv}] (\n"
        yield '            interpolation = "vertex"\n        )\n'
    yield "        uniform bool doubleSided = 1\n" if material.double_sided else ""
    yield '        uniform token subdivisionScheme = "none"\n'
    yield f"        rel material:binding = </Model/Materials/{_material_name(primitive, number)}>\n    }}\n"


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
