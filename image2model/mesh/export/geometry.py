"""Transforms of a scene before it is written: compacted, simplified, welded, coloured per vertex."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ErrorCode, GenerationFailed
from ..gltf import meshopt
from ..gltf.colours import base_colour, emitted_light, linear_to_srgb, opacity
from ..gltf.meshopt import PERMISSIVE, PRUNE, REGULARIZE
from ..gltf.reader import FloatArray, Glb, IndexArray, MeshPrimitive, Scene
from ..topology import analyze_topology, compact_indices, weld_labels

ATTRIBUTE_WEIGHTS = {"NORMAL": 0.5, "TEXCOORD_0": 1.0, "COLOR_0": 1.0}
"""Attributes that simplification preserves, each with its weight against a longest side of 1."""
ATTRIBUTE_SIZES = {"NORMAL": 3, "TEXCOORD_0": 2, "COLOR_0": 4}
FACE_LIMIT_TOLERANCE = 1.02
"""Share of its face limit that a simplified mesh may have."""
SIMPLIFY_FLAGS = (0, REGULARIZE, PERMISSIVE, PERMISSIVE | REGULARIZE, PERMISSIVE | PRUNE)
"""Flags for meshoptimizer, tried in order until one gives few enough faces and keeps closed what was closed."""
WEIGHT_SCALES = (1.0, 0.1)
"""Scales of the attribute weights: all SIMPLIFY_FLAGS are tried first with full weights, then with less."""


def iter_primitives(scene: Scene) -> Iterator[tuple[MeshPrimitive, slice, IndexArray]]:
    """Yield each primitive, the slice of its vertices, and its faces (m, 3) counted from its first vertex."""
    ends = [*(primitive.first_vertex for primitive in scene.primitives[1:]), len(scene.positions)]
    for primitive, end in zip(scene.primitives, ends, strict=True):
        faces = scene.faces[primitive.first_face : primitive.first_face + primitive.faces] - primitive.first_vertex
        yield primitive, slice(primitive.first_vertex, end), faces


def compact_scene(scene: Scene) -> Scene:
    """Drop faces of which two corners coincide, unreferenced vertices and empty primitives; mend broken attributes.

    Raises GenerationFailed (`glb_no_geometry`) where nothing is left.
    """
    positions: list[FloatArray] = []
    faces: list[IndexArray] = []
    kept: list[MeshPrimitive] = []
    first_face = first_vertex = 0
    for primitive, vertices, all_faces in iter_primitives(scene):
        faces_kept = all_faces[_has_distinct_corners(scene.positions[vertices], all_faces)]
        if not len(faces_kept):
            continue
        used, renumbered = compact_indices(faces_kept)
        points = scene.positions[vertices][used]
        attributes = {name: np.nan_to_num(values[used]) for name, values in primitive.attributes.items()}
        if "NORMAL" in attributes:
            attributes["NORMAL"] = _with_missing_normals(attributes["NORMAL"], points, renumbered)
        positions.append(points)
        faces.append(renumbered + first_vertex)
        kept.append(
            replace(
                primitive,
                first_face=first_face,
                first_vertex=first_vertex,
                faces=len(faces_kept),
                attributes=attributes,
            )
        )
        first_face, first_vertex = first_face + len(faces_kept), first_vertex + len(used)
    if not kept:
        raise GenerationFailed(
            ErrorCode.GLB_NO_GEOMETRY, "The generator's file holds no surface.", "Use another generator."
        )
    return Scene(np.concatenate(positions), np.concatenate(faces), tuple(kept), 0)


def _has_distinct_corners(positions: FloatArray, faces: IndexArray) -> NDArray[np.bool_]:
    """Mask (m,) of the faces (m, 3) whose corners are at three different places."""
    differs = np.zeros((3, len(faces)), bool)
    for axis in positions.T:
        corners = axis[faces.T]
        differs |= corners != np.roll(corners, 1, axis=0)
    return np.asarray(differs.all(axis=0))


def _with_missing_normals(normals: FloatArray, positions: FloatArray, faces: IndexArray) -> FloatArray:
    """Normals (n, 3) without zero ones: the mean of the adjacent faces (m, 3) instead, or upwards without any."""
    missing = np.asarray(~normals.any(axis=1))
    if not missing.any():
        return normals
    around = missing[faces].any(axis=1)
    corners = positions[faces[around]].astype(np.float64)
    across = np.repeat(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), 3, axis=0)
    sums = np.stack([np.bincount(faces[around].ravel(), along, len(normals)) for along in across.T], axis=1)
    length = np.linalg.norm(sums, axis=1, keepdims=True)
    means = np.where(length > 0, sums / np.maximum(length, np.finfo(float).tiny), (0, 1, 0))
    return np.where(missing[:, None], means, normals).astype(np.float32)


def simplify_scene(scene: Scene, limit: int, *, closed: bool = False) -> Scene:
    """Simplify to at most about `limit` faces, preserving shape, texture coordinates and colours.

    Texture seams are kept while that is possible, then crossed; a scene within the limit comes back unchanged. A
    `closed` one stays closed where one of SIMPLIFY_FLAGS allows it.
    """
    if len(scene.faces) <= limit:
        return scene
    values = _simplify_attributes(scene)
    weights = [weight for name, weight in ATTRIBUTE_WEIGHTS.items() for _ in range(ATTRIBUTE_SIZES[name])]
    labels = weld_labels(scene.positions, scene.faces)
    faces = deduplicated = _first_duplicates(scene, values)[scene.faces]
    not_watertight: list[IndexArray] = []
    for scale, flags in product(WEIGHT_SCALES, SIMPLIFY_FLAGS):
        faces = deduplicated if flags == SIMPLIFY_FLAGS[0] else faces
        simplified = meshopt.simplify(
            scene.positions, faces, values, [scale * weight for weight in weights], limit, flags
        )
        if not 0 < len(simplified) <= limit * FACE_LIMIT_TOLERANCE:
            faces = simplified if len(simplified) else faces
            continue
        watertight = [
            candidate
            for candidate in (simplified, _drop_folded_faces(simplified, labels))
            if not closed or _is_closed(scene, candidate)
        ]
        if watertight:
            return compact_scene(_replace_faces(scene, watertight[0]))
        not_watertight.append(simplified)
        faces = deduplicated
    return compact_scene(_replace_faces(scene, not_watertight[0] if not_watertight else faces))


def _is_closed(scene: Scene, faces: IndexArray) -> bool:
    return len(faces) > 0 and analyze_topology(scene.positions, faces).watertight


def _drop_folded_faces(faces: IndexArray, labels: IndexArray) -> IndexArray:
    """Faces (k, 3) without those that collapsed onto one another; `labels` (n,) are the weld's."""
    _, each, counts = np.unique(np.sort(labels[faces], axis=1), axis=0, return_inverse=True, return_counts=True)
    return np.asarray(faces[counts[each] == 1])


def _simplify_attributes(scene: Scene) -> FloatArray:
    """Vertex attributes (n, 9) that simplification preserves; zero where a primitive lacks one."""
    values = np.zeros((len(scene.positions), sum(ATTRIBUTE_SIZES.values())), np.float32)
    for primitive, vertices, _ in iter_primitives(scene):
        start = 0
        for name, width in ATTRIBUTE_SIZES.items():
            if name in primitive.attributes:
                kept_values = primitive.attributes[name][:, :width]
                if name == "TEXCOORD_0":  # may be whole numbers, or reach far where the texture is repeated
                    kept_values = kept_values / max(1.0, float(np.ptp(kept_values, axis=0).max()))
                values[vertices, start : start + kept_values.shape[1]] = kept_values
            start += width
    return values


def _first_duplicates(scene: Scene, values: FloatArray) -> IndexArray:
    """Index (n,) of the first vertex with the same values, for files that repeat vertices instead of indexing them."""
    if len(scene.positions) <= len(scene.faces):
        return np.arange(len(scene.positions))
    owner = np.zeros((len(scene.positions), 1), np.float32)
    for number, (_, vertices, _) in enumerate(iter_primitives(scene)):
        owner[vertices] = number
    rows = np.ascontiguousarray(np.hstack([scene.positions, values, owner]))
    _, first, same = np.unique(rows.view([("", "V", rows.strides[0])]).ravel(), return_index=True, return_inverse=True)
    return np.asarray(first[same], np.intp)


def _replace_faces(scene: Scene, faces: IndexArray) -> Scene:
    """The scene with other faces (m, 3) over the same vertices."""
    starts = [primitive.first_vertex for primitive in scene.primitives]
    owner = np.searchsorted(starts, faces[:, 0], side="right") - 1
    counts = np.bincount(owner, minlength=len(starts))
    firsts = np.cumsum(counts) - counts
    changed = [
        replace(primitive, first_face=int(first), faces=int(count))
        for primitive, first, count in zip(scene.primitives, firsts, counts, strict=True)
    ]
    return replace(scene, faces=faces[np.argsort(owner, kind="stable")], primitives=tuple(changed))


def weld_scene(scene: Scene) -> tuple[NDArray[np.float32], IndexArray]:
    """Positions and faces welded, but for faces that welding would collapse."""
    labels = weld_labels(scene.positions, scene.faces)
    vertex_at = np.zeros(int(labels.max()) + 1, np.intp)
    vertex_at[labels] = np.arange(len(labels))
    faces = vertex_at[labels][scene.faces]
    collapsed = (faces == np.roll(faces, 1, axis=1)).any(axis=1)
    faces[collapsed] = scene.faces[collapsed]
    used, faces = compact_indices(faces)
    return scene.positions[used], faces


def vertex_colours(glb: Glb, scene: Scene) -> NDArray[np.uint8] | None:
    """sRGB and alpha (n, 4) of the base colour at each vertex; None where the scene has no colours."""
    colours = np.full((len(scene.positions), 4), 255, np.uint8)
    coloured = False
    for primitive, vertices, _ in iter_primitives(scene):
        if not has_colour(primitive):
            continue
        coloured = True
        count = vertices.stop - vertices.start
        corners = np.broadcast_to(np.arange(count), (3, count))
        weights = np.zeros((3, count), np.float32)
        weights[0] = 1
        colour = np.clip(colour_or_white(glb, primitive, corners, weights), 0, 1)
        colours[vertices, :3] = linear_to_srgb(colour[:3]).T
        colours[vertices, 3] = np.rint(opacity(primitive.material, colour[3]) * 255)
    return colours if coloured else None


def has_colour(primitive: MeshPrimitive) -> bool:
    """True if a primitive has a base colour of its own."""
    pbr = primitive.material.get("pbrMetallicRoughness", {})
    return bool({"baseColorTexture", "baseColorFactor"} & set(pbr)) or "COLOR_0" in primitive.attributes


def colour_or_white(glb: Glb, primitive: MeshPrimitive, corners: IndexArray, weights: FloatArray) -> NDArray[Any]:
    """Linear colour and alpha (4, n), with the light that is emitted where it is brighter than the base colour.

    White where the file contradicts itself about it.
    """
    try:
        colour = base_colour(glb, primitive, corners, weights)
        colour[:3] = np.maximum(colour[:3], emitted_light(glb, primitive, corners, weights))
        return colour
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        return np.ones((4, corners.shape[1]), np.float32)
