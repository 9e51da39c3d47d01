"""Names of files become names for display, and for disks and zips."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image2model.file_names import clean_name, group_by_object, split_side, unique_stems

CLEANED = {
    "chair.jpg": "chair.jpg",
    "../../etc/passwd": "passwd",
    "C:\\Users\\me\\chair.jpg": "chair.jpg",
    "a/b\\c.png": "c.png",
    "": "image",
    "..": "image",
    "///": "image",
    " . ": "image",
    "\x00\x1b[31mred\n.png": "[31mred.png",
    "photo\u202egpj.exe": "photogpj.exe",
    "a  \t b.png": "a b.png",
    "🪑 “chair” <b>.jpg": "🪑 “chair” <b>.jpg",
    "👩\u200d🚀.png": "👩\u200d🚀.png",
}


@pytest.mark.parametrize(("name", "cleaned"), CLEANED.items())
def test_clean_name(name, cleaned):
    """Path parts, control and bidi characters go; emoji, quotes and HTML stay."""
    assert clean_name(name) == cleaned


def test_long_names_keep_their_ending():
    """300 characters become 120, the ending among them."""
    cleaned = clean_name("x" * 300 + ".jpeg")
    assert len(cleaned) == 120
    assert cleaned.endswith("x.jpeg")


STEMS = {
    ("chair.jpg", "chair.jpg", "chair.png"): ["chair", "chair-2", "chair-3"],
    ("Chair.jpg", "chair.JPG"): ["Chair", "chair-2"],
    ("chair-2.jpg", "chair.jpg", "chair.png"): ["chair-2", "chair", "chair-3"],
    ("con.png", "COM1.x.jpg", "console.png"): ["_con", "_COM1.x", "console"],
    ("v1.5.png", "archive"): ["v1.5", "archive"],
    ('a<b>:"c|d?*.png',): ["a_b___c_d__"],
    ("it's.png",): ["it_s"],
    ("dots...png", ".hidden.png", "-rf.png"): ["dots", "hidden", "rf"],
    ("🪑.png", "🪑.jpg"): ["🪑", "🪑-2"],
    (".png", "", "..."): ["image", "image-2", "image-3"],
    ("straße.png", "STRASSE.png"): ["straße", "STRASSE-2"],
    ("cafe\u0301.png", "caf\u00e9.png"): ["caf\u00e9", "caf\u00e9-2"],
}


@pytest.mark.parametrize(("names", "stems"), STEMS.items(), ids=lambda value: value[0])
def test_unique_stems(names, stems):
    """Results are named after their pictures, numbered where two would share a name."""
    assert unique_stems(names) == stems


@given(st.lists(st.text(max_size=150), max_size=12))
def test_any_names_give_safe_unique_stems(names):
    """Stems are unique without regard to case, short, and valid on every system for any names."""
    stems = unique_stems(names)
    assert len({stem.casefold() for stem in stems}) == len(names)
    for stem in stems:
        assert 0 < len(stem.encode()) <= 80
        assert not set(stem) & set("<>:\"'|?*/\\\0")
        assert stem[0] not in ".- "
        assert stem[-1] not in ". "


@given(st.text(max_size=400))
def test_any_name_is_fit_to_show(name):
    """A cleaned name is short, not empty and without control characters for any name."""
    cleaned = clean_name(name)
    assert 0 < len(cleaned) <= 120
    assert cleaned.isprintable() or "\u200c" in cleaned or "\u200d" in cleaned or any(map(_unusual, cleaned))


def _unusual(char: str) -> bool:
    """Private and unassigned characters (tomorrow's emoji) are kept although Python does not print them."""
    import unicodedata

    return unicodedata.category(char) in ("Cn", "Co", "Zs")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cup_front.png", ("cup", "front")),
        ("cup-left.jpg", ("cup", "left")),
        ("My cup (Back).JPG", ("My cup", "back")),
        ("cup.rear.png", ("cup", "back")),
        ("cup right view.jpeg", ("cup", "right")),
        ("cup_left_side.png", ("cup", "left")),
        ("кружка_back.png", ("кружка", "back")),
        ("cup.png", ("cup", "")),
        ("cupBack.png", ("cup", "back")),
        ("cup_back_2.png", ("cup_2", "back")),
        ("front.png", ("", "front")),
        ("_back.png", ("_back", "")),
        ("setback.png", ("setback", "")),
        ("left_cup.png", ("left_cup", "")),
    ],
)
def test_name_is_split_into_object_and_side(name: str, expected: tuple[str, str]):
    """A side at the end, however it is set apart, or all of the name; a word that only ends so is none."""
    assert split_side(name) == expected


def test_pictures_of_one_object_are_found_by_their_names():
    """Without regard to case; a plain name is the front where there is none; what has no front stays apart."""
    names = ["cup_front.png", "Cup_BACK.png", "cat.jpg", "cat_left.jpg", "dog_back.png", "dog_left.png", "a.png"]
    assert group_by_object(names) == [{"front": 0, "back": 1}, {"left": 3, "front": 2}]
    assert group_by_object(["cup.png", "cup_front.png", "cup_front.jpg", "cup_back.png"]) == [{"front": 1, "back": 3}]
    assert group_by_object(["front.png", "back.png", "cupFront.jpg", "cupLeft.jpg"]) == [
        {"front": 0, "back": 1}, {"front": 2, "left": 3},
    ]  # fmt: skip
    assert group_by_object(["cup_front_1.png", "cup_front_2.png", "cup_back_2.png", "cup_back_1.png"]) == [
        {"front": 0, "back": 3}, {"front": 1, "back": 2},
    ]  # fmt: skip
    assert group_by_object(["cupfront.png", "cupback.png", "storefront.png", "store.png"]) == []
    assert group_by_object([]) == []
