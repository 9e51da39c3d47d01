"""Contours of a closed mesh at given heights, along any axis, and what remains of it above one.

Meshes are welded: each edge has two faces, in opposite directions. A vertex at a height counts as below it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..gltf.reader import FloatArray, IndexArray
from ..topology import compact_indices
from .hole_filling import Mesh


@dataclass(frozen=True, slots=True)
class ContourPieces:
    """Contours that planes cut out of faces: a piece for each face and each plane that crosses it.

    A piece runs from the edge of its face that comes down through the plane to the one that goes up, so that the
    inside lies on its left; there the neighbour's piece begins.
    """

    faces: IndexArray
    """(k,) the face of each piece."""
    planes: IndexArray
    """(k,) the plane of each piece."""
    points: FloatArray
    """(k, 3) where each piece begins."""
    following: IndexArray
    """(k,) the piece that begins where each ends."""

    def loops(self) -> list[list[int]]:
        """The pieces of each closed contour, in order."""
        rest = self.following.tolist()
        loops = []
        for start in range(len(rest)):
            loop: list[int] = []
            piece = start
            while (after := rest[piece]) >= 0:
                rest[piece] = -1
                loop.append(piece)
                piece = after
            loops += [loop] if loop else []
        return loops


def cross_sections(positions: FloatArray, faces: IndexArray, axis: int, heights: NDArray[np.float64]) -> list[Any]:
    """manifold3d's `CrossSection` at each of the ascending `heights` along an axis, in the two axes that follow it."""
    import manifold3d  # only print checks and repairs need it

    pieces = _cut(positions, faces, axis, heights)
    points = pieces.points[:, [(axis + 1) % 3, (axis + 2) % 3]]
    contours: list[list[NDArray[np.floating]]] = [[] for _ in heights]
    for loop in pieces.loops():
        contours[pieces.planes[loop[0]]].append(points[loop])
    return [manifold3d.CrossSection(polygons, manifold3d.FillRule.Positive) for polygons in contours]


def cut_off_below(positions: FloatArray, faces: IndexArray, height: float) -> Mesh:
    """Part of a mesh above a height (z), closed by flat faces; empty above its top."""
    import manifold3d  # only print checks and repairs need it

    above = positions[:, 2] > height
    pieces = _cut(positions, faces, 2, np.array([height]))
    begin = len(positions) + np.arange(len(pieces.faces))
    end = len(positions) + pieces.following
    corners = faces[pieces.faces]
    first = np.where(above[corners].sum(axis=1) == 1, above[corners].argmax(axis=1), above[corners].argmin(axis=1))
    apex, right, left = (corners[np.arange(len(corners)), (first + step) % 3] for step in range(3))
    tip = above[apex]
    capped = [np.stack([apex, begin, end], axis=1)[tip], np.stack([end, right, left], axis=1)[~tip],
              np.stack([end, left, begin], axis=1)[~tip]]  # fmt: skip
    loops = pieces.loops()
    if loops:
        triangles = manifold3d.triangulate([pieces.points[loop][:, :2].astype(np.float64) for loop in loops])
        capped.append(len(positions) + np.concatenate(loops)[triangles][:, ::-1])
    used, order = compact_indices(np.concatenate([faces[above[faces].all(axis=1)], *capped]))
    return np.concatenate([positions, pieces.points])[used], order


def _cut(positions: FloatArray, faces: IndexArray, axis: int, heights: NDArray[np.float64]) -> ContourPieces:
    levels = np.searchsorted(heights, positions[:, axis].astype(np.float64))
    corner_levels = np.stack([levels[corner] for corner in faces.T])  # levels[faces.T] is laid out the slow way
    lowest = corner_levels.min(axis=0)
    counts = corner_levels.max(axis=0) - lowest
    crossed = np.repeat(np.arange(len(faces)), counts)
    planes = np.arange(len(crossed)) - np.repeat(np.cumsum(counts) - counts - lowest, counts)
    above = corner_levels.T[crossed] > planes[:, None]
    following = np.roll(above, -1, axis=1)
    down, up = (_edges(faces[crossed], side.argmax(axis=1)) for side in (above & ~following, ~above & following))
    begins, ends = ((planes * len(positions) + low) * len(positions) + high for low, high in (down, up))
    next_piece = np.empty(len(crossed), np.intp)
    next_piece[np.argsort(ends, kind="stable")] = np.argsort(begins, kind="stable")
    points = _intersections(positions, axis, heights[planes], *down)
    return ContourPieces(crossed, planes, points.astype(np.float32), next_piece)


def _edges(faces: IndexArray, corners: IndexArray) -> tuple[IndexArray, IndexArray]:
    """Lower and higher vertex (k,) of the edge of each face (k, 3) that begins at a corner (k,)."""
    rows = np.arange(len(faces))
    starts, ends = faces[rows, corners], faces[rows, (corners + 1) % 3]
    return np.minimum(starts, ends), np.maximum(starts, ends)


def _intersections(
    positions: FloatArray, axis: int, heights: NDArray[np.float64], starts: IndexArray, ends: IndexArray
) -> NDArray[np.float64]:
    """Points (k, 3) at which edges meet their heights (k,) along an axis."""
    first, last = positions[starts].astype(np.float64), positions[ends].astype(np.float64)
    share = (heights - first[:, axis]) / (last[:, axis] - first[:, axis])
    points = first + share[:, None] * (last - first)
    points[:, axis] = heights
    return np.asarray(points)
