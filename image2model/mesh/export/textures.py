"""Materials reduced to what OBJ, 3MF and USDZ can express: a PNG or JPEG texture, a base colour, alpha holes.

USDZ also takes the textures of `surface_textures`.

Format: https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html#materials; coordinates:
https://github.com/KhronosGroup/glTF/tree/main/extensions/2.0/Khronos/KHR_texture_transform.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..gltf.colours import (
    KTX2_MAGIC,
    MAX_TEXTURE_PIXELS,
    REPEAT,
    SRGB_TO_LINEAR,
    TEXTURE_FORMATS,
    alpha_cutoff,
    emission_factor,
    linear_to_srgb,
    opacity,
    texture_coordinates,
    transform_uvs,
    wrap_modes,
)
from ..gltf.reader import FloatArray, Glb, MeshPrimitive, Scene, texture_source

EXTENSIONS = {"JPEG": "jpg", "PNG": "png"}
BROKEN = (KeyError, IndexError, TypeError, ValueError, AttributeError)
"""Errors raised for inconsistent JSON."""
WHITE = (1.0, 1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class TextureImage:
    """An encoded PNG or JPEG, byte for byte as delivered where that is possible, and its file extension."""

    data: bytes
    extension: str

    @property
    def media_type(self) -> str:
        """MIME type."""
        return "image/jpeg" if self.extension == "jpg" else "image/png"


@dataclass(frozen=True, slots=True)
class SurfaceTexture:
    """A texture other than that of the base colour, and its coordinates on one primitive."""

    image: TextureImage
    uv: FloatArray
    """(n, 2) texture coordinates, v downwards."""
    wraps: tuple[int, int]
    """As in SimpleMaterial."""


@dataclass(frozen=True, slots=True)
class SimpleMaterial:
    """The material of one primitive."""

    texture: TextureImage | None
    """Texture in whose colours it is seen, where it can be read and the primitive has coordinates for it."""
    unreadable: bool
    """True if there is a texture that cannot be read."""
    uv: FloatArray | None
    """(n, 2) texture coordinates, v downwards."""
    base_colour: tuple[float, ...]
    """Linear RGBA factor, 0 to 1; its alpha is 1 for an opaque material."""
    alpha_cutoff: float | None
    """Alpha below which there is a hole; None where there are no holes."""
    is_blended: bool
    """True if the texture's alpha lets through what is behind."""
    double_sided: bool
    wraps: tuple[int, int]
    """Wrap modes across and down: REPEAT, CLAMP or MIRROR."""
    is_emissive: bool
    """True if texture and base_colour are the emissive ones, for the base colour is black."""
    surface: Mapping[str, SurfaceTexture] = field(default_factory=dict)
    """Other textures by their names in glTF, for formats that store them."""

    @property
    def images(self) -> list[TextureImage]:
        """The images of all its textures."""
        return [*([self.texture] if self.texture else []), *(texture.image for texture in self.surface.values())]


TextureCache = dict[str, TextureImage | None]
"""Images of textures, by the image's index."""


def simple_materials(glb: Glb, scene: Scene, cache: TextureCache) -> list[SimpleMaterial]:
    """The material of each primitive; textures of the same image share one TextureImage, which `cache` holds."""
    return [_simple_material(glb, primitive, cache) for primitive in scene.primitives]


def file_names(textures: Iterable[TextureImage | None], stem: str) -> dict[TextureImage, str]:
    """A file name for each distinct texture."""
    distinct = dict.fromkeys(texture for texture in textures if texture)
    return {texture: f"{stem}{key}.{texture.extension}" for key, texture in enumerate(distinct)}


def multiply_colour(texture: TextureImage, factor: tuple[float, ...]) -> TextureImage:
    """The texture multiplied by a linear colour, for formats that have a texture or a colour but not both."""
    if tuple(factor[:3]) == WHITE[:3]:
        return texture
    with Image.open(io.BytesIO(texture.data)) as image:
        image_ = image.convert("RGBA" if texture.extension == "png" else "RGB")
    tables = linear_to_srgb(SRGB_TO_LINEAR * np.array(factor[:3])[:, None])
    data, kind = io.BytesIO(), "PNG" if texture.extension == "png" else "JPEG"
    image_.point([*tables.ravel().tolist(), *range(256)][: 256 * len(image_.getbands())]).save(data, kind, quality=92)
    return TextureImage(data.getvalue(), texture.extension)


def _simple_material(glb: Glb, primitive: MeshPrimitive, cache: TextureCache) -> SimpleMaterial:
    material = primitive.material
    texture_info, colour, is_emissive = _seen_colour(material)
    uv = texture_coordinates(primitive, texture_info)
    texture = load_texture(glb, texture_info, cache) if texture_info and uv is not None else None
    mode = material.get("alphaMode")
    if texture is None or mode != "MASK":  # of a textured material its texture has the holes
        colour = (*colour[:3], float(opacity(material, np.array(colour[3:4], np.float32))[0]))
    return SimpleMaterial(
        texture=texture,
        unreadable=bool(texture_info) and uv is not None and texture is None,
        uv=None if uv is None else transformed(uv, texture_info),
        base_colour=colour,
        alpha_cutoff=alpha_cutoff(material) if mode == "MASK" else None,
        is_blended=mode == "BLEND",
        double_sided=bool(material.get("doubleSided")),
        wraps=texture_wraps(glb, texture_info),
        is_emissive=is_emissive,
    )


def _seen_colour(material: dict[str, Any]) -> tuple[dict[str, Any], tuple[float, ...], bool]:
    """The visible textureInfo and linear RGBA factor of a material, and whether they are the emissive ones.

    They are if its base colour is black.
    """
    pbr = material.get("pbrMetallicRoughness", {})
    base = tuple(pbr.get("baseColorFactor", WHITE))
    light = emitted_colour(material)
    if any(base[:3]) or not any(light):
        return pbr.get("baseColorTexture", {}), base, False
    return material.get("emissiveTexture", {}), (*light, base[3]), True


def emitted_colour(material: dict[str, Any]) -> tuple[float, ...]:
    """Linear emission (r, g, b) of a material, 0 to 1; black where the file's is invalid."""
    try:
        return tuple(np.nan_to_num(emission_factor(material)).clip(0, 1).ravel().tolist())
    except BROKEN:
        return (0.0, 0.0, 0.0)


def transformed(uv: NDArray[Any], texture_info: dict[str, Any]) -> FloatArray:
    """Coordinates (n, 2) after the KHR_texture_transform of a textureInfo, without NaN."""
    return np.nan_to_num(transform_uvs(uv[:, :2].T, texture_info).T)


def texture_wraps(glb: Glb, texture_info: dict[str, Any]) -> tuple[int, int]:
    """Wrap modes of a texture, across and down; REPEAT where the file's are invalid."""
    try:
        return wrap_modes(glb, texture_info)
    except BROKEN:
        return REPEAT, REPEAT


def load_texture(glb: Glb, texture_info: dict[str, Any], cache: TextureCache) -> TextureImage | None:
    """The image that a textureInfo refers to; None where it cannot be read."""
    try:
        image = texture_source(glb.json["textures"][texture_info["index"]])
    except BROKEN:
        return None
    key = str(image)
    if key not in cache:
        cache[key] = _read_image(glb, image)
    return cache[key]


def _read_image(glb: Glb, index: int) -> TextureImage | None:
    try:
        return as_png_or_jpeg(glb.image(index))
    except Exception:  # untrusted bytes; the mesh goes without
        return None


def as_png_or_jpeg(data: bytes) -> TextureImage | None:
    """An encoded image, what glTF does not allow (WebP, AVIF, KTX2, CMYK) converted; None for one of too many pixels.

    Raises whatever decoders raise.
    """
    if data.startswith(KTX2_MAGIC):
        return _encoded(_decode_ktx2(data))
    with Image.open(io.BytesIO(data), formats=TEXTURE_FORMATS) as image:
        if image.format in EXTENSIONS and image.mode != "CMYK":
            return TextureImage(data, EXTENSIONS[image.format])
        return _encoded(image) if image.width * image.height <= MAX_TEXTURE_PIXELS else None


def _encoded(image: Image.Image) -> TextureImage:
    """PNG where there is any transparency, else JPEG."""
    data = io.BytesIO()
    if image.has_transparency_data:
        image.save(data, "PNG")
        return TextureImage(data.getvalue(), "png")
    image.convert("RGB").save(data, "JPEG", quality=95, subsampling="4:4:4")
    return TextureImage(data.getvalue(), "jpg")


def _decode_ktx2(data: bytes) -> Image.Image:
    import opengl_basisu  # few files need it

    width, height = (int.from_bytes(data[at : at + 4], "little") for at in (20, 24))
    if width * height > MAX_TEXTURE_PIXELS:
        raise ValueError("too many pixels")
    texture = opengl_basisu.open(data)
    pixels = np.asarray(texture.transcode("rgba8").data, np.uint8)
    image = Image.fromarray(pixels.reshape(height, width, 4))
    return image if texture.has_alpha else image.convert("RGB")
