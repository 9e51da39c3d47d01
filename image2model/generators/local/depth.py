"""How thick the subject is at each point: an inflation in which a disc becomes a ball and a strip a rod.

Solve ∇²u = −4 inside the outline with u = 0 on it; √u is a half ball over a disc, but √2 times too
thick over a strip. So √u is scaled by (distance to the outline) / √u as found on the ridge of the
distance, spread from there as evenly as can be (a harmonic function). Where the outline all but fills
a rectangle, the profile is flattened towards a box's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse.linalg import splu

from ...errors import GenerationFailed
from .sheet import Grid, crossing
from .subject import RELIEF_HINT

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RATIOS = (0.65, 1.1)
"""What the ridge's ratio can be, from a strip (.71) to a disc (1), with room for the grid's error."""
TRUST = 0.03
"""How hard the ridge's ratio is held against an even spread: firmer leaves dents along the ridge."""
DEEPEST = 0.5
"""Greatest half thickness, as a share of the longer side, where the frame cuts much of the outline away."""

BOXY = (0.86, 0.96)
"""Shares of its least rectangle that an outline fills: below the first it is no box, above the last wholly one."""
FLATTEN = 0.4
"""How much a box takes off the profile's exponent: 0 leaves the ball's profile, 1 would be a slab."""


@dataclass(frozen=True, slots=True)
class _Links:
    """The grid's edges of which one end at least is inside, as the finite differences want them."""

    start: Ints
    end: Ints
    weight: Floats
    """1; one half along the picture's frame, where only half a cell belongs to the edge."""


def inflate(grid: Grid) -> Floats:
    """Return half the thickness (n,), in cells, at the grid's inside points in reading order.

    Where the frame cuts the subject, the surface arrives level, as if it went on in mirror image.
    Raises GenerationFailed with code `no_outline` where there is no outline to inflate within.
    """
    inside = grid.inside
    if inside.all():
        message = "The subject fills the whole picture, so it has no outline to work from."
        raise GenerationFailed("no_outline", message, RELIEF_HINT)
    links = _links(inside.shape)
    number = np.cumsum(inside.ravel()) - 1
    matrix, at_outline = _laplacian(links, grid.level.ravel(), number)
    squared = _solve(matrix + sparse.diags(at_outline), 4 * _cell_areas(inside.shape)[inside.ravel()])
    root = np.sqrt(np.maximum(squared, 1e-4))
    depth = root * _ratio(grid, root, matrix)
    deepest = float(depth.max())
    profile = (depth / deepest) ** (1 - FLATTEN * _boxiness(inside))
    return np.asarray(profile * min(deepest, DEEPEST * max(inside.shape)))


def _boxiness(inside: NDArray[np.bool_]) -> float:
    """Return 0 for an outline unlike a rectangle, to 1 for a rectangle turned any way; 0 where the frame cuts it."""
    if inside[[0, -1]].any() or inside[:, [0, -1]].any():
        return 0.0
    rows = np.flatnonzero(inside.any(axis=1))
    first, last = inside[rows].argmax(axis=1), inside.shape[1] - 1 - inside[rows, ::-1].argmax(axis=1)
    ends = np.column_stack([np.concatenate([first, last]), np.concatenate([rows, rows])])
    turns = np.radians(np.arange(180))
    spans = np.ptp(ends @ np.stack([np.cos(turns), np.sin(turns)]), axis=0) + 1
    filled = float(inside.sum() / (spans[:90] * spans[90:]).min())
    return float(np.interp(filled, BOXY, (0, 1)))


def _links(shape: tuple[int, ...]) -> _Links:
    points = np.arange(shape[0] * shape[1]).reshape(shape)
    across, down = np.ones((shape[0], shape[1] - 1)), np.ones((shape[0] - 1, shape[1]))
    across[[0, -1]] = 0.5
    down[:, [0, -1]] = 0.5
    return _Links(
        np.concatenate([points[:, :-1].ravel(), points[:-1].ravel()]),
        np.concatenate([points[:, 1:].ravel(), points[1:].ravel()]),
        np.concatenate([across.ravel(), down.ravel()]),
    )


def _cell_areas(shape: tuple[int, ...]) -> Floats:
    rows, columns = np.ones(shape[0]), np.ones(shape[1])
    rows[[0, -1]] = columns[[0, -1]] = 0.5
    return np.outer(rows, columns).ravel()


def _laplacian(links: _Links, level: NDArray[np.float32], number: Ints) -> tuple[sparse.csc_array, Floats]:
    """Return −∇² between the inside points, and what an outline at 0 adds to its diagonal.

    The outline counts where it really crosses an edge (Gibou et al. 2002, symmetric, second order).
    """
    inside, size = level > 0, int(number[-1]) + 1
    both = inside[links.start] & inside[links.end]
    one, two, weight = number[links.start[both]], number[links.end[both]], links.weight[both]
    diagonal = np.bincount(one, weight, size) + np.bincount(two, weight, size)
    every = np.arange(size)
    matrix = sparse.coo_array(
        (
            np.concatenate([-weight, -weight, diagonal]),
            (np.concatenate([one, two, every]), np.concatenate([two, one, every])),
        ),
        (size, size),
    ).tocsc()
    half = inside[links.start] != inside[links.end]
    start, end = links.start[half], links.end[half]
    near, far = np.where(inside[start], start, end), np.where(inside[start], end, start)
    pull = links.weight[half] / crossing(level[near], level[far])
    return matrix, np.asarray(np.bincount(number[near], pull, size), np.float64)


def _ratio(grid: Grid, root: Floats, matrix: sparse.csc_array) -> Floats:
    """Return the factor (n,) that makes `root` as thick as the subject is wide."""
    inside = grid.inside
    distance = _distance(grid)
    slope = np.hypot(*np.gradient(ndimage.gaussian_filter(distance, 1.0)))
    wide = np.maximum(distance[inside], 0.25)
    found = wide / root
    ridge = ((slope < 0.8)[inside] & (found > RATIOS[0])) | (wide >= wide.max() - 0.5)
    trust = np.where(ridge, TRUST * wide / wide.max(), 0.0)
    return _solve(matrix + sparse.diags(trust), trust * np.clip(found, *RATIOS))


def _distance(grid: Grid) -> Floats:
    """Return the distance to the outline (rows, columns), in cells; below 0 outside."""
    inside = grid.inside
    distance, nearest = ndimage.distance_transform_edt(inside, return_indices=True)
    fall = ndimage.maximum_filter(grid.level, footprint=ndimage.generate_binary_structure(2, 1)) - grid.level
    beyond = np.clip(-grid.level / np.maximum(fall, 1e-3), 0, 1)
    return np.asarray(distance - beyond[tuple(nearest)] - ndimage.distance_transform_edt(~inside))


def _solve(matrix: sparse.csc_array, right: Floats) -> Floats:
    factors = splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    return np.asarray(factors.solve(right), np.float64)
