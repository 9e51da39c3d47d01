"""Writes one textured mesh as a binary glTF 2.0 file (Khronos specification, section 4.4)."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...mesh.gltf.container import encode_glb
from .solid import Solid

FLOAT, UNSIGNED_INT, UNSIGNED_SHORT = 5126, 5125, 5123
VERTICES, INDICES = 34962, 34963
LINEAR, LINEAR_MIPMAP_LINEAR, CLAMP_TO_EDGE = 9729, 9987, 33071


def write_glb(solid: Solid, texture: Image.Image, name: str, quality: int) -> bytes:
    """Return `solid` with `texture`, as a JPEG of `quality`, as the bytes of a GLB file."""
    jpeg = io.BytesIO()
    texture.save(jpeg, "JPEG", quality=quality, subsampling="4:4:4", optimize=True)
    short = len(solid.positions) < 65535
    blocks = [
        solid.positions.astype("<f4").tobytes(),
        solid.normals.astype("<f4").tobytes(),
        solid.uv.astype("<f4").tobytes(),
        solid.faces.astype("<u2" if short else "<u4").tobytes(),
        jpeg.getvalue(),
    ]
    document = _document(solid, name, UNSIGNED_SHORT if short else UNSIGNED_INT)
    views, binary = _views(blocks)
    document["bufferViews"], document["buffers"] = views, [{"byteLength": len(binary)}]
    return encode_glb(document, [binary])


def _document(solid: Solid, name: str, index_type: int) -> dict[str, Any]:
    count = len(solid.positions)
    return {
        "asset": {"version": "2.0", "generator": "image2model"},
        "scene": 0,
        "scenes": [{"name": name, "nodes": [0]}],
        "nodes": [{"name": name, "mesh": 0}],
        "meshes": [{"name": name, "primitives": [_primitive()]}],
        "materials": [
            {
                "name": "photograph",
                "pbrMetallicRoughness": {
                    "baseColorTexture": {"index": 0},
                    "metallicFactor": 0,
                    "roughnessFactor": 0.8,
                },
            }
        ],
        "textures": [{"sampler": 0, "source": 0}],
        "samplers": [
            {
                "magFilter": LINEAR,
                "minFilter": LINEAR_MIPMAP_LINEAR,
                "wrapS": CLAMP_TO_EDGE,
                "wrapT": CLAMP_TO_EDGE,
            }
        ],
        "images": [{"name": "photograph", "mimeType": "image/jpeg", "bufferView": 4}],
        "accessors": [
            {**_accessor(0, count, FLOAT, "VEC3"), **_bounds(solid.positions)},
            _accessor(1, count, FLOAT, "VEC3"),
            _accessor(2, count, FLOAT, "VEC2"),
            _accessor(3, solid.faces.size, index_type, "SCALAR"),
        ],
    }


def _primitive() -> dict[str, Any]:
    return {"attributes": {"POSITION": 0, "NORMAL": 1, "TEXCOORD_0": 2}, "indices": 3, "material": 0}


def _accessor(view: int, count: int, component: int, kind: str) -> dict[str, Any]:
    return {"bufferView": view, "componentType": component, "count": count, "type": kind}


def _bounds(positions: NDArray[np.float64]) -> dict[str, list[float]]:
    single = positions.astype("<f4")
    return {"min": single.min(axis=0).astype(float).tolist(), "max": single.max(axis=0).astype(float).tolist()}


def _views(blocks: list[bytes]) -> tuple[list[dict[str, int]], bytes]:
    """Return the buffer views of `blocks` and the buffer, each block starting on four bytes."""
    targets = (VERTICES, VERTICES, VERTICES, INDICES)
    views, binary = [], bytearray()
    for number, block in enumerate(blocks):
        view = {"buffer": 0, "byteOffset": len(binary), "byteLength": len(block)}
        views.append(view | ({"target": targets[number]} if number < len(targets) else {}))
        binary += block + b"\0" * (-len(block) % 4)
    return views, bytes(binary)
