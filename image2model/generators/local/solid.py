"""A closed body with normals and texture coordinates, from a flat mesh and its heights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .atlas import Atlas
from .flat_mesh import FlatMesh
from .standing import standing_points

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Solid:
    """A triangle mesh; y is up, the front faces +z, the longest side is 1."""

    positions: Floats
    """(n, 3); equal positions are one point of the surface with two texture coordinates."""
    normals: Floats
    """(n, 3), unit length, outwards."""
    uv: Floats
    """(n, 2), origin at the top left."""
    faces: Ints
    """(m, 3), counter-clockwise from outside."""


def close_mesh(
    flat: FlatMesh,
    front: Floats,
    back: Floats,
    rim: Floats,
    step: tuple[float, float],
    atlas: Atlas,
    pose: Floats | None = None,
) -> Solid:
    """Close `flat` with heights in cells of `step` pixels: `front` and `back` (inner points,), `rim` (others,).

    With `pose` (3, 3), which only a body that the frame does not cut may have, it is put upright on a flat base.
    """
    pixels = flat.points * step
    cell = (step[0] + step[1]) / 2
    front_points, back_points = (_lifted(pixels, np.concatenate([side, rim]) * cell) for side in (front, back))
    if pose is not None:
        closed = np.concatenate([flat.faces, flat.faces[:, ::-1] + len(pixels)])
        standing = standing_points(np.concatenate([front_points, back_points]), closed, pose)
        front_points, back_points = np.split(standing, 2)
    surface_normals = _surface_normals(flat, front_points, back_points)
    walls, wall_normals, wall_faces = _frame_walls(flat, front_points, back_points)
    count = len(pixels)
    positions = np.concatenate([front_points, back_points, np.concatenate([front_points, back_points])[walls]])
    low, high = positions.min(axis=0), positions.max(axis=0)
    normals = np.concatenate([*surface_normals, wall_normals])
    back_uv = atlas.back_uv(flat)
    uv = np.concatenate([atlas.front_uv(pixels), back_uv, back_uv[walls % count]])
    faces = np.concatenate([flat.faces, flat.faces[:, ::-1] + count, wall_faces + 2 * count])
    used, renumbered = np.unique(faces, return_inverse=True)  # where a wall ends at the rim, it leaves points out
    return Solid(
        (positions[used] - (low + high) / 2) / float((high - low).max()),
        normals[used],
        uv[used],
        renumbered.reshape(faces.shape),
    )


def _lifted(pixels: Floats, height: Floats) -> Floats:
    """Return positions (n, 3) in pixels, y up, at `height` (n,)."""
    return np.column_stack([pixels[:, 0], -pixels[:, 1], height])


def _surface_normals(flat: FlatMesh, front_points: Floats, back_points: Floats) -> tuple[Floats, Floats]:
    """Return the normals of both surfaces, smooth across the rim they share."""
    up = _summed_normals(front_points, flat.faces)
    down = _summed_normals(back_points, flat.faces[:, ::-1])
    rim = up[flat.inner_count :] + down[flat.inner_count :]
    up[flat.inner_count :] = down[flat.inner_count :] = rim
    return _unit(up), _unit(down)


def _summed_normals(positions: Floats, faces: Ints) -> Floats:
    """Return at each point the sum of its faces' normals, each as long as twice the face's area."""
    corners = positions[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    at = faces.ravel()
    each = normals.repeat(3, axis=0)
    return np.stack([np.bincount(at, each[:, axis], len(positions)) for axis in range(3)], axis=1)


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1), 1e-12)[:, None])


def _frame_walls(flat: FlatMesh, front_points: Floats, back_points: Floats) -> tuple[Ints, Floats, Ints]:
    """Return the flat walls where the frame cuts: four points an edge, their normals, their faces.

    The points are indices into both surfaces, one after the other.
    """
    start, end = flat.frame_edges.T
    count = len(front_points)
    points = np.column_stack([start, end, start + count, end + count]).ravel()
    first = 4 * np.arange(len(start))
    left = np.column_stack([first + 1, first, first + 2])[start < flat.inner_count]
    right = np.column_stack([first + 1, first + 2, first + 3])[end < flat.inner_count]
    along = front_points[end] - front_points[start]
    outward = _unit(np.column_stack([along[:, 1], -along[:, 0], np.zeros(len(along))]))
    return points, outward.repeat(4, axis=0), np.concatenate([left, right])
