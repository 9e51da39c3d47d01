"""A GLB as a file of another format or size: made, read back by another library, and only then kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import KDTree

from ...atomic_files import write_whole
from ...errors import ErrorCode, Unavailable
from ..facts import WELD_STEPS, Closure, closure, rounded, weld_numbers
from ..gltf.colours import to_linear
from ..gltf.reader import Floats, Glb, Scene, Surface
from ..repair.print_check import mended, print_check
from . import read_back
from .geometry import Z_UP, compact, placed, thinned, vertex_colours
from .gltf import gltf
from .obj import obj
from .options import PRINT_SIZE, Wanted, wanted
from .stl_ply import ply, stl
from .textures import Paint, paints
from .threemf import threemf
from .usdz import usdz


@dataclass(frozen=True, slots=True)
class Made:
    """What came of an export, as JSON takes it."""

    faces: int
    faces_asked: int | None
    faces_before: int
    dimensions: tuple[float, float, float]
    """Of the bounding box, along the file's x, y and z, in `unit`."""
    unit: str
    closed: bool
    notes: tuple[str, ...]
    """What was changed, in plain sentences."""
    checked_with: str
    """The library that has read the file back."""
    print_check: dict[str, Any] | None
    """Whether what is in the file can be printed, where the format is for that (`printing.Verdict`)."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {name: list(value) if isinstance(value := getattr(self, name), tuple) else value
                for name in self.__dataclass_fields__}  # fmt: skip


NO_LONGER_CLOSED = "With so few faces its surface is no longer closed: take more for printing."
NOTHING = "Nothing had to be mended."
WRITERS: dict[str, Callable[[Glb, Scene, list[Paint], Wanted, str], bytes]] = {
    "glb": lambda glb, scene, looks, choice, stem: gltf(glb, scene, choice.packing),
    "obj": lambda glb, scene, looks, choice, stem: obj(scene, looks, stem),
    "stl": lambda glb, scene, looks, choice, stem: stl(scene),
    "3mf": lambda glb, scene, looks, choice, stem: threemf(scene, looks, vertex_colours(glb, scene)),
    "ply": lambda glb, scene, looks, choice, stem: ply(scene, vertex_colours(glb, scene)),
    "usdz": lambda glb, scene, looks, choice, stem: usdz(scene, looks, choice.up),
}


def export(glb: Path, choice: Wanted, target: Path, stem: str) -> dict[str, Any]:
    """Write `glb` as `choice` says to `target`, and beside it, as JSON, what is returned: a `Made`.

    Nothing is left at `target` unless another library than ours reads the same faces, bounds and textures from it.
    Raises GenerationFailed for a GLB that nobody could open, Unavailable for what could not be written soundly.
    """
    read_back.demand(choice.format.id)
    opened = Glb(glb)
    whole = opened.scene()
    scene = compact(whole)
    if choice.measure == "height" and choice.size_mm and not _has_height(scene):
        raise Unavailable(
            ErrorCode.NO_HEIGHT, "It lies flat and has no height.", "Say how long its longest side is to be."
        )
    before, notes = len(whole.faces), _flat_faces(len(whole.faces) - len(scene.faces))
    if choice.repair != "none":
        scene, mends = _mended(opened, scene, choice.of(_extents(scene)))
        notes += mends
    found = closure(scene.positions, scene.faces)
    if choice.face_limit and choice.face_limit < len(scene.faces):
        was_closed = found.watertight
        scene = thinned(scene, choice.face_limit, closed=was_closed)
        found = closure(scene.positions, scene.faces)
        notes += [NO_LONGER_CLOSED] if was_closed and not found.watertight else []
    choice = choice.of(_extents(scene))
    verdict = _verdict(scene, choice, found)
    scene = placed(scene, choice)
    looks = paints(opened, scene)
    data = WRITERS[choice.format.id](opened, scene, looks, choice, stem)
    checked_with = read_back.check(data, choice, scene, any(look.picture for look in looks))
    made = Made(
        faces=len(scene.faces),
        faces_asked=choice.face_limit,
        faces_before=before,
        dimensions=rounded(np.ptp(scene.positions.astype(float), axis=0)),
        unit=choice.format.unit,
        closed=found.watertight,
        notes=(*notes, *_remarks(scene, choice, looks)),
        checked_with=checked_with,
        print_check=verdict,
    ).to_dict()
    target.parent.mkdir(exist_ok=True)
    write_whole(target.with_name(target.name + ".json"), json.dumps(made).encode())
    write_whole(target, data)
    return made


def _flat_faces(lost: int) -> list[str]:
    return [f"{lost:,} {'face' if lost == 1 else 'faces'} without any area left out."] if lost else []


def _remarks(scene: Scene, choice: Wanted, looks: list[Paint]) -> list[str]:
    remarks = []
    if choice.face_limit and len(scene.faces) > choice.face_limit:
        remarks.append(f"{choice.face_limit:,} faces were asked for; {len(scene.faces):,} is as few as keep its shape.")
    if choice.format.colour != "none" and any(look.unread for look in looks):
        remarks.append("A texture could not be read here: too large, damaged or in an unusual form (KTX2).")
    return remarks


def _extents(scene: Scene) -> Floats:
    return np.asarray(np.ptp(scene.positions, axis=0))


def _has_height(scene: Scene) -> bool:
    extents = _extents(scene)
    return bool(extents[1] * WELD_STEPS > extents.max())


def _verdict(scene: Scene, choice: Wanted, found: Closure) -> dict[str, Any] | None:
    if not choice.format.printed:
        return None
    standing = placed(scene, replace(choice, up="z", pivot="bottom"))
    return print_check(standing.positions, standing.faces, found).to_dict()


def check_print(glb: Path, choice: Wanted) -> dict[str, Any]:
    """Whether a GLB can be printed in the size of `choice`: as it is, and once it is mended, where it can be.

    Raises GenerationFailed for a file that nobody could open.
    """
    scene = compact(Glb(glb).scene())
    scene = placed(scene, choice.of(_extents(scene)))
    verdict = print_check(scene.positions, scene.faces)
    known = {"size_mm": choice.size_mm, "measure": choice.measure, **verdict.to_dict(), "mended": None}
    if verdict.ready:
        return known
    try:
        (positions, faces), steps = mended(scene.positions, scene.faces)
    except Unavailable:  # the problems say why
        return known
    return {**known, "mended": {**print_check(positions, faces).to_dict(), "steps": steps or [NOTHING]}}


def _mended(glb: Glb, scene: Scene, choice: Wanted) -> tuple[Scene, list[str]]:
    """The scene as a solid, in one colour per vertex where it has any, and what was done to it.

    Where nothing is to be mended it stays as it is, but for vertices that are as good as at one place.
    """
    size = choice.size_mm or PRINT_SIZE
    stood = placed(scene, wanted("stl", size=size, pivot="keep"))
    (positions, faces), notes = mended(stood.positions, stood.faces, rebuild=choice.repair == "rebuild")
    if not notes:
        places = np.unique(weld_numbers(scene.positions, scene.faces), return_index=True, return_inverse=True)
        return replace(scene, positions=scene.positions[places[1][places[2]]]), [NOTHING]
    looks = [surface.material.get("pbrMetallicRoughness", {}) for surface in scene.surfaces]
    if any("baseColorTexture" in look for look in looks) and choice.format.colour == "textures":
        notes.append("Its texture could not be kept: its colours are at the vertices, where the format has them.")
    colours = vertex_colours(glb, scene)
    attributes = {}
    if colours is not None:
        nearest = KDTree(stood.positions).query(positions, workers=1)[1]
        attributes["COLOR_0"] = to_linear(colours[nearest].T).T
    surface = Surface(0, 0, len(faces), attributes, {"pbrMetallicRoughness": {"metallicFactor": 0}})
    longest = float(np.ptp(scene.positions, axis=0).max()) or 1.0
    back = positions @ Z_UP * (longest / size)
    return compact(replace(scene, positions=back.astype(np.float32), faces=faces, surfaces=(surface,))), notes
