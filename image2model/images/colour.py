"""Conversion of decoded pictures to 8-bit sRGB."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

MAX_PROFILE_BYTES = 4_000_000
MAX_IDENTITY_ERROR = 1
"""A profile that changes no colour by more than this, of 255 levels, counts as sRGB."""

Array = NDArray[np.float64]
D65, C, E, DCI = (0.3127, 0.329), (0.31, 0.316), (1 / 3, 1 / 3), (0.314, 0.351)
BT709 = (*D65, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
BT601 = (*D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07)
PRIMARIES: Mapping[int, Sequence[float]] = {
    1: BT709,
    4: (*C, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*D65, 0.64, 0.33, 0.29, 0.6, 0.15, 0.06),
    6: BT601,
    7: BT601,
    8: (*C, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    9: (*D65, 0.708, 0.292, 0.17, 0.797, 0.131, 0.046),
    10: (*E, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0),
    11: (*DCI, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
    12: (*D65, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
    22: (*D65, 0.63, 0.34, 0.295, 0.605, 0.155, 0.077),
}
"""Chromaticities x, y of white, red, green and blue by their code point (ITU-T H.273, table 2)."""


def _power(exponent: float) -> Callable[[Array], Array]:
    return lambda value: value**exponent


def _from_srgb(value: Array) -> Array:
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _from_smpte_240(value: Array) -> Array:
    return np.where(value < 0.0913, value / 4, ((value + 0.1115) / 1.1115) ** (1 / 0.45))


TRANSFERS: Mapping[int, Callable[[Array], Array]] = {
    **dict.fromkeys((1, 6, 11, 14, 15), _power(2.4)),  # as screens show them (ITU-R BT.1886)
    4: _power(2.2),
    5: _power(2.8),
    7: _from_smpte_240,
    8: _power(1),
    13: _from_srgb,
    17: lambda value: value**2.6 * 52.37 / 48,
}
"""Functions from stored value to light, both 0 to 1, by code point (ITU-T H.273, table 3); without PQ and HLG."""
SRGB = ImageCms.createProfile("sRGB")
INPUT_MODES: Mapping[str, str] = {"GRAY": "L", "RGB ": "RGB", "CMYK": "CMYK"}
EXACT = ImageCms.Flags.NOOPTIMIZE
"""LittleCMS's short cut for grey is off by nine levels in the dark of a linear picture."""
SRGB_CODE_POINTS = (1, 13)
SRGB_GAMMA, GAMMA_TOLERANCE = 1 / 2.2, 0.02
"""A gAMA alone that is so near to sRGB's means sRGB."""


def are_code_points(primaries: int, transfer: int) -> bool:
    """True if these code points say which colours are meant."""
    return primaries in PRIMARIES and transfer in TRANSFERS


def profile_of_code_points(primaries: int, transfer: int) -> bytes:
    """The ICC profile of a cICP chunk's or nclx box's code points; empty for sRGB and for unknown ones."""
    if (primaries, transfer) == SRGB_CODE_POINTS or not are_code_points(primaries, transfer):
        return b""
    return _icc_profile(PRIMARIES[primaries], TRANSFERS[transfer])


def profile_of_gamma(gamma: float, chromaticities: Sequence[float]) -> bytes:
    """The ICC profile of a PNG's gAMA, and of its cHRM (x, y of white, red, green, blue) where it has one."""
    if not chromaticities and abs(gamma - SRGB_GAMMA) < GAMMA_TOLERANCE:
        return b""
    return _icc_profile(chromaticities or BT709, _power(1 / gamma))


def to_resizable_mode(image: Image.Image) -> Image.Image:
    """Convert to L, LA, RGB, RGBA or CMYK, the modes that can be resampled; a transparent colour becomes alpha."""
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))  # Pillow would clip all above 255
    if image.mode in ("PA", "La", "RGBa") or "transparency" in image.info:
        return image.convert("RGBA")
    if image.mode in ("1", "F", "I"):
        return image.convert("L")
    return image if image.mode in ("L", "LA", "RGB", "RGBA", "CMYK") else image.convert("RGB")


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert L, LA, RGB, RGBA or CMYK to RGB or RGBA in sRGB; a profile that cannot be used counts as none."""
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    transform = srgb_transform(profile, "L" if image.mode == "LA" else image.mode.removesuffix("A"))
    if transform is None:
        return image.convert("RGBA" if alpha else "RGB")
    converted = transform.apply(image.convert(transform.input_mode))
    if alpha:
        converted.putalpha(alpha)
    return converted


def is_profile(data: bytes) -> bool:
    """True if this is an ICC profile that can be read."""
    return _parse(data) is not None


@lru_cache(maxsize=8)
def srgb_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Transform of pixels of `mode` (L, RGB or CMYK) to sRGB; None if it changes nothing or the profile does not fit.

    The transform's `input_mode` is what they have to be converted to first: grey takes a profile of RGB too.
    """
    source = _parse(profile)
    if source is None:
        return None
    input_mode = INPUT_MODES.get(source.profile.xcolor_space)
    if input_mode is None or (input_mode != mode and (mode, input_mode) != ("L", "RGB")):
        return None
    flags = EXACT if input_mode == "L" else ImageCms.Flags.NONE
    try:
        transform = ImageCms.buildTransform(source, SRGB, input_mode, "RGB", flags=flags)
        return None if _is_identity(transform) else transform
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def _parse(profile: bytes) -> ImageCms.ImageCmsProfile | None:
    if not 0 < len(profile) < MAX_PROFILE_BYTES:
        return None
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def _is_identity(transform: ImageCms.ImageCmsTransform) -> bool:
    """True if colours of a 9 × 9 × 9 grid, or all greys, stay what they are."""
    if transform.input_mode not in ("L", "RGB"):
        return False
    levels = np.linspace(0, 255, 9).astype(np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(27, 27, 3)
    sample = Image.fromarray(grid if transform.input_mode == "RGB" else np.arange(256, dtype=np.uint8)[None])
    before, after = np.asarray(sample.convert("RGB"), int), np.asarray(transform.apply(sample), int)
    return int(np.abs(before - after).max()) <= MAX_IDENTITY_ERROR


def _icc_profile(chromaticities: Sequence[float], curve: Callable[[Array], Array]) -> bytes:
    """A matrix profile (ICC.1:2010, 8.3.3); empty for chromaticities that no colour space has."""
    try:
        matrix = _to_pcs(chromaticities)
    except (np.linalg.LinAlgError, ZeroDivisionError):
        return b""
    if not np.isfinite(matrix).all() or np.abs(matrix).max() > 4:
        return b""
    levels = np.rint(curve(np.linspace(0, 1, 256)).clip(0, 1) * 65535).astype(">u2")
    columns = [b"XYZ \0\0\0\0" + np.rint(column * 65536).astype(">i4").tobytes() for column in matrix.T]
    bodies = [*columns, b"curv\0\0\0\0" + struct.pack(">I", len(levels)) + levels.tobytes()]
    starts = [128 + 4 + 6 * 12 + sum(map(len, bodies[:number])) for number in range(len(bodies))]
    named = zip((b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC"), (0, 1, 2, 3, 3, 3), strict=True)
    tags = b"".join(struct.pack(">4sII", name, starts[at], len(bodies[at])) for name, at in named)
    rest = struct.pack(">I", 6) + tags + b"".join(bodies)
    white = np.rint(np.array(D50) * 65536).astype(">i4").tobytes()
    header = struct.pack(
        ">I4sI4s4s4s12s4s28x12s48x", 128 + len(rest), b"", 0x02400000, b"mntr", b"RGB ", b"XYZ ", b"", b"acsp", white
    )
    return header + rest


D50 = (0.9642, 1.0, 0.8249)
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def _to_pcs(chromaticities: Sequence[float]) -> Array:
    """The matrix (3, 3) from linear RGB to XYZ under D50, adapted after Bradford (ICC.1:2010, annex E)."""
    white, *primaries = (np.array([x / y, 1, (1 - x - y) / y]) if y else np.array([x, y, 1 - x - y]) for x, y in
                         zip(chromaticities[::2], chromaticities[1::2], strict=True))  # fmt: skip
    columns = np.stack(primaries, axis=1)
    matrix = columns * np.linalg.solve(columns, white)
    cones = BRADFORD @ np.array(D50) / (BRADFORD @ white)
    adapted: Array = np.linalg.inv(BRADFORD) @ np.diag(cones) @ BRADFORD @ matrix
    return adapted
