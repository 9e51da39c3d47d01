"""Shells of a mesh: which are cavities of others, which are inverted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..gltf.reader import IndexArray

TriangleArray = NDArray[np.float64]
"""(m, 3, 3): face, corner, x y z, as trimesh's `triangles`."""
MAX_CLASSIFIED = 256
"""Number of shells, the largest, that are classified."""
NO_PARENT = -1
"""Parent of a shell that is no cavity."""
FACES_PER_BATCH = 32_768
"""Faces intersected at a time, which bounds the memory."""


@dataclass(frozen=True, slots=True)
class Shells:
    """The k shells of a watertight mesh with consistent winding."""

    face_shells: IndexArray
    """(m,) shell of each face."""
    volumes: NDArray[np.float64]
    """(k,) signed: negative where the faces look inwards."""
    parents: IndexArray
    """(k,) the shell around a cavity, else NO_PARENT."""
    inverted: NDArray[np.bool_]
    """(k,) inside out: looks inwards and is no cavity, or outwards within an inverted shell."""

    @property
    def volume(self) -> float:
        """Volume once inverted shells are flipped, cavities subtracted."""
        return float((np.abs(self.volumes) * np.where(self.parents == NO_PARENT, 1, -1)).sum())

    @property
    def cavities(self) -> int:
        """Number of cavities."""
        return int((self.parents != NO_PARENT).sum())


def classify_shells(triangles: TriangleArray, face_shells: IndexArray) -> Shells:
    """Classify shells from `triangles` (m, 3, 3) and the shell (m,) of each, counted from 0."""
    volumes = _signed_volumes(triangles, face_shells)
    parents = np.full(len(volumes), NO_PARENT)
    inverted = np.zeros(len(volumes), bool)
    if not (volumes < 0).any():
        return Shells(face_shells, volumes, parents, inverted)
    classified = np.argsort(-np.abs(volumes))[:MAX_CLASSIFIED]
    for shell, winding in zip(classified.tolist(), _winding_numbers(triangles, face_shells, classified), strict=True):
        inwards = volumes[shell] < 0
        inverted[shell] = winding.sum() <= 0 if inwards else winding.sum() < 0
        if winding.any() and inwards != inverted[shell]:
            enclosing = np.flatnonzero(winding)
            parents[shell] = enclosing[np.argmin(np.abs(volumes[enclosing]))]
    return Shells(face_shells, volumes, parents, inverted)


def _signed_volumes(triangles: TriangleArray, face_shells: IndexArray) -> NDArray[np.float64]:
    """Signed volume (k,) of each shell, by tetrahedra from the first corner."""
    with np.errstate(all="ignore"):  # hostile numbers overflow
        a, b, c = (triangles - triangles[0, 0]).transpose(1, 0, 2)
        return np.asarray(np.bincount(face_shells, np.einsum("ij,ij->i", a, np.cross(b, c)) / 6), float)


def _winding_numbers(triangles: TriangleArray, face_shells: IndexArray, classified: IndexArray) -> IndexArray:
    """Winding number (j, k) of each shell around a point of each `classified` (j,), by rays along z; 0 for itself."""
    count = int(face_shells.max()) + 1
    first = np.zeros(count, np.intp)
    first[face_shells[::-1]] = np.arange(len(face_shells))[::-1]
    points = np.einsum("c,jcx->jx", [0.31, 0.27, 0.42], triangles[first[classified]])
    hits = intersect_rays(triangles, points[:, :2], 2)
    hit_shells = face_shells[hits.faces]
    above = (hits.depths > points[hits.rays, 2]) & (hit_shells != classified[hits.rays])
    cells = hits.rays[above] * count + hit_shells[above]
    return np.bincount(cells, hits.signs[above], len(classified) * count).astype(np.intp).reshape(-1, count)


@dataclass(frozen=True, slots=True)
class RayHits:
    """The h intersections of rays with triangles."""

    rays: IndexArray
    """(h,) index of the ray."""
    faces: IndexArray
    """(h,) index of the triangle."""
    depths: NDArray[np.float64]
    """(h,) coordinate along the ray."""
    signs: IndexArray
    """(h,) 1 where the ray leaves the solid, -1 where it enters."""


def intersect_rays(triangles: TriangleArray, origins: NDArray[np.float64], axis: int) -> RayHits:
    """Intersect `triangles` (m, 3, 3) with rays along `axis` (0, 1 or 2).

    `origins` (r, 2) are the rays' coordinates on the two axes that follow their own, cyclically.
    """
    order = np.argsort(origins[:, 0])
    hits = [
        _intersect_batch(triangles, start, origins[order], axis) for start in range(0, len(triangles), FACES_PER_BATCH)
    ]
    lines, faces, depths, signs = map(np.concatenate, zip(*hits, strict=True))
    return RayHits(order[lines], faces, depths, signs)


def _intersect_batch(
    triangles: TriangleArray, start: int, origins: NDArray[np.float64], axis: int
) -> tuple[IndexArray, IndexArray, NDArray[np.float64], IndexArray]:
    """Hits of the triangles from `start` on with rays whose `origins` (r, 2) are sorted by their first column."""
    u, v = (axis + 1) % 3, (axis + 2) % 3
    batch = triangles[start : start + FACES_PER_BATCH]
    low, high = (bound.reduce([batch[:, 0], batch[:, 1], batch[:, 2]]) for bound in (np.minimum, np.maximum))
    begin = np.searchsorted(origins[:, 0], low[:, u])
    counts = np.searchsorted(origins[:, 0], high[:, u], side="right") - begin
    faces = np.repeat(np.arange(len(batch)), counts)
    lines = np.arange(len(faces)) - np.repeat(np.cumsum(counts) - counts - begin, counts)
    overlapping = (low[faces, v] <= origins[lines, 1]) & (high[faces, v] >= origins[lines, 1])
    faces, lines = faces[overlapping], lines[overlapping]
    relative = batch[faces][:, :, [u, v]] - origins[lines][:, None]
    after = np.roll(relative, -1, axis=1)
    barycentric = np.roll(relative[:, :, 0] * after[:, :, 1] - relative[:, :, 1] * after[:, :, 0], -1, axis=1)
    area = barycentric.sum(axis=1)
    hit = (area != 0) & (barycentric * np.sign(area)[:, None] >= 0).all(axis=1)
    depths = (batch[faces[hit]][:, :, axis] * barycentric[hit]).sum(axis=1) / area[hit]
    return lines[hit], faces[hit] + start, depths, np.sign(area[hit]).astype(np.intp)
