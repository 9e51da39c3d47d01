"""Pictures that show one object from several sides: put together by their names, or by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import OptionRefused
from ...file_names import group_by_object
from ...services import Picture, Side, Spec

Object = dict[str, str]
"""Side → path of one object's pictures, its front among them."""
NO_DECISIONS: dict[str, list[Any]] = {"made": [], "apart": []}
"""What a person decides: objects made by hand, and pictures that stay by themselves whatever their names say."""


def group_pictures(paths: Sequence[str], decided: Mapping[str, Any], spec: Spec) -> list[Picture]:
    """Return the pictures as they are submitted: those of one object together, where the generator takes them so."""
    by_front = {one["front"]: one for one in objects(paths, decided)} if spec.sides else {}
    elsewhere = {path for one in by_front.values() for side, path in one.items() if side != "front"}
    # popped: the same file given twice is not the same object twice
    return [_picture(path, by_front.pop(path, {})) for path in paths if path not in elsewhere]


def problem(one: Object, spec: Spec) -> str:
    """Return why the generator does not take this object's sides; empty where it does."""
    try:
        spec.check_sides([side for side in spec.sides if side in one] or ["front"])
    except OptionRefused as error:
        return str(error)
    return ""


def _picture(path: str, sides: Mapping[str, str]) -> Picture:
    others: dict[Side, Picture] = {
        side: Picture(Path(other), Path(other).name)  # type: ignore[misc]
        for side, other in sides.items()
        if side != "front"
    }
    return Picture(Path(path), Path(path).name, others)


def objects(paths: Sequence[str], decided: Mapping[str, Any]) -> list[Object]:
    """The objects among these pictures: made by hand, then by the names of all that are left."""
    there = [{side: path for side, path in one.items() if path in paths} for one in decided["made"]]
    made = [one for one in there if "front" in one and len(one) > 1]
    taken = {path for one in made for path in one.values()} | set(decided["apart"])
    loose = [path for path in paths if path not in taken]
    named = group_by_object([Path(path).name for path in loose])
    return made + [{side: loose[position] for side, position in one.items()} for one in named]


def decide(
    paths: Sequence[str], decided: Mapping[str, Any], act: str, chosen: Sequence[str], side: str, spec: Spec
) -> dict[str, list[Any]]:
    """What is decided after one more act; acts that make no sense change nothing."""
    touched = next(
        (one for one in objects(paths, decided) if act == "side" and set(chosen[:1]) & set(one.values())), {}
    )
    moved = {*chosen, *touched.values()}
    made = [one for one in decided["made"] if not set(one.values()) & moved]
    apart = [path for path in decided["apart"] if path not in moved]
    if act == "apart":
        return {"made": made, "apart": [*apart, *chosen]}
    if act == "join" and 2 <= len(chosen) <= len(spec.sides):
        return {"made": [*made, dict(zip(spec.sides, chosen, strict=False))], "apart": apart}
    if touched and side in spec.sides:
        return {"made": [*made, _turned(touched, chosen[0], side)], "apart": apart}
    return dict(decided)


def _turned(one: Object, path: str, side: str) -> Object:
    """The object with this picture on this side; a picture that was there takes the other's place."""
    before = next(known for known, shown in one.items() if shown == path)
    turned = {known: shown for known, shown in one.items() if known != before}
    if side in turned:
        turned[before] = turned[side]
    return turned | {side: path}
