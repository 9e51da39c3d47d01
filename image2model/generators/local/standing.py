"""A flat base: as little of the bottom is cut off, and if need be the foot made as much deeper, as makes it stand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .flat_mesh import Grid

Floats = NDArray[np.float64]

MAX_CUT = 0.08
"""Share of the height that may be cut off; what does not stand then is left as it is."""
MIN_TILT_DEGREES = 4.0
"""The least tilt that a body must bear without falling over."""
FOOT_SLOPE = 0.5
"""Decrease of a deepened foot's depth with each row above the base."""


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
