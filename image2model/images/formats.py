"""A file's format by its first bytes, never by its name."""

from __future__ import annotations

from ..errors import ErrorCode, ImageRefused

MAX_JPEG_SCANS = 200
"""A photograph has about ten; thousands would keep a decoder busy for minutes."""

JPEG_SIGNATURE = b"\xff\xd8\xff"
PNG_SIGNATURE = b"\x89PNG"
OTHER_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"GIF8", "a GIF"),
    (8, b"WEBP", "a WebP picture"),
    (0, b"II*\0", "a TIFF picture"),
    (0, b"MM\0*", "a TIFF picture"),
    (0, b"BM", "a BMP picture"),
    (4, b"ftypavi", "an AVIF picture"),
    (4, b"ftyphei", "a HEIC picture"),
    (4, b"ftyphev", "a HEIC picture"),
    (4, b"ftypmif1", "a HEIC picture"),
    (4, b"ftypmsf1", "a HEIC picture"),
    (4, b"ftypcrx", "a camera's raw picture"),
    (4, b"ftyp", "a video"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"\0\0\1\0", "an icon file"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (0, b"%PDF", "a PDF"),
    (0, b"%!PS", "a PostScript file"),
    (0, b"PK\3\4", "a zip archive or an office document"),
    (0, b"glTF", "a 3D model"),
)
"""Offset, bytes and name of the formats that people try; the first match counts."""


def count_jpeg_scans(data: bytes) -> int:
    """Number of start-of-scan markers of a JPEG, 0 for any other file."""
    return data.count(b"\xff\xda") if data.startswith(JPEG_SIGNATURE) else 0


def unsupported_format(data: bytes) -> ImageRefused:
    """The refusal of a file that is neither JPEG nor PNG, with the name of what it is."""
    hint = "Save it as JPEG or PNG and add that."
    kind = next((kind for offset, start, kind in OTHER_SIGNATURES if data.startswith(start, offset)), None)
    if kind is None and b"<svg" in data[:4096].lower():
        kind = "an SVG drawing"
    if kind:
        return ImageRefused(ErrorCode.UNSUPPORTED_FORMAT, f"This is {kind}; only JPEG and PNG are taken.", hint)
    looks = "looks like text" if _is_text(data[:1024]) else "is no picture we know"
    return ImageRefused(
        ErrorCode.NOT_AN_IMAGE, f"This file {looks}, whatever its name says.", "Choose a JPEG or PNG picture."
    )


def _is_text(data: bytes) -> bool:
    return all(byte >= 32 or byte in b"\t\n\r\f" for byte in data)
