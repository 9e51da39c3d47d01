"""The holes of a mesh, and caps that close them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..facts import edges_of
from ..gltf.reader import Floats, Integers

Mesh = tuple[Floats, Integers]
Rim = NDArray[np.intp]
"""The vertices of a hole, in the order in which the faces around it run."""


def rims(faces: Integers) -> list[Rim]:
    """The rim of each hole, its vertices in the order in which the faces around it run."""
    starts, ends = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    span = int(faces.max()) + 1
    edges, _, balanced = edges_of(faces)
    torn = edges[~balanced] @ [span, 1]
    if not len(torn):
        return []
    keys = np.minimum(starts, ends) * span + np.maximum(starts, ends)
    near = np.flatnonzero(torn[np.searchsorted(torn[:-1], keys)] == keys)
    there, back = (starts * span + ends)[near], (ends * span + starts)[near]
    open_ = near[~np.isin(there, back)]
    following = dict(zip(starts[open_].tolist(), ends[open_].tolist(), strict=True))
    found = []
    while following:
        first, vertex = following.popitem()
        rim = [first]
        while vertex != first and vertex in following:
            rim.append(vertex)
            vertex = following.pop(vertex)
        if vertex == first and len(rim) > 2:
            found.append(np.array(rim))
    return found


def width(rim: Floats) -> float:
    """The longest side of the box around `rim` (n, 3)."""
    return float(np.ptp(rim, axis=0).max())


def thickness(rim: Floats) -> float:
    """How far apart two parallel planes must be for `rim` (n, 3) to fit between them."""
    middle = rim - rim.mean(axis=0)
    return float(np.ptp(middle @ np.linalg.svd(middle, full_matrices=False)[2][2]))


def nested(positions: Floats, holes: list[Rim], flat: float) -> list[list[Rim]]:
    """The holes in groups that share a cap: one, and those that lie within it and run the other way.

    As where two walls of a cup end. A cap is shared only where all fit between planes that are `flat` apart.
    """
    areas = np.array([_area(positions[hole]) for hole in holes])
    low, high = (np.array([bound(positions[hole], axis=0) for hole in holes]) for bound in (np.min, np.max))
    groups: dict[int, list[Rim]] = {}
    for number in np.argsort(-np.linalg.norm(areas, axis=1)).tolist():
        facing = areas @ areas[number] < 0
        near = ((low <= low[number] + flat) & (high >= high[number] - flat)).all(axis=1)
        holding = [
            outer
            for outer in np.flatnonzero(facing & near).tolist()
            if outer in groups and _holds(positions[holes[outer]], positions[holes[number]], flat)
        ]
        if holding:
            smallest = min(holding, key=lambda outer: float(np.linalg.norm(areas[outer])))
            groups[smallest].append(holes[number])
        else:
            groups[number] = [holes[number]]
    return list(groups.values())


def capped(positions: Floats, faces: Integers, groups: list[list[Rim]], flat: float) -> Mesh:
    """The mesh with a cap for each group of holes.

    What fits between planes that are `flat` apart is cut into triangles there; else it is a fan around its middle.
    """
    even = [len(group) > 1 or thickness(positions[group[0]]) <= flat for group in groups]
    uneven = [group[0] for group, one in zip(groups, even, strict=True) if not one]
    lids = [_lid(positions, group) for group, one in zip(groups, even, strict=True) if one]
    middles = [positions[rim].mean(axis=0, dtype=np.float32)[None] for rim in uneven]
    fans = [
        np.column_stack([np.roll(rim, -1), rim, np.full(len(rim), len(positions) + number)])
        for number, rim in enumerate(uneven)
    ]
    return np.concatenate([positions, *middles]), np.concatenate([faces, *lids, *fans])


def _lid(positions: Floats, group: list[Rim]) -> Integers:
    """Faces (k, 3) that fill the first rim of `group`, and leave the others out."""
    import manifold3d  # only repairs need it

    axes = _axes(_area(positions[group[0]]))
    turned = [rim[::-1] for rim in group]
    cut = manifold3d.triangulate([_flattened(positions[rim], axes) for rim in turned])
    return np.asarray(np.concatenate(turned)[cut])


def _holds(outer: Floats, inner: Floats, flat: float) -> bool:
    """Whether `inner` (n, 3) lies within `outer` (m, 3), in its plane."""
    import manifold3d  # only repairs need it

    if thickness(np.concatenate([outer, inner])) > flat:
        return False
    axes, rule = _axes(_area(outer)), manifold3d.FillRule.EvenOdd
    large, small = (manifold3d.CrossSection([_flattened(rim, axes)], rule) for rim in (outer, inner))
    return bool((small - large).area() < 0.01 * small.area())


def _area(rim: Floats) -> NDArray[np.float64]:
    """Newell's normal (3,) of `rim` (n, 3), as long as the area within is large."""
    around = (rim - rim.mean(axis=0)).astype(np.float64)
    return np.asarray(np.cross(around, np.roll(around, -1, axis=0)).sum(axis=0) / 2)


def _axes(area: NDArray[np.float64]) -> NDArray[Any]:
    """Two axes (2, 3) of the plane whose normal is -`area`: a cap looks away from how its rim runs."""
    normal = -area / max(float(np.linalg.norm(area)), 1e-30)
    first = np.cross(normal, np.eye(3)[np.argmin(np.abs(normal))])
    first /= max(float(np.linalg.norm(first)), 1e-30)
    return np.stack([first, np.cross(normal, first)])


def _flattened(rim: Floats, axes: NDArray[Any]) -> NDArray[np.float64]:
    """`rim` (n, 3) on two axes, (n, 2)."""
    return np.ascontiguousarray(rim.astype(np.float64) @ axes.T)
