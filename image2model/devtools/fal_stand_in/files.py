"""Files of the stand-in for fal: the meshes that it makes, and the check of pictures that it receives."""

from __future__ import annotations

import io
import json
import struct
import zlib
from functools import cache
from typing import Any

import numpy as np
import trimesh
from PIL import Image

MAX_WRAPPED_BYTES = 2**20
"""Larger pictures are not put around the box, to keep results small."""


def picture_problem(picture: bytes) -> str:
    """fal's error type for bytes that are no picture, else an empty string."""
    try:
        with Image.open(io.BytesIO(picture)) as image:
            known = image.format in ("PNG", "JPEG", "WEBP")
    except OSError:
        return "image_load_error"
    return "" if known else "unsupported_image_format"


@cache
def preview_png() -> bytes:
    """A small picture, as models draw it of their results."""
    data = io.BytesIO()
    Image.linear_gradient("L").resize((128, 128)).save(data, "PNG")
    return data.getvalue()


@cache
def _box() -> tuple[dict[str, Any], bytes]:
    """The JSON and the binary chunk of a textured box."""
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)
    square = np.c_[corners - 0.5, np.full(4, 0.5)]
    turns = [trimesh.transformations.rotation_matrix(np.pi / 2 * n, [0, 1, 0]) for n in range(4)]
    turns += [trimesh.transformations.rotation_matrix(np.pi / 2 * n, [1, 0, 0]) for n in (1, 3)]
    vertices = np.vstack([trimesh.transform_points(square, turn) for turn in turns])
    faces = np.vstack([np.array([[0, 1, 2], [0, 2, 3]]) + 4 * n for n in range(6)])
    texture = Image.new("RGB", (16, 16), (200, 120, 60))
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=texture, metallicFactor=0.0)
    visual = trimesh.visual.TextureVisuals(uv=np.vstack([corners] * 6), material=material)
    box = trimesh.Trimesh(vertices, faces, visual=visual, process=False)
    glb = trimesh.exchange.gltf.export_glb(box)
    length = struct.unpack_from("<I", glb, 12)[0]
    return json.loads(glb[20 : 20 + length]), glb[28 + length :]


def picture_crc(picture: bytes) -> int:
    """Checksum by which a result names its picture."""
    return zlib.crc32(picture[: 2**16])


def picture_box_glb(picture: bytes) -> bytes:
    """A box wrapped in the picture, whose `asset.extras.picture` is its `picture_crc`."""
    document, binary = _box()
    document = json.loads(json.dumps(document))
    document["asset"]["extras"] = {"picture": picture_crc(picture)}
    if picture.startswith(b"\x89PNG") and len(picture) <= MAX_WRAPPED_BYTES:
        document["images"][0]["mimeType"] = "image/png"
        document["bufferViews"][document["images"][0]["bufferView"]] = {
            "buffer": 0,
            "byteOffset": len(binary),
            "byteLength": len(picture),
        }
        binary += picture + bytes(-len(picture) % 4)
    document["buffers"] = [{"byteLength": len(binary)}]
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
