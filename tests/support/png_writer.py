"""PNGs of every kind, written by hand: Pillow writes few of them, and none that are sick."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
BT709 = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
P3 = (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
ADOBE_RGB = (0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
PROPHOTO = (0.3457, 0.3585, 0.7347, 0.2653, 0.1596, 0.8404, 0.0366, 0.0001)


def chunk(name: bytes, body: bytes, checksum: int | None = None) -> bytes:
    """A chunk; a given checksum makes it corrupt."""
    right = zlib.crc32(name + body)
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", right if checksum is None else checksum)


def png(samples: NDArray[np.int_], bits: int = 8, kind: int = RGB, before: bytes = b"", after: bytes = b"") -> bytes:
    """A PNG of samples (height, width, channels) with chunks before and after its pixels."""
    height, width = samples.shape[:2]
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0))
    pixels = chunk(b"IDAT", packed(samples, bits))
    return SIGNATURE + header + before + pixels + after + chunk(b"IEND", b"")


def repacked(data: bytes, rows: slice = slice(None), checksum: bytes | None = None) -> bytes:
    """A PNG of `png` with some bytes of its unpacked rows alone, under another checksum of all of them."""
    at = data.index(b"IDAT")
    end = at + 4 + int.from_bytes(data[at - 4 : at])
    pixels = zlib.compress(zlib.decompress(data[at + 4 : end])[rows])
    return data[: at - 4] + chunk(b"IDAT", pixels[:-4] + (checksum or pixels[-4:])) + data[end + 4 :]


def apng(before: NDArray[np.int_], frame: NDArray[np.int_], place: tuple[int, int]) -> bytes:
    """An APNG of RGB or RGBA whose only frame lies at a place (x, y) and is not the picture before it."""
    height, width = frame.shape[:2]
    control = struct.pack(">5I2H2B", 0, width, height, *place, 1, 10, 0, 0)
    frames = chunk(b"fcTL", control) + chunk(b"fdAT", struct.pack(">I", 1) + packed(frame, 8))
    kind = RGBA if before.shape[2] == 4 else RGB
    return png(before, 8, kind, chunk(b"acTL", struct.pack(">II", 1, 0)), frames)


def packed(samples: NDArray[np.int_], bits: int) -> bytes:
    """Samples (height, width, channels) as the body of IDAT."""
    height = len(samples)
    if bits < 8:
        places = np.arange(bits - 1, -1, -1)
        rows = np.packbits((samples[..., :1] >> places & 1).reshape(height, -1).astype(np.uint8), axis=1)
    else:
        rows = samples.astype(f">u{bits // 8}").reshape(height, -1).view(np.uint8).reshape(height, -1)
    return zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))


def gama(gamma: float, checksum: int | None = None) -> bytes:
    """A gAMA chunk."""
    return chunk(b"gAMA", struct.pack(">I", round(gamma * 100_000)), checksum)


def chrm(chromaticities: tuple[float, ...]) -> bytes:
    """A cHRM chunk: x and y of white, red, green and blue."""
    return chunk(b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in chromaticities)))


def cicp(primaries: int, transfer: int, checksum: int | None = None) -> bytes:
    """A cICP chunk of RGB in full range."""
    return chunk(b"cICP", bytes([primaries, transfer, 0, 1]), checksum)


def clli(nits: int) -> bytes:
    """A cLLI chunk: the light of the brightest pixel."""
    return chunk(b"cLLI", struct.pack(">II", nits * 10_000, 100_000))


def mdcv(nits: int) -> bytes:
    """An mDCV chunk: the brightest light of the screen that a picture was made on, of BT.2020's primaries."""
    return chunk(b"mDCV", struct.pack(">8H2I", 35400, 14600, 8500, 39850, 6550, 2300, 15635, 16450, nits * 10_000, 50))


def iccp(profile: bytes, checksum: int | None = None) -> bytes:
    """An iCCP chunk."""
    return chunk(b"iCCP", b"profile\0\0" + zlib.compress(profile), checksum)


def trns(*values: int) -> bytes:
    """A tRNS chunk of grey or RGB samples."""
    return chunk(b"tRNS", struct.pack(f">{len(values)}H", *values))


SRGB_COLUMNS = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.7141))
"""X, Y and Z of sRGB's red, green and blue."""


def profile_of_gamma(gamma: float, space: bytes = b"RGB ", pcs: bytes = b"XYZ ", **more: bytes) -> bytes:
    """An ICC profile of a gamma alone: grey, or RGB with sRGB's primaries; `more` are further tags."""
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    columns = [b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in column)) for column in SRGB_COLUMNS]
    if space == b"GRAY":
        tags = {"kTRC": curve}
    else:
        names = ("rXYZ", "gXYZ", "bXYZ", "rTRC", "gTRC", "bTRC")
        tags = dict(zip(names, (*columns, curve, curve, curve), strict=True))
    return icc({**tags, **more}, space, pcs)


def icc(tags: dict[str, bytes], space: bytes, pcs: bytes) -> bytes:
    """An ICC profile of these tags."""
    first = 128 + 4 + 12 * len(tags)
    bodies = [body + bytes(-len(body) % 4) for body in tags.values()]
    starts = [first + sum(map(len, bodies[:number])) for number in range(len(bodies))]
    table = b"".join(
        struct.pack(">4sII", name.encode(), start, len(body))
        for (name, body), start in zip(tags.items(), starts, strict=True)
    )
    rest = struct.pack(">I", len(tags)) + table + b"".join(bodies)
    white = struct.pack(">3i", 63190, 65536, 54061)
    return (
        struct.pack(">I4xI4s4s4s12x4s28x12s48x", 128 + len(rest), 0x02400000, b"mntr", space, pcs, b"acsp", white)
        + rest
    )


def cicp_tag(primaries: int, transfer: int, matrix: int = 0) -> bytes:
    """The cicp tag of an ICC profile."""
    return b"cicp\0\0\0\0" + bytes([primaries, transfer, matrix, 1])


def profile_of_table(space: bytes, *steps: tuple[int, int, int]) -> bytes:
    """An ICC profile with a table of the corners of `space`: the first of `steps`, and one for each channel added.

    Each is L* of 0 to 255, a* and b* with 128 as their zero.
    """
    channels = np.indices((2,) * (len(steps) - 1)).reshape(len(steps) - 1, -1).T
    table = ((np.array(steps[0]) + channels @ np.array(steps[1:])) * 256).astype(">u2").tobytes()
    head = b"mft2\0\0\0\0" + bytes([len(steps) - 1, 3, 2, 0])
    matrix = struct.pack(">9i", *np.ravel(np.eye(3, dtype=int) * 65536))
    ends = struct.pack(">2H", 0, 65535)
    curves = struct.pack(">2H", 2, 2) + ends * (len(steps) - 1) + table + ends * 3
    return icc({"A2B0": head + matrix + curves}, space, b"Lab ")
