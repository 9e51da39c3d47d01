"""A new closed surface around any mesh, by meshoptimizer's voxel remesher."""

from __future__ import annotations

import numpy as np

from ...errors import ErrorCode, Unavailable
from ..gltf import meshopt
from ..gltf.reader import FloatArray, IndexArray
from ..topology import analyze_topology
from .cleaning import drop_loose_parts, merge_vertices
from .hole_filling import Mesh
from .wording import describe_volume_change

REMESH_RESOLUTIONS, REMESH_FACES = (160, 157, 163, 149, 171, 128, 96), 100_000
"""Voxels along the longest side, tried until a surface closes: where parts touch in a line, another grid helps."""


def remesh(positions: FloatArray, faces: IndexArray) -> tuple[Mesh, str]:
    """Replace the surface by a closed one of at most REMESH_FACES faces; raise Unavailable where there is none."""
    before = analyze_topology(positions, faces)
    note = ""
    for resolution in REMESH_RESOLUTIONS:
        triangles = meshopt.remesh(positions, faces, resolution)
        if not len(triangles):
            raise Unavailable(
                ErrorCode.NO_NEW_SKIN, "No new skin could be laid around this mesh.", "Try `repair` solid."
            )
        remeshed = merge_vertices(triangles.reshape(-1, 3), np.arange(len(triangles) * 3).reshape(-1, 3))
        if analyze_topology(*remeshed).watertight:
            break
        without_sheets = remeshed[0], _drop_sheets(remeshed[1])
        if len(without_sheets[1]) and analyze_topology(*without_sheets).watertight:
            (remeshed, _), note = drop_loose_parts(*without_sheets), " What had no thickness was left out."
            break
    positions, faces = remeshed
    if len(faces) > REMESH_FACES:
        faces = meshopt.simplify(positions, faces, np.empty((len(positions), 0), np.float32), (), REMESH_FACES)
    remeshed = merge_vertices(positions, faces)
    text = f"Gave it a new closed skin of {len(faces):,} faces; fine details are rounded off.{note}"
    return remeshed, f"{text} {describe_volume_change(before, analyze_topology(*remeshed))}".rstrip()


def _drop_sheets(faces: IndexArray) -> IndexArray:
    """Faces without those that coincide, as the two sides of a sheet do."""
    _, each, counts = np.unique(np.sort(faces, axis=1), axis=0, return_inverse=True, return_counts=True)
    return np.asarray(faces[counts[each] == 1])
