"""How thick the walls of a solid are, and whether it passes through itself, by lines through places on its surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..gltf.reader import Integers
from .shells import Corners, crossings

PLACES = 400
"""On the surface, spread evenly by area."""
OPPOSITE = -0.7
"""Cosine between a face and the one behind it from which on the two make a wall and no edge."""


@dataclass(frozen=True, slots=True)
class Walls:
    """What was found at some places of a surface."""

    thickness: NDArray[np.float64]
    """(p,) In the unit of the corners; infinite where nothing faces the place from behind."""
    overlap: NDArray[np.float64]
    """(p,) How far a line through the place runs where the solid lies in itself, or outside where it is inside out."""


def walls(corners: Corners) -> Walls:
    """Look into a closed mesh, whose faces have `corners` (m, 3, 3) and look outwards; the same places every time."""
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = np.linalg.norm(normals, axis=1)
    normals /= np.maximum(areas, 1e-300)[:, None]
    chance = np.random.default_rng(0)
    faces = chance.choice(len(corners), PLACES, p=areas / areas.sum())
    places = np.einsum("pc,pcx->px", chance.dirichlet((1, 1, 1), PLACES), corners[faces])
    axes = np.abs(normals[faces]).argmax(axis=1)
    found = Walls(np.full(PLACES, np.inf), np.zeros(PLACES))
    for axis in range(3):
        own = np.flatnonzero(axes == axis)
        crossed = crossings(corners, places[own][:, [(axis + 1) % 3, (axis + 2) % 3]], axis)
        order = np.lexsort((crossed.depths, crossed.lines))
        for line in np.split(order, np.flatnonzero(np.diff(crossed.lines[order])) + 1):
            if len(line) and not crossed.signs[line].sum():  # else it ran through the joint of two faces
                place = own[crossed.lines[line[0]]]
                depths, through = crossed.depths[line], crossed.faces[line]
                found.overlap[place] = _overlap(depths, crossed.signs[line])
                wall = _behind(through, crossed.signs[line], faces[place])
                if wall and normals[through[wall[0]]] @ normals[through[wall[1]]] < OPPOSITE:
                    slant = abs(normals[faces[place], axis])
                    found.thickness[place] = abs(depths[wall[1]] - depths[wall[0]]) * slant
    return found


def _overlap(depths: NDArray[np.float64], signs: Integers) -> float:
    """How far a line runs where it has not entered once more, or as often, as it has left."""
    inside = -np.cumsum(signs)[:-1]
    return float(np.diff(depths)[(inside < 0) | (inside > 1)].sum())


def _behind(through: Integers, signs: Integers, face: int) -> tuple[int, int] | None:
    """Where along a line `face` is, and what is next behind its surface; None where it is not crossed once."""
    at = np.flatnonzero(through == face).tolist()
    if len(at) != 1:
        return None
    other = at[0] - int(signs[at[0]])
    return (at[0], other) if 0 <= other < len(through) else None
