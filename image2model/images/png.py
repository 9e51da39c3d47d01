"""A PNG without its ancillary chunks, which are often damaged, and the facts that they hold.

What is told is weighed as in Chromium: a chunk whose checksum is wrong tells nothing; cICP counts before iCCP,
sRGB and gAMA with cHRM (PNG specification, third edition, 4.3 and 11.3.2).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, PngImagePlugin

from . import colour
from .hdr import DEFAULT_PEAK_NITS, HdrSpace

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, TRUECOLOUR, PALETTE, GREY_ALPHA, TRUECOLOUR_ALPHA = 0, 2, 3, 4, 6
SAMPLES: Mapping[int, int] = {GREY: 1, TRUECOLOUR: 3, PALETTE: 1, GREY_ALPHA: 2, TRUECOLOUR_ALPHA: 4}
"""Samples of a pixel by colour type."""
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Left, top and distances across and down of the pixels of each pass of an interlaced picture."""
RAW_DEFLATE, ZLIB_HEADER, PIECE_BYTES = -15, 2, 1 << 23
"""`wbits` of a stream whose checksum is not compared, the bytes before it, and how much is unpacked at a time."""
RENDERING_INTENTS = (b"\0", b"\1", b"\2", b"\3")
"""Valid values of an sRGB chunk."""
MAX_NAME_BYTES, DEFLATE = 79, b"\0"
"""Longest name in an iCCP chunk, and its only compression method."""
IEND = b"\0\0\0\0IEND\xae\x42\x60\x82"


@dataclass(frozen=True, slots=True)
class Frame:
    """A part of a picture that has pixels, while the rest is clear."""

    size: tuple[int, int]
    """Width and height of the whole picture."""
    box: tuple[int, int, int, int]
    """Left, top, right and bottom of the part."""


@dataclass(frozen=True, slots=True)
class Png:
    """A PNG's pixels, and what its chunks tell of them."""

    data: bytes
    """The file with IHDR, PLTE, a palette's tRNS, IDAT and IEND alone."""
    bit_depth: int
    colour_type: int
    transparent: tuple[int, ...] | None
    """The grey or RGB samples that mean transparent, as they are stored; None for a palette."""
    profile: colour.ColourProfile
    exif: bytes
    is_animated: bool
    frame: Frame | None
    """Box of the pixels of `data` in the picture; None: they are all of it."""

    @property
    def is_rgb8(self) -> bool:
        """True if its pixels are stored as RGB or RGBA of 8 bits."""
        has_rgb8 = self.bit_depth == 8 and self.colour_type in (TRUECOLOUR, TRUECOLOUR_ALPHA)
        return has_rgb8 and not self.transparent and not self.frame


def load_png(image: ImageFile.ImageFile, png: Png) -> ImageFile.ImageFile:
    """Load the picture of `png.data`, whose checksum of all pixels counts for nothing, as in Chromium.

    Raises OSError where rows are missing.
    """
    try:
        image.load()
    except OSError:
        image = PngImagePlugin.PngImageFile(io.BytesIO(_with_unpacked_pixels(png)))
        image.load()
    bottom = np.asarray(image.crop((0, image.height - 2, *image.size)))
    if not all(row.any() for row in bottom):  # Pillow leaves what is missing there at zero
        deque(_unpack_pixels(png), maxlen=0)
    return image


def _with_unpacked_pixels(png: Png) -> bytes:
    """The file with its pixels stored as they are; raises OSError where rows are missing."""
    pixels = zlib.compress(b"".join(_unpack_pixels(png)), 0)
    return png.data[: png.data.index(b"IDAT") - 4] + _chunk(b"IDAT", pixels) + IEND


def _unpack_pixels(png: Png) -> Iterator[bytes]:
    """Yield the bytes of all rows in pieces; raises OSError where some are missing."""
    chunks, unpacker = _Chunks(png.data), zlib.decompressobj(RAW_DEFLATE)
    missing = _unpacked_size(chunks.first[b"IHDR"])
    packed = b"".join(chunk[8:-4] for chunk in chunks.pixels)[ZLIB_HEADER:]
    try:
        while missing and (piece := unpacker.decompress(packed, min(missing, PIECE_BYTES))):
            yield piece
            missing, packed = missing - len(piece), unpacker.unconsumed_tail
    except zlib.error as error:
        raise OSError("broken pixels") from error
    if missing:
        raise OSError("rows are missing")


def _unpacked_size(header: bytes) -> int:
    """Bytes of all rows of pixels, each behind the number of its filter (PNG specification, clauses 7.2 and 8)."""
    width, height, bit_depth, colour_type, interlaced = struct.unpack(">IIBB2xB", header)
    bits = bit_depth * SAMPLES[colour_type]
    passes = ADAM7 if interlaced else ((0, 0, 1, 1),)
    sizes = [(len(range(left, width, across)), len(range(top, height, down))) for left, top, across, down in passes]
    return sum(rows * (1 + (columns * bits + 7) // 8) for columns, rows in sizes if columns)


def png_pixels(image: ImageFile.ImageFile, png: Png) -> Image.Image:
    """The loaded picture of `png.data`; as LA or RGBA where one of its colours means transparent."""
    if png.bit_depth == 16 and png.colour_type != GREY_ALPHA and isinstance(png.profile, HdrSpace):
        nearest = (_samples(image, png).astype(np.uint32) + 128) // 257  # one level of PQ less is seen to be darker
        return Image.fromarray(nearest.astype(np.uint8))
    if png.transparent is None:
        return image
    is_transparent = (np.atleast_3d(_samples(image, png)) == png.transparent).all(axis=-1)
    visible = colour.to_resizable_mode(image)
    visible.putalpha(Image.fromarray(np.where(is_transparent, 0, 255).astype(np.uint8)))
    return visible


def _samples(image: ImageFile.ImageFile, png: Png) -> NDArray[np.integer]:
    """Samples (height, width) of grey or (height, width, channels) of RGB or RGBA, as they are stored."""
    samples: NDArray[np.integer] = np.asarray(image.convert("L") if image.mode == "1" else image)
    if png.bit_depth < 8:
        return np.asarray(samples // (255 // (2**png.bit_depth - 1)))
    if png.bit_depth == 16 and png.colour_type != GREY:
        return np.asarray(samples.astype(np.uint16) << 8 | _lower_bytes(png))
    return samples


def _lower_bytes(png: Png) -> NDArray[np.uint8]:
    """The lower bytes of 16-bit RGB or RGBA samples, of which Pillow itself gives the upper ones."""
    image = PngImagePlugin.PngImageFile(io.BytesIO(png.data))
    image.tile = [tile._replace(args=f"{image.mode};16L") for tile in image.tile]
    image.load()
    return np.asarray(image)


def read_png(data: bytes) -> Png:
    """Take a PNG apart; raises KeyError or struct.error for one that has no header or lacks its palette."""
    chunks = _Chunks(data)
    header = chunks.first.get(b"IHDR", b"")
    bit_depth, colour_type = struct.unpack_from(">8xBB", header)
    if colour_type == PALETTE:
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
        frame=chunks.late_frame,
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
        self.late_frame: Frame | None = None
        """Box of an animation's first frame that is not the picture before it and covers less."""
        first_frame: list[bytes] = []
        first_control = b""
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
                if self.frames == 1 and self.pixels:
                    first_control = data[at + 12 : end - 4]
            elif name == b"IEND":
                break
            elif not self.pixels and self._counts(name, data[at:end]):
                self.raw[name], self.first[name] = data[at:end], data[at + 8 : end - 4]
            at = end
        if first_frame and first_control:
            self._take_late_frame(first_control, b"".join(first_frame))

    def _take_late_frame(self, control: bytes, pixels: bytes) -> None:
        """Take an animation's first frame, whose fcTL says `control`, for the picture, unless it reaches outside."""
        header = self.first[b"IHDR"]
        width, height, left, top = struct.unpack_from(">4I", control)
        size: tuple[int, int] = struct.unpack_from(">2I", header)
        box = left, top, left + width, top + height
        if box[2] > size[0] or box[3] > size[1]:
            return
        self.pixels = [_chunk(b"IDAT", pixels)]
        if (width, height) != size:
            self.late_frame = Frame(size, box)
            self.raw[b"IHDR"] = _chunk(b"IHDR", control[:8] + header[8:])

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
    samples = {GREY: 1, TRUECOLOUR: 3}.get(colour_type)
    if samples is None or len(body) < 2 * samples:
        return None
    mask = 0xFFFF if bit_depth == 16 else 0xFF
    return tuple(sample & mask for sample in struct.unpack_from(f">{samples}H", body))


def _profile(chunks: dict[bytes, bytes]) -> colour.ColourProfile:
    """The profile that the chunks hold or come to; empty for sRGB."""
    cicp = chunks.get(b"cICP", b"")
    if cicp[2:] == colour.RGB_IN_FULL_RANGE and colour.are_code_points(cicp[0], cicp[1]):
        return colour.profile_of_code_points(cicp[0], cicp[1], _peak_nits(chunks))
    embedded = _embedded_profile(chunks.get(b"iCCP", b""))
    if colour.is_profile(embedded):
        return colour.profile_of_icc(embedded)
    gamma = _integers(chunks.get(b"gAMA", b""), 1)
    if chunks.get(b"sRGB") in RENDERING_INTENTS or not gamma or not gamma[0]:
        return b""
    chromaticities = _integers(chunks.get(b"cHRM", b""), 8)
    return colour.profile_of_gamma(gamma[0] / 100_000, [value / 100_000 for value in chromaticities])


def _peak_nits(chunks: dict[bytes, bytes]) -> float:
    """Light of the brightest pixel (cLLI), else of the screen that the picture was made on (mDCV)."""
    told = (*_integers(chunks.get(b"cLLI", b""), 2)[:1], *_integers(chunks.get(b"mDCV", b"")[16:], 2)[:1])
    return next((light / 10_000 for light in told if light), DEFAULT_PEAK_NITS)


def _integers(body: bytes, count: int) -> tuple[int, ...]:
    return struct.unpack(f">{count}I", body) if len(body) == 4 * count else ()


def _embedded_profile(body: bytes) -> bytes:
    """Profile in an iCCP chunk, unpacked up to the limit of a profile; empty where it cannot be unpacked."""
    name, _, packed = body.partition(b"\0")
    if not 0 < len(name) <= MAX_NAME_BYTES or packed[:1] != DEFLATE:
        return b""
    try:
        return zlib.decompressobj().decompress(packed[1:], colour.MAX_PROFILE_BYTES)
    except zlib.error:
        return b""
