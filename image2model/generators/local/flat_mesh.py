"""A flat triangle mesh of the subject's outline: marching triangles on a regular grid.

Every grid point inside has a whole disc of triangles around it, every point of the outline a half
disc, and no edge but the outline's joins two outline points. So two such meshes joined at their
outlines close to a manifold body, whatever the shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .subject import largest_component

Array = NDArray[np.float32]
Ints = NDArray[np.int64]

MIN_EDGE_SHARE = 0.05
"""An outline point keeps this share of a cell from the grid points, or slivers and merged points arise."""
ISO_LEVELS = (0.5, 0.35, 0.2, 0.1, 0.05)
"""Thin parts fall below one half on a coarse grid; lower levels keep them."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Distance of each grid point from the outline, inside it."""

    level: Array
    """(rows, columns): above 0 inside, below 0 outside, linear in between."""
    cell_size: tuple[float, float]
    """Width and height of a cell, in pixels of the crop."""

    @property
    def inside(self) -> NDArray[np.bool_]:
        """(rows, columns): which grid points are inside."""
        return np.asarray(self.level > 0)


@dataclass(frozen=True, slots=True)
class FlatMesh:
    """The flat mesh; its first vertices are the grid points inside, in reading order, then the outline's."""

    points: NDArray[np.float64]
    """(n, 2): column and row, in cells."""
    faces: Ints
    """(m, 3), counter-clockwise with y up."""
    inner_count: int
    """Number of points that are grid points inside; the others lie on the outline."""
    frame_edges: Ints
    """(k, 2): edges along the picture's frame, where it cuts the subject, in the direction of their faces."""

    @property
    def closed_face_count(self) -> int:
        """Number of triangles of the closed body."""
        rim_ends = int((self.frame_edges >= self.inner_count).sum())
        return 2 * len(self.faces) + 2 * len(self.frame_edges) - rim_ends


def sample_grid(alpha: Array, cells: int) -> Grid:
    """Sample `alpha` on a grid of `cells` along its longer side, one body only."""
    height, width = alpha.shape
    across = max(2, round(cells * width / max(width, height)))
    down = max(2, round(cells * height / max(width, height)))
    step = (width / across, height / down)
    sampled = _sample(alpha, across, down, step)
    area = alpha.mean() * across * down
    for level in ISO_LEVELS:
        inside = largest_component(sampled > level)
        if inside.sum() >= 0.8 * area:
            break
    signed = np.where(inside, sampled - level, np.minimum(sampled - level, -0.02))
    return Grid(np.where(inside, np.maximum(signed, 1e-3), signed).astype(np.float32), step)


def triangulate(grid: Grid) -> FlatMesh:
    """Triangulate the inside of `grid`, exact at its outline."""
    level, columns = grid.level.ravel(), grid.level.shape[1]
    triangles = _triangles(*grid.level.shape)
    inside = level > 0
    kept = triangles[inside[triangles].any(axis=1)]
    pieces, crossings = _clip(kept, inside)
    inner = np.flatnonzero(inside)
    edges, numbered = np.unique(np.sort(crossings.reshape(-1, 2), axis=1), axis=0, return_inverse=True)
    number = np.cumsum(inside) - 1
    faces, cut = np.empty_like(pieces), pieces < 0
    faces[cut] = len(inner) + numbered.ravel()[~pieces[cut]]
    faces[~cut] = number[pieces[~cut]]
    points = np.concatenate([_coordinates(inner, columns), _crossing_points(edges, level, columns)])
    return FlatMesh(points, faces, len(inner), _frame_edges(points, faces, grid.level.shape))


def crossing_share(inside: Array, outside: Array) -> Array:
    """Return where, from 0 at the inside point to 1 at the outside one, the outline crosses an edge."""
    return np.clip(inside / (inside - outside), MIN_EDGE_SHARE, 1 - MIN_EDGE_SHARE)


def _sample(alpha: Array, across: int, down: int, step: tuple[float, float]) -> Array:
    """Return the mean of `alpha` around each of the (down + 1, across + 1) grid points."""
    pad = int(max(step)) + 2
    padded = Image.fromarray(np.pad(alpha, pad, mode="edge"))
    box = (pad - step[0] / 2, pad - step[1] / 2, pad + alpha.shape[1] + step[0] / 2, pad + alpha.shape[0] + step[1] / 2)
    return np.asarray(padded.resize((across + 1, down + 1), Image.Resampling.BILINEAR, box), np.float32)


def _triangles(rows: int, columns: int) -> Ints:
    """Return the grid's triangles (m, 3); diagonals alternate, so that no direction is preferred."""
    row, column = (axis.ravel() for axis in np.mgrid[: rows - 1, : columns - 1])
    a = row * columns + column
    b, d, e = a + 1, a + columns, a + columns + 1
    even = (row + column) % 2 == 0
    first = np.stack([a, d, np.where(even, e, b)], axis=1)
    second = np.stack([np.where(even, a, b), np.where(even, e, d), np.where(even, b, e)], axis=1)
    return np.concatenate([first, second])


def _clip(triangles: Ints, inside: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Cut `triangles` at the outline.

    Returns faces (m, 3) of grid points, where -1-i stands for crossing i, and the crossings (c, 2) as
    the two grid points of their edges.
    """
    count = inside[triangles].sum(axis=1)
    whole = triangles[count == 3]
    tip, left, right = _rotated_to_front(triangles[count == 1], inside, True).T
    away, near, far = _rotated_to_front(triangles[count == 2], inside, False).T
    crossings = np.stack([tip, left, tip, right], axis=1).reshape(-1, 2)
    crossings = np.concatenate([crossings, np.stack([near, away, far, away], axis=1).reshape(-1, 2)])
    tips = ~np.arange(2 * len(tip)).reshape(-1, 2)
    sides = ~np.arange(2 * len(tip), 2 * len(tip) + 2 * len(away)).reshape(-1, 2)
    return np.concatenate(
        [
            whole,
            np.column_stack([tip, tips]),
            np.column_stack([sides[:, 0], near, far]),
            np.column_stack([sides[:, 0], far, sides[:, 1]]),
        ]
    ), crossings


def _rotated_to_front(triangles: Ints, inside: NDArray[np.bool_], wanted: bool) -> Ints:
    """Return the triangles turned so that the one point whose `inside` is `wanted` comes first."""
    first = (inside[triangles] == wanted).argmax(axis=1)
    order = (first[:, None] + np.arange(3)) % 3
    return np.take_along_axis(triangles, order, axis=1)


def _coordinates(points: Ints, columns: int) -> NDArray[np.float64]:
    return np.stack([points % columns, points // columns], axis=1).astype(np.float64)


def _crossing_points(edges: Ints, level: Array, columns: int) -> NDArray[np.float64]:
    """Return the outline's points (c, 2) on `edges`, each with one end inside."""
    swap = level[edges[:, 0]] < level[edges[:, 1]]
    start, end = np.where(swap, edges[:, 1], edges[:, 0]), np.where(swap, edges[:, 0], edges[:, 1])
    share = crossing_share(level[start], level[end])[:, None]
    near = _coordinates(start, columns)
    return near + (_coordinates(end, columns) - near) * share  # exact along the frame, where the difference is 0


def _frame_edges(points: NDArray[np.float64], faces: Ints, shape: tuple[int, ...]) -> Ints:
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    start, end = points[edges[:, 0]], points[edges[:, 1]]
    last = np.array([shape[1] - 1, shape[0] - 1])
    on_frame = ((start == 0) & (end == 0)) | ((start == last) & (end == last))
    return np.asarray(edges[on_frame.any(axis=1)])
