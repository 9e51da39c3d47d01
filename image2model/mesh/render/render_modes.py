"""A mesh without its colours, or with its edges drawn, for viewing only."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...atomic_files import atomic_write
from ..gltf.container import encode_glb
from ..gltf.reader import FloatArray, Glb, IndexArray, Scene
from ..topology import compact_indices

RenderMode = Literal["plain", "wireframe"]

CLAY = {
    "pbrMetallicRoughness": {"baseColorFactor": [0.36, 0.35, 0.31, 1], "metallicFactor": 0, "roughnessFactor": 0.8},
    "doubleSided": True,
}
OPAQUE_EDGES = 15_000
"""Most edges that are opaque; more are fainter, so that they do not hide the shape."""
EDGE_OFFSET = 0.0008
"""Distance of the edges above the surface, as a share of the longest side, so that it does not hide them."""
FLOAT, UNSIGNED_INT, LINES, TRIANGLES = 5126, 5125, 1, 4


def write_render_mode(glb: Path, target: Path, mode: RenderMode) -> None:
    """Write a GLB `plain`, in one colour, or as `wireframe`, with every edge drawn.

    Plain glTF that every viewer shows. Raises GenerationFailed where there is no geometry.
    """
    atomic_write(target, render_mode_glb(Glb(glb).scene(), mode))


def render_mode_glb(scene: Scene, mode: RenderMode) -> bytes:
    """Encode the scene in a render mode. Format: glTF 2.0, sections 3.7 (meshes) and 4.4 (the binary file)."""
    used, faces = compact_indices(scene.faces)
    points = scene.positions[used]
    normals = _normals(scene, points, faces, used)
    arrays: list[NDArray[Any]] = [points, normals, faces.astype("<u4")]
    primitives = [{"attributes": {"POSITION": 0, "NORMAL": 1}, "indices": 2, "material": 0, "mode": TRIANGLES}]
    if mode == "wireframe":
        arrays += [
            points + normals * np.float32(EDGE_OFFSET * float(np.ptp(points, axis=0).max())),
            unique_edge_indices(faces),
        ]
        primitives.append({"attributes": {"POSITION": 3}, "indices": 4, "material": 1, "mode": LINES})
    return _glb(arrays, primitives, _edge_material(len(arrays[-1])))


def _edge_material(lines: int) -> dict[str, Any]:
    """Material for a number of edges."""
    opacity = min(1.0, max(0.12, OPAQUE_EDGES / max(lines, 1)))
    return {
        "pbrMetallicRoughness": {"baseColorFactor": [0.02, 0.02, 0.03, opacity], "metallicFactor": 0},
        "extensions": {"KHR_materials_unlit": {}},
        "alphaMode": "BLEND",
    }


def unique_edge_indices(faces: IndexArray) -> NDArray[np.uint32]:
    """Each edge of `faces` (m, 3) once, (e, 2)."""
    ends = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    span = int(faces.max()) + 1
    keys = np.sort(ends[:, 0] * span + ends[:, 1])
    keys = keys[np.diff(keys, prepend=-1) > 0]
    return np.stack(np.divmod(keys, span), axis=1).astype("<u4")


def _normals(scene: Scene, points: FloatArray, faces: IndexArray, used: IndexArray) -> FloatArray:
    """Unit normals of `points`: the file's own, or the mean over adjacent faces."""
    corners = points[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    sums = [np.bincount(faces.ravel(), np.repeat(across[:, axis], 3), len(points)) for axis in range(3)]
    normals = np.stack(sums, axis=1)
    for primitive in scene.primitives:
        if (own_normals := primitive.attributes.get("NORMAL")) is not None:
            own_vertices = (used >= primitive.first_vertex) & (used < primitive.first_vertex + len(own_normals))
            normals[own_vertices] = own_normals[used[own_vertices] - primitive.first_vertex]
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.where(length > 0, normals / np.maximum(length, 1e-30), (0, 1, 0)).astype(np.float32)


def _glb(arrays: list[NDArray[Any]], primitives: list[dict[str, Any]], edge_material: dict[str, Any]) -> bytes:
    """GLB of one mesh; `arrays` are its accessors: floats (n, 3) or indices."""
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
        "materials": [CLAY, edge_material],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": offset}],
    }
    return encode_glb(document, [array.tobytes() for array in arrays])
