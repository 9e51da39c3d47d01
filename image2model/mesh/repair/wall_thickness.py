"""Wall thickness and self-overlap of a solid, by rays through sampled points of its surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..gltf.reader import IndexArray
from .shells import TriangleArray, intersect_rays

SAMPLES = 400
"""Points on the surface, uniform by area."""
OPPOSITE_COSINE = -0.7
"""Largest cosine between the normals of two faces that make a wall and not an edge."""


@dataclass(frozen=True, slots=True)
class WallSamples:
    """Measurements at p points of a surface."""

    thickness: NDArray[np.float64]
    """(p,) in the unit of the mesh; infinite where no face lies opposite."""
    overlap: NDArray[np.float64]
    """(p,) length along the ray where the solid lies in itself, or is inside out."""


def sample_walls(triangles: TriangleArray) -> WallSamples:
    """Sample a watertight mesh, `triangles` (m, 3, 3) facing outwards; the same points every time."""
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    areas = np.linalg.norm(normals, axis=1)
    normals /= np.maximum(areas, 1e-300)[:, None]
    rng = np.random.default_rng(0)
    faces = rng.choice(len(triangles), SAMPLES, p=areas / areas.sum())
    origins = np.einsum("pc,pcx->px", rng.dirichlet((1, 1, 1), SAMPLES), triangles[faces])
    axes = np.abs(normals[faces]).argmax(axis=1)
    samples = WallSamples(np.full(SAMPLES, np.inf), np.zeros(SAMPLES))
    for axis in range(3):
        members = np.flatnonzero(axes == axis)
        hits = intersect_rays(triangles, origins[members][:, [(axis + 1) % 3, (axis + 2) % 3]], axis)
        order = np.lexsort((hits.depths, hits.rays))
        for line in np.split(order, np.flatnonzero(np.diff(hits.rays[order])) + 1):
            if len(line) and not hits.signs[line].sum():  # else it ran through the joint of two faces
                sample = members[hits.rays[line[0]]]
                depths, hit_faces = hits.depths[line], hits.faces[line]
                samples.overlap[sample] = _overlap_length(depths, hits.signs[line])
                pair = _opposite_hit(hit_faces, hits.signs[line], faces[sample])
                if pair and normals[hit_faces[pair[0]]] @ normals[hit_faces[pair[1]]] < OPPOSITE_COSINE:
                    slant = abs(normals[faces[sample], axis])
                    samples.thickness[sample] = abs(depths[pair[1]] - depths[pair[0]]) * slant
    return samples


def _overlap_length(depths: NDArray[np.float64], signs: IndexArray) -> float:
    """Length along a ray where its winding number is neither 0 nor 1."""
    inside = -np.cumsum(signs)[:-1]
    return float(np.diff(depths)[(inside < 0) | (inside > 1)].sum())


def _opposite_hit(hit_faces: IndexArray, signs: IndexArray, face: int) -> tuple[int, int] | None:
    """Indices among a ray's hits of `face` and of the next one behind its surface; None where it is not hit once."""
    at = np.flatnonzero(hit_faces == face).tolist()
    if len(at) != 1:
        return None
    other = at[0] - int(signs[at[0]])
    return (at[0], other) if 0 <= other < len(hit_faces) else None
