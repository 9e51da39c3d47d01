"""Pictures as people, cameras and attackers send them."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image, ImageCms
from pillow_heif import register_heif_opener

register_heif_opener()


def photo(width: int = 64, height: int = 48, mode: str = "RGB") -> Image.Image:
    """A picture whose quarters differ in colour and whose left upper one is red, so that a turn shows."""
    image = Image.new("RGB", (width, height), (40, 90, 160))
    image.paste((220, 40, 40), (0, 0, width // 2, height // 2))
    image.paste((60, 180, 80), (width // 2, height // 2, width, height))
    return image.convert(mode)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The file's bytes of an image."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def decoded(data: bytes) -> Image.Image:
    """The image in a file's bytes, loaded."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def png_header(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be `width` × `height`."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(bytes(100)))


def grey_16_bit() -> bytes:
    """A PNG of 16-bit grey that runs from black to white, left to right."""
    ramp = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (64, 1))
    return encoded(Image.fromarray(ramp))


def colour_16_bit() -> bytes:
    """A PNG of 16-bit red, written by hand: Pillow does not write them."""
    rows = b"".join(b"\0" + struct.pack(">HHH", 65535, 0, 32768) * 20 for _ in range(20))
    head = struct.pack(">IIBBBBB", 20, 20, 16, 2, 0, 0, 0)
    body = _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def palette_with_transparency() -> bytes:
    """A palette PNG whose first colour is transparent."""
    return encoded(photo(mode="P"), transparency=photo(mode="P").getpixel((0, 0)))


def turned(orientation: int, kind: str = "JPEG") -> bytes:
    """A picture whose pixels lie as a camera held some way stored them; upright its left upper quarter is red."""
    turn = Image.Transpose
    undo = [None, turn.FLIP_LEFT_RIGHT, turn.ROTATE_180, turn.FLIP_TOP_BOTTOM, turn.TRANSPOSE, turn.ROTATE_90,
            turn.TRANSVERSE, turn.ROTATE_270][orientation - 1]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = photo() if undo is None else photo().transpose(undo)
    return encoded(stored, kind, exif=exif, quality=95)


def turned_heic(**boxes: int) -> bytes:
    """A HEIC with boxes that turn or mirror it: `irot` by quarters to the left, `imir` upside down (0) or not (1)."""
    properties = [struct.pack(">I4sB", 9, name.encode(), value) for name, value in boxes.items()]
    return with_properties(encoded(photo(), "HEIF", quality=100), properties)


def with_properties(picture: bytes, properties: list[bytes]) -> bytes:
    """A HEIC or AVIF of one picture with more boxes of properties (ISO/IEC 23008-12, 9.3)."""
    data = bytearray(picture)
    starts = {name: data.index(name) - 4 for name in (b"meta", b"iloc", b"iprp", b"ipco", b"ipma", b"mdat")}
    first, at, end = 1, starts[b"ipco"] + 8, starts[b"ipma"]
    while at < end:  # the properties are numbered from 1
        first, at = first + 1, at + int.from_bytes(data[at : at + 4])
    links = bytes(0x80 | (first + place) for place in range(len(properties)))
    added = b"".join(properties)
    more = len(added) + len(links)
    extent = data.index(struct.pack(">I", starts[b"mdat"] + 8), starts[b"iloc"])  # where the coded picture begins
    for at, by in (
        (starts[b"meta"], more),
        (extent, more),
        (starts[b"iprp"], more),
        (starts[b"ipco"], len(added)),
        (starts[b"ipma"], len(links)),
    ):
        struct.pack_into(">I", data, at, struct.unpack_from(">I", data, at)[0] + by)
    data[starts[b"ipma"] + 18] += len(properties)
    end = starts[b"ipma"] + struct.unpack_from(">I", data, starts[b"ipma"])[0] - len(links)
    data[end:end] = links
    data[starts[b"ipma"] : starts[b"ipma"]] = added
    return bytes(data)


def srgb_profile() -> bytes:
    """LittleCMS's own profile of sRGB."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def with_gps() -> bytes:
    """A JPEG with a GPS position, a camera name, a comment and a colour profile."""
    exif = Image.Exif()
    exif[0x010F] = "Secret Camera"
    exif.get_ifd(0x8825)[1] = "N"
    return encoded(photo(), "JPEG", exif=exif, comment=b"secret comment", icc_profile=srgb_profile())


def swapped_profile() -> bytes:
    """An RGB colour profile in which red is green and green is red: it shows whether profiles are used."""
    profile = bytearray(srgb_profile())
    for at in range(132, 132 + 12 * struct.unpack_from(">I", profile, 128)[0], 12):
        other = {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"}.get(bytes(profile[at : at + 4]))
        if other:
            profile[at : at + 4] = other
    return bytes(profile).replace(b"s\0R\0G\0B", b"X\0X\0X\0X")


def phone_mpo() -> bytes:
    """An MPO of two views, as phones write it under the name .jpg."""
    return encoded(photo(), "MPO", save_all=True, append_images=[photo().rotate(180)])


def jpeg_claiming(width: int, height: int) -> bytes:
    """A small JPEG without end marker that claims to be `width` × `height`."""
    data = encoded(photo(), "JPEG")[:-2]
    size = data.index(b"\xff\xc0") + 5
    return data[:size] + struct.pack(">HH", height, width) + data[size + 4 :]


def many_scans(scans: int = 1000) -> bytes:
    """A JPEG with so many scans that decoding would take for ever."""
    data = encoded(photo(), "JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    return data[:start] + data[start:-2] * scans + data[-2:]


def small_bmp(bits: int, compression: int, pixels: bytes, side: int = 24) -> bytes:
    """A BMP of four colours, `side` pixels wide and high."""
    palette = bytes([10, 20, 30, 0, 200, 40, 30, 0, 30, 180, 60, 0, 220, 200, 240, 0])
    head = struct.pack("<IIHHIIIIII", side, side, 1, bits, compression, len(pixels), 0, 0, 4, 0)
    return b"BM" + struct.pack("<IIII", 70 + len(pixels), 0, 70, 40) + head + palette + pixels


def bmp_in_runs(bits: int, side: int = 24) -> bytes:
    """A run-length encoded BMP: long and odd runs, an odd number of literal pixels, and skipped pixels."""
    as_they_are = {8: b"\0\1\2\3\1\0", 4: b"\x01\x23\x10\0"}[bits]
    row = b"\x07\x13" + b"\0\5" + as_they_are + b"\0\2\3\0" + b"\x09\x12" + b"\0\0"
    skipping = b"\4\1" + b"\0\2\2\2" + b"\5\2" + b"\0\0"
    rows = (row * 3 + skipping) * 4
    if bits == 8:
        rows = rows.replace(b"\x07\x13", b"\x07\x03").replace(b"\x09\x12", b"\x09\x02")
    return small_bmp(bits, {8: 1, 4: 2}[bits], rows + b"\0\1", side)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
