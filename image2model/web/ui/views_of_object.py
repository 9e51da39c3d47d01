"""Pictures that show one object from several sides, put together before it is made: by their names, or by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from ...errors import OptionRefused
from ...file_names import group_by_object
from ...services import Picture, Side, Spec, Studio
from . import templating
from .event_options import HIDDEN, LAST
from .theme import html

Object = dict[str, str]
"""Side → path of one object's pictures, its front among them."""
NOTHING: dict[str, list[Any]] = {"made": [], "apart": []}
"""What a person has decided: objects made by hand, and pictures that stay by themselves whatever their names say."""
JS = (Path(__file__).parent / "static" / "sides.js").read_text()


class Sides:
    """The place below the pictures, and the decisions made there."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.decided = gr.State(NOTHING)
        with gr.Column(elem_id="sides", visible=False) as self.place:
            self.shown = html(elem_id="sides-board", js_on_load=JS)

    def showing(self, images: gr.Gallery, generator: gr.HTML) -> dict[str, Any]:
        """The step that follows each change of the pictures and of the generator."""
        return {
            "fn": self.show, "inputs": [images, self.decided, generator], "outputs": [self.place, self.shown],
            **LAST,
        }  # fmt: skip

    def deciding(self, images: gr.Gallery, generator: gr.HTML) -> dict[str, Any]:
        """The step that follows what a person does here."""
        return {
            "fn": self.decide, "inputs": [images, self.decided, generator],
            "outputs": [self.decided, self.place, self.shown], **HIDDEN,
        }  # fmt: skip

    async def show(self, images: list[tuple[str, Any]] | None, decided: Mapping[str, Any], generator: str) -> Any:
        """The objects as they stand."""
        return self._shown(_paths(images), decided, generator)

    async def decide(
        self, images: list[tuple[str, Any]] | None, decided: Mapping[str, Any], generator: str, event: gr.EventData
    ) -> tuple[Any, ...]:
        """Put pictures together, take an object apart, or say what a picture shows."""
        paths = _paths(images)
        chosen = [paths[int(number)] for number in getattr(event, "numbers", []) if 0 <= int(number) < len(paths)]
        spec = self.studio.generator(generator).spec
        after = decide(paths, decided, str(getattr(event, "act", "")), chosen, str(getattr(event, "side", "")), spec)
        return after, *self._shown(paths, after, generator)

    def _shown(self, paths: Sequence[str], decided: Mapping[str, Any], generator: str) -> tuple[gr.Column, str]:
        spec = self.studio.generator(generator).spec
        found = objects(paths, decided)
        if len(paths) < 2 or not (spec.sides or found):
            return gr.Column(visible=False), ""
        together = {path for one in found for path in one.values()}
        numbers = {path: number for number, path in enumerate(paths)}
        return gr.Column(visible=True), templating.sides(
            spec=spec,
            objects=[_seen(one, numbers, spec) for one in found],
            single=[_tile(path, numbers) for path in paths if path not in together],
            takers=any(one.spec.sides and not one.unavailable for one in self.studio.generators.values()),
        )

    def pictures(self, images: Any, decided: Mapping[str, Any], spec: Spec) -> list[Picture]:
        """The pictures as they are submitted: those of one object together, where the generator takes them so."""
        paths = _paths(images)
        found = {one["front"]: one for one in objects(paths, decided)} if spec.sides else {}
        elsewhere = {path for one in found.values() for side, path in one.items() if side != "front"}
        # popped: the same file given twice is not the same object twice
        return [_picture(path, found.pop(path, {})) for path in paths if path not in elsewhere]


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


def _seen(one: Object, numbers: Mapping[str, int], spec: Spec) -> dict[str, Any]:
    problem = ""
    try:
        spec.check_sides([side for side in spec.sides if side in one] or ["front"])
    except OptionRefused as error:
        problem = str(error)
    order = spec.sides or ("front", "back", "left", "right")
    tiles = [{"side": side, **_tile(one[side], numbers)} for side in order if side in one]
    return {"tiles": tiles, "problem": problem}


def _tile(path: str, numbers: Mapping[str, int]) -> dict[str, Any]:
    return {"number": numbers[path], "name": Path(path).name, "path": path}


def _paths(images: Any) -> list[str]:
    return [str(path) for path, _ in images or []]
