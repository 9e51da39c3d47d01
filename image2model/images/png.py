"""A PNG without its ancillary chunks, which say nothing of its pixels and often are damaged, and what they tell.

What is told is weighed as in Chromium: a chunk whose checksum is wrong tells nothing; cICP counts before iCCP,
sRGB and gAMA with cHRM (PNG specification, third edition, 4.3 and 11.3.2).
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, PngImagePlugin

from . import colour

SIGNATURE = b"\x89PNG\r\n\x1a\n"
TRUECOLOUR, PALETTE, TRUECOLOUR_ALPHA = 2, 3, 6
RGB_IN_FULL_RANGE = b"\0\1"
"""The last two bytes of a cICP that counts."""
IEND = b"\0\0\0\0IEND\xae\x42\x60\x82"


@dataclass(frozen=True, slots=True)
class Png:
    """A PNG's pixels, and what its chunks tell of them."""

    data: bytes
    """The file with IHDR, PLTE, a palette's tRNS, IDAT and IEND alone."""
    bit_depth: int
    colour_type: int
    transparent: tuple[int, ...] | None
    """The grey or RGB samples that mean transparent, as they are stored; None for a palette."""
    profile: bytes
    """ICC profile; empty for sRGB."""
    exif: bytes
    is_animated: bool

    @property
    def is_rgb8(self) -> bool:
        """True if its pixels are stored as RGB or RGBA of 8 bits."""
        return self.bit_depth == 8 and self.colour_type in (TRUECOLOUR, TRUECOLOUR_ALPHA) and not self.transparent


def with_transparent_colour(image: ImageFile.ImageFile, png: Png) -> Image.Image:
    """The loaded picture of `png.data`; as LA or RGBA where one of its colours means transparent."""
    if png.transparent is None:
        return image
    samples = np.asarray(image.convert("L") if image.mode == "1" else image)
    if png.bit_depth < 8:
        samples = samples // (255 // (2**png.bit_depth - 1))
    elif png.bit_depth == 16 and png.colour_type == TRUECOLOUR:
        samples = samples.astype(np.uint16) << 8 | _lower_bytes(png)
    is_transparent = (np.atleast_3d(samples) == png.transparent).all(axis=-1)
    visible = colour.to_resizable_mode(image)
    visible.putalpha(Image.fromarray(np.where(is_transparent, 0, 255).astype(np.uint8)))
    return visible


def _lower_bytes(png: Png) -> NDArray[np.uint8]:
    """The lower bytes of 16-bit RGB samples, of which Pillow itself gives the upper ones."""
    image = PngImagePlugin.PngImageFile(io.BytesIO(png.data))
    image.tile = [tile._replace(args="RGB;16L") for tile in image.tile]
    image.load()
    return np.asarray(image)


def read_png(data: bytes) -> Png:
    """Take a PNG apart; raises ValueError or struct.error for one that has no header."""
    chunks = _Chunks(data)
    header = chunks.first.get(b"IHDR", b"")
    bit_depth, colour_type = struct.unpack_from(">8xBB", header)
    if colour_type == PALETTE and b"PLTE" in chunks.raw:
        chunks.raw[b"PLTE"] = _whole_palette(chunks.first[b"PLTE"], bit_depth)
    kept = [b"IHDR"] + ([b"PLTE", b"tRNS"] if colour_type == PALETTE else [])
    stripped = [SIGNATURE, *(chunks.raw[name] for name in kept if name in chunks.raw), *chunks.pixels, IEND]
    return Png(
        data=b"".join(stripped),
        bit_depth=bit_depth,
        colour_type=colour_type,
        transparent=_transparent(chunks.first.get(b"tRNS", b""), bit_depth, colour_type),
        profile=_profile(chunks.first),
        exif=chunks.first.get(b"eXIf", b""),
        is_animated=b"acTL" in chunks.first and chunks.frames > 1,
    )


class _Chunks:
    """The chunks of a PNG up to its end, or to where it is cut off."""

    def __init__(self, data: bytes) -> None:
        self.first: dict[bytes, bytes] = {}
        """Body of the first chunk of each name before the pixels whose checksum is right; IHDR's and PLTE's anyway."""
        self.raw: dict[bytes, bytes] = {}
        """The same with length, name and checksum."""
        self.pixels: list[bytes] = []
        """The whole chunks of the picture's pixels; of an animation that does not begin with them, its first frame."""
        self.frames = 0
        first_frame: list[bytes] = []
        at = len(SIGNATURE)
        while at + 8 <= len(data):
            length, name = struct.unpack_from(">I4s", data, at)
            end = at + 12 + length
            if name == b"IDAT":
                self.pixels.append(data[at:end])
            elif name == b"fdAT" and self.frames == 1:
                first_frame.append(data[at + 12 : end - 4])
            elif name == b"fcTL":
                self.frames += 1
                if self.frames == 1:
                    starts_late, covers_all = bool(self.pixels), data[at + 12 : at + 20] == self.first[b"IHDR"][:8]
            elif name == b"IEND":
                break
            elif not self.pixels and self._counts(name, data[at:end]):
                self.raw[name], self.first[name] = data[at:end], data[at + 8 : end - 4]
            at = end
        if first_frame and starts_late and covers_all:
            self.pixels = [_chunk(b"IDAT", b"".join(first_frame))]

    def _counts(self, name: bytes, chunk: bytes) -> bool:
        """True if a chunk before the pixels counts: the first of its name, intact, and not tRNS before its palette."""
        if name in self.first or not (name in (b"IHDR", b"PLTE") or _is_intact(chunk)):
            return False
        return name != b"tRNS" or self.first.get(b"IHDR", b"")[9:10] != bytes([PALETTE]) or b"PLTE" in self.first


def _whole_palette(colours: bytes, bit_depth: int) -> bytes:
    """PLTE with a colour for each index that a pixel can have: its last one stands for those that are not there."""
    missing = 2**bit_depth - len(colours) // 3
    return _chunk(b"PLTE", colours + colours[-3:] * missing)


def _is_intact(chunk: bytes) -> bool:
    return chunk[-4:] == zlib.crc32(chunk[4:-4]).to_bytes(4)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _transparent(body: bytes, bit_depth: int, colour_type: int) -> tuple[int, ...] | None:
    """The samples of tRNS; with up to 8 bits only their lower byte counts."""
    samples = {0: 1, TRUECOLOUR: 3}.get(colour_type)
    if samples is None or len(body) < 2 * samples:
        return None
    mask = 0xFFFF if bit_depth == 16 else 0xFF
    return tuple(sample & mask for sample in struct.unpack_from(f">{samples}H", body))


def _profile(chunks: dict[bytes, bytes]) -> bytes:
    """The ICC profile that the chunks hold or come to; empty for sRGB."""
    cicp = chunks.get(b"cICP", b"")
    if cicp[2:] == RGB_IN_FULL_RANGE and colour.are_code_points(cicp[0], cicp[1]):
        return colour.profile_of_code_points(cicp[0], cicp[1])
    embedded = _embedded_profile(chunks.get(b"iCCP", b""))
    if colour.is_profile(embedded):
        return embedded
    gamma = _integers(chunks.get(b"gAMA", b""), 1)
    if b"sRGB" in chunks or not gamma or not gamma[0]:
        return b""
    chromaticities = _integers(chunks.get(b"cHRM", b""), 8)
    return colour.profile_of_gamma(gamma[0] / 100_000, [value / 100_000 for value in chromaticities])


def _integers(body: bytes, count: int) -> tuple[int, ...]:
    return struct.unpack_from(f">{count}I", body) if len(body) >= 4 * count else ()


def _embedded_profile(body: bytes) -> bytes:
    """Profile in an iCCP chunk, unpacked up to the limit of a profile; empty where it cannot be unpacked."""
    _, _, packed = body.partition(b"\0")
    try:
        return zlib.decompressobj().decompress(packed[1:], colour.MAX_PROFILE_BYTES)
    except zlib.error:
        return b""
