"""A new closed surface around any mesh, by meshoptimizer's voxel remesher."""

from __future__ import annotations

import numpy as np

from ...errors import ErrorCode, Unavailable
from ..gltf import meshopt
from ..gltf.reader import FloatArray, IndexArray
from ..topology import analyze_topology
from .cleaning import drop_loose_parts, merge_vertices
from .hole_filling import Mesh
from .nonmanifold import drop_degenerate_patches, split_nonmanifold_edges
from .wording import describe_volume_change

REMESH_RESOLUTIONS, REMESH_FACES = (160, 157, 163, 149, 171, 128, 96), 100_000
"""Voxels along the longest side, tried until a surface closes: where parts touch in a line, another grid helps."""


def remesh(positions: FloatArray, faces: IndexArray) -> tuple[Mesh, str]:
    """Replace the surface by a closed one of at most REMESH_FACES faces; raise Unavailable where there is none."""
    before = analyze_topology(positions, faces)
    for resolution in REMESH_RESOLUTIONS:
        triangles = meshopt.remesh(positions, faces, resolution)
        if not len(triangles):
            raise Unavailable(
                ErrorCode.NO_NEW_SKIN, "No new surface could be wrapped around this mesh.", "Try `repair` solid."
            )
        surface = merge_vertices(triangles.reshape(-1, 3), np.arange(len(triangles) * 3).reshape(-1, 3))
        mesh, dropped = drop_degenerate_patches(*surface)
        mesh, _ = drop_loose_parts(*mesh)
        mesh, _ = split_nonmanifold_edges(*mesh)
        if analyze_topology(*mesh).is_volume:
            break
    positions, faces = mesh
    if len(faces) > REMESH_FACES:
        faces = meshopt.simplify(positions, faces, np.empty((len(positions), 0), np.float32), (), REMESH_FACES)
        (positions, faces), _ = split_nonmanifold_edges(*merge_vertices(positions, faces))
    after = analyze_topology(positions, faces)
    note = " What had no thickness was left out." if dropped else ""
    noun = "closed surface" if after.is_volume else "surface"
    text = f"Gave it a new {noun} of {len(faces):,} faces; fine details are rounded off.{note}"
    change = describe_volume_change(before, after)
    return (positions, faces), f"{text} {change}".rstrip()
