"""Boundary loops of a mesh, and caps that close them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..gltf.reader import FloatArray, IndexArray
from ..topology import group_half_edges

Mesh = tuple[FloatArray, IndexArray]
BoundaryLoop = NDArray[np.intp]
"""Vertex indices around a hole, in the direction of the adjacent faces."""


def boundary_loops(faces: IndexArray) -> list[BoundaryLoop]:
    """The boundary loop of each hole, passing through no vertex twice."""
    groups = group_half_edges(faces)
    is_open = ~groups.balanced
    if not is_open.any():
        return []
    candidates = np.sort(groups.order[np.repeat(is_open, groups.counts)])
    starts, ends, span = faces.ravel(), np.roll(faces, -1, axis=1).ravel(), int(faces.max()) + 1
    forward, backward = (starts * span + ends)[candidates], (ends * span + starts)[candidates]
    boundary = candidates[~np.isin(forward, backward)]
    following: dict[int, list[int]] = {}
    for start, end in zip(starts[boundary].tolist(), ends[boundary].tolist(), strict=True):
        following.setdefault(start, []).append(end)  # several where holes touch at a vertex
    return _simple_loops(following)


def _simple_loops(following: dict[int, list[int]]) -> list[BoundaryLoop]:
    """Loops along edges from each vertex to the next; an open path is no loop."""
    loops = []
    while following:
        first = next(iter(following))
        path, places = [first], {first: 0}
        while path[-1] in following:
            vertex = following[path[-1]].pop()
            if not following[path[-1]]:
                del following[path[-1]]
            if vertex not in places:
                places[vertex] = len(path)
                path.append(vertex)
                continue
            loop = path[places[vertex] :]
            del path[places[vertex] + 1 :]
            for passed in loop[1:]:
                del places[passed]
            if len(loop) > 2:
                loops.append(np.array(loop))
    return loops


def loop_extent(loop: FloatArray) -> float:
    """Longest side of the bounding box of `loop` (n, 3)."""
    return float(np.ptp(loop, axis=0).max())


def loop_planarity_error(loop: FloatArray) -> float:
    """Smallest distance between two parallel planes that hold `loop` (n, 3)."""
    middle = loop - loop.mean(axis=0)
    return float(np.ptp(middle @ np.linalg.svd(middle, full_matrices=False)[2][2]))


def group_nested_loops(
    positions: FloatArray, loops: list[BoundaryLoop], max_unevenness: float
) -> list[list[BoundaryLoop]]:
    """Group loops that share a cap: an outer one, and those within it that run the other way.

    As where the two walls of a cup end. All of a group lie between planes `max_unevenness` apart.
    """
    areas = np.array([_newell_normal(positions[loop]) for loop in loops])
    low, high = (np.array([bound(positions[loop], axis=0) for loop in loops]) for bound in (np.min, np.max))
    groups: dict[int, list[BoundaryLoop]] = {}
    for number in np.argsort(-np.linalg.norm(areas, axis=1)).tolist():
        facing = areas @ areas[number] < 0
        candidates = ((low <= low[number] + max_unevenness) & (high >= high[number] - max_unevenness)).all(axis=1)
        holding = [
            outer
            for outer in np.flatnonzero(facing & candidates).tolist()
            if outer in groups and _contains(positions[loops[outer]], positions[loops[number]], max_unevenness)
        ]
        if holding:
            smallest = min(holding, key=lambda outer: float(np.linalg.norm(areas[outer])))
            groups[smallest].append(loops[number])
        else:
            groups[number] = [loops[number]]
    return list(groups.values())


def fill_holes(
    positions: FloatArray, faces: IndexArray, groups: list[list[BoundaryLoop]], max_unevenness: float
) -> Mesh:
    """The mesh with a cap for each group of loops.

    Loops between planes `max_unevenness` apart are triangulated in the plane; others get a fan around their centre.
    """
    is_planar = [len(group) > 1 or loop_planarity_error(positions[group[0]]) <= max_unevenness for group in groups]
    curved = [group[0] for group, planar in zip(groups, is_planar, strict=True) if not planar]
    caps = [_triangulate_cap(positions, group) for group, planar in zip(groups, is_planar, strict=True) if planar]
    centres = [positions[loop].mean(axis=0, dtype=np.float32)[None] for loop in curved]
    fans = [
        np.column_stack([np.roll(loop, -1), loop, np.full(len(loop), len(positions) + number)])
        for number, loop in enumerate(curved)
    ]
    return np.concatenate([positions, *centres]), np.concatenate([faces, *caps, *fans])


def _triangulate_cap(positions: FloatArray, group: list[BoundaryLoop]) -> IndexArray:
    """Faces (k, 3) that fill the first loop of `group` except within the others."""
    import manifold3d  # only repairs need it

    axes = _plane_axes(_newell_normal(positions[group[0]]))
    turned = [loop[::-1] for loop in group]
    cut = manifold3d.triangulate([_project(positions[loop], axes) for loop in turned])
    return np.asarray(np.concatenate(turned)[cut])


def _contains(outer: FloatArray, inner: FloatArray, max_unevenness: float) -> bool:
    """True if `inner` (n, 3) lies within `outer` (m, 3), in its plane."""
    import manifold3d  # only repairs need it

    if loop_planarity_error(np.concatenate([outer, inner])) > max_unevenness:
        return False
    axes, rule = _plane_axes(_newell_normal(outer)), manifold3d.FillRule.EvenOdd
    large, small = (manifold3d.CrossSection([_project(loop, axes)], rule) for loop in (outer, inner))
    return bool((small - large).area() < 0.01 * small.area())


def _newell_normal(loop: FloatArray) -> NDArray[np.float64]:
    """Newell's normal (3,) of `loop` (n, 3), its length the enclosed area."""
    around = (loop - loop.mean(axis=0)).astype(np.float64)
    return np.asarray(np.cross(around, np.roll(around, -1, axis=0)).sum(axis=0) / 2)


def _plane_axes(area: NDArray[np.float64]) -> NDArray[Any]:
    """Two axes (2, 3) of the plane with normal -`area`: a cap faces away from its loop's direction."""
    normal = -area / max(float(np.linalg.norm(area)), 1e-30)
    first = np.cross(normal, np.eye(3)[np.argmin(np.abs(normal))])
    first /= max(float(np.linalg.norm(first)), 1e-30)
    return np.stack([first, np.cross(normal, first)])


def _project(loop: FloatArray, axes: NDArray[Any]) -> NDArray[np.float64]:
    """`loop` (n, 3) on two axes: (n, 2)."""
    return np.ascontiguousarray(loop.astype(np.float64) @ axes.T)
