"""Repair of a mesh into a closed solid for printing: each step says what it changed."""

from __future__ import annotations

from functools import partial

from ...errors import ErrorCode, Unavailable
from ...plurals import pluralize
from ..gltf.reader import FloatArray, IndexArray
from ..topology import analyze_topology
from .cleaning import drop_degenerate_faces, drop_flat_parts, drop_loose_parts, unify_winding
from .hole_filling import (
    BoundaryLoop,
    Mesh,
    boundary_loops,
    fill_holes,
    group_nested_loops,
    loop_extent,
    loop_planarity_error,
)
from .nonmanifold import drop_degenerate_patches, split_nonmanifold_edges
from .print_check import has_volume, longest_side, passes_through_itself
from .remesh import remesh
from .solid import cut_flat_base, join_touching_solids, unite_shells

SMALL_HOLE_SIZE, FLAT_HOLE_UNEVENNESS = 0.2, 0.02
"""Holes up to this share of the longest side are filled, and larger ones whose loops are as flat as this."""
MAX_HOLES = 3000
"""A mesh of more holes is a heap of faces rather than a surface, and would take minutes to fill."""


def repair_mesh(positions: FloatArray, faces: IndexArray, *, rebuild: bool = False) -> tuple[Mesh, list[str]]:
    """Repair into a closed solid that stands, as far as that can be done; return a sentence on each change.

    Millimetres, Z up. `rebuild` replaces the surface by a remeshed one, which closes anything and loses details.
    Raises Unavailable for a flat mesh, and for one of which nothing would be left.
    """
    if not has_volume(positions, faces):
        raise Unavailable(
            ErrorCode.MESH_IS_FLAT, "It is flat: it has no thickness, and cannot be repaired.", "Try another mesh."
        )
    mesh, notes = (positions, faces), list[str]()
    closing = (_fill_all_holes, remesh) if rebuild else (_fill_safe_holes,)
    solid = partial(unite_shells, hint="" if rebuild else ": a new surface may help")
    cleaning = (drop_degenerate_faces, drop_degenerate_patches, drop_loose_parts, drop_flat_parts, unify_winding)
    for step in (*cleaning, *closing, join_touching_solids, split_nonmanifold_edges, solid, cut_flat_base,
                 split_nonmanifold_edges):  # fmt: skip
        mesh, sentence = step(*mesh)
        notes += [sentence] if sentence else []
    return mesh, notes


def _fill_safe_holes(positions: FloatArray, faces: IndexArray) -> tuple[Mesh, str]:
    """Fill holes that are small or flat, and the others too where a sound solid comes of it."""
    longest, loops = longest_side(positions, faces), boundary_loops(faces)
    if len(loops) > MAX_HOLES:
        return (positions, faces), ""
    safe = [loop for loop in loops if _safe_to_close(positions[loop], longest)]
    if len(safe) < len(loops):
        mesh, note = _fill(positions, faces, loops)
        if _is_sound(*mesh):
            return mesh, note
    return _fill(positions, faces, safe)


def _is_sound(positions: FloatArray, faces: IndexArray) -> bool:
    """True if a mesh encloses a volume and does not pass through itself."""
    return analyze_topology(positions, faces).is_volume and not passes_through_itself(positions, faces)


def _fill_all_holes(positions: FloatArray, faces: IndexArray) -> tuple[Mesh, str]:
    loops = boundary_loops(faces)
    return _fill(positions, faces, loops if len(loops) <= MAX_HOLES else [])


def _safe_to_close(loop: FloatArray, longest: float) -> bool:
    return (
        loop_extent(loop) <= SMALL_HOLE_SIZE * longest or loop_planarity_error(loop) <= FLAT_HOLE_UNEVENNESS * longest
    )


def _fill(positions: FloatArray, faces: IndexArray, loops: list[BoundaryLoop]) -> tuple[Mesh, str]:
    if not loops:
        return (positions, faces), ""
    longest = longest_side(positions, faces)
    groups = group_nested_loops(positions, loops, FLAT_HOLE_UNEVENNESS * longest)
    widest = max((loop_extent(positions[group[0]]) for group in groups if len(group) == 1), default=0.0)
    widest_note = (
        f" The widest was {widest:.3g} mm: what it led into is solid now." if widest > SMALL_HOLE_SIZE * longest else ""
    )
    return fill_holes(
        positions, faces, groups, FLAT_HOLE_UNEVENNESS * longest
    ), f"Closed {pluralize(len(loops), 'hole')}.{widest_note}"
