"""GLBs as generators, other tools and attackers write them."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

import DracoPy
import numpy as np
import trimesh
from PIL import Image
from trimesh.visual.material import PBRMaterial

from image2model.mesh.gltf import meshopt as pack

CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], "<f4").tobytes()
TRIANGLE: dict[str, Any] = {
    "asset": {"version": "2.0"},
    "scenes": [{"nodes": [0]}],
    "nodes": [{"mesh": 0}],
    "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
    "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}],
    "bufferViews": [{"buffer": 0, "byteLength": 36}],
    "buffers": [{"byteLength": 36}],
}
"""The JSON of one triangle, whose buffer is CORNERS."""


def glb(document: object, binary: bytes = b"") -> bytes:
    """A GLB of a JSON document (or its raw bytes) and a binary chunk."""
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    body = struct.pack("<I4s", len(text), b"JSON") + text
    if binary:
        body += struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body


def edited(mesh: trimesh.Trimesh, change: Callable[[dict[str, Any]], object]) -> bytes:
    """The mesh as a GLB whose JSON `change` has changed."""
    data = mesh.export(file_type="glb")
    (length,) = struct.unpack_from("<I", data, 12)
    document = json.loads(data[20 : 20 + length])
    change(document)
    return glb(document, data[28 + length :])


def second_places(document: dict[str, Any]) -> None:
    """Let the first primitive have, and its material use, a second set of texture coordinates."""
    attributes = document["meshes"][0]["primitives"][0]["attributes"]
    attributes["TEXCOORD_1"] = attributes["TEXCOORD_0"]
    document["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"]["texCoord"] = 1


def triangle(**changes: Any) -> bytes:
    """A GLB of one triangle; `changes` replace parts of its JSON."""
    return glb({**TRIANGLE, **changes}, CORNERS)


def primitive(**changes: Any) -> bytes:
    """A GLB of one triangle; `changes` are added to its primitive."""
    return triangle(meshes=[{"primitives": [{"attributes": {"POSITION": 0}, **changes}]}])


def accessor(**changes: Any) -> bytes:
    """A GLB of one triangle; `changes` are made to its accessor."""
    return triangle(accessors=[{**TRIANGLE["accessors"][0], **changes}])


def draco(mesh: trimesh.Trimesh, *, damaged: bool = False) -> bytes:
    """The mesh's positions and faces packed with Draco, as a GLB; or with the end of the packed data overwritten."""
    data = DracoPy.encode(mesh.vertices, mesh.faces, quantization_bits=14)
    numbers = {"POSITION": DracoPy.decode(data).attributes[0]["unique_id"]}
    packed = {"bufferView": 0, "attributes": numbers}
    views = [{"buffer": 0, "byteLength": len(data)}]
    return _packed(mesh, "KHR_draco_mesh_compression", _spoilt(data, damaged), views, {"extensions": packed})


def meshopt(mesh: trimesh.Trimesh, *, damaged: bool = False) -> bytes:
    """The mesh's positions and faces packed with meshopt, as a GLB; or with the end of the packed data overwritten."""
    points, faces = np.asarray(mesh.vertices, "<f4"), np.asarray(mesh.faces)
    parts = [_spoilt(pack.encode_attributes(points), damaged), pack.encode_triangles(faces)]
    rows = [(len(points), 12, "ATTRIBUTES", 0), (faces.size, 4, "TRIANGLES", len(parts[0]))]
    views = [
        {"buffer": 1, "byteLength": count * stride, "extensions": {"EXT_meshopt_compression": {
            "buffer": 0, "byteOffset": start, "byteLength": len(part), "byteStride": stride,
            "count": count, "mode": mode,
        }}}
        for part, (count, stride, mode, start) in zip(parts, rows, strict=True)
    ]  # fmt: skip
    return _packed(mesh, "EXT_meshopt_compression", b"".join(parts), views, {})


def _packed(mesh: trimesh.Trimesh, name: str, data: bytes, views: list[Any], primitive: dict[str, Any]) -> bytes:
    extensions = {"extensions": {name: primitive["extensions"]}} if primitive else {}
    place = {} if primitive else {"bufferView": 0}
    order = {} if primitive else {"bufferView": 1}
    accessors = [
        {"componentType": 5126, "count": len(mesh.vertices), "type": "VEC3", **place},
        {"componentType": 5125, "count": mesh.faces.size, "type": "SCALAR", **order},
    ]
    shape = {"attributes": {"POSITION": 0}, "indices": 1, **extensions}
    document = {
        **TRIANGLE, "extensionsUsed": [name], "extensionsRequired": [name], "accessors": accessors,
        "bufferViews": views, "meshes": [{"primitives": [shape]}],
        "buffers": [{"byteLength": len(data)}, {"byteLength": sum(view["byteLength"] for view in views)}],
    }  # fmt: skip
    return glb(document, data)


def _spoilt(data: bytes, damaged: bool) -> bytes:
    return data[: len(data) // 2] + bytes(len(data) - len(data) // 2) if damaged else data


def textured_box(image: Image.Image, **material: Any) -> trimesh.Trimesh:
    """A box with a seam along every edge and part of `image` on each of its twelve faces."""
    box = trimesh.creation.box((1, 1, 1))
    box.unmerge_vertices()
    uv = np.tile([[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]], (12, 1))
    look = PBRMaterial(baseColorTexture=image, metallicFactor=0, **material)
    box.visual = trimesh.visual.TextureVisuals(uv=uv, material=look)
    return box


def bowl() -> trimesh.Trimesh:
    """Half a sphere: open."""
    ball = trimesh.creation.icosphere(2)
    ball.update_faces(ball.triangles_center[:, 1] < 0)
    return ball


def tube() -> trimesh.Trimesh:
    """A cylinder without its two ends."""
    cylinder = trimesh.creation.cylinder(1, 3)
    cylinder.update_faces(abs(cylinder.face_normals[:, 2]) < 0.5)
    return cylinder


def two_pieces() -> trimesh.Trimesh:
    """A capsule and a box apart from it."""
    return trimesh.util.concatenate([trimesh.creation.capsule(), trimesh.creation.box().apply_translation([5, 0, 0])])
