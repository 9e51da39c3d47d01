"""Closed meshes as manifold3d solids: shells united, cavities kept, a base cut flat."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...plurals import pluralize
from ..gltf.reader import FloatArray, IndexArray
from ..topology import analyze_topology, face_components, is_closed_surface
from .cleaning import merge_vertices
from .contours import cut_off_below
from .hole_filling import Mesh
from .manifold import from_manifold, shell_solids
from .nonmanifold import split_shared_edges
from .print_check import MIN_FLAT_BASE_MM2, has_flat_base
from .shells import NO_PARENT
from .wording import describe_changes

BASE_CUT, MAX_BASE_CUT, BASE_CUTS = 0.004, 0.256, 14
"""Share of the height cut off the bottom at first and at most, and how many cuts are tried."""
CLEARANCE = 1e-4
"""Share of the height that a cut stays away from vertices, which it would split into faces without area."""


def unite_shells(positions: FloatArray, faces: IndexArray, hint: str) -> tuple[Mesh, str]:
    """Unite closed shells that overlap or contain each other into one solid, right side out, cavities kept."""
    before = analyze_topology(positions, faces)
    if before.boundary_edges:
        return (positions, faces), f"It is still not closed{hint}."
    if before.is_volume and before.parts == 1 and not before.cavities and not before.inverted_shells:
        return (positions, faces), ""
    solid = _manifold_union(positions, faces) if before.is_volume else None
    if solid is None:
        return (positions, faces), f"It is closed, but no solid could be made of it{hint}."
    mesh = from_manifold(solid)
    return mesh, describe_changes(before, analyze_topology(*mesh))


def join_touching_solids(positions: FloatArray, faces: IndexArray) -> tuple[Mesh, str]:
    """Unite solids of a welded mesh that share a face, or a part of one; those that share only edges stay as they are.

    It is tried before they are moved apart, for then there is a gap between them.
    """
    split = split_shared_edges(positions, faces)
    if split is None or not is_closed_surface(split[1]):
        return (positions, faces), ""
    solid = _manifold_union(*split)
    if solid is None:
        return (positions, faces), ""
    before, after = int(face_components(split[1]).max()) + 1, len(solid.decompose())
    if after >= before:
        return (positions, faces), ""
    return merge_vertices(*from_manifold(solid)), f"Joined {pluralize(before, 'touching piece')} into {after:,}."


def _manifold_union(positions: FloatArray, faces: IndexArray) -> Any:
    """Union of the shells of a watertight welded mesh, inverted ones flipped, cavities subtracted.

    None where a shell is no solid, or where nothing would be left.
    """
    import manifold3d  # only repairs need it

    shells, solids = shell_solids(positions, faces)
    if None in solids:
        return None
    for cavity in np.flatnonzero(shells.parents != NO_PARENT):
        solids[shells.parents[cavity]] -= solids[cavity]
    outer = [body for body, parent in zip(solids, shells.parents, strict=True) if parent == NO_PARENT]
    solid = manifold3d.Manifold.batch_boolean(outer, manifold3d.OpType.Add) if len(outer) > 1 else outer[0]
    return None if solid.is_empty() else solid


def cut_flat_base(positions: FloatArray, faces: IndexArray) -> tuple[Mesh, str]:
    """Cut off as little of the bottom as makes the solid stand: doubled until it does, then halved while it does."""
    if has_flat_base(positions, faces, MIN_FLAT_BASE_MM2) or not is_closed_surface(faces):
        return (positions, faces), ""
    low, high = float(positions[:, 2].min()), float(positions[:, 2].max())
    least, most, best = 0.0, BASE_CUT, None
    for _ in range(BASE_CUTS):
        cut = most if best is None else (least + most) / 2
        height = _clear_of_vertices(positions[:, 2], low + cut * (high - low), high - low)
        mesh = cut_off_below(positions, faces, height)
        if has_flat_base(*mesh, MIN_FLAT_BASE_MM2):
            most, best = cut, (mesh, height - low)
            if least == 0 or most - least <= BASE_CUT:
                break
        elif best is None:
            least, most = cut, min(2 * cut, MAX_BASE_CUT)
        else:
            least = cut
    if best is None:
        return (positions, faces), ""
    return best[0], f"Cut {best[1]:.1f} mm off the bottom, so that it stands on a flat base."


def _clear_of_vertices(heights: FloatArray, cut: float, height: float) -> float:
    """`cut`, a little further from the next of `heights` (n,) where it is very near."""
    ordered = np.sort(heights)
    at = int(np.searchsorted(ordered, cut, side="right"))
    below, above = float(ordered[at - 1]), float(ordered[at])
    clearance = min(CLEARANCE * height, (above - below) / 2)
    return min(max(cut, below + clearance), above - clearance)
