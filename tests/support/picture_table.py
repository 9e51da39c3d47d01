"""Pictures of all kinds that Chromium shows, by name: formats, colours, transparency, orientation, and sick ones."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from tests.support.pictures import (
    bmp_in_runs,
    colour_16_bit,
    encoded,
    grey_16_bit,
    phone_mpo,
    photo,
    small_bmp,
    swapped_profile,
    with_properties,
)
from tests.support.png_writer import (
    ADOBE_RGB,
    BT709,
    GREY,
    GREY_ALPHA,
    P3,
    PALETTE,
    PROPHOTO,
    RGB,
    RGBA,
    apng,
    chrm,
    chunk,
    cicp,
    cicp_tag,
    clli,
    gama,
    iccp,
    mdcv,
    png,
    profile_of_gamma,
    profile_of_table,
    repacked,
    trns,
)

FILES = Path(__file__).with_name("picture_files")
LEVELS = np.linspace(0, 255, 64).astype(int)
CARD = np.stack([*np.meshgrid(LEVELS, LEVELS), np.add.outer(LEVELS, LEVELS) // 2], axis=-1)
"""Every mixture of red and green (64, 64, 3)."""
GREYS = CARD[..., :1]
RAMP = np.tile(np.arange(256)[None, :, None], (20, 1, 3))
DEEP = np.tile(np.linspace(0, 65535, 64).astype(int)[None, :, None], (20, 1, 3))
NEARLY_ALIKE = np.repeat([[[0x1234, 0x5678, 0x9ABC]], [[0x1235, 0x5678, 0x9ABC]]], 20, axis=0).repeat(20, axis=1)
CLEAR = Image.merge("RGBA", [*photo().split(), photo(mode="L")])
PALETTE_16 = chunk(b"PLTE", bytes(range(0, 240, 5)))
DULL = ((50, 128, 128), (40, 10, 0), (60, -10, 0), (10, 0, -10))
"""Steps of `profile_of_table`: a dull colour for each mixture of red, green and blue."""
YELLOW_PAPER = ((230, 128, 150), (-50, -30, -30), (-60, 50, 0), (-10, 0, 30), (-80, 0, -10))
"""The same for cyan, magenta, yellow and black."""
NOISE = np.random.default_rng(1).bytes(3000)
TWO_FRAMES = {"save_all": True, "append_images": [photo().rotate(180)]}


BMP_LAYOUTS = {
    "4 bits each": (16, (0xF00, 0xF0, 0xF)),
    "5 bits each and alpha": (16, (0x7C00, 0x3E0, 0x1F, 0x8000)),
    "4 bits each and alpha": (16, (0xF00, 0xF0, 0xF, 0xF000)),
    "red last": (32, (0xFF, 0xFF00, 0xFF0000)),
    "10 bits each": (32, (0x3FF00000, 0xFFC00, 0x3FF)),
    "8 bits each and alpha": (32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
}
"""Bits of a pixel, and the masks of red, green, blue and alpha."""


def picture_table() -> dict[str, bytes]:
    """Each picture's bytes by its name."""
    files = {path.name: path.read_bytes() for path in FILES.iterdir() if path.name != "IMG_0995.HEIC"}
    return files | _png_colours() | _profiles() | _transparent() | _formats() | _turned() | _jpegs()


def _png_colours() -> dict[str, bytes]:
    gammas = (0.00001, 0.1, 0.4, 0.43, 0.45455, 0.47, 0.5, 0.55556, 1, 3)
    spaces = {"BT.709": BT709, "P3": P3, "Adobe RGB": ADOBE_RGB, "ProPhoto": PROPHOTO, "zeros": (0.0,) * 8}
    wrong = 1
    return {
        **{f"gAMA {gamma}": png(CARD, before=gama(gamma)) for gamma in gammas},
        **{f"cHRM {name} without gAMA": png(CARD, before=chrm(space)) for name, space in spaces.items()},
        **{f"cHRM {name}, gAMA 1/2.2": png(CARD, before=chrm(space) + gama(0.45455)) for name, space in spaces.items()},
        **{f"cHRM {name}, gAMA 1/1.8": png(CARD, before=chrm(space) + gama(0.55556)) for name, space in spaces.items()},
        **{f"cICP primaries {code}": png(CARD, before=cicp(code, 13)) for code in range(23)},
        **{f"cICP transfer {code}": png(CARD, before=cicp(1, code)) for code in range(20)},
        **{
            f"HDR, {name}": png(RAMP, before=cicp(9, 16) + luminance)
            for name, luminance in {
                "brightest 100": clli(100),
                "brightest 4000": clli(4000),
                "screen of 4000": mdcv(4000),
                "brightest 400, screen of 4000": mdcv(4000) + clli(400),
                "brightest 0": clli(0),
            }.items()
        },
        "HDR, colours not brighter than white": png(CARD // 16 + 140, before=cicp(9, 16) + clli(203)),
        "HDR, HLG of BT.2020": png(CARD, before=cicp(9, 18)),
        "HDR, PQ of P3": png(CARD // 4 + 80, before=cicp(12, 16)),
        "HDR, 16 bits": png(DEEP, 16, before=cicp(9, 16)),
        "HDR, 16 bits of grey": png(DEEP[..., :1], 16, GREY, cicp(9, 16)),
        "cICP P3, linear": png(CARD, before=cicp(12, 8)),
        "cICP before gAMA": png(CARD, before=cicp(1, 13) + gama(1)),
        "cICP before iCCP": png(CARD, before=cicp(1, 8) + iccp(swapped_profile())),
        "sick cICP": png(CARD, before=cicp(1, 8, wrong) + gama(0.5)),
        "iCCP before gAMA": png(CARD, before=iccp(swapped_profile()) + gama(1)),
        "sick iCCP": png(CARD, before=iccp(swapped_profile(), wrong) + gama(1)),
        "garbage as iCCP": png(CARD, before=iccp(b"garbage" * 50) + gama(1)),
        "sRGB before gAMA": png(CARD, before=gama(1) + chunk(b"sRGB", b"\0")),
        "sick gAMA": png(CARD, before=gama(1, wrong)),
        "gAMA 0": png(CARD, before=gama(0)),
        "cICP in narrow range": png(CARD, before=chunk(b"cICP", bytes([12, 13, 0, 0]))),
        "cICP that says nothing, gAMA": png(CARD, before=cicp(2, 2) + gama(1)),
        "gAMA that is too long": png(CARD, before=chunk(b"gAMA", struct.pack(">II", 100_000, 0))),
        "cHRM that is too long": png(CARD, before=chunk(b"cHRM", bytes(36)) + gama(1)),
        "sRGB of an unknown intent, gAMA": png(CARD, before=chunk(b"sRGB", b"\4") + gama(1)),
        "sRGB that is empty, gAMA": png(CARD, before=chunk(b"sRGB", b"") + gama(1)),
        "cicp of PQ in iCCP": png(RAMP, before=iccp(profile_of_gamma(1.2, cicp=cicp_tag(9, 16)))),
        "iCCP of version 5": png(CARD, before=iccp(profile_of_gamma(1).replace(b"\2\x40\0\0", b"\5\0\0\0"))),
        "iCCP of a link": png(CARD, before=iccp(profile_of_gamma(1.4).replace(b"mntr", b"link"))),
        "iCCP under another white": png(
            CARD, before=iccp(profile_of_gamma(1.4).replace(struct.pack(">i", 63190), struct.pack(">i", 62289)))
        ),
        "iCCP that is cut short": png(CARD, before=iccp(profile_of_gamma(1)[:-1])),
        "iCCP without a name": png(CARD, before=chunk(b"iCCP", b"\0\0" + zlib.compress(swapped_profile()))),
        "iCCP packed in an unknown way": png(CARD, before=chunk(b"iCCP", b"n\0\1" + zlib.compress(swapped_profile()))),
        "orientation behind JPEG's header": png(CARD[:40], before=chunk(b"eXIf", b"Exif\0\0" + orientations(6))),
        "two gAMA": png(CARD, before=gama(1) + gama(0.5)),
        "gAMA too late": png(CARD, after=gama(1)),
        "grey, gAMA 1": png(GREYS, kind=GREY, before=gama(1)),
        "grey and alpha, gAMA 1": png(CARD[..., :2], kind=GREY_ALPHA, before=gama(1)),
        "RGBA, gAMA 1": png(np.dstack([CARD, GREYS]), kind=RGBA, before=gama(1)),
        "palette, gAMA 1": png(GREYS % 16, 4, PALETTE, gama(1) + PALETTE_16),
        "16 bits": png(DEEP, 16),
        "16 bits, gAMA 1": png(DEEP, 16, before=gama(1)),
        "16 bits grey, gAMA 1": png(DEEP[..., :1], 16, GREY, gama(1)),
        "16 bits RGBA": png(np.dstack([DEEP, DEEP[..., :1]]), 16, RGBA),
        "wrong IDAT checksum": png(CARD)[:-16] + bytes(4) + png(CARD)[-12:],
        "no IEND": png(CARD)[:-12],
        "wrong checksum of all pixels": repacked(png(CARD), checksum=bytes(4)),
    }


def _profiles() -> dict[str, bytes]:
    made = {"linear": profile_of_gamma(1), "gamma 1.8": profile_of_gamma(1.8), "swapped": swapped_profile()}
    made |= {
        "cicp of linear P3": profile_of_gamma(1.2, cicp=cicp_tag(12, 8)),
        "cicp of a camera": profile_of_gamma(1.2, cicp=cicp_tag(9, 1)),
        "cicp with a matrix": profile_of_gamma(1.2, cicp=cicp_tag(9, 16, matrix=9)),
        "table": profile_of_table(b"RGB ", *DULL),
    }
    grey = {f"grey gamma {gamma}": profile_of_gamma(gamma, b"GRAY") for gamma in (1, 1.8, 2.2)}
    grey["grey in Lab"] = profile_of_gamma(1.8, b"GRAY", b"Lab ")
    ways = {"PNG": {}, "JPEG": {"quality": 98, "subsampling": 0}, "WEBP": {"lossless": True}, "AVIF": {"quality": 100}}
    card = Image.fromarray(CARD.astype(np.uint8))
    return {
        f"{name} profile, {kind} {mode}": encoded(card.convert(mode), kind, icc_profile=profile, **options)
        for name, profile in {**made, **grey}.items()
        for kind, options in ways.items()
        for mode in ("RGB", "L", "CMYK")
        if kind == "JPEG" or (kind == "PNG" and mode != "CMYK") or (mode == "RGB" and name in made)
    }


def _transparent() -> dict[str, bytes]:
    keys = {bits: {0, 1, 2**bits - 1, 2**bits + 1, 256, 257} for bits in (1, 2, 4, 8)}
    return {
        **{
            f"grey of {bits} bits, {key} is clear": png(GREYS % 2**bits, bits, GREY, trns(key))
            for bits, clear in keys.items()
            for key in clear
        },
        "grey of 16 bits, one is clear": png(NEARLY_ALIKE[..., :1], 16, GREY, trns(0x1234)),
        "RGB of 16 bits, one is clear": png(NEARLY_ALIKE, 16, RGB, trns(0x1234, 0x5678, 0x9ABC)),
        "linear RGB of 16 bits, one is clear": png(NEARLY_ALIKE, 16, RGB, gama(1) + trns(0x1234, 0x5678, 0x9ABC)),
        "RGB of 8 bits, one is clear": png(CARD // 64, 8, RGB, trns(1, 2, 1)),
        "RGB of 8 bits, upper bytes": png(CARD // 64, 8, RGB, trns(0x101, 2, 1)),
        "RGB of 8 bits, a short tRNS": png(CARD // 64, 8, RGB, trns(1)),
        "palette, tRNS before it": png(GREYS % 16, 4, PALETTE, chunk(b"tRNS", b"\0\x80") + PALETTE_16),
        "palette of too few colours": png(GREYS % 40, 8, PALETTE, chunk(b"PLTE", bytes(range(60)))),
        "sick tRNS": png(GREYS, 8, GREY, chunk(b"tRNS", b"\0\1", 1)),
        **{
            f"palette of {bits} bits, two are clear": png(
                GREYS % 2**bits, bits, PALETTE, chunk(b"PLTE", bytes(range(3 * 2**bits))) + chunk(b"tRNS", b"\0\x80")
            )
            for bits in (1, 2, 4)
        },
    }


def _formats() -> dict[str, bytes]:
    late = {"default_image": True, "save_all": True, "append_images": [photo().rotate(180), photo()]}
    return {
        "16-bit grey": grey_16_bit(),
        "16-bit colour": colour_16_bit(),
        "WebP": encoded(photo(), "WEBP", lossless=True),
        "lossy WebP": encoded(photo(), "WEBP", quality=80),
        "WebP with alpha": encoded(CLEAR, "WEBP", lossless=True),
        "AVIF": encoded(photo(), "AVIF", quality=90),
        "GIF": encoded(photo(mode="P"), "GIF"),
        "GIF, a colour is clear": encoded(photo(mode="P"), "GIF", transparency=photo(mode="P").getpixel((0, 0))),
        **{f"BMP {mode}": encoded(photo(mode=mode), "BMP") for mode in ("1", "L", "P", "RGB")},
        "BMP of 32 bits": encoded(CLEAR, "BMP"),
        **{f"BMP, {name}": masked_bmp(*layout) for name, layout in BMP_LAYOUTS.items()},
        **{f"BMP in runs of {bits} bits": bmp_in_runs(bits) for bits in (4, 8)},
        "BMP of 2 bits": small_bmp(2, 0, NOISE[: 8 * 24]),
        "GIF on a larger screen": gif_on_a_larger_screen(),
        "animated GIF": encoded(photo(mode="P"), "GIF", **TWO_FRAMES),
        "animated PNG": encoded(photo(), "PNG", **TWO_FRAMES),
        "animated PNG after another picture": encoded(photo(), "PNG", **late),
        "animated PNG after another picture, a part": apng(CARD, CARD[:20, 30:], (5, 7)),
        "animated PNG after another picture, a part of RGBA": apng(
            np.dstack([CARD, GREYS]), CARD[:9, :9, [0, 1, 2, 1]], (0, 9)
        ),
        **{
            f"AVIF, code points {primaries}, {transfer}": with_code_points(primaries, transfer)
            for primaries, transfer in ((1, 1), (9, 14), (9, 2), (2, 8), (1, 4), (1, 16), (2, 18), (9, 0))
        },
        "AVIF, brightest 400": with_clli(with_code_points(9, 16), 400),
        "BMP with a profile": bmp_with_profile(profile_of_gamma(1)),
        **{
            f"BMP, 8 bits each and alpha, compression {number}": with_compression(
                masked_bmp(*BMP_LAYOUTS["8 bits each and alpha"]), number
            )
            for number in (0, 6)
        },
        "animated WebP": encoded(photo(), "WEBP", lossless=True, **TWO_FRAMES),
        "animated WebP with a profile": encoded(
            photo(), "WEBP", lossless=True, icc_profile=swapped_profile(), **TWO_FRAMES
        ),
        "animated WebP that begins in a part": webp_that_begins_in_a_part(),
    }


def masked_bmp(bits: int, masks: tuple[int, ...]) -> bytes:
    """A BMP of the card, 64 × 64, whose channels lie where the masks say; with a fourth mask, of alpha."""
    channels = [*np.moveaxis(CARD, 2, 0), CARD[..., 2]][: len(masks)]
    pixels = sum(
        (channel * (mask >> _lowest_bit(mask)) // 255) << _lowest_bit(mask)
        for channel, mask in zip(channels, masks, strict=True)
    )
    rows = np.asarray(pixels)[::-1].astype(f"<u{bits // 8}").tobytes()
    alpha = len(masks) == 4
    header = struct.pack("<IiiHHII16x", 108 if alpha else 40, 64, 64, 1, bits, 3, len(rows))
    info = header + struct.pack(f"<{len(masks)}I", *masks) + (b"BGRs" + bytes(48) if alpha else b"")
    return b"BM" + struct.pack("<I4xI", 14 + len(info) + len(rows), 14 + len(info)) + info + rows


def _lowest_bit(mask: int) -> int:
    return (mask & -mask).bit_length() - 1


def with_code_points(primaries: int, transfer: int) -> bytes:
    """An AVIF of greys whose nclx box says these code points."""
    data = encoded(Image.fromarray(RAMP.astype(np.uint8)), "AVIF", quality=100, subsampling="4:4:4")
    at = data.index(b"colrnclx") + 8
    return data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]


def with_clli(data: bytes, nits: int) -> bytes:
    """An AVIF of one picture with a `clli` box: the luminance of its brightest pixel."""
    box = struct.pack(">I4sHH", 12, b"clli", nits, nits // 4)
    return with_properties(data, [box])


def with_compression(bmp: bytes, compression: int) -> bytes:
    """A BMP that names its way to store pixels so."""
    return bmp[:30] + struct.pack("<I", compression) + bmp[34:]


def bmp_with_profile(profile: bytes) -> bytes:
    """A BMP of the card, 64 × 64, whose header of 124 bytes names a profile behind the pixels."""
    rows = CARD[::-1, :, ::-1].astype(np.uint8).tobytes()
    info = struct.pack("<IiiHHII16x", 124, 64, 64, 1, 24, 0, len(rows)) + bytes(16)
    colours = b"DEBM" + bytes(48) + struct.pack("<4I", 4, 124 + len(rows), len(profile), 0)
    head = struct.pack("<I4xI", 138 + len(rows) + len(profile), 138)
    return b"BM" + head + info + colours + rows + profile


def gif_on_a_larger_screen() -> bytes:
    """A GIF whose only frame leaves free a part of the screen on every side."""
    data = encoded(photo(mode="P"), "GIF")
    frame = b"," + struct.pack("<HHHH", 0, 0, 64, 48)
    assert data.count(frame) == 1
    return data[:6] + struct.pack("<HH", 80, 60) + data[10:].replace(frame, b"," + struct.pack("<HHHH", 5, 7, 64, 48))


def webp_that_begins_in_a_part() -> bytes:
    """An animated WebP whose only frame leaves free a part of it on every side."""
    still = encoded(photo(), "WEBP", lossless=True)
    place = b"".join(number.to_bytes(3, "little") for number in (4, 6, 63, 47, 100))  # x and y are halved
    frame = place + b"\2" + still[12:]
    canvas = bytes([2, 0, 0, 0]) + (79).to_bytes(3, "little") + (69).to_bytes(3, "little")
    chunks = [(b"VP8X", canvas), (b"ANIM", bytes(6)), (b"ANMF", frame)]
    body = b"WEBP" + b"".join(
        name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2) for name, data in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _turned() -> dict[str, bytes]:
    ways = {"PNG": {}, "JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}, "AVIF": {"quality": 95}}
    pictures = {}
    for orientation in range(10):
        exif = Image.Exif()
        exif[0x0112] = orientation
        for kind, options in ways.items():
            pictures[f"{kind}, orientation {orientation}"] = encoded(photo(), kind, exif=exif, **options)
    jpegs = {
        "orientation as a long number": orientations(6, kind=4),
        "two numbers as orientation": orientations(6, count=2),
        "two orientations": orientations(6, 3),
    }
    return pictures | {
        f"JPEG, {name}": encoded(photo(), "JPEG", quality=95, exif=b"Exif\0\0" + exif) for name, exif in jpegs.items()
    }


def orientations(*values: int, kind: int = 3, count: int = 1) -> bytes:
    """EXIF data of so many orientations, each as `count` numbers of a kind (TIFF 6.0, section 2)."""
    width = {3: "H2x", 4: "I"}[kind]
    entries = b"".join(struct.pack(f">HHI{width}", 0x0112, kind, count, value) for value in values)
    return b"MM\0*\0\0\0\x08" + struct.pack(">H", len(values)) + entries + bytes(4)


def inks() -> Image.Image:
    """Every mixture of cyan and black, with as much magenta as half of both (64 × 64, CMYK)."""
    return Image.fromarray(np.dstack([CARD[..., 0], CARD[..., 2], GREYS * 0, CARD[..., 1]]).astype(np.uint8), "CMYK")


def _jpegs() -> dict[str, bytes]:
    plain = encoded(photo(), "JPEG", quality=95)
    progressive = encoded(photo(), "JPEG", quality=95, progressive=True)
    return {
        "MPO": phone_mpo(),
        "motion photo": plain + NOISE * 1000,
        "progressive with a trailer": progressive + NOISE,
        "progressive without end": progressive[:-2],
        "progressive without end, with a trailer": progressive[:-2] + NOISE,
        "without end, with a trailer": plain[:-2] + NOISE,
        "without end, a JPEG behind": plain[:-2] + encoded(photo().rotate(180), "JPEG"),
        "restart markers": encoded(photo(), "JPEG", restart_marker_rows=1),
        "RGB stored": encoded(photo(), "JPEG", quality=95, keep_rgb=True),
        "grey": encoded(photo(mode="L"), "JPEG"),
        "CMYK": encoded(photo(mode="CMYK"), "JPEG", quality=98),
        "CMYK on yellow paper": encoded(
            photo(mode="CMYK"), "JPEG", quality=98, icc_profile=profile_of_table(b"CMYK", *YELLOW_PAPER)
        ),
        "CMYK with black on yellow paper": encoded(
            inks(), "JPEG", quality=100, subsampling=0, icc_profile=profile_of_table(b"CMYK", *YELLOW_PAPER)
        ),
        "CMYK with a profile of RGB": encoded(photo(mode="CMYK"), "JPEG", quality=98, icc_profile=swapped_profile()),
    }
