"""Untrusted pictures become plain PNGs, or refusals with a reason."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from image2model.errors import ImageRefused
from image2model.images import CheckedImage, ImageLimits, check_files, check_image, preview_image, tiny_preview
from tests.support import pictures
from tests.support.pictures import decoded, encoded, photo

LIMITS = ImageLimits(max_bytes=1_000_000, max_pixels=2_000_000, max_side=512)
JPEG, PNG = encoded(photo(), "JPEG"), encoded(photo())


def heic(brand: bytes = b"heic") -> bytes:
    """The beginning of a file as HEIC, AVIF and MP4 share it."""
    return b"\0\0\0\x18ftyp" + brand + bytes(100)


REFUSED = {
    "nothing": (b"", "empty_file", "empty"),
    "text named .png": (b"hello, I am a picture\n" * 9, "not_an_image", "text"),
    "noise": (bytes(range(256)), "not_an_image", "no picture"),
    "GIF": (encoded(photo(), "GIF"), "unsupported_format", "GIF"),
    "WebP": (encoded(photo(), "WEBP"), "unsupported_format", "WebP"),
    "TIFF": (encoded(photo(), "TIFF"), "unsupported_format", "TIFF"),
    "BMP": (encoded(photo(), "BMP"), "unsupported_format", "BMP"),
    "HEIC": (heic(), "unsupported_format", "HEIC"),
    "AVIF": (heic(b"avif"), "unsupported_format", "AVIF"),
    "video": (heic(b"isom"), "unsupported_format", "video"),
    "SVG": (b'<?xml version="1.0"?><svg onload="alert(1)">', "unsupported_format", "SVG"),
    "PDF": (b"%PDF-1.7", "unsupported_format", "PDF"),
    "truncated JPEG": (encoded(photo(300, 300), "JPEG")[:1500], "damaged", "cut short"),
    "truncated PNG": (PNG[: len(PNG) // 2], "damaged", "cut short"),
    "PNG signature alone": (PNG[:8], "damaged", "cut short"),
    "JPEG signature alone": (JPEG[:4], "damaged", "cut short"),
    "flipped bits": (PNG[:40] + bytes(8) + PNG[48:], "damaged", "damaged"),
    "animated PNG": (pictures.animated_png(), "animated", "animated"),
    "decompression bomb": (pictures.png_header(60_000, 60_000), "too_many_pixels", "60,000 × 60,000"),
    "too many scans": (pictures.many_scans(), "damaged", "no camera"),
    "1 × 1": (encoded(photo(1, 1)), "too_small", "1 × 1"),
    "a strip": (encoded(Image.new("RGB", (20_000, 20))), "extreme_shape", "20,000 × 20"),
    "a column": (encoded(Image.new("RGB", (20, 5_000))), "extreme_shape", "20 × 5,000"),
    "all transparent": (encoded(Image.new("RGBA", (64, 64))), "fully_transparent", "transparent"),
    "too large a file": (JPEG + bytes(1_000_000), "file_too_large", "1 MB"),
}


@pytest.mark.parametrize("how", [check_image, preview_image])
@pytest.mark.parametrize(("data", "code", "words"), REFUSED.values(), ids=REFUSED)
def test_refusal_says_why(how, data, code, words):
    """Each kind of unusable file is refused under its own code, with a reason and a next step, by both ways in."""
    with pytest.raises(ImageRefused, match=words) as refused:
        how(data, "x.png", LIMITS)
    assert refused.value.code == code
    assert refused.value.hint


ACCEPTED = {
    "JPEG": (JPEG, False),
    "PNG": (PNG, False),
    "JPEG named .png": (JPEG, False),
    "one bit": (encoded(photo(mode="1")), False),
    "grey": (encoded(photo(mode="L")), False),
    "grey JPEG": (encoded(photo(mode="L"), "JPEG"), False),
    "grey with alpha": (encoded(Image.merge("LA", [photo(mode="L"), photo(mode="L")])), True),
    "16-bit grey": (pictures.grey_16_bit(), False),
    "16-bit colour": (pictures.colour_16_bit(), False),
    "palette": (encoded(photo(mode="P")), False),
    "palette with transparency": (pictures.palette_with_transparency(), True),
    "CMYK": (encoded(photo(mode="CMYK"), "JPEG"), False),
    "opaque RGBA": (encoded(photo(mode="RGBA")), False),
    "progressive JPEG": (encoded(photo(), "JPEG", progressive=True), False),
    "MPO of a phone": (pictures.phone_mpo(), False),
}


@pytest.mark.parametrize(("data", "transparent"), ACCEPTED.values(), ids=ACCEPTED)
def test_odd_but_good_pictures_become_plain_pngs(data, transparent):
    """Whatever a JPEG or PNG stores, an 8-bit RGB PNG comes out, RGBA only if something is transparent."""
    image = check_image(data, "x.png", LIMITS)
    result = decoded(image.png)
    assert (result.format, result.mode) == ("PNG", "RGBA" if transparent else "RGB")
    assert result.size == (image.width, image.height)
    assert image.has_alpha == transparent


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA", "CMYK"])
def test_colours_survive(mode):
    """The colours are those of the original in every mode."""
    image = photo(mode=mode)
    data = encoded(image, "JPEG", quality=98) if mode == "CMYK" else encoded(image)
    wanted = np.asarray(image.convert("RGB"), float)
    assert np.abs(np.asarray(decoded(check_image(data, "x", LIMITS).png), float) - wanted).mean() < 4


def test_16_bit_grey_is_scaled_not_clipped():
    """A 16-bit ramp stays a ramp from black to white."""
    row = np.asarray(decoded(check_image(pictures.grey_16_bit(), "x", LIMITS).png))[32, :, 0].astype(int)
    assert (row[0], row[-1]) == (0, 255)
    assert abs(int(row[128]) - 128) <= 1


def test_16_bit_grey_keeps_its_transparent_value():
    """A 16-bit grey PNG with a transparent value becomes RGBA."""
    ramp = np.tile(np.linspace(0, 65535, 256).astype(np.uint16), (64, 1))
    data = encoded(Image.fromarray(ramp), transparency=0)
    assert check_image(data, "x", LIMITS).has_alpha


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_exif_rotated_pictures_come_out_upright(orientation):
    """PNG and thumbnail are upright, and the size is the upright one."""
    image = check_image(pictures.turned(orientation), "x.jpg", LIMITS)
    assert (image.width, image.height) == (64, 48)
    for data in (image.png, image.thumbnail):
        red, green, _ = decoded(data).convert("RGB").getpixel((10, 10))
        assert red > 180 > green


def test_broken_exif_is_ignored():
    """A picture whose EXIF is garbage is still a picture."""
    data = encoded(photo(), "JPEG", exif=b"Exif\0\0" + b"\xff" * 60)
    assert check_image(data, "x.jpg", LIMITS).width == 64


def test_nothing_but_pixels_is_kept():
    """No EXIF, GPS, comment, text or profile is in what comes out."""
    image = check_image(pictures.with_gps(), "x.jpg", LIMITS)
    assert set(pictures.png_chunks(image.png)) == {b"IHDR", b"IDAT", b"IEND"}
    assert not decoded(image.thumbnail).getexif()
    assert b"ecret" not in image.png + image.thumbnail


def test_colour_profile_is_applied():
    """A picture with another colour space than sRGB is converted to sRGB."""
    red = Image.new("RGB", (32, 32), (255, 0, 0))
    data = encoded(red, icc_profile=pictures.swapped_profile())
    _, green, _ = decoded(check_image(data, "x", LIMITS).png).getpixel((5, 5))
    assert green > 200


def test_broken_colour_profile_is_ignored():
    """A profile that is garbage counts as none."""
    assert check_image(encoded(photo(), icc_profile=b"garbage" * 50), "x", LIMITS).width == 64


def test_large_pictures_are_scaled_down():
    """The longest side is max_side at most, the shape stays."""
    image = check_image(encoded(photo(1600, 800), "JPEG"), "x.jpg", LIMITS)
    assert (image.width, image.height) == (512, 256)


def test_thumbnail_is_a_small_webp():
    """The thumbnail is WebP and at most 256 pixels a side, with its transparency."""
    thumbnail = decoded(check_image(encoded(photo(900, 600, "RGBA").rotate(10)), "x", LIMITS).thumbnail)
    assert (thumbnail.format, max(thumbnail.size), thumbnail.mode) == ("WEBP", 256, "RGBA")


def test_preview_shows_what_check_shows():
    """The quick way gives the name and nearly the thumbnail of the thorough one."""
    data = encoded(photo(1600, 800), "JPEG")
    quick, thorough = preview_image(data, "a/b.jpg", LIMITS), check_image(data, "a/b.jpg", LIMITS)
    assert quick.name == thorough.name == "b.jpg"
    pixels = [np.asarray(decoded(picture.thumbnail), float) for picture in (quick, thorough)]
    assert np.abs(pixels[0] - pixels[1]).mean() < 3


@pytest.mark.parametrize(
    "name", ["GIF", "WebP", "BMP", "truncated JPEG", "truncated PNG", "animated PNG", "a strip", "1 × 1"]
)
def test_tiny_preview_shows_refused_pictures(name):
    """Where something can be seen of a refused picture, a small WebP shows it."""
    shown = decoded(tiny_preview(REFUSED[name][0]))
    assert shown.format == "WEBP"
    assert max(shown.size) <= 256


def test_tiny_preview_of_a_broken_picture_shows_its_beginning():
    """The part before the break is seen."""
    data = encoded(photo(300, 300), "JPEG", quality=95)
    red, green, _ = decoded(tiny_preview(data[: len(data) * 2 // 3])).convert("RGB").getpixel((10, 10))
    assert red > 180 > green


@pytest.mark.parametrize("name", ["nothing", "text named .png", "HEIC", "SVG", "decompression bomb", "too many scans"])
def test_tiny_preview_of_nothing_safe_is_none(name):
    """Bombs and what is no picture have no preview."""
    assert tiny_preview(REFUSED[name][0]) is None


async def checked(*items: tuple[Path, str]) -> list[CheckedImage | ImageRefused]:
    """Pictures and refusals of files (path, name), in the same order."""
    return [result async for result in check_files(items, LIMITS, check_image)]


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


async def test_a_file_that_is_gone_is_refused(tmp_path: Path):
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


async def test_check_each_can_be_left_early(tmp_path: Path):
    """A caller that has seen enough may stop, and what waits is given up."""
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    results = check_files([(path, "a.png")] * 40, LIMITS, preview_image)
    first = await anext(results)
    await results.aclose()
    assert Image.open(io.BytesIO(first.thumbnail)).format == "WEBP"
