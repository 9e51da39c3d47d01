"""Cleaning of a mesh: merged vertices, no double faces or loose parts, consistent winding."""

from __future__ import annotations

import numpy as np

from ..gltf.reader import FloatArray, IndexArray
from ..topology import compact_indices, drop_degenerate, face_components, referenced_vertices, weld_labels
from .flipped_faces import find_flipped_faces
from .hole_filling import Mesh
from .wording import counted

LOOSE_PART_SIZE = 0.05
"""Components smaller than this share of the longest side are loose parts."""


def merge_vertices(positions: FloatArray, faces: IndexArray) -> Mesh:
    """Weld vertices and drop unreferenced ones."""
    labels = weld_labels(positions, faces)
    merged = np.zeros((int(labels.max()) + 1, 3), np.float32)
    used = referenced_vertices(faces)
    merged[labels[used]] = positions[used]
    keep, order = compact_indices(drop_degenerate(labels[faces]))
    return merged[keep], order


def drop_degenerate_faces(positions: FloatArray, faces: IndexArray) -> tuple[Mesh, str]:
    """Weld, and drop faces without area."""
    mesh = merge_vertices(positions, faces)
    dropped = len(faces) - len(mesh[1])
    return mesh, f"Removed {counted(dropped, 'face')} without area." if dropped else ""


def drop_loose_parts(positions: FloatArray, faces: IndexArray) -> tuple[Mesh, str]:
    """Drop components that are small against the largest."""
    component = face_components(faces)
    count = int(component.max()) + 1
    low, high = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
    np.minimum.at(low, component, positions[faces].min(axis=1))
    np.maximum.at(high, component, positions[faces].max(axis=1))
    size = np.where(np.isfinite(high - low), high - low, 0).max(axis=1)
    keep = size >= LOOSE_PART_SIZE * size.max()
    removed = int((np.isin(np.arange(count), component) & ~keep).sum())
    return (positions, faces[keep[component]]), f"Removed {counted(removed, 'loose bit')}." if removed else ""


def unify_winding(positions: FloatArray, faces: IndexArray) -> tuple[Mesh, str]:
    """Flip faces that are wound against their neighbours."""
    flipped = find_flipped_faces(faces)
    changes = f"Turned {counted(int(flipped.sum()), 'face')} so that all look to one side." if flipped.any() else ""
    return (positions, np.where(flipped[:, None], faces[:, ::-1], faces)), changes
