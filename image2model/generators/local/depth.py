"""Thickness of the subject at each point: an inflation in which a disc becomes a ball and a strip a rod.

Of all straight lines through a point within a circle, the product of its two distances to the circle is
the same: the squared height of a ball above it (Euclid's power of a point). Within an ellipse the products'
reciprocals vary with the direction as mean + swing · cos 2(direction - thinnest), and their greatest is
that of the ellipsoid as thick as the ellipse is wide. So half the thickness at each point is that of the
ellipse that fits its lines best: an outline that mirrors about a line becomes about what a lathe makes of
it, flat ends and all. Where the outline all but fills a rectangle, or the picture shows no shading, the
profile is flattened towards a slab's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .flat_mesh import Grid, crossing_share
from .lines import center, distances_along_rows, rotated, rotated_shape

Floats = NDArray[np.float64]
Array = NDArray[np.float32]

DIRECTIONS = 24
"""Number of lines through each point; fewer leave traces of each line that grazes the outline."""
SWING_WEIGHT = 1.2
"""Weight of the swing; 1 is exact within an ellipse, and other outlines vary in more ways than that."""
MIN_POWER = 0.05
"""Smallest power, in squared cells; keeps reciprocals finite at the outline."""
MIN_SMOOTHING, SMOOTHING_STEPS = 4.0, 60
"""Least strength, in squared cells, and steps of the smoothing that removes the rest of those traces."""
MAX_SMOOTHING_LENGTH = 1 / 40
"""Square root of the greatest strength, as a share of the longer side."""
SMOOTHING_SHARE, SMOOTHING_REACH = 0.3, 15
"""The strength as a share of the squared height around, within so many cells: more would make needles of thin parts."""
FRAME_CUT_SHARES = (0.2, 0.5)
MAX_DEPTHS = (0.5, 0.36)
"""Greatest half thickness, as a share of the longer side, where so much of that side's length is cut by the frame: what
is cut, mostly people and animals, is seldom as deep as it is wide."""

BOX_FILL = (0.86, 0.96)
"""Shares of its least rectangle that an outline fills: below the first it is no box, above the last wholly one."""
BOX_FLATTENING, UNSHADED_FLATTENING = 0.4, 0.7
"""Reductions of the profile's exponent for a box and for a surface without shading: 0 leaves a ball, 1 is a slab."""
UNSHADED_THINNING = 0.3
"""Share by which a surface without shading is taken to be thinner."""


def inflate(grid: Grid, flat: float = 0.0) -> Floats:
    """Return half the thickness (n,), in cells, at the grid's inside points in reading order.

    `flat`, 0 to 1, is how surely the picture shows a flat surface. Where the frame cuts the subject, the
    surface arrives level, as if it went on in mirror image.
    """
    inside = grid.inside
    depth = np.sqrt(_smoothed(grid, _squared_height(grid))[inside])
    deepest = float(depth.max())
    profile = (depth / deepest) ** ((1 - BOX_FLATTENING * boxiness(inside)) * (1 - UNSHADED_FLATTENING * flat))
    return np.asarray(profile * min(deepest, _max_depth(inside)) * (1 - UNSHADED_THINNING * flat))


def _squared_height(grid: Grid) -> Floats:
    """Return the squared height (rows, columns), in cells, over the ellipse that fits the lines through each point."""
    shape = grid.level.shape
    level, corner = _mirror_padded(grid)
    middle = center(level.shape)
    target = (middle[0] - corner[0], middle[1] - corner[1])
    mean, even, odd = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for angle in np.pi * np.arange(DIRECTIONS) / DIRECTIONS:
        turned_shape = rotated_shape(level.shape, angle)
        left, right = distances_along_rows(rotated(level, angle, turned_shape, center(turned_shape), middle))
        power = rotated(left * right, -angle, shape, target, center(turned_shape))
        reciprocal = 1 / np.maximum(power, MIN_POWER)
        mean += reciprocal
        even += np.cos(2 * angle) * reciprocal
        odd += np.sin(2 * angle) * reciprocal
    return np.asarray(DIRECTIONS / (mean + SWING_WEIGHT * 2 * np.hypot(even, odd)))


def _mirror_padded(grid: Grid) -> tuple[Array, tuple[int, int]]:
    """Return the level continued in mirror image where the frame cuts it, and the (column, row) of its corner there."""
    inside = grid.inside
    most = min(max(inside.shape) // 2, min(inside.shape) - 1)
    top, bottom, left, right = (most * int(side.any()) for side in _frame_points(inside))
    return np.pad(grid.level, ((top, bottom), (left, right)), mode="reflect"), (left, top)


def _smoothed(grid: Grid, power: Floats) -> Floats:
    """Return `power` smoothed, 0 at the outline: (1 - strength ∇²) x = power, solved roughly by Jacobi's method.

    The outline counts where it really crosses an edge (Gibou et al. 2002).
    """
    level, inside = grid.level, grid.inside
    around = np.stack(_neighbours(level))
    half = inside & (around <= 0)
    pull = np.ones(half.shape)
    pull[half] = 1 / crossing_share(np.broadcast_to(level, half.shape)[half], around[half])
    greatest = max((MAX_SMOOTHING_LENGTH * max(level.shape)) ** 2, MIN_SMOOTHING)
    around_power = ndimage.maximum_filter(power * inside, SMOOTHING_REACH)
    strength = np.clip(SMOOTHING_SHARE * around_power, MIN_SMOOTHING, greatest)
    whole = np.where(inside, 1 / (1 + strength * pull.sum(axis=0)), 0)
    given, field, spread = power * whole, power * inside, strength * whole
    for _ in range(SMOOTHING_STEPS):
        field = given + spread * sum(_neighbours(field))
    return field


def _neighbours(values: NDArray[Any]) -> list[NDArray[Any]]:
    """Return the values above, below, on the left and on the right of each; beyond the frame its own."""
    padded = np.pad(values, 1, mode="edge")
    return [padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]]


def _max_depth(inside: NDArray[np.bool_]) -> float:
    """Return the greatest half thickness, in cells."""
    longest = max(inside.shape)
    cut = sum(int(side.sum()) for side in _frame_points(inside))
    return float(longest * np.interp(cut / longest, FRAME_CUT_SHARES, MAX_DEPTHS))


def _frame_points(inside: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], ...]:
    """Return the grid's points along the frame: top, bottom, left, right."""
    return inside[0], inside[-1], inside[:, 0], inside[:, -1]


def boxiness(inside: NDArray[np.bool_]) -> float:
    """Return 0 for an outline unlike a rectangle, to 1 for a rectangle turned any way; 0 where the frame cuts it."""
    if any(side.any() for side in _frame_points(inside)):
        return 0.0
    rows = np.flatnonzero(inside.any(axis=1))
    first, last = inside[rows].argmax(axis=1), inside.shape[1] - 1 - inside[rows, ::-1].argmax(axis=1)
    ends = np.column_stack([np.concatenate([first, last]), np.concatenate([rows, rows])])
    turns = np.radians(np.arange(180))
    spans = np.ptp(ends @ np.stack([np.cos(turns), np.sin(turns)]), axis=0) + 1
    filled = float(inside.sum() / (spans[:90] * spans[90:]).min())
    return float(np.interp(filled, BOX_FILL, (0, 1)))
