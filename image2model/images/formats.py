"""A file's format by its first bytes, never by its name."""

from __future__ import annotations

from typing import Literal

from ..errors import ErrorCode, ImageRefused

ImageFormat = Literal["JPEG", "PNG", "WEBP", "AVIF", "HEIF", "GIF", "TIFF", "BMP"]

SIGNATURES: tuple[tuple[int, bytes, ImageFormat], ...] = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG", "PNG"),
    (8, b"WEBP", "WEBP"),
    (0, b"GIF8", "GIF"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"II+\0", "TIFF"),
    (0, b"MM\0+", "TIFF"),
    (0, b"BM", "BMP"),
)
"""Offset, bytes and format; the first match counts."""
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".heic", ".heif", ".gif", ".tif", ".tiff", ".bmp")
"""Usual file name suffixes of these formats; nothing is judged by them."""
AVIF_BRANDS = frozenset({b"avif", b"avis"})
HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"})
"""Brands of the ISO base media file format (ISO/IEC 23008-12, annex B)."""
UNSUPPORTED: tuple[tuple[int, bytes, str], ...] = (
    (4, b"ftypcrx", "a camera's raw picture"),
    (4, b"ftyp", "a video"),
    (4, b"moov", "a video"),
    (4, b"wide", "a video"),
    (4, b"mdat", "a video"),
    (8, b"AVI ", "a video"),
    (0, b"\x1aE\xdf\xa3", "a video"),
    (0, b"FUJIFILMCCD-RAW", "a camera's raw picture"),
    (0, b"FOVb", "a camera's raw picture"),
    (0, b"IIRO", "a camera's raw picture"),
    (0, b"IIU\0", "a camera's raw picture"),
    (0, b"II\xbc\1", "a JPEG XR picture"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"gimp xcf", "a GIMP file"),
    (0, bytes((0, 0, 2)) + bytes(9), "a TGA picture"),
    (0, bytes((0, 0, 10)) + bytes(9), "a TGA picture"),
    (0, b"P5\n", "a Netpbm picture"),
    (0, b"P6\n", "a Netpbm picture"),
    (0, b"\0\0\1\0", "an icon file"),
    (0, b"icns", "an icon file"),
    (0, b"\0\0\2\0", "a mouse pointer"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (0, b"qoif", "a QOI picture"),
    (0, b"DDS ", "a texture of DirectX"),
    (0, b"\xabKTX ", "a texture of Khronos"),
    (0, b"v/1\1", "an OpenEXR picture"),
    (0, b"#?RADIANCE", "a Radiance picture"),
    (40, b" EMF", "a Windows drawing"),
    (0, b"\xd7\xcd\xc6\x9a", "a Windows drawing"),
    (0, b"%PDF", "a PDF"),
    (0, b"%!PS", "a PostScript file"),
    (0, b"\xc5\xd0\xd3\xc6", "a PostScript file"),
    (128, b"DICM", "a medical scan"),
    (0, b"PK\3\4", "a zip archive or an office document"),
    (0, b"\x1f\x8b", "a packed file"),
    (0, b"Rar!", "a packed file"),
    (0, b"7z\xbc\xaf\x27\x1c", "a packed file"),
    (0, b"glTF", "a 3D model"),
    (0, b"BLENDER", "a 3D model"),
    (0, b"Kaydara FBX", "a 3D model"),
)
"""Offset, bytes and name of other formats that people try; the first match counts."""
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
"""Byte order marks of UTF-16 text."""
SAVE_AS_JPEG = "Save it as JPEG or PNG and add that."
UNPACK = "Add the pictures that are inside."
HINTS = {"a zip archive or an office document": UNPACK, "a packed file": UNPACK}
"""What helps with formats of which saving them as a picture does not."""


def detect_format(data: bytes) -> ImageFormat:
    """The format of a picture; raises ImageRefused `unsupported_format` or `not_an_image` for any other file."""
    format_ = next((name for offset, start, name in SIGNATURES if data.startswith(start, offset)), None)
    format_ = format_ or _iso_media_format(data)
    if format_ is None:
        raise _unsupported(data)
    return format_


def _iso_media_format(data: bytes) -> ImageFormat | None:
    """AVIF or HEIF by the major and the compatible brands of the first box."""
    if data[4:8] != b"ftyp":
        return None
    end = min(int.from_bytes(data[:4]), 256)
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, end, 4))}
    if brands & AVIF_BRANDS:
        return "AVIF"
    return "HEIF" if brands & HEIF_BRANDS else None


def _unsupported(data: bytes) -> ImageRefused:
    kind = next((kind for offset, start, kind in UNSUPPORTED if data.startswith(start, offset)), None)
    if kind is None and b"<svg" in data[:4096].lower():
        kind = "an SVG drawing"
    if kind:
        return ImageRefused(
            ErrorCode.UNSUPPORTED_FORMAT, f"This is {kind}, which cannot be used.", HINTS.get(kind, SAVE_AS_JPEG)
        )
    looks = "looks like text" if _is_text(data[:1024]) else "is no picture we know"
    return ImageRefused(
        ErrorCode.NOT_AN_IMAGE, f"This file {looks}, whatever its name says.", "Choose a JPEG or PNG picture."
    )


def _is_text(data: bytes) -> bool:
    if data.startswith(UTF_16_MARKS):
        return True
    return all(byte >= 32 or byte in b"\t\n\r\f" for byte in data)
