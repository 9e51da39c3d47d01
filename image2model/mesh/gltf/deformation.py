"""Deformed vertices: by morph targets and by a skeleton (glTF 2.0, 3.7.2.2 and 3.7.3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

VERTICES_AT_A_TIME = 1 << 16
"""Number of vertices skinned at once, which bounds the memory: each takes a few hundred bytes meanwhile."""


def morph(values: NDArray[Any], targets: Iterable[tuple[float, NDArray[Any]]]) -> NDArray[Any]:
    """Values (n, 3) with each of the displacements (n, 3) added by its weight."""
    for weight, displacements in targets:
        values = values + weight * displacements
    return values


def blend_by_joints(
    vectors: NDArray[Any], last: float, joints: NDArray[Any], weights: NDArray[Any], matrices: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Vectors (n, 3), whose fourth number is `last`: 1 for points, 0 for directions, moved by the joints they hang on.

    `joints` and `weights` (n, k) name `matrices` (j, 4, 4) and tell how much each counts.
    """
    shares = weights / np.maximum(weights.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    moved = np.zeros((len(vectors), 3), np.float32)
    for start in range(0, len(vectors), VERTICES_AT_A_TIME):
        rows = slice(start, start + VERTICES_AT_A_TIME)
        blended = np.einsum("nk,nkij->nij", shares[rows], matrices[joints[rows]][:, :, :3])
        moved[rows] = np.einsum("nij,nj->ni", blended[:, :, :3], vectors[rows]) + last * blended[:, :, 3]
    return moved
