"""Conversion of decoded pictures to 8-bit sRGB."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageChops, ImageCms

from .colour_spaces import BT709, D50, PRIMARIES, TRANSFERS, icc_profile, power
from .hdr import DEFAULT_PEAK_NITS, HLG, PQ, HdrSpace

MAX_PROFILE_BYTES = 4_000_000
MAX_IDENTITY_ERROR = 1
"""A profile that changes no colour by more than this, of 255 levels, counts as sRGB."""

ColourProfile: TypeAlias = bytes | HdrSpace
"""An ICC profile, empty for sRGB, or a space of high dynamic range, which no such profile describes."""
SRGB = ImageCms.createProfile("sRGB")
INPUT_MODES: Mapping[bytes, str] = {b"GRAY": "L", b"RGB ": "RGB", b"CMYK": "CMYK"}
EXACT = ImageCms.Flags.NOOPTIMIZE
"""LittleCMS's short cuts for all but matrices are off by up to 51 levels: in the dark, and where paper is not white."""
INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
"""Rendering intent at which LittleCMS does not darken a profile's grey black."""
ICC_HEADER, ICC_VERSION, ICC_CLASS, ICC_SPACES, ICC_WHITE = 128, 8, slice(12, 16), slice(16, 24), 68
"""Size of a profile's header, and the places of its version, class, two spaces and white (ICC.1:2022, 7.2)."""
MAX_WHITE_ERROR = 0.01
"""Difference from D50 above which Chromium does not use a profile."""
MAX_ICC_VERSION, GREY_IN_LAB = 4, b"GRAYLab "
"""Newest ICC version that Chromium uses, and the one pair of spaces, grey by way of Lab, that it does not."""
TABLE_TAGS, TABLE_OF_16_BITS = (b"A2B0", b"A2B1"), b"mft2"
LAB_SCALE = 256 / 257
"""Lab in a table of 16 bits goes to 65,280 (ICC.1:2022, 10.10), which Chromium reads as of 65,535."""
CICP_TAG_BYTES = 12
SRGB_CODE_POINTS = (1, 13)
RGB_IN_FULL_RANGE = b"\0\1"
"""The last two of four code points that count: no matrix, full range."""
CAMERA_TRANSFERS = frozenset({1, 6, 11})
SRGB_GAMMA, GAMMA_TOLERANCE = 1 / 2.2, 0.02
"""sRGB's gamma, and the difference from it below which a gAMA chunk on its own means sRGB."""


def are_code_points(primaries: int, transfer: int) -> bool:
    """True if these code points say which colours are meant."""
    return primaries in PRIMARIES and transfer in (*TRANSFERS, PQ, HLG)


def profile_of_code_points(primaries: int, transfer: int, peak_nits: float = DEFAULT_PEAK_NITS) -> ColourProfile:
    """The profile of a cICP chunk's or nclx box's code points; empty for sRGB and for unknown ones.

    `peak_nits`: luminance of the brightest highlight, in nits.
    """
    if transfer in (PQ, HLG) and primaries in PRIMARIES:
        return HdrSpace(primaries, transfer, peak_nits)
    if (primaries, transfer) == SRGB_CODE_POINTS or not are_code_points(primaries, transfer):
        return b""
    return icc_profile(PRIMARIES[primaries], TRANSFERS[transfer])


def profile_of_icc(icc: bytes) -> ColourProfile:
    """The profile that an embedded one means: code points of RGB in its cicp tag count more than the rest of it.

    As in Chromium a camera's curve (BT.709 and its kin) there means sRGB's.
    """
    tag = _icc_tag(icc, b"cicp")
    is_told = tag[10:CICP_TAG_BYTES] == RGB_IN_FULL_RANGE and are_code_points(tag[8], tag[9])
    source = _parse(icc) if is_told else None
    if source is None or not (source.profile.is_matrix_shaper or _icc_tag(icc, b"A2B0")):
        return icc
    return profile_of_code_points(tag[8], SRGB_CODE_POINTS[1] if tag[9] in CAMERA_TRANSFERS else tag[9])


def _icc_tag(icc: bytes, name: bytes) -> bytes:
    """A tag of an ICC profile (ICC.1:2022, 7.3); empty where it has none."""
    return icc[_icc_tag_place(icc, name)]


def _icc_tag_place(icc: bytes, name: bytes) -> slice:
    """Where a tag's bytes lie; empty where there is none."""
    (count,) = struct.unpack_from(">I", icc, ICC_HEADER) if len(icc) >= ICC_HEADER + 4 else (0,)
    first = ICC_HEADER + 4
    for at in range(first, min(first + 12 * count, len(icc) - 11), 12):
        found, start, size = struct.unpack_from(">4sII", icc, at)
        if found == name:
            return slice(start, start + size)
    return slice(0)


def profile_of_gamma(gamma: float, chromaticities: Sequence[float]) -> bytes:
    """The ICC profile of a PNG's gAMA, and of its cHRM (x, y of white, red, green, blue) where it has one."""
    if not chromaticities and abs(gamma - SRGB_GAMMA) < GAMMA_TOLERANCE:
        return b""
    return icc_profile(chromaticities or BT709, power(1 / gamma))


def to_resizable_mode(image: Image.Image) -> Image.Image:
    """Convert to L, LA, RGB, RGBA or CMYK, the modes that can be resampled; a transparent colour becomes alpha."""
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))  # Pillow would clip all above 255
    if image.mode in ("PA", "La", "RGBa") or "transparency" in image.info:
        return image.convert("RGBA")
    if image.mode in ("1", "F", "I"):
        return image.convert("L")
    return image if image.mode in ("L", "LA", "RGB", "RGBA", "CMYK") else image.convert("RGB")


def to_srgb(image: Image.Image, profile: ColourProfile) -> Image.Image:
    """Convert L, LA, RGB, RGBA or CMYK to RGB or RGBA in sRGB; a profile that cannot be used counts as none."""
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    transform = srgb_transform(profile, "L" if image.mode == "LA" else image.mode.removesuffix("A"))
    if transform is None:
        return image.convert("RGBA" if alpha else "RGB")
    converted = transform.apply(_without_black(image) if image.mode == "CMYK" else image.convert(transform.input_mode))
    if alpha:
        converted.putalpha(alpha)
    return converted


def _without_black(image: Image.Image) -> Image.Image:
    """A CMYK picture whose black is printed by the other three, as Chromium has it before it uses a profile."""
    colours = ImageChops.invert(image.convert("RGB"))
    return Image.merge("CMYK", [*colours.split(), Image.new("L", image.size)])


def is_profile(data: bytes) -> bool:
    """True if this is an ICC profile that can be read."""
    return _parse(data) is not None


@lru_cache(maxsize=8)
def srgb_transform(profile: ColourProfile, mode: str) -> ImageCms.ImageCmsTransform | HdrSpace | None:
    """Transform of pixels of `mode` (L, RGB or CMYK) to sRGB; None if it changes nothing or the profile does not fit.

    The transform's `input_mode` is what they have to be converted to first: grey takes a profile of RGB too.
    """
    if isinstance(profile, HdrSpace):
        return profile if mode != "CMYK" else None
    source = _parse(profile)
    if source is None:
        return None
    input_mode = INPUT_MODES.get(profile[ICC_SPACES][:4])
    if input_mode is None or (input_mode != mode and (mode, input_mode) != ("L", "RGB")):
        return None
    has_table = _icc_tag(profile, b"A2B0") or _icc_tag(profile, b"A2B1")
    flags = EXACT if has_table or input_mode == "L" else ImageCms.Flags.NONE
    try:
        transform = ImageCms.buildTransform(source, SRGB, input_mode, "RGB", INTENT, flags)
        return None if _is_identity(transform) else transform
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def _parse(profile: bytes) -> ImageCms.ImageCmsProfile | None:
    if not ICC_HEADER < len(profile) < MAX_PROFILE_BYTES or int.from_bytes(profile[:4]) > len(profile):
        return None
    if profile[ICC_VERSION] > MAX_ICC_VERSION or profile[ICC_SPACES] == GREY_IN_LAB:
        return None
    if np.abs(np.frombuffer(profile, ">i4", 3, ICC_WHITE) / 65536 - D50).max() > MAX_WHITE_ERROR:
        return None
    if _icc_tag(profile, b"A2B0"):
        profile = profile.replace(b"A2B1", b"none", 1)  # Chromium prefers the other one
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(_as_chromium_reads(profile)))
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def _as_chromium_reads(profile: bytes) -> bytes:
    """The profile of a screen, whatever its class is, with the Lab of its tables in the scale that Chromium takes."""
    changed = bytearray(profile)
    changed[ICC_CLASS] = b"mntr"
    for name in TABLE_TAGS:
        place = _icc_tag_place(profile, name)
        table = profile[place]
        if table.startswith(TABLE_OF_16_BITS) and profile[ICC_SPACES].endswith(b"Lab "):
            inputs, outputs, steps, entries = *table[8:11], int.from_bytes(table[48:50])
            curves = place.start + 52 + 2 * (inputs * entries + outputs * steps**inputs)
            levels = np.frombuffer(changed[curves : place.stop], ">u2") * LAB_SCALE
            changed[curves : place.stop] = np.rint(levels).astype(">u2").tobytes()
    return bytes(changed)


def _is_identity(transform: ImageCms.ImageCmsTransform) -> bool:
    """True if colours of a 9 × 9 × 9 grid, or all greys, stay what they are."""
    if transform.input_mode not in ("L", "RGB"):
        return False
    levels = np.linspace(0, 255, 9).astype(np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(27, 27, 3)
    sample = Image.fromarray(grid if transform.input_mode == "RGB" else np.arange(256, dtype=np.uint8)[None])
    before, after = np.asarray(sample.convert("RGB"), int), np.asarray(transform.apply(sample), int)
    return int(np.abs(before - after).max()) <= MAX_IDENTITY_ERROR
