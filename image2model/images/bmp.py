"""BMPs whose pixels are laid out by bit masks, of which Pillow knows a few: rewritten in a layout that it knows.

Format: https://learn.microsoft.com/windows/win32/api/wingdi/ns-wingdi-bitmapv4header.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

BITFIELDS = 3
INFO_HEADER, ALPHA_HEADER = 40, 56
"""Sizes of the plain header, behind which three masks follow, and of the smallest one that holds a fourth, of alpha."""
FILE_HEADER = 14


def with_plain_pixels(data: bytes) -> bytes:
    """A BMP of 16 or 32 bits with masks as one of 32 bits in Windows's order; any other as it is.

    Raises ValueError or struct.error for one that is cut short.
    """
    if len(data) < FILE_HEADER + INFO_HEADER:
        return data
    start, header, width, height, _, bits, compression = struct.unpack_from("<I I i i H H I", data, 10)
    if compression != BITFIELDS or header < INFO_HEADER or bits not in (16, 32):
        return data
    masks = struct.unpack_from("<4I", data, FILE_HEADER + INFO_HEADER)
    row_bytes = (width * bits + 31) // 32 * 4
    rows = np.frombuffer(data, np.uint8, abs(height) * row_bytes, start).reshape(abs(height), row_bytes)
    values = rows[:, : width * bits // 8].copy().view(f"<u{bits // 8}")
    pixels = np.full((abs(height), width, 4), 255, np.uint8)
    for channel, mask in zip((2, 1, 0), masks, strict=False):
        pixels[..., channel] = _channel(values, mask)
    alpha = _channel(values, masks[3] if header >= ALPHA_HEADER else 0)
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
