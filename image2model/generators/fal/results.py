"""Finding the mesh in a result, and telling whether a file is one."""

from __future__ import annotations

import json
import os
import re
import struct
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Literal

MESH_KEYS = ("model_mesh", "model_glb", "model_glb_pbr", "pbr_model", "model_urls", "base_model", "model_meshes")
NON_GLB_EXTENSION = re.compile(r"\.(obj|fbx|usdz|stl|ply|splat|zip|mtl|blend|mp4|gif|png|jpe?g|webp|json)$", re.I)
GLB_MAGIC = b"glTF"
MAX_JSON_CHUNK = 64 * 2**20

GlbState = Literal["complete", "truncated", "invalid"]


def mesh_urls(result: Mapping[str, Any]) -> list[str]:
    """The addresses at which the GLB may be, likeliest first.

    Known keys come first, in order, then all others; but an address that ends in .glb comes before one
    that does not say what it is, and that before one that says it is something else.
    """
    known = [url for key in MESH_KEYS for url in _urls(result.get(key))]
    other = [url for key, value in result.items() if key not in MESH_KEYS for url in _urls(value)]
    return sorted(dict.fromkeys(known + other), key=_rank)


def _urls(value: Any) -> Iterator[str]:
    """Every web address in a result's value: a string, a file ({url, …}), or any nesting of those."""
    if isinstance(value, str):
        if value.startswith(("https://", "http://")):
            yield value
    elif isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _urls(part)


def _rank(url: str) -> int:
    path = url.partition("?")[0]
    return 0 if path.lower().endswith(".glb") else 2 if NON_GLB_EXTENSION.search(path) else 1


def glb_state(file: BinaryIO) -> GlbState:
    """State of a file: a complete GLB 2.0, a truncated one, or something else.

    Layout: https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html#binary-gltf-layout
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    header = file.read(20)
    if len(header) < 20:
        return "truncated" if header.startswith(GLB_MAGIC) else "invalid"
    magic, version, length, chunk_length, chunk_type = struct.unpack("<4sIII4s", header)
    if (magic, version, chunk_type) != (GLB_MAGIC, 2, b"JSON") or length < size:
        return "invalid"
    if length > size:
        return "truncated"
    fits = chunk_length <= min(size - 20, MAX_JSON_CHUNK)
    return "complete" if fits and _is_gltf(file.read(chunk_length)) else "invalid"


def _is_gltf(chunk: bytes) -> bool:
    try:
        document = json.loads(chunk)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and "asset" in document
