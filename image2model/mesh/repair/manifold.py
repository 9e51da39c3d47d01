"""Conversion between arrays and manifold3d's solids."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..gltf.reader import FloatArray, IndexArray
from ..topology import compact_indices
from .hole_filling import Mesh


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
