"""Texture mapping of the back: even, not stretched where the surface is steep.

What is painted as it is seen from straight behind has little paint for the steep sides. So each point takes its colour
from where it would be if the surface were rolled flat: on a ball of radius R, what is r from the middle lies at
R · arcsin(r / R), here times 2/π to stay within the outline (the azimuthal equidistant projection). Each point is taken
to lie on a ball of its own: half its thickness z is √(R² - r²) there, so the vector to the ball's centre is ∇(z²) / 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .flat_mesh import Grid

Floats = NDArray[np.float64]

SMOOTHING_CELLS = 2.0
"""Standard deviation, in cells, of the smoothing of the vectors; of the radii twice that."""


@dataclass(frozen=True, slots=True)
class TextureMapping:
    """Offsets that keep a texture unstretched, and the radius of curvature of the surface; both in cells."""

    offsets: Floats
    """(n, 2): columns and rows, at the grid's inside points in reading order."""
    radius: Floats
    """(rows, columns): of the ball on which the surface lies there."""


def even_mapping(grid: Grid, depth: Floats) -> TextureMapping:
    """Return the mapping for a body of half thickness `depth` (n,), in cells, as `inflate` returns it."""
    inside = grid.inside
    squared = np.full(inside.shape, np.nan)
    squared[inside] = depth**2
    to_centre = [_smoothed(np.diff(squared, axis=axis, append=np.nan) / 2, SMOOTHING_CELLS) for axis in (1, 0)]
    distance = np.hypot(*to_centre)
    radius = np.sqrt(squared + distance**2)
    rolled = radius * np.arcsin(distance / radius) * 2 / np.pi
    share = np.where(distance > 0, 1 - rolled / np.maximum(distance, 1e-9), 0)
    return TextureMapping(
        np.column_stack([(component * share)[inside] for component in to_centre]),
        _smoothed(radius, 2 * SMOOTHING_CELLS),
    )


def identity_mapping(grid: Grid) -> TextureMapping:
    """Return the mapping for the flat back of a card: no offsets, and a rim like a small ball's."""
    return TextureMapping(np.zeros((int(grid.inside.sum()), 2)), np.full(grid.inside.shape, max(grid.inside.shape) / 8))


def _smoothed(values: Floats, cells: float) -> Floats:
    """Return `values` smoothed, and extrapolated to where they are NaN."""
    known = ndimage.gaussian_filter(np.isfinite(values).astype(float), cells, mode="nearest")
    return np.asarray(ndimage.gaussian_filter(np.nan_to_num(values), cells, mode="nearest") / np.maximum(known, 1e-6))
