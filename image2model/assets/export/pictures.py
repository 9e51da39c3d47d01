"""The textures of a GLB, in the file formats that others read."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

from ..glb import Glb

ENDINGS = {"JPEG": "jpg", "PNG": "png"}
MOST_PIXELS = 80_000_000


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture's bytes, as they were where that is possible, and how its name ends: jpg or png."""

    data: bytes
    ending: str


def base_texture(glb: Glb, material: Mapping[str, Any]) -> Picture | None:
    """The texture of a material's base colour; None where it has none that can be read."""
    try:
        texture = glb.json["textures"][material["pbrMetallicRoughness"]["baseColorTexture"]["index"]]
        source = texture.get("extensions", {}).get("EXT_texture_webp", texture)["source"]
        return _readable(glb.image(source))
    except Exception:  # untrusted bytes; the mesh goes without
        return None


def _readable(data: bytes) -> Picture | None:
    with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as image:
        if image.format in ENDINGS:
            return Picture(data, ENDINGS[image.format])
        if image.width * image.height > MOST_PIXELS:
            return None
        png = io.BytesIO()
        image.save(png, "PNG")
        return Picture(png.getvalue(), "png")
