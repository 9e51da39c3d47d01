"""Grouping of pictures that show one object from several sides: by their names, or by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import OptionRefused
from ...file_names import group_by_object
from ...services import Picture, Side, Spec

Object = dict[str, str]
"""Side → path of one object's pictures, its front among them."""
NO_OVERRIDES: dict[str, list[Any]] = {"made": [], "apart": []}
"""Overrides by hand: objects that were joined (`made`), and pictures to keep apart whatever their names say."""


def group_pictures(paths: Sequence[str], decided: Mapping[str, Any], spec: Spec) -> list[Picture]:
    """Return the pictures as they are submitted: those of one object together, where the generator accepts sides."""
    by_front = {group["front"]: group for group in objects(paths, decided)} if spec.sides else {}
    non_fronts = {path for group in by_front.values() for side, path in group.items() if side != "front"}
    # popped, as the same file submitted twice is one object once
    return [_picture(path, by_front.pop(path, {})) for path in paths if path not in non_fronts]


def problem(group: Object, spec: Spec) -> str:
    """Return why the generator does not accept this object's sides; empty if it does."""
    try:
        spec.check_sides([side for side in spec.sides if side in group] or ["front"])
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
    remaining = [{side: path for side, path in group.items() if path in paths} for group in decided["made"]]
    made = [group for group in remaining if "front" in group and len(group) > 1]
    taken = {path for group in made for path in group.values()} | set(decided["apart"])
    loose = [path for path in paths if path not in taken]
    named = group_by_object([Path(path).name for path in loose])
    return made + [{side: loose[position] for side, position in group.items()} for group in named]


def decide(
    paths: Sequence[str], decided: Mapping[str, Any], action: str, chosen: Sequence[str], side: str, spec: Spec
) -> dict[str, list[Any]]:
    """The overrides after another action; an invalid action changes nothing."""
    affected = next(
        (group for group in objects(paths, decided) if action == "side" and set(chosen[:1]) & set(group.values())), {}
    )
    moved = {*chosen, *affected.values()}
    made = [group for group in decided["made"] if not set(group.values()) & moved]
    apart = [path for path in decided["apart"] if path not in moved]
    if action == "apart":
        return {"made": made, "apart": [*apart, *chosen]}
    if action == "join" and 2 <= len(chosen) <= len(spec.sides):
        return {"made": [*made, dict(zip(spec.sides, chosen, strict=False))], "apart": apart}
    if affected and side in spec.sides:
        return {"made": [*made, _with_side(affected, chosen[0], side)], "apart": apart}
    return dict(decided)


def _with_side(group: Object, path: str, side: str) -> Object:
    """The object with this picture on this side; the two pictures swap sides."""
    previous_side = next(known for known, shown in group.items() if shown == path)
    moved = {known: shown for known, shown in group.items() if known != previous_side}
    if side in moved:
        moved[previous_side] = moved[side]
    return moved | {side: path}
