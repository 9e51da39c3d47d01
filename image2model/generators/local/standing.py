"""A flat base: as little of the bottom is cut off as makes the body stand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .flat_mesh import Grid

MAX_CUT = 0.06
"""Share of the height that may be cut off; what does not stand then is left as it is."""
MIN_TILT_DEGREES = 4.0
"""The least tilt that a body must bear without falling over."""


def with_flat_base(grid: Grid, depth: NDArray[np.float64]) -> Grid:
    """The upper rows of `grid`, on the lowest of which a body of half thickness `depth` (n,), in cells, stands.

    All rows where it stands on the picture's frame already, or would not stand whatever is cut. Points in reading order
    keep their numbers.
    """
    half = np.zeros(grid.level.shape)
    half[grid.inside] = depth
    bottom = int(np.flatnonzero(grid.inside.any(axis=1))[-1])
    if bottom == len(half) - 1:
        return grid
    for row in range(bottom, bottom - round(MAX_CUT * len(half)) - 1, -1):
        if _stands(half[: row + 1]) and ndimage.label(grid.inside[: row + 1])[1] == 1:
            return replace(grid, level=grid.level[: row + 1])
    return grid


def _stands(half: NDArray[np.float64]) -> bool:
    """Whether a body of half thickness `half` (rows, columns) bears the least tilt to every side on its last row."""
    columns = np.flatnonzero(half[-1])
    rows_above = len(half) - 1 - np.arange(len(half))
    mass = half.sum()
    height = float(half.sum(axis=1) @ rows_above / mass)
    centre = float(half.sum(axis=0) @ np.arange(half.shape[1]) / mass)
    reach = min(centre - columns[0], columns[-1] - centre, float(half[-1].max()))
    return bool(reach >= np.tan(np.radians(MIN_TILT_DEGREES)) * height)
