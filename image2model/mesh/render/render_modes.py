"""A mesh as it is looked at to judge its shape: plain, without colour, or with its edges drawn. For viewing only."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...atomic_files import atomic_write
from ..facts import renumbered
from ..gltf.container import glb_of
from ..gltf.reader import Floats, Glb, Integers, Scene

Look = Literal["plain", "wireframe"]

CLAY = {
    "pbrMetallicRoughness": {"baseColorFactor": [0.36, 0.35, 0.31, 1], "metallicFactor": 0, "roughnessFactor": 0.8},
    "doubleSided": True,
}
CLEAR_EDGES = 15_000
"""Up to so many edges are drawn in full ink; more of them more faintly, or they would hide the shape."""
LIFT = 0.0008
"""How far edges are drawn above the surface, as a share of the longest side, so that it does not hide them."""
FLOAT, UNSIGNED_INT, LINES, TRIANGLES = 5126, 5125, 1, 4


def write_look(glb: Path, to: Path, look: Look) -> None:
    """Write the shape of a GLB as another one: `plain`, all of one colour, or `wireframe`, with every edge drawn.

    Raises GenerationFailed where there is no shape. Plain glTF that every viewer shows, whatever the source was.
    """
    atomic_write(to, look_of(Glb(glb).scene(), look))


def look_of(scene: Scene, look: Look) -> bytes:
    """The bytes of such a GLB. Format: glTF 2.0, sections 3.7 (meshes) and 4.4 (the binary file)."""
    used, faces = renumbered(scene.faces)
    points = scene.positions[used]
    normals = _normals(scene, points, faces, used)
    arrays: list[NDArray[Any]] = [points, normals, faces.astype("<u4")]
    primitives = [{"attributes": {"POSITION": 0, "NORMAL": 1}, "indices": 2, "material": 0, "mode": TRIANGLES}]
    if look == "wireframe":
        arrays += [points + normals * np.float32(LIFT * float(np.ptp(points, axis=0).max())), edges(faces)]
        primitives.append({"attributes": {"POSITION": 3}, "indices": 4, "material": 1, "mode": LINES})
    return _glb(arrays, primitives, _ink(len(arrays[-1])))


def _ink(lines: int) -> dict[str, Any]:
    """The material of so many edges."""
    opacity = min(1.0, max(0.12, CLEAR_EDGES / max(lines, 1)))
    return {
        "pbrMetallicRoughness": {"baseColorFactor": [0.02, 0.02, 0.03, opacity], "metallicFactor": 0},
        "extensions": {"KHR_materials_unlit": {}},
        "alphaMode": "BLEND",
    }


def edges(faces: Integers) -> NDArray[np.uint32]:
    """Each edge of `faces` (m, 3) once, as (edges, 2)."""
    ends = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    span = int(faces.max()) + 1
    keys = np.sort(ends[:, 0] * span + ends[:, 1])
    keys = keys[np.diff(keys, prepend=-1) > 0]
    return np.stack(np.divmod(keys, span), axis=1).astype("<u4")


def _normals(scene: Scene, points: Floats, faces: Integers, used: Integers) -> Floats:
    """Unit normals of `points`: the file's own, or each point's mean over its faces where a surface has none."""
    corners = points[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    sums = [np.bincount(faces.ravel(), np.repeat(across[:, axis], 3), len(points)) for axis in range(3)]
    normals = np.stack(sums, axis=1)
    for surface in scene.surfaces:
        if (own := surface.attributes.get("NORMAL")) is not None:
            mine = (used >= surface.first_vertex) & (used < surface.first_vertex + len(own))
            normals[mine] = own[used[mine] - surface.first_vertex]
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.where(length > 0, normals / np.maximum(length, 1e-30), (0, 1, 0)).astype(np.float32)


def _glb(arrays: list[NDArray[Any]], primitives: list[dict[str, Any]], ink: dict[str, Any]) -> bytes:
    """One mesh of these primitives over these accessors: positions and normals (n, 3), indices as whole numbers."""
    accessors, views, offset = [], [], 0
    for number, array in enumerate(arrays):
        indices = array.dtype.kind == "u"
        accessors.append(
            {"bufferView": number, "componentType": UNSIGNED_INT, "count": array.size, "type": "SCALAR"}
            if indices
            else {"bufferView": number, "componentType": FLOAT, "count": len(array), "type": "VEC3",
                  "min": array.min(axis=0).tolist(), "max": array.max(axis=0).tolist()}
        )  # fmt: skip
        views.append({"buffer": 0, "byteOffset": offset, "byteLength": array.nbytes})
        offset += array.nbytes
    document = {
        "asset": {"version": "2.0", "generator": "image2model"},
        "extensionsUsed": ["KHR_materials_unlit"],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": primitives}],
        "materials": [CLAY, ink],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": offset}],
    }
    return glb_of(document, [array.tobytes() for array in arrays])
