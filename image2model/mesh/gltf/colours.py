"""Surface colours in glTF: textures, coordinates, factors and vertex colours.

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

from .reader import FloatArray, Glb, IndexArray, MeshPrimitive

MAX_TEXTURE_SIZE = 1024
KTX2_MAGIC = b"\xabKTX 20\xbb\r\n\x1a\n"
TEXTURE_FORMATS = ("JPEG", "PNG", "WEBP", "AVIF")
"""Formats of textures that Pillow decodes: glTF's own, and those of EXT_texture_webp and EXT_texture_avif."""
MAX_TEXTURE_PIXELS = 80_000_000
"""Textures of more pixels are not decoded."""
REPEAT, CLAMP, MIRROR = 10497, 33071, 33648
WRAP_MODES: dict[int, Callable[[FloatArray], FloatArray]] = {
    REPEAT: lambda u: u - np.floor(u),
    CLAMP: lambda u: np.clip(u, 0, 1),
    MIRROR: lambda u: 1 - np.abs(u % 2 - 1),
}
DEFAULT_ALPHA_CUTOFF = 0.5
"""glTF's default alphaCutoff."""
DEFAULT_REFLECTANCE = 0.55
"""Linear reflectance of a surface without colour, darker than glTF's white so that its shape shows."""


def _linear_to_srgb_table() -> NDArray[np.uint8]:
    linear = np.linspace(0, 1, 4096)
    stored = np.where(linear < 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(255 * stored), np.uint8)


def _srgb_to_linear_table() -> FloatArray:
    stored = np.arange(256) / 255
    return np.asarray(np.where(stored < 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4), np.float32)


LINEAR_TO_SRGB, SRGB_TO_LINEAR = _linear_to_srgb_table(), _srgb_to_linear_table()


def linear_to_srgb(linear: NDArray[Any]) -> NDArray[Any]:
    """Linear colours, clipped to 0 … 1, as sRGB from 0 to 255."""
    return np.asarray(LINEAR_TO_SRGB.take((np.clip(linear, 0, 1) * 4095).astype(np.intp)))


def srgb_to_linear(colours: NDArray[np.uint8]) -> FloatArray:
    """sRGB and alpha (4, n), 0 to 255, as linear colour and alpha, 0 to 1."""
    linear = np.empty(colours.shape, np.float32)
    for channel in range(3):  # one by one, because numpy makes indices eight times as large
        linear[channel] = SRGB_TO_LINEAR.take(colours[channel])
    linear[3] = colours[3] / np.float32(255)
    return linear


def base_colour(glb: Glb, primitive: MeshPrimitive, corners: IndexArray, weights: FloatArray) -> FloatArray:
    """Linear base colour and alpha (4, n) at points given by vertex indices (3, n) and barycentric weights (3, n)."""
    pbr = primitive.material.get("pbrMetallicRoughness", {})
    texture = pbr.get("baseColorTexture") or {}
    image = _cached_texture(glb, texture) if texture_coordinates(primitive, texture) is not None else None
    vertex_colours = primitive.attributes.get("COLOR_0")
    plain = (
        (DEFAULT_REFLECTANCE, DEFAULT_REFLECTANCE, DEFAULT_REFLECTANCE, 1)
        if image is None and vertex_colours is None
        else (1, 1, 1, 1)
    )
    colour = np.empty((4, corners.shape[1]), np.float32)
    colour.T[:] = pbr.get("baseColorFactor", plain)
    if image is not None:
        colour *= _sample_texture(glb, primitive, texture, corners, weights)
    if vertex_colours is not None:
        colour[: vertex_colours.shape[1]] *= interpolate(vertex_colours, corners, weights)
    return colour


def emitted_light(glb: Glb, primitive: MeshPrimitive, corners: IndexArray, weights: FloatArray) -> FloatArray:
    """Linear emission (3, n); (3, 1) where it is uniform."""
    material = primitive.material
    everywhere = emission_factor(material)
    texture = material.get("emissiveTexture")
    if not texture or not everywhere.any():
        return everywhere
    return everywhere * _sample_texture(glb, primitive, texture, corners, weights)[:3]


def emission_factor(material: dict[str, Any]) -> FloatArray:
    """Linear emission factor (3, 1) of a material, which multiplies its emissive texture."""
    strength = material.get("extensions", {}).get("KHR_materials_emissive_strength", {}).get("emissiveStrength", 1)
    return np.array(material.get("emissiveFactor", (0, 0, 0)), np.float32).reshape(3, 1) * np.float32(strength)


def _sample_texture(
    glb: Glb, primitive: MeshPrimitive, texture: dict[str, Any], corners: IndexArray, weights: FloatArray
) -> FloatArray:
    """Linear colour and alpha (4, n) of a texture; white where it cannot be read or has no coordinates."""
    image, uvs = _cached_texture(glb, texture), texture_coordinates(primitive, texture)
    if image is None or uvs is None:
        return np.ones((4, 1), np.float32)
    return _sample_nearest(image, transform_uvs(interpolate(uvs, corners, weights), texture), wrap_modes(glb, texture))


def opacity(material: dict[str, Any], alpha: FloatArray) -> FloatArray:
    """Opacity of points of a material whose base colour has `alpha` (n,), which many opaque ones have for nothing."""
    mode = material.get("alphaMode")
    if mode == "MASK":
        return (alpha >= alpha_cutoff(material)).astype(np.float32)
    return alpha if mode == "BLEND" else np.ones_like(alpha)


def alpha_cutoff(material: dict[str, Any]) -> float:
    """Alpha below which a masked material is a hole."""
    return float(material.get("alphaCutoff", DEFAULT_ALPHA_CUTOFF))


_textures: WeakKeyDictionary[Glb, dict[str, Image.Image | None]] = WeakKeyDictionary()
"""Decoded textures of each open file, by texture index."""


def _cached_texture(glb: Glb, texture: dict[str, Any]) -> Image.Image | None:
    known = _textures.setdefault(glb, {})
    key = str(texture.get("index"))
    if key not in known:
        known[key] = _decode_texture(glb, texture)
    return known[key]


def _decode_texture(glb: Glb, texture: dict[str, Any]) -> Image.Image | None:
    """The texture as RGBA, resized to between half of MAX_TEXTURE_SIZE and all of it; None where it cannot be read."""
    try:
        image = Image.open(io.BytesIO(glb.texture(texture)), formats=TEXTURE_FORMATS)
        if image.width * image.height > MAX_TEXTURE_PIXELS:
            return None
        image.draft(None, (MAX_TEXTURE_SIZE, MAX_TEXTURE_SIZE))
        columns, rows = (min(max(length, MAX_TEXTURE_SIZE // 2), MAX_TEXTURE_SIZE) for length in image.size)
        simple = image if image.mode in ("RGB", "RGBA") else image.convert("RGBA")
        if simple.size != (columns, rows):
            simple = simple.resize((columns, rows), Image.Resampling.BILINEAR, reducing_gap=1)
        return simple.convert("RGBA")
    except Exception:  # untrusted bytes; the mesh is drawn without
        return None


def wrap_modes(glb: Glb, texture: dict[str, Any]) -> tuple[int, int]:
    """Wrap modes of a texture, across and down, each of WRAP_MODES; may raise for a broken file."""
    entry = glb.json["textures"][texture["index"]]
    sampler = glb.json["samplers"][entry["sampler"]] if "sampler" in entry else {}
    across, down = (mode if (mode := sampler.get(name)) in WRAP_MODES else REPEAT for name in ("wrapS", "wrapT"))
    return across, down


def texture_coordinates(primitive: MeshPrimitive, texture: dict[str, Any]) -> NDArray[Any] | None:
    """The primitive's coordinates (n, 2) that a textureInfo refers to, untransformed; None where it lacks them."""
    transform = texture.get("extensions", {}).get("KHR_texture_transform", {})
    return primitive.attributes.get(f"TEXCOORD_{transform.get('texCoord', texture.get('texCoord', 0))}")


def transform_uvs(uvs: FloatArray, texture: dict[str, Any]) -> FloatArray:
    """Apply the KHR_texture_transform of a textureInfo to `uvs` (2, n)."""
    transform = texture.get("extensions", {}).get("KHR_texture_transform")
    if not transform:
        return uvs
    turn = float(transform.get("rotation", 0))
    matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    scale, offset = transform.get("scale", (1, 1)), transform.get("offset", (0, 0))
    return np.asarray(matrix @ (uvs.T * np.array(scale)).T + np.array(offset)[:, None], np.float32)


def _sample_nearest(image: Image.Image, uvs: FloatArray, wraps: tuple[int, int]) -> FloatArray:
    """Linear colour and alpha (4, n) of the texel nearest to each of `uvs` (2, n)."""
    texels = np.asarray(image).reshape(-1, 4)
    column, row = (
        np.minimum((np.nan_to_num(WRAP_MODES[wrap](along)) * length).astype(np.intp), length - 1)
        for along, wrap, length in zip(uvs, wraps, image.size, strict=True)
    )
    return srgb_to_linear(texels.take(row * image.width + column, axis=0).T)


def interpolate(values: NDArray[Any], corners: IndexArray, weights: FloatArray) -> FloatArray:
    """Vertex `values` (v, width) at points: (width, n)."""
    mixed = np.zeros((values.shape[1], corners.shape[1]), np.float32)
    for axis, column in enumerate(np.ascontiguousarray(values.T, np.float32)):
        for corner in range(3):
            mixed[axis] += column.take(corners[corner]) * weights[corner]
    return mixed
