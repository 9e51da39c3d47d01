"""A flat base on which a body stands.

As little of the bottom is cut off, and if need be the foot made as much deeper, as makes it stand. What is known to be
seen from above is first put upright, and its underside pressed flat.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .flat_mesh import Grid

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_CUT = 0.08
"""Share of the height that may be cut off; what does not stand then is left as it is."""
MIN_TILT_DEGREES = 4.0
"""The least tilt that a body must bear without falling over."""
FOOT_SLOPE = 0.5
"""Decrease of a deepened foot's depth with each row above the base."""
FLOOR_FRACTIONS = np.linspace(0.02, MAX_CUT, 13)
"""Shares of the height, from the ground, that are tried to be pressed flat, if its underside is not enough."""
DOWNWARDS, UNDERSIDE_SHARE = 0.98, 0.98
"""Least downward part of a normal of the underside, and the share of the underside that becomes the base."""
UNPRESSED_SHARE = 1e-3
"""Share of its height that stays of what is pressed, or points above each other would become one."""
DIRECTIONS = np.linspace(0, 2 * np.pi, 32, endpoint=False)
"""Directions, in radians, in which the base must reach far enough."""


def with_flat_base(grid: Grid, depth: Floats) -> tuple[Grid, Floats]:
    """The upper rows of `grid`, on the lowest of which the body stands, and by what its depths (n,) are multiplied.

    `depth` (m,) is its half thickness in cells. All rows where it stands on the picture's frame already, or would not
    stand whatever is cut. Points in reading order keep their numbers. A foot is made deeper only where no cut will do.
    """
    half = np.zeros(grid.level.shape)
    half[grid.inside] = depth
    bottom = int(np.flatnonzero(grid.inside.any(axis=1))[-1])
    if bottom < len(half) - 1:
        for deeper in (False, True):
            for row in range(bottom, bottom - round(MAX_CUT * len(half)) - 1, -1):
                upper = half[: row + 1]
                factors = _foot_factors(upper) if deeper else np.ones(len(upper))
                if _is_stable(upper * factors[:, None]) and ndimage.label(upper > 0)[1] == 1:
                    rows = np.nonzero(grid.inside[: row + 1])[0]
                    return replace(grid, level=grid.level[: row + 1]), factors[rows]
    return grid, np.ones(len(depth))


def upright_pose(elevation: float, thickness: float) -> Floats:
    """Return the matrix (3, 3) that puts what is seen from `elevation`, in radians, upright, and makes it thicker."""
    cos, sin = np.cos(elevation), np.sin(elevation)
    return np.array([[1, 0, 0], [0, cos, sin], [0, -thickness * sin, thickness * cos]])


def standing_points(points: Floats, faces: Ints, pose: Floats) -> Floats:
    """Return the `points` (n, 3) of a closed mesh moved by `pose` (3, 3), y up, the lowest pressed to a flat base.

    The base is the underside, or else the lowest on which it stands; the lowest that is tried where it stands on none.
    """
    moved = np.asarray(points @ pose.T)
    bottom, height = float(moved[:, 1].min()), float(np.ptp(moved[:, 1]))
    centre = _centre_of_mass(moved, faces)
    wanted = np.tan(np.radians(MIN_TILT_DEGREES)) * (centre[1] - bottom)
    directions = np.stack([np.cos(DIRECTIONS), np.sin(DIRECTIONS)])
    highest = bottom + MAX_CUT * height
    floors = [*_undersides(moved, faces, highest), *(bottom + FLOOR_FRACTIONS * height).tolist()]

    def bears(floor: float) -> bool:
        base = moved[moved[:, 1] <= floor][:, [0, 2]] - centre[[0, 2]]
        return bool((base @ directions).max(axis=0).min() >= wanted)

    floor = next(filter(bears, floors), floors[0])
    below = np.minimum(moved[:, 1] - floor, 0)
    moved[:, 1] -= (1 - UNPRESSED_SHARE) * below
    return moved


def _undersides(points: Floats, faces: Ints, highest: float) -> list[float]:
    """Return the height of what faces downwards below `highest`; nothing where nothing does."""
    corners = points[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas = np.linalg.norm(normals, axis=1)
    heights = corners[..., 1].max(axis=1)
    under = np.flatnonzero((normals[:, 1] < -DOWNWARDS * areas) & (heights <= highest))
    if not len(under):
        return []
    under = under[np.argsort(heights[under])]
    covered = np.cumsum(areas[under])
    return [float(heights[under][np.searchsorted(covered, UNDERSIDE_SHARE * covered[-1])])]


def _centre_of_mass(points: Floats, faces: Ints) -> Floats:
    """Return the centre of mass (3,) of the body that `faces` (m, 3) of `points` (n, 3) enclose."""
    corners = points[faces]
    volumes = np.einsum("fi,fi->f", corners[:, 0], np.cross(corners[:, 1], corners[:, 2]))
    return np.asarray(volumes @ corners.sum(axis=1) / (4 * volumes.sum()))


def _foot_factors(half: Floats) -> Floats:
    """Return factors (rows,) that make the last rows of `half` so deep that the body does not fall forwards."""
    rows_above = len(half) - 1 - np.arange(len(half))
    wanted = 1.05 * _reach(half)[1] - FOOT_SLOPE * rows_above
    return np.asarray(np.maximum(wanted / np.maximum(half.max(axis=1), 1e-9), 1) * (wanted > 0) + (wanted <= 0))


def _is_stable(half: Floats) -> bool:
    """True if a body of half thickness `half` (rows, columns) bears the least tilt to every side on its last row."""
    columns = np.flatnonzero(half[-1])
    centre, wanted = _reach(half)
    return bool(min(centre - columns[0], columns[-1] - centre, float(half[-1].max())) >= wanted)


def _reach(half: Floats) -> tuple[float, float]:
    """Return the column of the centre of mass, and how far the base must reach from under it to every side."""
    mass = half.sum()
    height = float(half.sum(axis=1) @ (len(half) - 1 - np.arange(len(half))) / mass)
    centre = float(half.sum(axis=0) @ np.arange(half.shape[1]) / mass)
    return centre, float(np.tan(np.radians(MIN_TILT_DEGREES)) * height)
