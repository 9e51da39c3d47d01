"""Texture mapping of the back: even, not stretched where the surface is steep, or a mirror image of the front.

What is painted as it is seen from straight behind has little paint for the steep sides. So each point takes its colour
from where it would be if the surface were rolled flat: on a ball of radius R, what is r from the middle lies at
R · arcsin(r / R), here times 2/π to stay within the outline (the azimuthal equidistant projection). Each point is taken
to lie on a ball of its own: half its thickness z is √(R² - r²) there, so the vector to the ball's centre is ∇(z²) / 2.

A turned body seen from above is no mirror image of itself along the lines of sight, which enter at the rim and leave
further down: there each point takes its colour from the one as far before the axis, at the same height.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .flat_mesh import FlatMesh, Grid
from .lathe import TurnedSurface

Floats = NDArray[np.float64]

SMOOTHING_CELLS = 2.0
"""Standard deviation, in cells, of the smoothing of the vectors; of the radii twice that."""


@dataclass(frozen=True, slots=True)
class TextureMapping:
    """Offsets on the texture, and the radius of curvature of the surface; both in cells."""

    offsets: Floats
    """(n, 2): columns and rows, at the grid's inside points in reading order."""
    radius: Floats
    """(rows, columns): of the ball on which the surface lies there."""
    mirrored: Floats | None = None
    """(rows, columns): the offset by rows where the outline is at each point, if the offsets make the back mirror the
    front, whatever is painted on it; None if they keep unstretched what is to lie evenly."""

    def offsets_at(self, flat: FlatMesh, evenly: bool) -> Floats:
        """Return the offsets (points, 2) at the points of `flat` for what is to lie `evenly` or not."""
        offsets = np.zeros(flat.points.shape)
        if evenly or self.mirrored is not None:
            offsets[: flat.inner_count] = self.offsets
        if self.mirrored is not None:
            outline = flat.points[flat.inner_count :]
            offsets[flat.inner_count :, 1] = ndimage.map_coordinates(self.mirrored, outline[:, ::-1].T, order=1)
        return offsets


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


def mirrored_mapping(grid: Grid, surface: TurnedSurface) -> TextureMapping:
    """Return the mapping for the back of a turned body; its underside takes what its front shows above it."""
    lower, lower_outline = (2 * surface.sine * np.maximum(-each, 0) for each in (surface.back, surface.outline))
    inside = grid.inside
    even = even_mapping(grid, (surface.front - surface.back)[inside] / 2)
    offsets = np.column_stack([np.zeros(len(even.offsets)), lower[inside]])
    return TextureMapping(offsets, even.radius, lower_outline)


def identity_mapping(grid: Grid) -> TextureMapping:
    """Return the mapping for the flat back of a card: no offsets, and a rim like a small ball's."""
    return TextureMapping(np.zeros((int(grid.inside.sum()), 2)), np.full(grid.inside.shape, max(grid.inside.shape) / 8))


def _smoothed(values: Floats, cells: float) -> Floats:
    """Return `values` smoothed, and extrapolated to where they are NaN."""
    known = ndimage.gaussian_filter(np.isfinite(values).astype(float), cells, mode="nearest")
    return np.asarray(ndimage.gaussian_filter(np.nan_to_num(values), cells, mode="nearest") / np.maximum(known, 1e-6))
