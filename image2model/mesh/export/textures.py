"""Materials reduced to what OBJ, 3MF and USDZ can express: a PNG or JPEG texture, a base colour, alpha holes.

Format: https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html#materials; coordinates:
https://github.com/KhronosGroup/glTF/tree/main/extensions/2.0/Khronos/KHR_texture_transform.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from ..gltf.colours import (
    KTX2_MAGIC,
    MAX_TEXTURE_PIXELS,
    SRGB_TO_LINEAR,
    linear_to_srgb,
    texture_coordinates,
    transform_uvs,
)
from ..gltf.reader import FloatArray, Glb, MeshPrimitive, Scene

EXTENSIONS = {"JPEG": "jpg", "PNG": "png"}
WHITE = (1.0, 1.0, 1.0, 1.0)
DEFAULT_ALPHA_CUTOFF = 0.5
"""glTF's default alphaCutoff, below which a masked material is a hole."""


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
class SimpleMaterial:
    """The material of one primitive."""

    texture: TextureImage | None
    """Base colour texture, where it can be read and the primitive has coordinates for it."""
    unreadable: bool
    """True if there is a texture that cannot be read."""
    uv: FloatArray | None
    """(n, 2) texture coordinates, v downwards."""
    base_colour: tuple[float, ...]
    """Linear RGBA factor, 0 to 1."""
    alpha_cutoff: float | None
    """Alpha below which there is a hole; None where there are no holes."""
    double_sided: bool


def simple_materials(glb: Glb, scene: Scene) -> list[SimpleMaterial]:
    """The material of each primitive; primitives with the same texture share one TextureImage."""
    cache: dict[Any, TextureImage | None] = {}
    return [_simple_material(glb, primitive, cache) for primitive in scene.primitives]


def file_names(textures: list[TextureImage | None], stem: str) -> dict[TextureImage, str]:
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


def _simple_material(glb: Glb, primitive: MeshPrimitive, cache: dict[Any, TextureImage | None]) -> SimpleMaterial:
    pbr = primitive.material.get("pbrMetallicRoughness", {})
    texture_info = pbr.get("baseColorTexture", {})
    uv = texture_coordinates(primitive, texture_info)
    key = str(texture_info.get("index"))
    if texture_info and uv is not None and key not in cache:
        cache[key] = _load_texture(glb, texture_info)
    texture = cache.get(key) if uv is not None else None
    return SimpleMaterial(
        texture=texture,
        unreadable=bool(texture_info) and uv is not None and texture is None,
        uv=None if uv is None else np.nan_to_num(transform_uvs(uv[:, :2].T, texture_info).T),
        base_colour=tuple(pbr.get("baseColorFactor", WHITE)),
        alpha_cutoff=float(primitive.material.get("alphaCutoff", DEFAULT_ALPHA_CUTOFF))
        if primitive.material.get("alphaMode") == "MASK"
        else None,
        double_sided=bool(primitive.material.get("doubleSided")),
    )


def _load_texture(glb: Glb, texture_info: dict[str, Any]) -> TextureImage | None:
    try:
        return as_png_or_jpeg(glb.texture(texture_info))
    except Exception:  # untrusted bytes; the mesh goes without
        return None


def as_png_or_jpeg(data: bytes) -> TextureImage | None:
    """An encoded image, WebP and KTX2 converted; None for one of too many pixels. Raises whatever decoders raise."""
    if data.startswith(KTX2_MAGIC):
        return _encoded(_decode_ktx2(data))
    with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as image:
        if image.format in EXTENSIONS:
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
