"""Closed meshes as manifold3d solids: shells united, cavities kept, a base cut flat."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..gltf.reader import FloatArray, IndexArray
from ..topology import analyze_topology, face_components
from .hole_filling import Mesh
from .manifold import from_manifold, to_manifold
from .print_check import MIN_FLAT_BASE_MM2, has_flat_base
from .shells import NO_PARENT, classify_shells
from .wording import describe_changes

BASE_CUT, BASE_CUTS = 0.004, 7
"""Share of the height cut off the bottom at first, and how often it is doubled until the solid stands."""


def unite_shells(positions: FloatArray, faces: IndexArray, hint: str) -> tuple[Mesh, str]:
    """Unite closed shells that overlap or contain each other into one solid, right side out, cavities kept."""
    before = analyze_topology(positions, faces)
    if before.boundary_edges:
        return (positions, faces), f"It is still not closed{hint}."
    solid = _manifold_union(positions, faces) if before.is_volume else None
    if solid is None:
        return (positions, faces), f"It is closed, but no solid could be made of it{hint}."
    mesh = from_manifold(solid)
    return mesh, describe_changes(before, analyze_topology(*mesh))


def _manifold_union(positions: FloatArray, faces: IndexArray) -> Any:
    """Union of the shells of a watertight welded mesh, inverted ones flipped, cavities subtracted.

    None where a shell is no solid, or where nothing would be left.
    """
    import manifold3d  # only repairs need it

    shells = classify_shells(positions[faces].astype(np.float64), face_components(faces))
    faces = np.where((shells.volumes < 0)[shells.face_shells, None], faces[:, ::-1], faces)
    ends = np.cumsum(np.bincount(shells.face_shells))[:-1]
    solids = [
        to_manifold(positions, own) for own in np.split(faces[np.argsort(shells.face_shells, kind="stable")], ends)
    ]
    if None in solids:
        return None
    for cavity in np.flatnonzero(shells.parents != NO_PARENT):
        solids[shells.parents[cavity]] -= solids[cavity]
    outer = [body for body, parent in zip(solids, shells.parents, strict=True) if parent == NO_PARENT]
    solid = manifold3d.Manifold.batch_boolean(outer, manifold3d.OpType.Add) if len(outer) > 1 else outer[0]
    return None if solid.is_empty() else solid


def cut_flat_base(positions: FloatArray, faces: IndexArray) -> tuple[Mesh, str]:
    """Cut off as little of the bottom as makes the solid stand."""
    if has_flat_base(positions, faces, MIN_FLAT_BASE_MM2):
        return (positions, faces), ""
    solid = to_manifold(positions, faces)
    low, high = float(positions[:, 2].min()), float(positions[:, 2].max())
    for doubled in range(BASE_CUTS if solid is not None else 0):
        cut = BASE_CUT * 2**doubled * (high - low)
        mesh = from_manifold(solid.trim_by_plane((0, 0, 1), low + cut))
        if has_flat_base(*mesh, MIN_FLAT_BASE_MM2):
            return mesh, f"Cut {cut:.1f} mm off the bottom, so that it stands on a flat base."
    return (positions, faces), ""
