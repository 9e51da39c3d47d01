"""The closed surfaces that a mesh consists of: which are cavities of others, which are turned inside out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..gltf.reader import Integers

Corners = NDArray[np.float64]
"""Of each face, (m, 3, 3): corner, then x, y, z."""
MOST_JUDGED = 256
"""So many shells, the largest, are looked at one by one."""
NOWHERE = -1
AT_ONCE = 32_768
"""Faces that lines are tried against together, which bounds the memory."""


@dataclass(frozen=True, slots=True)
class Shells:
    """The shells of a closed mesh whose neighbouring faces agree on which side is out."""

    of_face: Integers
    """(m,)"""
    volumes: NDArray[np.float64]
    """(k,) Signed: below zero where the faces look inwards."""
    around: Integers
    """(k,) For a cavity the shell that it is in, else NOWHERE."""
    turned: NDArray[np.bool_]
    """(k,) Inside out: looks inwards and is no cavity, or outwards in what is inside out itself."""

    @property
    def volume(self) -> float:
        """What all shells hold once they are turned right, cavities taken off."""
        return float((np.abs(self.volumes) * np.where(self.around == NOWHERE, 1, -1)).sum())

    @property
    def cavities(self) -> int:
        """How many shells are cavities."""
        return int((self.around != NOWHERE).sum())


def shells(corners: Corners, of_face: Integers) -> Shells:
    """Judge the shells of a mesh by its faces' `corners` (m, 3, 3) and the number of the shell of each, from 0."""
    volumes = _volumes(corners, of_face)
    around = np.full(len(volumes), NOWHERE)
    turned = np.zeros(len(volumes), bool)
    if not (volumes < 0).any():
        return Shells(of_face, volumes, around, turned)
    judged = np.argsort(-np.abs(volumes))[:MOST_JUDGED]
    for shell, winding in zip(judged.tolist(), _windings(corners, of_face, judged), strict=True):
        inwards = volumes[shell] < 0
        turned[shell] = winding.sum() <= 0 if inwards else winding.sum() < 0
        if winding.any() and inwards != turned[shell]:
            holding = np.flatnonzero(winding)
            around[shell] = holding[np.argmin(np.abs(volumes[holding]))]
    return Shells(of_face, volumes, around, turned)


def _volumes(corners: Corners, of_face: Integers) -> NDArray[np.float64]:
    """Signed volume (k,) of each shell: of the tetrahedra between its faces and a point, here the first corner."""
    with np.errstate(all="ignore"):  # hostile numbers overflow
        a, b, c = (corners - corners[0, 0]).transpose(1, 0, 2)
        return np.asarray(np.bincount(of_face, np.einsum("ij,ij->i", a, np.cross(b, c)) / 6), float)


def _windings(corners: Corners, of_face: Integers, judged: Integers) -> Integers:
    """How often each shell winds around a point of each of `judged` (j,), 0 for itself: (j, k), by lines upwards."""
    count = int(of_face.max()) + 1
    first = np.zeros(count, np.intp)
    first[of_face[::-1]] = np.arange(len(of_face))[::-1]
    points = np.einsum("c,jcx->jx", [0.31, 0.27, 0.42], corners[first[judged]])
    found = crossings(corners, points[:, :2], 2)
    crossed = of_face[found.faces]
    above = (found.depths > points[found.lines, 2]) & (crossed != judged[found.lines])
    cells = found.lines[above] * count + crossed[above]
    return np.bincount(cells, found.signs[above], len(judged) * count).astype(np.intp).reshape(-1, count)


@dataclass(frozen=True, slots=True)
class Crossings:
    """Where lines cross faces."""

    lines: Integers
    """(c,) The number of the line."""
    faces: Integers
    """(c,)"""
    depths: NDArray[np.float64]
    """(c,) How far along the line."""
    signs: Integers
    """(c,) 1 where the line leaves what the face belongs to, -1 where it enters."""


def crossings(corners: Corners, places: NDArray[np.float64], axis: int) -> Crossings:
    """Where lines along `axis` (0, 1 or 2) cross faces with `corners` (m, 3, 3).

    `places` (l, 2) is where each line stands on the two axes that follow its own.
    """
    order = np.argsort(places[:, 0])
    found = [_crossings(corners, start, places[order], axis) for start in range(0, len(corners), AT_ONCE)]
    lines, faces, depths, signs = map(np.concatenate, zip(*found, strict=True))
    return Crossings(order[lines], faces, depths, signs)


def _crossings(
    corners: Corners, start: int, places: NDArray[np.float64], axis: int
) -> tuple[Integers, Integers, NDArray[np.float64], Integers]:
    """Crossings of the faces from `start` on with lines whose `places` (l, 2) go up on their first axis."""
    u, v = (axis + 1) % 3, (axis + 2) % 3
    some = corners[start : start + AT_ONCE]
    low, high = (bound.reduce([some[:, 0], some[:, 1], some[:, 2]]) for bound in (np.minimum, np.maximum))
    begin = np.searchsorted(places[:, 0], low[:, u])
    counts = np.searchsorted(places[:, 0], high[:, u], side="right") - begin
    faces = np.repeat(np.arange(len(some)), counts)
    lines = np.arange(len(faces)) - np.repeat(np.cumsum(counts) - counts - begin, counts)
    near = (low[faces, v] <= places[lines, 1]) & (high[faces, v] >= places[lines, 1])
    faces, lines = faces[near], lines[near]
    flat = some[faces][:, :, [u, v]] - places[lines][:, None]
    after = np.roll(flat, -1, axis=1)
    shares = np.roll(flat[:, :, 0] * after[:, :, 1] - flat[:, :, 1] * after[:, :, 0], -1, axis=1)
    area = shares.sum(axis=1)
    hit = (area != 0) & (shares * np.sign(area)[:, None] >= 0).all(axis=1)
    depths = (some[faces[hit]][:, :, axis] * shares[hit]).sum(axis=1) / area[hit]
    return lines[hit], faces[hit] + start, depths, np.sign(area[hit]).astype(np.intp)
