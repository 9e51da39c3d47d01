"""The closed surfaces that a mesh consists of: which are cavities of others, which are turned inside out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .glb import Integers

Corners = NDArray[np.float64]
"""Of each face, (m, 3, 3): corner, then x, y, z."""
MOST_JUDGED = 256
"""So many shells, the largest, are looked at one by one."""
NOWHERE = -1


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
    lines = Lines(corners, 2)
    for shell in np.argsort(-np.abs(volumes))[:MOST_JUDGED]:
        winding = _windings(lines, of_face, shell, len(volumes))
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


def _windings(lines: Lines, of_face: Integers, shell: int, count: int) -> Integers:
    """How often each shell (count,) winds around a point of `shell`, by what a line upwards crosses; 0 for itself."""
    own = lines.corners[np.argmax(of_face == shell)]
    point = np.array([0.31, 0.27, 0.42]) @ own
    faces, heights, signs = lines.crossed(point[:2])
    above = (heights > point[2]) & (of_face[faces] != shell)
    return np.bincount(of_face[faces[above]], signs[above], count).astype(np.intp)


class Lines:
    """Lines along one axis through a mesh, and what they cross."""

    def __init__(self, corners: Corners, axis: int) -> None:
        """Of faces with these `corners` (m, 3, 3), `axis` 0, 1 or 2."""
        self.corners, self.axis = corners, axis
        self.across = [(axis + 1) % 3, (axis + 2) % 3]
        self._low, self._high = (
            [bound.reduce([corners[:, corner, k] for corner in range(3)]) for k in self.across]
            for bound in (np.minimum, np.maximum)
        )

    def crossed(self, place: NDArray[np.float64]) -> tuple[Integers, NDArray[np.float64], Integers]:
        """The faces (c,) that a line crosses, how far along it, and 1 for each it leaves by, -1 for each it enters by.

        `place` (2,) is where the line stands on the two axes that follow its own.
        """
        near = np.flatnonzero((self._low[0] <= place[0]) & (self._high[0] >= place[0]))
        near = near[(self._low[1][near] <= place[1]) & (self._high[1][near] >= place[1])]
        flat = self.corners[near][:, :, self.across] - place
        after = np.roll(flat, -1, axis=1)
        shares = np.roll(flat[:, :, 0] * after[:, :, 1] - flat[:, :, 1] * after[:, :, 0], -1, axis=1)
        area = shares.sum(axis=1)
        hit = (area != 0) & (shares * np.sign(area)[:, None] >= 0).all(axis=1)
        depths = (self.corners[near[hit]][:, :, self.axis] * shares[hit]).sum(axis=1) / area[hit]
        return near[hit], depths, np.sign(area[hit]).astype(np.intp)
