"""Untrusted pictures become plain PNGs, or refusals with a reason."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pi_heif
import pytest
from PIL import Image

from image2model.errors import ImageRefused
from image2model.images import (
    NOTE_TEXTS,
    CheckedImage,
    ImageChecker,
    ImageLimits,
    check_image,
    decode_image,
    refused_preview,
)
from image2model.images.decoding import open_image
from tests.support import pictures
from tests.support.picture_table import CARD, FILES
from tests.support.pictures import bmp_in_runs, decoded, encoded, photo
from tests.support.png_writer import png, repacked

LIMITS = ImageLimits(max_bytes=1_000_000, max_pixels=2_000_000, max_side=512)
JPEG, PNG = encoded(photo(), "JPEG"), encoded(photo())


def iso_media(brand: bytes) -> bytes:
    """The beginning of a file as HEIC, AVIF, MP4 and raw pictures share it."""
    return b"\0\0\0\x18ftyp" + brand + bytes(100)


REFUSED = {
    "nothing": (b"", "empty_file", "empty"),
    "text named .png": (b"hello, I am a picture\n" * 9, "not_an_image", "text"),
    "noise": (bytes(range(256)), "not_an_image", "no picture"),
    "video": (iso_media(b"isom"), "unsupported_format", "video"),
    "camera's raw": (iso_media(b"crx "), "unsupported_format", "raw"),
    "DNG": (encoded(photo(), "TIFF", tiffinfo={50706: b"\1\4\0\0"}), "unsupported_format", "raw"),
    "raw with a small preview": (encoded(photo(), "TIFF", tiffinfo={254: 1}), "unsupported_format", "raw"),
    "TIFF of floating point": (encoded(photo(mode="F"), "TIFF"), "unsupported_format", "stores its pixels"),
    "TIFF of 32 bits": (encoded(photo(mode="I"), "TIFF"), "unsupported_format", "stores its pixels"),
    "Photoshop": (b"8BPS" + bytes(100), "unsupported_format", "Photoshop"),
    "zip archive": (b"PK\3\4" + bytes(100), "unsupported_format", "Add the pictures that are inside."),
    "HEIC without picture": (iso_media(b"heic"), "damaged", "damaged"),
    "AVIF without picture": (iso_media(b"avif"), "damaged", "damaged"),
    "truncated WebP": (encoded(photo(), "WEBP")[:-20], "damaged", "cut short"),
    "truncated GIF": (encoded(photo(300, 300), "GIF")[:400], "damaged", "cut short"),
    "truncated TIFF": (encoded(photo(), "TIFF")[:2000], "damaged", "cut short"),
    "truncated BMP": (encoded(photo(), "BMP")[:2000], "damaged", "cut short"),
    "truncated AVIF": (encoded(photo(), "AVIF")[:-20], "damaged", "cut short"),
    "truncated HEIC": (encoded(photo(), "HEIF")[:-20], "damaged", "cut short"),
    "SVG": (b'<?xml version="1.0"?><svg onload="alert(1)">', "unsupported_format", "SVG"),
    "mouse pointer": (bytes((0, 0, 2, 0, 1, 0)), "unsupported_format", "mouse pointer"),
    "TGA": (encoded(photo(), "TGA"), "unsupported_format", "TGA"),
    "packed TGA": (encoded(photo(), "TGA", compression="tga_rle"), "unsupported_format", "TGA"),
    "Netpbm": (encoded(photo(), "PPM"), "unsupported_format", "Netpbm"),
    "EPS with a preview": (b"\xc5\xd0\xd3\xc6" + bytes(60), "unsupported_format", "PostScript"),
    "Sigma's raw": (b"FOVb" + bytes(60), "unsupported_format", "raw"),
    "icon of a Mac": (b"icns" + bytes(60), "unsupported_format", "icon"),
    "DICOM": (bytes(128) + b"DICM", "unsupported_format", "medical"),
    "Blender's file": (b"BLENDER-v405", "unsupported_format", "3D model"),
    "old film": (bytes(4) + b"wide", "unsupported_format", "video"),
    "bare JPEG 2000": (b"\xff\x4f\xff\x51", "unsupported_format", "JPEG 2000"),
    "Fujifilm's raw": (b"FUJIFILMCCD-RAW 0201", "unsupported_format", "raw"),
    "text of two bytes a letter": ("hello".encode("utf-16"), "not_an_image", "text"),
    "PDF": (b"%PDF-1.7", "unsupported_format", "PDF"),
    "truncated JPEG": (encoded(photo(300, 300), "JPEG")[:1500], "damaged", "cut short"),
    "truncated PNG": (PNG[: len(PNG) // 2], "damaged", "cut short"),
    "PNG whose last row is missing": (repacked(png(CARD), slice(-193)), "damaged", "cut short"),
    "PNG of half its rows": (repacked(png(CARD), slice(6000), bytes(4)), "damaged", "cut short"),
    "PNG signature alone": (PNG[:8], "damaged", "cut short"),
    "JPEG signature alone": (JPEG[:4], "damaged", "cut short"),
    "flipped bits": (PNG[:40] + bytes(8) + PNG[48:], "damaged", "damaged"),
    "decompression bomb": (pictures.png_header(60_000, 60_000), "too_many_pixels", "60,000 × 60,000"),
    "bomb without end marker": (pictures.jpeg_claiming(60_000, 60_000), "too_many_pixels", "60,000 × 60,000"),
    "too many scans": (pictures.many_scans(), "damaged", "no camera"),
    "1 × 1": (encoded(photo(1, 1)), "too_small", "1 × 1"),
    "BMP in runs, cut short": (bmp_in_runs(4)[:-40], "damaged", "cut short"),
    "BMP in runs that claims too much": (bmp_in_runs(8, side=60_000), "too_many_pixels", "60,000"),
    "a strip": (encoded(Image.new("RGB", (20_000, 20))), "extreme_shape", "20,000 × 20"),
    "a column": (encoded(Image.new("RGB", (20, 5_000))), "extreme_shape", "20 × 5,000"),
    "all transparent": (encoded(Image.new("RGBA", (64, 64))), "fully_transparent", "transparent"),
    "too large a file": (JPEG + bytes(1_000_000), "file_too_large", "1 MB"),
}


@pytest.mark.parametrize(("data", "code", "words"), REFUSED.values(), ids=REFUSED)
def test_refusal_says_why(data, code, words):
    """Each kind of unusable file is refused under its own code, with a reason and a next step."""
    with pytest.raises(ImageRefused, match=words) as refused:
        check_image(data, "x.png", LIMITS)
    assert refused.value.code == code
    assert refused.value.hint


ANIMATED = {"save_all": True, "append_images": [photo().rotate(180)]}
CLEAR = Image.merge("RGBA", [*photo().split(), photo(mode="L")])
ACCEPTED = {
    "JPEG": (JPEG, ".jpg"),
    "PNG": (PNG, ".png"),
    "one bit": (encoded(photo(mode="1")), ".jpg"),
    "grey": (encoded(photo(mode="L")), ".jpg"),
    "grey JPEG": (encoded(photo(mode="L"), "JPEG"), ".jpg"),
    "grey with alpha": (encoded(Image.merge("LA", [photo(mode="L"), photo(mode="L")])), ".png"),
    "16-bit grey": (pictures.grey_16_bit(), ".jpg"),
    "16-bit colour": (pictures.colour_16_bit(), ".jpg"),
    "palette": (encoded(photo(mode="P")), ".jpg"),
    "palette with transparency": (pictures.palette_with_transparency(), ".png"),
    "CMYK": (encoded(photo(mode="CMYK"), "JPEG"), ".jpg"),
    "opaque RGBA": (encoded(photo(mode="RGBA")), ".jpg"),
    "RGBA": (encoded(CLEAR), ".png"),
    "progressive JPEG": (encoded(photo(), "JPEG", progressive=True), ".jpg"),
    "MPO of a phone": (pictures.phone_mpo(), ".jpg"),
    "GIF": (encoded(photo(), "GIF"), ".jpg"),
    "WebP": (encoded(photo(), "WEBP"), ".jpg"),
    "WebP with alpha": (encoded(CLEAR, "WEBP"), ".png"),
    "AVIF": (encoded(photo(), "AVIF"), ".jpg"),
    "AVIF with alpha": (encoded(CLEAR, "AVIF"), ".png"),
    "HEIC": (encoded(photo(), "HEIF"), ".jpg"),
    "HEIC with alpha": (encoded(CLEAR, "HEIF"), ".png"),
    "TIFF": (encoded(photo(), "TIFF"), ".jpg"),
    "large TIFF": (encoded(photo(), "TIFF", big_tiff=True), ".jpg"),
    "TIFF of a scanner": (encoded(photo(mode="CMYK"), "TIFF", compression="tiff_lzw"), ".jpg"),
    "BMP": (encoded(photo(), "BMP"), ".jpg"),
}


@pytest.mark.parametrize(("data", "suffix"), ACCEPTED.values(), ids=ACCEPTED)
def test_every_format_becomes_a_plain_jpeg_or_png(data, suffix):
    """Each format becomes a JPEG of 8-bit RGB, or a PNG if it is transparent or was a PNG already."""
    image = check_image(data, "x.png", LIMITS)
    result = decoded(image.data)
    assert image.suffix == suffix
    assert result.format == {".jpg": "JPEG", ".png": "PNG"}[suffix]
    assert result.mode == ("RGB" if suffix == ".jpg" or data is PNG else "RGBA")
    assert result.size == (image.width, image.height) == decoded(data).size
    assert image.notes == ()


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (encoded(photo(), "GIF", **ANIMATED), "first_frame"),
        (encoded(photo(), "PNG", **ANIMATED), "first_frame"),
        (encoded(photo(), "WEBP", **ANIMATED), "first_frame"),
        (encoded(photo(), "AVIF", **ANIMATED), "first_frame"),
        (encoded(photo(), "TIFF", **ANIMATED), "first_page"),
    ],
    ids=["GIF", "PNG", "WebP", "AVIF", "TIFF"],
)
def test_first_frame_of_an_animation_is_used_with_a_note(data, note):
    """The first frame of an animation and the first of several pages is used, with a note."""
    image = check_image(data, "x", LIMITS)
    assert image.notes == (note,)
    assert NOTE_TEXTS[note].endswith("is used.")
    red, green, _ = decoded(image.data).convert("RGB").getpixel((10, 10))
    assert red > 180 > green


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_unchanged_picture_keeps_its_stored_pixels(kind):
    """A JPEG or PNG that is upright, in sRGB and small enough loses its metadata and nothing else."""
    exif = Image.Exif()
    exif[0x010F] = "Secret Camera"
    options = {"exif": exif, "icc_profile": pictures.srgb_profile()}
    plain, tagged = encoded(photo(), kind), encoded(photo(), kind, **options)
    stored = check_image(tagged, "x", LIMITS).data
    assert b"Secret Camera" in tagged
    assert stored == plain


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA", "CMYK"])
def test_colours_survive(mode):
    """The colours are those of the original in every mode."""
    image = photo(mode=mode)
    data = encoded(image, "JPEG", quality=98) if mode == "CMYK" else encoded(image)
    wanted = np.asarray(image.convert("RGB"), float)
    assert np.abs(np.asarray(decoded(check_image(data, "x", LIMITS).data), float) - wanted).mean() < 4


def test_16_bit_grey_is_scaled_not_clipped():
    """A 16-bit ramp stays a ramp from black to white."""
    row = np.asarray(decode_image(pictures.grey_16_bit(), LIMITS, 512))[32, :, 0].astype(int)
    assert (row[0], row[-1]) == (0, 255)
    assert abs(int(row[128]) - 128) <= 1


def test_16_bit_negative_is_shown_as_a_positive():
    """In a TIFF whose lowest value is white, a ramp from black to white runs from white to black."""
    data = bytearray(encoded(Image.open(io.BytesIO(pictures.grey_16_bit())), "TIFF"))
    entry = data.index(b"\x06\x01\x03\x00\x01\x00\x00\x00")
    data[entry + 8] = 0  # PhotometricInterpretation: WhiteIsZero
    row = np.asarray(decode_image(bytes(data), LIMITS, 512).convert("L"))[32]
    assert (row[0], row[-1]) == (255, 0)


def test_16_bit_grey_keeps_its_transparent_value():
    """A 16-bit grey PNG with a transparent value becomes RGBA."""
    ramp = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (64, 1))
    data = encoded(Image.fromarray(ramp), transparency=0)
    assert check_image(data, "x", LIMITS).suffix == ".png"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotated_pictures_come_out_upright(orientation, kind):
    """Picture and thumbnail are upright, and the size is the upright one."""
    image = check_image(pictures.turned(orientation, kind), "x.jpg", LIMITS)
    assert (image.width, image.height) == (64, 48)
    for data in (image.data, image.thumbnail):
        red, green, _ = decoded(data).convert("RGB").getpixel((10, 10))
        assert red > 180 > green


def test_broken_exif_is_ignored():
    """A picture whose EXIF is garbage is still a picture."""
    data = encoded(photo(), "JPEG", exif=b"Exif\0\0" + b"\xff" * 60)
    assert check_image(data, "x.jpg", LIMITS).width == 64


def test_nothing_but_pixels_is_kept():
    """No EXIF, GPS, comment, text or profile is in what comes out."""
    image = check_image(pictures.with_gps(), "x.jpg", LIMITS)
    assert set(decoded(image.data).info) <= {"jfif", "jfif_version", "jfif_density", "jfif_unit"}
    assert not decoded(image.thumbnail).getexif()
    assert b"ecret" not in image.data + image.thumbnail


@pytest.mark.parametrize("path", [*FILES.glob("*.png"), *FILES.glob("*.jpg"), FILES / "IMG_0994.HEIC", FILES / "noext"])
def test_the_stored_picture_has_the_colours_that_people_saw(path: Path):
    """Files that went wrong once keep the colour of their middle, as Chromium shows it, until they are stored."""
    image = decoded(check_image(path.read_bytes(), path.name, LIMITS).data)
    grey = {"grey2-trns0": (85, 85, 85), "grey4-trns": (102, 102, 102), "grey8-trns": (113, 113, 113)}
    centre = {"p3-cprt-srgb": (217, 66, 45), **grey}.get(path.stem, (199, 79, 59))
    pixel = image.getpixel((image.width // 2, image.height // 2))
    assert np.abs(np.subtract(pixel[:3], centre)).max() <= 2
    assert (image.mode == "RGBA") == (path.stem in grey)


def test_heic_is_converted_and_a_broken_one_is_called_by_its_name():
    """A HEIC file is converted whatever its name is; a HEIC file without a picture is refused as damaged."""
    image = check_image(encoded(photo(), "HEIF", quality=95), "IMG_0995.jpg", LIMITS)
    assert (image.format, image.suffix) == ("HEIF", ".jpg")
    red, green, _ = decoded(image.data).getpixel((10, 10))
    assert red > 180 > green
    with pytest.raises(ImageRefused, match="This HEIC picture is damaged"):
        check_image((FILES / "IMG_0995.HEIC").read_bytes(), "IMG_0995.HEIC", LIMITS)


@pytest.mark.parametrize(
    ("boxes", "turn"),
    [
        ({"irot": 1}, Image.Transpose.ROTATE_90),
        ({"irot": 2}, Image.Transpose.ROTATE_180),
        ({"irot": 3}, Image.Transpose.ROTATE_270),
        ({"imir": 0}, Image.Transpose.FLIP_TOP_BOTTOM),
        ({"imir": 1}, Image.Transpose.FLIP_LEFT_RIGHT),
        ({"irot": 1, "imir": 1}, Image.Transpose.TRANSVERSE),
    ],
)
def test_heic_is_turned_as_its_boxes_say(boxes, turn):
    """The rotation and the mirror that a phone writes are applied, one after the other."""
    shown = np.asarray(decode_image(pictures.turned_heic(**boxes), LIMITS, 512), int)
    assert np.abs(shown - np.asarray(photo().transpose(turn), int)).max() <= 3


def test_no_encoder_of_the_gpl_is_needed():
    """HEIC is read by a library without the encoder x265, whose licence is the GPL."""
    assert "x265" not in pi_heif.libheif_info()["encoders"]
    assert isinstance(open_image(encoded(photo(), "HEIF"), LIMITS).pillow, pi_heif.HeifImageFile)


def test_colour_profile_is_applied():
    """A picture with another colour space than sRGB is converted to sRGB."""
    red = Image.new("RGB", (32, 32), (255, 0, 0))
    data = encoded(red, icc_profile=pictures.swapped_profile())
    _, green, _ = decoded(check_image(data, "x", LIMITS).data).getpixel((5, 5))
    assert green > 200


@pytest.mark.parametrize("profile", [b"garbage" * 50, pictures.srgb_profile().replace(b"RGB ", b"R\x9bB ", 1)])
def test_broken_colour_profile_is_ignored(profile: bytes):
    """A profile that is garbage, or of a space without a name, counts as none."""
    assert check_image(encoded(photo(), icc_profile=profile), "x", LIMITS).width == 64


def test_large_pictures_are_scaled_down():
    """The longest side is max_side at most, the shape stays."""
    image = check_image(encoded(photo(1600, 800), "JPEG"), "x.jpg", LIMITS)
    assert (image.width, image.height) == (512, 256)


def test_thumbnail_is_a_small_webp():
    """The thumbnail is WebP and at most 256 pixels a side, with its transparency."""
    thumbnail = decoded(check_image(encoded(photo(900, 600, "RGBA").rotate(10)), "x", LIMITS).thumbnail)
    assert (thumbnail.format, max(thumbnail.size), thumbnail.mode) == ("WEBP", 256, "RGBA")


@pytest.mark.parametrize(
    "name", ["truncated JPEG", "truncated PNG", "truncated GIF", "truncated BMP", "a strip", "1 × 1"]
)
def test_tiny_preview_shows_refused_pictures(name):
    """A refused picture that can be decoded safely has a small WebP preview."""
    shown = decoded(refused_preview(REFUSED[name][0]))
    assert shown.format == "WEBP"
    assert max(shown.size) <= 256


def test_tiny_preview_of_a_broken_picture_shows_its_beginning():
    """The part before the break is seen."""
    data = encoded(photo(300, 300), "JPEG", quality=95)
    red, green, _ = decoded(refused_preview(data[: len(data) * 2 // 3])).convert("RGB").getpixel((10, 10))
    assert red > 180 > green


@pytest.mark.parametrize(
    "name", ["nothing", "text named .png", "truncated HEIC", "SVG", "decompression bomb", "too many scans"]
)
def test_tiny_preview_of_nothing_safe_is_none(name):
    """Bombs and what is no picture have no preview."""
    assert refused_preview(REFUSED[name][0]) is None


async def checked(*items: tuple[Path, str]) -> list[CheckedImage | ImageRefused]:
    """Pictures and refusals of files (path, name), in the same order."""
    return [result async for result in ImageChecker(LIMITS).check_files(items)]


async def test_checking_many_keeps_the_order(tmp_path: Path):
    """Good and bad pictures come back in the order they were given, each refusal beside the good ones."""
    items = []
    for number in range(12):
        path = tmp_path / str(number)
        path.write_bytes(b"" if number % 5 == 4 else encoded(photo(20 + number, 20)))
        items.append((path, f"{number}.png"))
    results = await checked(*items)
    assert [getattr(result, "code", None) or result.width for result in results] == [
        "empty_file" if number % 5 == 4 else 20 + number for number in range(12)
    ]


async def test_missing_file_is_refused(tmp_path: Path):
    """A file that cannot be read does not stop the others."""
    (tmp_path / "a.png").write_bytes(PNG)
    gone, there = await checked((tmp_path / "gone", "gone.png"), (tmp_path / "a.png", "a.png"))
    assert isinstance(gone, ImageRefused)
    assert gone.code == "unreadable"
    assert isinstance(there, CheckedImage)


async def test_no_more_than_the_limit_is_read(tmp_path: Path):
    """A file of terabytes is refused without reading it: /dev/zero has no end."""
    (result,) = await checked((Path("/dev/zero"), "zero.png"))
    assert isinstance(result, ImageRefused)
    assert result.code == "file_too_large"


async def test_check_files_stops_when_its_iterator_is_closed(tmp_path: Path):
    """A caller that has seen enough may stop, and what waits is given up."""
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    results = ImageChecker(LIMITS).check_files([(path, "a.png")] * 40)
    first = await anext(results)
    await results.aclose()
    assert Image.open(io.BytesIO(first.thumbnail)).format == "WEBP"
