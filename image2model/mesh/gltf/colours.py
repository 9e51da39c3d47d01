"""The colours of a surface as glTF has them: textures and where they lie, tints, colours of vertices.

Format: https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html#materials; coordinates:
https://github.com/KhronosGroup/glTF/tree/main/extensions/2.0/Khronos/KHR_texture_transform.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .reader import Floats, Glb, Integers, Surface

TEXTURE_SIDE = 1024
MOST_PIXELS = 80_000_000
"""Of a texture that is decoded here."""
REPEAT, CLAMP, MIRROR = 10497, 33071, 33648
WRAPS: dict[int, Callable[[Floats], Floats]] = {
    REPEAT: lambda u: u - np.floor(u),
    CLAMP: lambda u: np.clip(u, 0, 1),
    MIRROR: lambda u: 1 - np.abs(u % 2 - 1),
}
GREY = 0.55
"""Linear reflectance of what has no colour of its own, dimmer than glTF's white so that shape shows."""


def _encoding() -> NDArray[np.uint8]:
    linear = np.linspace(0, 1, 4096)
    stored = np.where(linear < 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(255 * stored), np.uint8)


def _decoding() -> Floats:
    stored = np.arange(256) / 255
    return np.asarray(np.where(stored < 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4), np.float32)


TO_SRGB, TO_LINEAR = _encoding(), _decoding()


def to_srgb(linear: NDArray[Any]) -> NDArray[Any]:
    """Linear colours, 0 to 1 or cut off there, as sRGB from 0 to 255."""
    return np.asarray(TO_SRGB.take((np.clip(linear, 0, 1) * 4095).astype(np.intp)))


def to_linear(colours: NDArray[np.uint8]) -> Floats:
    """sRGB and opacity (4, points), 0 to 255, as glTF has them: linear, 0 to 1."""
    linear: Floats = TO_LINEAR.take(colours)
    linear[3] = colours[3] / np.float32(255)
    return linear


def base_colour(glb: Glb, surface: Surface, corners: Integers, weights: Floats) -> Floats:
    """Linear colour and opacity (4, points) before any light."""
    look = surface.material.get("pbrMetallicRoughness", {})
    texture = look.get("baseColorTexture") or {}
    image = _known_texture(glb, texture) if coordinates(surface, texture) is not None else None
    painted = surface.attributes.get("COLOR_0")
    plain = (GREY, GREY, GREY, 1) if image is None and painted is None else (1, 1, 1, 1)
    colour = np.empty((4, corners.shape[1]), np.float32)
    colour.T[:] = look.get("baseColorFactor", plain)
    if image is not None:
        colour *= _painted(glb, surface, texture, corners, weights)
    if painted is not None:
        colour[: painted.shape[1]] *= blend(painted, corners, weights)
    return colour


def glow(glb: Glb, surface: Surface, corners: Integers, weights: Floats) -> Floats:
    """The light (3, points) that a surface gives by itself; (3, 1) where it is the same everywhere."""
    material = surface.material
    strength = material.get("extensions", {}).get("KHR_materials_emissive_strength", {}).get("emissiveStrength", 1)
    everywhere = np.array(material.get("emissiveFactor", (0, 0, 0)), np.float32).reshape(3, 1) * np.float32(strength)
    texture = material.get("emissiveTexture")
    if not texture or not everywhere.any():
        return everywhere
    return everywhere * _painted(glb, surface, texture, corners, weights)[:3]


def _painted(glb: Glb, surface: Surface, texture: dict[str, Any], corners: Integers, weights: Floats) -> Floats:
    """Linear colour and opacity (4, points) of a texture; white where it cannot be read or has no place there."""
    image, uvs = _known_texture(glb, texture), coordinates(surface, texture)
    if image is None or uvs is None:
        return np.ones((4, 1), np.float32)
    return _sampled(image, transformed(blend(uvs, corners, weights), texture), _wraps(glb, texture))


_textures: WeakKeyDictionary[Glb, dict[str, Image.Image | None]] = WeakKeyDictionary()
"""Of each open file: a texture is decoded once, however many surfaces and turns use it."""


def _known_texture(glb: Glb, texture: dict[str, Any]) -> Image.Image | None:
    known = _textures.setdefault(glb, {})
    key = str(texture.get("index"))
    if key not in known:
        known[key] = _texture(glb, texture)
    return known[key]


def _texture(glb: Glb, texture: dict[str, Any]) -> Image.Image | None:
    """The texture in mode RGBA, TEXTURE_SIDE at most and half of it at least; None where it cannot be read."""
    try:
        image = Image.open(io.BytesIO(glb.texture(texture)), formats=("JPEG", "PNG", "WEBP"))
        if image.width * image.height > MOST_PIXELS:
            return None
        image.draft(None, (TEXTURE_SIDE, TEXTURE_SIDE))
        columns, rows = (min(max(length, TEXTURE_SIDE // 2), TEXTURE_SIDE) for length in image.size)
        simple = image if image.mode in ("RGB", "RGBA") else image.convert("RGBA")
        return simple.resize((columns, rows), Image.Resampling.BILINEAR, reducing_gap=1).convert("RGBA")
    except Exception:  # untrusted bytes; the mesh is drawn without
        return None


def _wraps(glb: Glb, texture: dict[str, Any]) -> tuple[int, int]:
    entry = glb.json["textures"][texture["index"]]
    sampler = glb.json["samplers"][entry["sampler"]] if "sampler" in entry else {}
    return sampler.get("wrapS", REPEAT), sampler.get("wrapT", REPEAT)


def coordinates(surface: Surface, texture: dict[str, Any]) -> NDArray[Any] | None:
    """The texture coordinates (vertices, 2) that a material's reference to a texture is for, untransformed."""
    transform = texture.get("extensions", {}).get("KHR_texture_transform", {})
    return surface.attributes.get(f"TEXCOORD_{transform.get('texCoord', texture.get('texCoord', 0))}")


def transformed(uvs: Floats, texture: dict[str, Any]) -> Floats:
    """`uvs` (2, points) after KHR_texture_transform."""
    transform = texture.get("extensions", {}).get("KHR_texture_transform")
    if not transform:
        return uvs
    turn = float(transform.get("rotation", 0))
    matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    scale, offset = transform.get("scale", (1, 1)), transform.get("offset", (0, 0))
    return np.asarray(matrix @ (uvs.T * np.array(scale)).T + np.array(offset)[:, None], np.float32)


def _sampled(image: Image.Image, uvs: Floats, wraps: tuple[int, int]) -> Floats:
    """Linear colour and opacity (4, points) of the texel at each of `uvs` (2, points)."""
    texels = np.asarray(image).reshape(-1, 4)
    column, row = (
        np.minimum((np.nan_to_num(WRAPS.get(wrap, WRAPS[REPEAT])(along)) * length).astype(np.intp), length - 1)
        for along, wrap, length in zip(uvs, wraps, image.size, strict=True)
    )
    return to_linear(texels.take(row * image.width + column, axis=0).T)


def blend(values: NDArray[Any], corners: Integers, weights: Floats) -> Floats:
    """`values` (vertices, width) at points, mixed by their weights: (width, points)."""
    mixed = np.zeros((values.shape[1], corners.shape[1]), np.float32)
    for axis, column in enumerate(np.ascontiguousarray(values.T, np.float32)):
        for corner in range(3):
            mixed[axis] += column.take(corners[corner]) * weights[corner]
    return mixed
