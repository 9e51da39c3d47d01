"""Cleaning of a mesh: merged vertices, no double faces or loose parts, consistent winding."""

from __future__ import annotations

import numpy as np

from ...plurals import pluralize
from ..gltf.reader import FloatArray, IndexArray
from ..topology import compact_indices, drop_degenerate, face_components, is_flat, referenced_vertices, weld_labels
from .flipped_faces import find_flipped_faces
from .hole_filling import Mesh

LOOSE_PART_SIZE = 0.05
"""Components smaller than this share of the longest side are loose parts."""
MAX_FLAT_FACES = 10_000
"""Number of faces above which a component counts as a body without a closer test."""


def merge_vertices(positions: FloatArray, faces: IndexArray, labels: IndexArray | None = None) -> Mesh:
    """Weld vertices and drop unreferenced ones; `labels` are their `weld_labels` where these are known."""
    labels = weld_labels(positions, faces) if labels is None else labels
    merged = np.zeros((int(labels.max()) + 1, 3), np.float32)
    used = referenced_vertices(faces)
    merged[labels[used]] = positions[used]
    keep, order = compact_indices(drop_degenerate(labels[faces]))
    return merged[keep], order


def drop_degenerate_faces(positions: FloatArray, faces: IndexArray) -> tuple[Mesh, str]:
    """Weld, and drop faces without area."""
    mesh = merge_vertices(positions, faces)
    dropped = len(faces) - len(mesh[1])
    return mesh, f"Removed {pluralize(dropped, 'face')} without area." if dropped else ""


def drop_loose_parts(positions: FloatArray, faces: IndexArray) -> tuple[Mesh, str]:
    """Drop components that are small against the largest."""
    component = face_components(faces)
    if not component.any():
        return (positions, faces), ""
    order = np.argsort(component, kind="stable")
    first = np.flatnonzero(np.diff(component[order], prepend=-1))
    corners = positions[faces[order]]
    low, high = np.minimum.reduceat(corners.min(axis=1), first), np.maximum.reduceat(corners.max(axis=1), first)
    size = (high - low).max(axis=1)
    keep = size >= LOOSE_PART_SIZE * size.max()
    removed = int((~keep).sum())
    return (positions, faces[keep[component]]), f"Removed {pluralize(removed, 'loose bit')}." if removed else ""


def drop_flat_parts(positions: FloatArray, faces: IndexArray) -> tuple[Mesh, str]:
    """Drop components that lie in a plane, and so enclose nothing, of a mesh that has others."""
    component = face_components(faces)
    if not component.any():
        return (positions, faces), ""
    order = np.argsort(component, kind="stable")
    parts = np.split(faces[order], np.flatnonzero(np.diff(component[order])) + 1)
    solid = [part for part in parts if len(part) > MAX_FLAT_FACES or not is_flat(positions, part)]
    flat = len(parts) - len(solid)
    if not flat or not solid:
        return (positions, faces), ""
    return (positions, np.concatenate(solid)), f"Removed {pluralize(flat, 'flat part')} that enclosed nothing."


def unify_winding(positions: FloatArray, faces: IndexArray) -> tuple[Mesh, str]:
    """Flip faces that are wound against their neighbours."""
    flipped = find_flipped_faces(faces)
    changes = f"Turned {pluralize(int(flipped.sum()), 'face')} so that all look to one side." if flipped.any() else ""
    return (positions, np.where(flipped[:, None], faces[:, ::-1], faces)), changes
