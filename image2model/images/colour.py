"""Conversion of decoded pictures to 8-bit sRGB."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

MAX_PROFILE_BYTES = 4_000_000


def to_resizable_mode(image: Image.Image) -> Image.Image:
    """Convert to L, LA, RGB, RGBA or CMYK, the modes that can be resampled; a transparent colour becomes alpha."""
    if image.mode.startswith("I;16"):
        image = _from_16_bit_grey(image)
    if image.mode == "PA" or "transparency" in image.info:
        return _convert(image, "RGBA")
    return image if image.mode in ("L", "LA", "RGB", "RGBA", "CMYK") else _convert(image, "RGB")


def to_srgb(image: Image.Image) -> Image.Image:
    """Convert to RGB or RGBA in sRGB, through the ICC profile where there is a usable one."""
    profile = image.info.get("icc_profile") or b""
    target = "RGBA" if image.mode in ("LA", "RGBA") else "RGB"
    if b"sRGB" in profile or b"s\0R\0G\0B" in profile or not 0 < len(profile) <= MAX_PROFILE_BYTES:
        return _convert(image, target)
    alpha = image.getchannel("A") if target == "RGBA" else None
    opaque = image.convert({"LA": "L", "RGBA": "RGB"}.get(image.mode, image.mode))
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(opaque, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):  # a profile that does not fit is as good as none
        return _convert(image, target)
    if converted is None:
        return _convert(image, target)
    if alpha is not None:
        converted.putalpha(alpha)
    converted.info = image.info
    return converted


def _from_16_bit_grey(image: Image.Image) -> Image.Image:
    """Keep the high byte, as for 16-bit colour: Pillow itself would clip all above 255 to white."""
    values = np.asarray(image)
    grey = Image.fromarray((values >> 8).astype(np.uint8))
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    grey.info = {name: value for name, value in image.info.items() if name != "transparency"}
    return grey


def _convert(image: Image.Image, mode: str) -> Image.Image:
    converted = image.convert(mode)
    converted.info = {name: value for name, value in image.info.items() if name != "transparency"}
    return converted
