"""What surfaces look like, as far as other formats have it: a texture in a format that others read, a tint, holes.

Format: https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html#materials; coordinates:
https://github.com/KhronosGroup/glTF/tree/main/extensions/2.0/Khronos/KHR_texture_transform.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from ..gltf.colours import MOST_PIXELS, TO_LINEAR, coordinates, to_srgb, transformed
from ..gltf.reader import Floats, Glb, Scene, Surface

ENDINGS = {"JPEG": "jpg", "PNG": "png"}
PLAIN = (1.0, 1.0, 1.0, 1.0)
CUTOFF = 0.5
"""Below which opacity there is a hole, where a material that has holes does not say it."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture's bytes, as they were where that is possible, and how its name ends: jpg or png."""

    data: bytes
    ending: str


@dataclass(frozen=True, slots=True)
class Paint:
    """What one surface looks like."""

    picture: Picture | None
    """The texture of its base colour, where it has one that can be read and coordinates for it."""
    unread: bool
    """Whether it has a texture that cannot be read."""
    places: Floats | None
    """(vertices, 2): where each vertex lies on the picture, v downwards."""
    tint: tuple[float, ...]
    """Linear red, green, blue and opacity, 0 to 1, that the picture's are multiplied with."""
    cutoff: float | None
    """The opacity below which there is a hole; None where there are no holes."""
    double_sided: bool


def paints(glb: Glb, scene: Scene) -> list[Paint]:
    """The look of each surface; surfaces with the same texture have the same Picture."""
    known: dict[Any, Picture | None] = {}
    return [_paint(glb, surface, known) for surface in scene.surfaces]


def file_names(pictures: list[Picture | None], stem: str) -> dict[Picture, str]:
    """A name in the file for each picture, once however many surfaces show it."""
    different = dict.fromkeys(picture for picture in pictures if picture)
    return {picture: f"{stem}{number}.{picture.ending}" for number, picture in enumerate(different)}


def tinted(picture: Picture, tint: tuple[float, ...]) -> Picture:
    """The picture with its colours multiplied by `tint`, for formats that have one or the other."""
    if tuple(tint[:3]) == PLAIN[:3]:
        return picture
    with Image.open(io.BytesIO(picture.data)) as image:
        flat = image.convert("RGBA" if picture.ending == "png" else "RGB")
    tables = to_srgb(TO_LINEAR * np.array(tint[:3])[:, None])
    data, kind = io.BytesIO(), "PNG" if picture.ending == "png" else "JPEG"
    flat.point([*tables.ravel().tolist(), *range(256)][: 256 * len(flat.getbands())]).save(data, kind, quality=92)
    return Picture(data.getvalue(), picture.ending)


def _paint(glb: Glb, surface: Surface, known: dict[Any, Picture | None]) -> Paint:
    look = surface.material.get("pbrMetallicRoughness", {})
    texture = look.get("baseColorTexture", {})
    uvs = coordinates(surface, texture)
    number = str(texture.get("index"))
    if texture and uvs is not None and number not in known:
        known[number] = _texture(glb, texture)
    picture = known.get(number) if uvs is not None else None
    return Paint(
        picture=picture,
        unread=bool(texture) and uvs is not None and picture is None,
        places=None if uvs is None else np.nan_to_num(transformed(uvs[:, :2].T, texture).T),
        tint=tuple(look.get("baseColorFactor", PLAIN)),
        cutoff=float(surface.material.get("alphaCutoff", CUTOFF))
        if surface.material.get("alphaMode") == "MASK"
        else None,
        double_sided=bool(surface.material.get("doubleSided")),
    )


def _texture(glb: Glb, texture: dict[str, Any]) -> Picture | None:
    try:
        return _readable(glb.texture(texture))
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
