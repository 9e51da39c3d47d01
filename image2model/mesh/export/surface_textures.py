"""Textures other than that of the base colour: metal and roughness, normals, occlusion, emission.

Format: https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html#materials.
"""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from ..gltf.colours import MAX_TEXTURE_PIXELS, texture_coordinates
from ..gltf.materials import is_unlit, number_or
from ..gltf.reader import Glb, MeshPrimitive, Scene, texture_source
from .textures import (
    BROKEN,
    SimpleMaterial,
    SurfaceTexture,
    TextureCache,
    TextureImage,
    emitted_colour,
    load_texture,
    texture_wraps,
    transformed,
)

SURFACE_TEXTURES = ("metallicRoughnessTexture", "normalTexture", "occlusionTexture", "emissiveTexture")
NO_EMISSION = (0.0, 0.0, 0.0)


def with_surface_textures(
    glb: Glb, scene: Scene, materials: list[SimpleMaterial], cache: TextureCache
) -> list[SimpleMaterial]:
    """The materials of a scene's primitives with their SURFACE_TEXTURES; a texture without effect is left out.

    `cache` is the one with which `simple_materials` read the others.
    """
    return [
        _with_textures(glb, primitive, material, cache)
        for primitive, material in zip(scene.primitives, materials, strict=True)
    ]


def texture_info(material: dict[str, Any], name: str) -> dict[str, Any]:
    """The textureInfo of one of SURFACE_TEXTURES; empty where a material has none."""
    return {**material, **material.get("pbrMetallicRoughness", {})}.get(name) or {}


def extra_emission(simple: SimpleMaterial, material: dict[str, Any]) -> tuple[float, ...]:
    """Linear emission (r, g, b) of a material in addition to its base_colour in `simple`."""
    return NO_EMISSION if simple.is_emissive or is_unlit(material) else emitted_colour(material)


def _with_textures(glb: Glb, primitive: MeshPrimitive, simple: SimpleMaterial, cache: TextureCache) -> SimpleMaterial:
    if is_unlit(primitive.material):
        return simple
    surface: dict[str, SurfaceTexture] = {}
    unreadable = simple.unreadable
    for name in SURFACE_TEXTURES:
        info = texture_info(primitive.material, name)
        if not info or (name == "emissiveTexture" and not any(extra_emission(simple, primitive.material))):
            continue
        try:
            uv = texture_coordinates(primitive, info)
            if uv is None:
                continue
            image = _normal_map(glb, info, cache) if name == "normalTexture" else load_texture(glb, info, cache)
            if image:
                surface[name] = SurfaceTexture(image, transformed(uv, info), texture_wraps(glb, info))
        except BROKEN:
            image = None
        unreadable |= image is None
    return replace(simple, surface=surface, unreadable=unreadable)


def _normal_map(glb: Glb, info: dict[str, Any], cache: TextureCache) -> TextureImage | None:
    """A normal map with the `scale` of its textureInfo applied, for formats without such a factor."""
    image, strength = load_texture(glb, info, cache), number_or(info.get("scale"), 1)
    if image is None or strength == 1:
        return image
    key = f"{texture_source(glb.json['textures'][info['index']])} × {strength}"
    if key not in cache:
        cache[key] = _scale_normals(image, strength)
    return cache[key]


def _scale_normals(texture: TextureImage, strength: float) -> TextureImage | None:
    """A normal map whose x and y are multiplied by `strength`; None for one of too many pixels.

    Above 1, z is divided instead, which gives the same direction and stays in the range of a pixel.
    """
    with Image.open(io.BytesIO(texture.data)) as image:
        if image.width * image.height > MAX_TEXTURE_PIXELS:
            return None
        rgb = image.convert("RGB")
    largest = max(abs(strength), 1)
    factors = (strength / largest, strength / largest, 1 / largest)
    tables = np.rint(127.5 + np.outer(factors, np.arange(256) - 127.5)).astype(int)
    data = io.BytesIO()
    rgb.point(tables.ravel().tolist()).save(data, "PNG")
    return TextureImage(data.getvalue(), "png")
