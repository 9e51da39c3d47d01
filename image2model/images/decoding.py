"""Untrusted bytes to a decoded picture: within limits, upright, in sRGB, scaled down.

A picture is judged by decoding all of it, never by its name, and looks as Chromium shows it. Of an animation and of a
file of several pages the first picture is taken.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from pi_heif import HeifImageFile
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from ..errors import ErrorCode, ImageRefused
from . import colour
from .bmp import has_runs, profile_of, unpack_runs, with_plain_pixels
from .colour import SRGB_CODE_POINTS
from .colour_spaces import PRIMARIES
from .formats import SAVE_AS_JPEG, ImageFormat, detect_format
from .hdr import DEFAULT_PEAK_NITS
from .jpeg import PROGRESSIVE, SIMPLE_FRAMES, Jpeg, read_jpeg
from .limits import MAX_JPEG_SCANS, MAX_PARTIAL_PIXELS, ImageLimits, check_file_size, check_picture_size
from .png import Frame, Png, load_png, png_pixels, read_png

DRAFT_TOLERANCE = 0.9
"""A JPEG that libjpeg can reduce to this share of the wanted size is not scaled once more."""
ORIENTATION, SHORT = 0x0112, 3
"""Tag of EXIF's orientation, and the type of its value."""
EXIF_BYTE_ORDERS: Mapping[bytes, str] = {b"II": "<", b"MM": ">"}
"""Byte orders of `struct` by the first bytes of a TIFF structure."""
EXIF_HEADER = b"Exif\0\0"
"""Identifier before the EXIF data of a JPEG."""
TRANSPOSE_BY_ORIENTATION: Mapping[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The operation that makes a picture upright, by its EXIF orientation."""
NCLX_TRANSFERS = frozenset({4, 5, 7, 8, 16, 17, 18})
"""Transfer curves of an AVIF that Chromium converts; it takes camera curves (BT.709 …) and unknown ones for sRGB."""
DNG_VERSION, NEW_SUBFILE_TYPE, REDUCED_RESOLUTION = 50706, 254, 1
WHITE_IS_ZERO, SEPARATE_PLANES, UNSIGNED, UNTYPED, UNCOMPRESSED, TIFF_WEBP = 0, 2, 1, 4, 1, 50001
"""Values of a TIFF's tags (TIFF 6.0, section 8)."""
BIG_TIFF = 43

CLLI_BOX = b"\0\0\0\x0cclli"

NOTE_TEXTS = {
    "first_frame": "It is animated; only its first frame is used.",
    "first_page": "It has several pages; only the first is used.",
}
"""Sentences on an accepted picture, by the note's code."""


@dataclass(slots=True)
class Source:
    """A picture whose header has been read."""

    format: ImageFormat
    pillow: ImageFile.ImageFile
    profile: colour.ColourProfile = b""
    orientation: int = 1
    jpeg: Jpeg | None = None
    png: Png | None = None
    frame: Frame | None = None
    """Box of the first frame's pixels; None: everywhere."""
    notes: tuple[str, ...] = ()
    """Codes of NOTE_TEXTS."""
    is_negative: bool = False
    """True where the pixels' lowest value is white, which Pillow does not say."""
    bmp_in_runs: bytes | None = None
    """A BMP whose pixels are stored in runs, some of which Pillow takes for others."""
    reducible: bool = False
    """True if the decoder needs no more memory than what it is reduced to."""
    lossless_bytes: bytes | None = None
    """The file without metadata, where its pixels are RGB or RGBA of 8 bits."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as it is stored."""
        return self.frame.size if self.frame else self.pillow.size

    @property
    def can_keep_pixels(self) -> bool:
        """True if the pixels of `lossless_bytes` need no change: upright and in sRGB."""
        is_srgb = colour.srgb_transform(self.profile, "RGB") is None
        return self.lossless_bytes is not None and self.orientation not in TRANSPOSE_BY_ORIENTATION and is_srgb

    def decode(self, max_side: int) -> Image.Image:
        """Decode to RGB or, only if something is transparent, RGBA: upright, in sRGB, within `max_side` pixels.

        Larger pictures are scaled down by libjpeg where it can, then with a Lanczos filter.
        Raises ImageRefused with code damaged or fully_transparent.
        """
        try:
            if self.jpeg:
                if self.jpeg.is_truncated():
                    raise damaged_error(self.format)
                self.pillow.draft(None, _fit_size(self.pillow.size, max_side * DRAFT_TOLERANCE))
            if self.png:
                image = png_pixels(load_png(self.pillow, self.png), self.png)
            elif self.bmp_in_runs:
                image = unpack_runs(self.bmp_in_runs)
            else:
                self.pillow.load()
                image = self.pillow
            if self.is_negative:
                image = Image.fromarray(65535 - np.asarray(image))
            if self.frame:
                image = _on_transparent(image, self.frame)
            image = colour.to_srgb(downscale(colour.to_resizable_mode(image), max_side), self.profile)
            if (turn := TRANSPOSE_BY_ORIENTATION.get(self.orientation)) is not None:
                image = image.transpose(turn)
            image.info = {}
            return _without_opaque_alpha(image)
        except ImageRefused:
            raise
        except Exception as error:  # hostile bytes make decoders raise nearly anything
            raise damaged_error(self.format) from error


def open_image(data: bytes, limits: ImageLimits) -> Source:
    """Read a picture's header and judge it.

    Raises ImageRefused with one of the codes empty_file, file_too_large, unsupported_format, not_an_image, damaged,
    too_many_pixels, too_small, extreme_shape.
    """
    check_file_size(data, limits)
    kind = detect_format(data)
    try:
        source = OPENERS[kind](data)
    except ImageRefused:
        raise
    except Exception as error:  # hostile bytes make decoders raise nearly anything
        raise damaged_error(kind) from error
    check_picture_size(*source.size, limits, reducible=source.reducible)
    return source


def decode_image(data: bytes, limits: ImageLimits, max_side: int) -> Image.Image:
    """Decode a picture as `Source.decode` does; raises what `open_image` and it raise."""
    return open_image(data, limits).decode(max_side)


def decode_partially(data: bytes, max_side: int) -> Image.Image | None:
    """Decode a refused picture for a preview, scaled down; None where that is not safe. May raise."""
    image: Image.Image = Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "GIF", "WEBP", "BMP"))
    is_jpeg = image.format in ("JPEG", "MPO")
    if image.width * image.height > MAX_PARTIAL_PIXELS or (is_jpeg and read_jpeg(data).scans > MAX_JPEG_SCANS):
        return None
    image.draft(None, (max_side, max_side))
    try:
        image.load()
    except (OSError, SyntaxError):
        image.tile = []  # type: ignore[attr-defined]  # what was decoded before the break stays
    turn = TRANSPOSE_BY_ORIENTATION.get(_exif_orientation(image.info.get("exif", b"").removeprefix(EXIF_HEADER)))
    image = downscale(colour.to_resizable_mode(image), max_side)
    return image if turn is None else image.transpose(turn)


def downscale(image: Image.Image, max_side: int) -> Image.Image:
    """Scale down so that the longer side has at most `max_side` pixels; smaller pictures stay as they are."""
    size = _fit_size(image.size, max_side)
    return image if size == image.size else image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3)


def damaged_error(kind: ImageFormat) -> ImageRefused:
    """ImageRefused for a file that its decoder does not read to its end."""
    name = "HEIC" if kind == "HEIF" else kind
    hint = "Download or export it again, then add it once more."
    return ImageRefused(ErrorCode.DAMAGED, f"This {name} picture is damaged or cut short.", hint)


def _open_jpeg(data: bytes) -> Source:
    jpeg = read_jpeg(data)
    if jpeg.scans > MAX_JPEG_SCANS:
        raise ImageRefused(ErrorCode.DAMAGED, "This JPEG is built in a way no camera does.", "Save it anew as JPEG.")
    image = JpegImagePlugin.JpegImageFile(io.BytesIO(jpeg.data))
    is_rgb8 = image.mode == "RGB" and jpeg.frame_marker in SIMPLE_FRAMES
    return Source(
        "JPEG",
        image,
        colour.profile_of_icc(image.info.get("icc_profile") or b""),
        _exif_orientation(image.info.get("exif", b"").removeprefix(EXIF_HEADER)),
        jpeg,
        reducible=jpeg.frame_marker != PROGRESSIVE,
        lossless_bytes=jpeg.without_metadata() if is_rgb8 else None,
    )


def _open_png(data: bytes) -> Source:
    png = read_png(data)
    image = PngImagePlugin.PngImageFile(io.BytesIO(png.data))
    return Source(
        "PNG",
        image,
        png.profile,
        _exif_orientation(png.exif),
        png=png,
        frame=png.frame,
        notes=("first_frame",) if png.is_animated else (),
        lossless_bytes=png.data if png.is_rgb8 else None,
    )


def _open_webp(data: bytes) -> Source:
    """Open a WebP, ignoring like Chromium its EXIF orientation and the profile of an animation."""
    source = _open_pages("WEBP", WebPImagePlugin.WebPImageFile(io.BytesIO(data)), "first_frame")
    if box := _first_webp_frame(data):
        source.profile, source.frame = b"", Frame(source.pillow.size, box)
    return source


def _first_webp_frame(data: bytes) -> tuple[int, int, int, int] | None:
    """Left, top, right and bottom of an animation's first frame (WebP container specification, ANMF); None if still."""
    at = 12
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        if name == b"ANMF":
            left, top, width, height = (
                int.from_bytes(data[at + place : at + place + 3], "little") for place in (8, 11, 14, 17)
            )
            return 2 * left, 2 * top, 2 * left + width + 1, 2 * top + height + 1
        at += 8 + size + size % 2
    return None


def _open_avif(data: bytes) -> Source:
    source = _open_pages("AVIF", AvifImagePlugin.AvifImageFile(io.BytesIO(data)), "first_frame")
    source.orientation = source.pillow.getexif().get(ORIENTATION, 1)  # what Pillow makes of the boxes irot and imir
    source.profile = source.profile or _profile_of_nclx(data)
    return source


def _open_heif(data: bytes) -> Source:
    """libheif applies the boxes irot and imir itself."""
    image = HeifImageFile(io.BytesIO(data))
    icc = image.info.get("icc_profile") or b""
    return Source("HEIF", image, colour.profile_of_icc(icc) or _profile_of_nclx(data))


def _open_tiff(data: bytes) -> Source:
    """Pillow applies the orientation itself."""
    tags = _tiff_tags(data)
    if DNG_VERSION in tags or tags.get(NEW_SUBFILE_TYPE, 0) & REDUCED_RESOLUTION:
        raise ImageRefused(
            ErrorCode.UNSUPPORTED_FORMAT, "This is a camera's raw picture, which cannot be used.", SAVE_AS_JPEG
        )
    if not _has_common_samples(tags):
        raise ImageRefused(
            ErrorCode.UNSUPPORTED_FORMAT, "This TIFF stores its pixels in a way that cannot be used.", SAVE_AS_JPEG
        )
    source = _open_pages("TIFF", TiffImagePlugin.TiffImageFile(io.BytesIO(data)), "first_page")
    is_inverted = tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == WHITE_IS_ZERO
    source.is_negative = is_inverted and source.pillow.mode.startswith("I;16")
    return source


def _has_common_samples(tags: TiffImagePlugin.ImageFileDirectory_v2) -> bool:
    """True for what Pillow reads right: unsigned integers of up to 16 bits, in a compression that it knows."""
    bits, samples = max(tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,))), tags.get(TiffImagePlugin.SAMPLESPERPIXEL, 1)
    is_separate = tags.get(TiffImagePlugin.PLANAR_CONFIGURATION) == SEPARATE_PLANES
    is_read = bits <= 8 or (bits == 16 and samples != 2 and not is_separate)
    compression = tags.get(TiffImagePlugin.COMPRESSION, UNCOMPRESSED)
    is_unpacked = compression in TiffImagePlugin.COMPRESSION_INFO and compression != TIFF_WEBP
    return is_read and is_unpacked and set(tags.get(TiffImagePlugin.SAMPLEFORMAT, (UNSIGNED,))) <= {UNSIGNED, UNTYPED}


def _open_gif(data: bytes) -> Source:
    """Make transparent what the first frame leaves free of the screen, where Pillow fills it with a colour."""
    source = _open_pages("GIF", GifImagePlugin.GifImageFile(io.BytesIO(data)), "first_frame")
    if source.pillow.tile and (box := source.pillow.tile[0].extents):
        source.frame = Frame(source.pillow.size, box)
    return source


def _open_bmp(data: bytes) -> Source:
    image = BmpImagePlugin.BmpImageFile(io.BytesIO(with_plain_pixels(data)))
    profile = colour.profile_of_icc(profile_of(data))
    return Source("BMP", image, profile, bmp_in_runs=data if has_runs(data) else None)


def _open_pages(kind: ImageFormat, image: ImageFile.ImageFile, note: str) -> Source:
    profile = colour.profile_of_icc(image.info.get("icc_profile") or b"")
    is_animated = getattr(image, "is_animated", False)
    return Source(kind, image, profile, notes=(note,) if is_animated else ())


OPENERS: Mapping[ImageFormat, Callable[[bytes], Source]] = {
    "JPEG": _open_jpeg,
    "PNG": _open_png,
    "WEBP": _open_webp,
    "AVIF": _open_avif,
    "HEIF": _open_heif,
    "TIFF": _open_tiff,
    "GIF": _open_gif,
    "BMP": _open_bmp,
}
"""Decoder of each format, called directly, so that no file reaches the decoder of another format."""


def _on_transparent(image: Image.Image, frame: Frame) -> Image.Image:
    """The frame's pixels in their place on a transparent canvas."""
    if frame.box == (0, 0, *frame.size):
        return image
    placed = Image.new("RGBA", frame.size)
    pixels = image.crop(frame.box) if image.size == frame.size else image  # Pillow gives all of a GIF's screen
    placed.paste(colour.to_resizable_mode(pixels).convert("RGBA"), frame.box[:2])
    return placed


def _profile_of_nclx(data: bytes) -> colour.ColourProfile:
    """Colours of the first colour box of code points (ISO/IEC 14496-12, 12.1.5)."""
    at = data.find(b"colrnclx")
    if at < 0:
        return b""
    primaries, transfer = struct.unpack_from(">HH", data, at + 8)
    if 0 in (primaries, transfer):
        return b""
    return colour.profile_of_code_points(
        primaries if primaries in PRIMARIES else SRGB_CODE_POINTS[0],
        transfer if transfer in NCLX_TRANSFERS else SRGB_CODE_POINTS[1],
        _brightest_nits(data),
    )


def _brightest_nits(data: bytes) -> float:
    """Luminance of the brightest pixel, from the first `clli` box (ISO/IEC 14496-12, 12.1.7), else the default."""
    at = data.find(CLLI_BOX)
    nits = int.from_bytes(data[at + len(CLLI_BOX) :][:2]) if at >= 0 else 0
    return nits or DEFAULT_PEAK_NITS


def _exif_orientation(exif: bytes) -> int:
    """The first orientation in the first directory of EXIF data; what is broken, or no single short, counts as none."""
    order = EXIF_BYTE_ORDERS.get(exif[:2])
    if not order:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", exif, 4)
        (entries,) = struct.unpack_from(f"{order}H", exif, start)
        for number in range(entries):
            *kind, orientation = struct.unpack_from(f"{order}HHIH", exif, start + 2 + 12 * number)
            if kind == [ORIENTATION, SHORT, 1]:
                return int(orientation)
    except struct.error:
        pass
    return 1


def _tiff_tags(data: bytes) -> TiffImagePlugin.ImageFileDirectory_v2:
    """The first directory of a TIFF."""
    tags = TiffImagePlugin.ImageFileDirectory_v2(data[: 16 if BIG_TIFF in data[2:4] else 8])
    file = io.BytesIO(data)
    file.seek(tags.next)
    tags.load(file)
    return tags


def _fit_size(size: tuple[int, int], max_side: float) -> tuple[int, int]:
    """`size` scaled down so that the longer side is at most `max_side`."""
    scale = min(1.0, max_side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _without_opaque_alpha(image: Image.Image) -> Image.Image:
    if image.mode == "RGBA":
        lowest, highest = image.getchannel("A").getextrema()
        if highest == 0:
            raise ImageRefused(
                ErrorCode.FULLY_TRANSPARENT,
                "This picture is completely transparent.",
                "Save it with its subject visible.",
            )
        if lowest == 255:
            return image.convert("RGB")
    return image
