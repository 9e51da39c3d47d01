"""A scene made ready for a file: thinned, scaled, turned, placed, in one colour per vertex."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ErrorCode, GenerationFailed
from ..facts import closure, renumbered, weld_numbers
from ..gltf import meshopt
from ..gltf.colours import base_colour, to_srgb
from ..gltf.meshopt import PERMISSIVE, PRUNE, REGULARIZE
from ..gltf.reader import Floats, Glb, Integers, Scene, Surface
from .options import Wanted

KEPT = {"NORMAL": 0.5, "TEXCOORD_0": 1.0, "COLOR_0": 1.0}
"""Attributes that thinning keeps, and how much each of their units counts against the longest side."""
WIDTHS = {"NORMAL": 3, "TEXCOORD_0": 2, "COLOR_0": 4}
NEAR_ENOUGH = 1.02
WAYS = (0, REGULARIZE, PERMISSIVE, PERMISSIVE | REGULARIZE, PERMISSIVE | PRUNE)
"""To thin, tried until one gives few enough faces and leaves closed what was."""
SHARES = (1.0, 0.1)
"""How much attributes count: all the WAYS are tried first with them in full, then with less of them."""
Z_UP = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], np.float32)


def surfaces(scene: Scene) -> Iterator[tuple[Surface, slice, Integers]]:
    """Yield each surface, its vertices and its own faces (m, 3), counted from its first vertex."""
    ends = [*(surface.first_vertex for surface in scene.surfaces[1:]), len(scene.positions)]
    for surface, end in zip(scene.surfaces, ends, strict=True):
        faces = scene.faces[surface.first_face : surface.first_face + surface.faces] - surface.first_vertex
        yield surface, slice(surface.first_vertex, end), faces


def compact(scene: Scene) -> Scene:
    """The scene without faces of which two corners are at one place, unused vertices, and surfaces without a face.

    Raises GenerationFailed (`glb_no_geometry`) where nothing is left.
    """
    positions: list[Floats] = []
    faces: list[Integers] = []
    kept: list[Surface] = []
    first_face = first_vertex = 0
    for surface, vertices, every in surfaces(scene):
        corners = scene.positions[vertices][every]
        own = every[(corners != np.roll(corners, 1, axis=1)).any(axis=2).all(axis=1)]
        if not len(own):
            continue
        used, numbers = renumbered(own)
        attributes = {name: values[used] for name, values in surface.attributes.items()}
        positions.append(scene.positions[vertices][used])
        faces.append(numbers + first_vertex)
        kept.append(Surface(first_face, first_vertex, len(own), attributes, surface.material, surface.material_index))
        first_face, first_vertex = first_face + len(own), first_vertex + len(used)
    if not kept:
        raise GenerationFailed(
            ErrorCode.GLB_NO_GEOMETRY, "The generator's file holds no surface.", "Use another generator."
        )
    return Scene(np.concatenate(positions), np.concatenate(faces), tuple(kept), 0)


def thinned(scene: Scene, limit: int, *, closed: bool = False) -> Scene:
    """The scene with at most about `limit` faces: its shape, texture coordinates and colours kept as well as they can.

    Seams of the texture are kept while that is possible, then crossed; a scene of fewer faces comes back as it is.
    One that is `closed` stays so where one of the WAYS leaves it closed.
    """
    if len(scene.faces) <= limit:
        return scene
    values = _attributes(scene)
    weights = [weight for name, weight in KEPT.items() for _ in range(WIDTHS[name])]
    places = weld_numbers(scene.positions, scene.faces)
    faces = whole = _representatives(scene, values)[scene.faces]
    opened: list[Integers] = []
    for share, flags in product(SHARES, WAYS):
        faces = whole if flags == WAYS[0] else faces
        fewer = meshopt.simplify(scene.positions, faces, values, [share * weight for weight in weights], limit, flags)
        if not 0 < len(fewer) <= limit * NEAR_ENOUGH:
            faces = fewer if len(fewer) else faces
            continue
        sound = [one for one in (fewer, _without_flaps(fewer, places)) if not closed or _is_closed(scene, one)]
        if sound:
            return compact(_with_faces(scene, sound[0]))
        opened.append(fewer)
        faces = whole
    return compact(_with_faces(scene, opened[0] if opened else faces))


def _is_closed(scene: Scene, faces: Integers) -> bool:
    return len(faces) > 0 and closure(scene.positions, faces).watertight


def _without_flaps(faces: Integers, places: Integers) -> Integers:
    """Faces (k, 3) without those that have collapsed onto one another; `places` (n,) numbers where each vertex is."""
    _, each, counts = np.unique(np.sort(places[faces], axis=1), axis=0, return_inverse=True, return_counts=True)
    return np.asarray(faces[counts[each] == 1])


def _attributes(scene: Scene) -> Floats:
    """What thinning keeps, (vertices, 9); zero where a surface has none of it."""
    values = np.zeros((len(scene.positions), sum(WIDTHS.values())), np.float32)
    for surface, vertices, _ in surfaces(scene):
        start = 0
        for name, width in WIDTHS.items():
            if name in surface.attributes:
                own = surface.attributes[name][:, :width]
                if name == "TEXCOORD_0":  # may be whole numbers, or reach far where the texture is repeated
                    own = own / max(1.0, float(np.ptp(own, axis=0).max()))
                values[vertices, start : start + own.shape[1]] = own
            start += width
    return values


def _representatives(scene: Scene, values: Floats) -> Integers:
    """For each vertex the first that is the same in all: files without indices repeat every vertex."""
    if len(scene.positions) <= len(scene.faces):
        return np.arange(len(scene.positions))
    owner = np.zeros((len(scene.positions), 1), np.float32)
    for number, (_, vertices, _) in enumerate(surfaces(scene)):
        owner[vertices] = number
    rows = np.ascontiguousarray(np.hstack([scene.positions, values, owner]))
    _, first, same = np.unique(rows.view([("", "V", rows.strides[0])]).ravel(), return_index=True, return_inverse=True)
    return np.asarray(first[same], np.intp)


def _with_faces(scene: Scene, faces: Integers) -> Scene:
    """The scene with other faces over the same vertices."""
    starts = [surface.first_vertex for surface in scene.surfaces]
    owner = np.searchsorted(starts, faces[:, 0], side="right") - 1
    counts = np.bincount(owner, minlength=len(starts))
    firsts = np.cumsum(counts) - counts
    changed = [
        replace(surface, first_face=int(first), faces=int(count))
        for surface, first, count in zip(scene.surfaces, firsts, counts, strict=True)
    ]
    return replace(scene, faces=faces[np.argsort(owner, kind="stable")], surfaces=tuple(changed))


def placed(scene: Scene, choice: Wanted) -> Scene:
    """The scene in the size, turned and put where the choice says, in the format's own units."""
    positions = scene.positions.astype(np.float64)
    longest = float(np.ptp(positions, axis=0).max())
    metres = choice.size_mm / 1000 / longest if choice.size_mm and longest else 1.0
    positions *= metres * (1000.0 if choice.format.unit == "mm" else 1.0)
    turn = Z_UP if choice.up == "z" else np.eye(3, dtype=np.float32)
    positions = positions @ turn.T
    low, high = positions.min(axis=0), positions.max(axis=0)
    origin = np.zeros(3) if choice.pivot == "keep" else (low + high) / 2
    if choice.pivot == "bottom":
        upwards = 2 if choice.up == "z" else 1
        origin[upwards] = low[upwards]
    turned = [_turned(surface, turn) for surface in scene.surfaces]
    return replace(scene, positions=(positions - origin).astype(np.float32), surfaces=tuple(turned))


def _turned(surface: Surface, turn: Floats) -> Surface:
    if "NORMAL" not in surface.attributes:
        return surface
    normals = np.asarray(surface.attributes["NORMAL"], np.float32)
    length = np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)
    return replace(surface, attributes={**surface.attributes, "NORMAL": normals / length @ turn.T})


def vertex_colours(glb: Glb, scene: Scene) -> NDArray[np.uint8] | None:
    """sRGB and opacity (vertices, 4) of what is painted on each vertex; None where nothing is."""
    colours = np.full((len(scene.positions), 4), 255, np.uint8)
    painted = False
    for surface, vertices, _ in surfaces(scene):
        look = surface.material.get("pbrMetallicRoughness", {})
        if not ({"baseColorTexture", "baseColorFactor"} & set(look) or "COLOR_0" in surface.attributes):
            continue
        painted = True
        count = vertices.stop - vertices.start
        corners = np.broadcast_to(np.arange(count), (3, count))
        weights = np.zeros((3, count), np.float32)
        weights[0] = 1
        found = np.clip(_bearably(glb, surface, corners, weights), 0, 1)
        colours[vertices, :3] = to_srgb(found[:3]).T
        colours[vertices, 3] = np.rint(found[3] * 255)
    return colours if painted else None


def _bearably(glb: Glb, surface: Surface, corners: Integers, weights: Floats) -> NDArray[Any]:
    """Linear colour and opacity (4, vertices); white where the file contradicts itself about it."""
    try:
        return base_colour(glb, surface, corners, weights)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        return np.ones((4, corners.shape[1]), np.float32)
