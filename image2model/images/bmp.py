"""Parts of a BMP that Pillow does not read: its profile, and pixels in runs, of 2 bits or laid out by bit masks.

Format: https://learn.microsoft.com/windows/win32/api/wingdi/ns-wingdi-bitmapv4header.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray
from PIL import Image

UNCOMPRESSED, RLE8, RLE4, BITFIELDS, ALPHA_BITFIELDS = 0, 1, 2, 3, 6
"""Compressions: none, run lengths of 8 and of 4 bits, and three or four bit masks after the plain header."""
INFO_HEADER, ALPHA_HEADER, V5_HEADER = 40, 56, 124
"""Sizes of the plain header, of the smallest one that holds a mask of alpha, and of the one that holds a profile."""
EMBEDDED_PROFILE = b"DEBM"
WINDOWS_MASKS = (0xFF0000, 0xFF00, 0xFF)
FILE_HEADER = 14
END_OF_ROW, END_OF_PICTURE, MOVE = 0, 1, 2
"""Meanings of the byte after a zero in a run-length code; a larger value is the number of uncompressed pixels."""


def with_plain_pixels(data: bytes) -> bytes:
    """A BMP of 16 or 32 bits with masks, or with alpha, as one of 32 bits in Windows's order, of 2 bits as one of 8.

    Any other stays as it is. Raises ValueError or struct.error for one that is cut short.
    """
    if len(data) < FILE_HEADER + INFO_HEADER:
        return data
    start, header, width, height, _, bits, compression = struct.unpack_from("<I I i i H H I", data, 10)
    if bits == 2 and compression == UNCOMPRESSED and header >= INFO_HEADER:
        return _with_bytes_for_pairs_of_bits(data, start, width, height)
    has_alpha = header >= ALPHA_HEADER or compression == ALPHA_BITFIELDS
    has_plain_alpha = compression == UNCOMPRESSED and bits == 32 and has_alpha
    if (
        not (has_plain_alpha or compression in (BITFIELDS, ALPHA_BITFIELDS))
        or header < INFO_HEADER
        or bits not in (16, 32)
    ):
        return data
    masks = struct.unpack_from("<4I", data, FILE_HEADER + INFO_HEADER)
    masks = (*WINDOWS_MASKS, masks[3]) if has_plain_alpha else masks
    row_bytes = (width * bits + 31) // 32 * 4
    rows = np.frombuffer(data, np.uint8, abs(height) * row_bytes, start).reshape(abs(height), row_bytes)
    values = rows[:, : width * bits // 8].copy().view(f"<u{bits // 8}")
    pixels = np.full((abs(height), width, 4), 255, np.uint8)
    for channel, mask in zip((2, 1, 0), masks, strict=False):
        pixels[..., channel] = _channel(values, mask)
    alpha = _channel(values, masks[3] if has_alpha else 0)
    if alpha.any():  # many programs write none where they mean opaque
        pixels[..., 3] = alpha
    plain = struct.pack("<I i i H H I I 16x 4I 52x", 108, width, height, 1, 32, BITFIELDS, pixels.size,
                        0xFF0000, 0xFF00, 0xFF, 0xFF000000)  # fmt: skip
    return (
        b"BM"
        + struct.pack("<I 4x I", FILE_HEADER + len(plain) + pixels.size, FILE_HEADER + len(plain))
        + plain
        + (pixels.tobytes())
    )


def _with_bytes_for_pairs_of_bits(data: bytes, start: int, width: int, height: int) -> bytes:
    """A BMP of 2 bits a pixel as one of 8."""
    row_bytes = (width * 2 + 31) // 32 * 4
    rows = np.frombuffer(data, np.uint8, abs(height) * row_bytes, start).reshape(abs(height), row_bytes, 1)
    indices = (rows >> np.array([6, 4, 2, 0], np.uint8) & 3).reshape(abs(height), -1)[:, : (width + 3) // 4 * 4]
    head = struct.pack("<I 4x I", start + indices.size, start) + data[FILE_HEADER:28] + struct.pack("<H", 8)
    return b"BM" + head + data[30:start] + indices.tobytes()


def has_runs(data: bytes) -> bool:
    """True if the pixels of a BMP are stored in runs."""
    is_long_enough = len(data) >= FILE_HEADER + INFO_HEADER
    return is_long_enough and struct.unpack_from("<I", data, 30)[0] in (RLE8, RLE4)


def unpack_runs(data: bytes) -> Image.Image:
    """The picture of a BMP whose pixels are stored in runs; those that are left out are black, as in Chromium.

    Raises ValueError or struct.error where rows are missing.
    """
    start, header, width, height, _, bits = struct.unpack_from("<I I i i H H", data, 10)
    palette = np.frombuffer(data[FILE_HEADER + header : start][: 4 << bits], np.uint8)
    colours = np.zeros((257, 3), np.uint8)
    colours[: len(palette) // 4] = palette[: len(palette) // 4 * 4].reshape(-1, 4)[:, 2::-1]
    indices = np.full((height, width), 256, np.uint16)
    at, row, column = start, 0, 0
    while row < height:
        count, value = struct.unpack_from("2B", data, at)
        at += 2
        if not count and value == END_OF_PICTURE:
            break
        if not count and value == END_OF_ROW:
            row, column = row + 1, 0
        elif not count and value == MOVE:
            across, up = struct.unpack_from("2B", data, at)
            at, row, column = at + 2, row + up, column + across
        else:
            length = count or value
            if count:
                packed = bytes([value]) * (count if bits == 8 else (count + 1) // 2)
            else:
                packed = data[at : at + (value * bits + 7) // 8]
                at += len(packed) + len(packed) % 2
            pixels = np.frombuffer(packed, np.uint8)
            if bits == 4:
                pixels = np.stack([pixels >> 4, pixels & 15], axis=1).ravel()
            room = indices[height - 1 - row, column : column + length]
            room[:] = pixels[: len(room)]
            column += length
    return Image.fromarray(colours[indices])


def profile_of(data: bytes) -> bytes:
    """The ICC profile that a BMP holds; empty where it has none."""
    (header,) = struct.unpack_from("<I", data, FILE_HEADER) if len(data) >= FILE_HEADER + V5_HEADER else (0,)
    if header < V5_HEADER or data[FILE_HEADER + 56 :][:4] != EMBEDDED_PROFILE:
        return b""
    start, size = struct.unpack_from("<2I", data, FILE_HEADER + 112)
    return data[FILE_HEADER + start :][:size]


def _channel(values: NDArray[np.unsignedinteger], mask: int) -> NDArray[np.uint8]:
    """Values that `mask` selects, scaled to 8 bits; of longer fields the upper ones."""
    if not mask:
        return np.zeros(values.shape, np.uint8)
    shift = (mask & -mask).bit_length() - 1
    most = mask >> shift
    field = (values.astype(np.uint32) & np.uint32(mask)) >> np.uint32(shift)
    if most > 255:
        return np.asarray(field >> np.uint32(most.bit_length() - 8), np.uint8)
    return np.asarray(np.rint(field * (255 / most)), np.uint8)
