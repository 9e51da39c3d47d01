"""Sanitising of untrusted file names for display, disks and zips."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import count

MAX_NAME_LENGTH = 120
MAX_STEM_BYTES = 80
ZERO_WIDTH_JOINERS = "\u200c\u200d"
"""Format characters of scripts and emoji; the others can reverse a name or hide parts of it."""
IMAGE_EXTENSIONS = re.compile(r"\.(jpe?g|jpe|jfif|mpo|png|apng|gif|webp|hei[cf]|avif|tiff?|bmp|svg)$", re.IGNORECASE)
UNSAFE_CHARACTERS = re.compile(r"[<>:\"'`/\\|?*%\x00-\x1f]")
WINDOWS_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])( *\..*)?$", re.IGNORECASE)
"""Names that Windows reserves for devices, with any extension."""
SIDE_SUFFIX = re.compile(
    r"(?P<object>.*\w.*?(?:[\s_.(-]+|(?<=[a-z0-9])(?=[A-Z]))|)(?P<side>(?i:front|back|rear|left|right))"
    r"(?i:[\s_-]*(?:view|side))?(?P<number>[\s_-]+\d+)?[)\s]*"
)


def clean_name(name: str) -> str:
    """Return the last path part of `name`, without control and bidi characters, at most 120 characters.

    The ending survives the cut. Emoji, quotes and HTML stay: escaping is left to the output.
    """
    last = re.split(r"[/\\]", name.rstrip("/\\ "))[-1]
    visible = "".join(char for char in unicodedata.normalize("NFC", last) if _is_visible(char))
    plain = " ".join(visible.split())
    if not plain.strip(". "):
        return "image"
    if len(plain) <= MAX_NAME_LENGTH:
        return plain
    stem, dot, ending = plain.rpartition(".")
    tail = dot + ending if stem and len(ending) <= 10 else ""
    return plain[: MAX_NAME_LENGTH - len(tail)].rstrip(" ." + ZERO_WIDTH_JOINERS) + tail


def unique_stems(names: Sequence[str]) -> list[str]:
    """Return for each picture's name a stem for its results: chair.jpg → chair, the next chair.png → chair-2.

    The stems are unique without regard to case, at most 80 bytes of UTF-8, and valid on Windows,
    macOS and Linux and in zips.
    """
    taken: set[str] = set()
    return [first_unused(_numbered_stems(_safe_stem(name)), taken) for name in names]


def split_side(name: str) -> tuple[str, str]:
    """Split a picture's name into the object and its side: cup_back.png → cup, back; cup.png → cup, "".

    Sides are front, back (or rear), left and right; a number may follow: cup_back_2.png → cup_2, back.
    """
    stem = IMAGE_EXTENSIONS.sub("", clean_name(name))
    match = SIDE_SUFFIX.fullmatch(stem)
    if not match:
        return stem, ""
    side = match["side"].lower()
    return match["object"].rstrip(" _.(-") + (match["number"] or ""), "back" if side == "rear" else side


def group_by_object(names: Sequence[str]) -> list[dict[str, int]]:
    """Group pictures of one object's sides by their names: for each such object, side → position in `names`.

    A name without a side is the front where no other is. Pictures without a front, or alone, belong to no object.
    """
    objects: dict[str, dict[str, int]] = {}
    for position, name in enumerate(names):
        object_name, side = split_side(name)
        objects.setdefault(_comparison_key(object_name), {}).setdefault(side, position)
    for sides in objects.values():
        plain = sides.pop("", None)
        if plain is not None:
            sides.setdefault("front", plain)
    return [sides for sides in objects.values() if "front" in sides and len(sides) > 1]


def _is_visible(char: str) -> bool:
    category = unicodedata.category(char)
    return char in ZERO_WIDTH_JOINERS or category == "Zs" or category[0] not in "CZ" or category in ("Cn", "Co")


def _safe_stem(name: str) -> str:
    stem = UNSAFE_CHARACTERS.sub("_", IMAGE_EXTENSIONS.sub("", clean_name(name)))
    stem = _truncate_utf8(stem.lstrip(" .-"), MAX_STEM_BYTES)
    if WINDOWS_RESERVED.match(stem):
        stem = _truncate_utf8("_" + stem, MAX_STEM_BYTES)
    return stem or "image"


def _numbered_stems(stem: str) -> Iterator[str]:
    """Yield the stem itself, then with a number behind it, from 2."""
    yield stem
    for ending in (f"-{n}" for n in count(2)):
        yield _truncate_utf8(stem, MAX_STEM_BYTES - len(ending)) + ending


def first_unused(candidates: Iterable[str], taken: set[str]) -> str:
    """Return the first of these names that is not in `taken` (without regard to case), and add it there."""
    free = next(candidate for candidate in candidates if _comparison_key(candidate) not in taken)
    taken.add(_comparison_key(free))
    return free


def _comparison_key(name: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def _truncate_utf8(text: str, most: int) -> str:
    """`text` cut to `most` bytes of UTF-8, never within a character and never ending in what Windows drops."""
    return text.encode()[:most].decode(errors="ignore").rstrip(" ." + ZERO_WIDTH_JOINERS)
