"""Conversion between arrays and manifold3d's solids, and the walls between them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..gltf.reader import FloatArray, IndexArray
from ..topology import compact_indices, face_components
from .hole_filling import Mesh
from .shells import NO_PARENT, Shells, classify_shells


def to_manifold(positions: FloatArray, faces: IndexArray) -> Any:
    """manifold3d's solid of a watertight welded mesh; None where it is not one."""
    import manifold3d  # only print checks and repairs need it

    used, order = compact_indices(faces)
    mesh = manifold3d.Mesh(positions[used].astype(np.float32), order.astype(np.uint32))
    solid = manifold3d.Manifold(mesh)
    return None if solid.status() != manifold3d.Error.NoError or solid.is_empty() else solid


def from_manifold(solid: Any) -> Mesh:
    """Positions and faces of a manifold3d solid."""
    mesh = solid.to_mesh()
    return np.asarray(mesh.vert_properties[:, :3], np.float32), np.asarray(mesh.tri_verts, np.intp)


def shell_solids(positions: FloatArray, faces: IndexArray) -> tuple[Shells, list[Any]]:
    """The shells of a watertight welded mesh, and the solid that each one encloses; None for one that is no solid."""
    shells = classify_shells(positions[faces].astype(np.float64), face_components(faces))
    outwards = np.where((shells.volumes < 0)[shells.face_shells, None], faces[:, ::-1], faces)
    ends = np.cumsum(np.bincount(shells.face_shells))[:-1]
    parts = np.split(outwards[np.argsort(shells.face_shells, kind="stable")], ends)
    return shells, [to_manifold(positions, part) for part in parts]


def least_wall_around_cavities(positions: FloatArray, faces: IndexArray, most: float) -> float:
    """Least distance of a cavity's wall from the outside, at most `most`; 0 where it touches or reaches through.

    `faces` are those of a watertight welded mesh of one part. Shells that are no solids tell nothing.
    """
    from manifold3d import Manifold  # only print checks and repairs need it

    shells, solids = shell_solids(positions, faces)
    margin = np.ptp(positions, axis=0).max() + most
    low = positions.min(axis=0) - margin
    block = Manifold.cube(positions.max(axis=0) + margin - low).translate(low)
    return min(
        (
            (block - solids[parent]).min_gap(cavity, most)
            for cavity, parent in zip(solids, shells.parents.tolist(), strict=True)
            if parent != NO_PARENT and cavity is not None and solids[parent] is not None
        ),
        default=most,
    )
