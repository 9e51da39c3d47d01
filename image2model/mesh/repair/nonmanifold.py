"""Repair of edges with more than two faces: folded and dangling faces dropped, touching solids parted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...plurals import pluralize
from ..components import connected_components
from ..gltf.reader import FloatArray, IndexArray
from ..topology import group_half_edges, half_edges, is_closed_surface
from .hole_filling import Mesh

MAX_PATCHES = 2000
"""A mesh of more patches at non-manifold edges is a heap of faces, and would take minutes."""
ANGLE_STEPS = 100_000
"""Angles closer than a step, in parts of a radian, are equal."""
PARTING_GAP = 5e-5
"""Distance between touching solids once moved apart, as a share of the longest side: above welds, below prints."""


def drop_degenerate_patches(positions: FloatArray, faces: IndexArray) -> tuple[Mesh, str]:
    """Drop welded faces that enclose nothing: folded pairs, and patches that dangle from a surface by an edge."""
    once = _drop_repeated(faces)
    kept = once if _encloses(once) else _drop_dangling_patches(_drop_folded_patches(_drop_dangling_patches(once)))
    kept = kept if len(kept) else once
    changes = {
        f"Removed {pluralize(len(faces) - len(once), 'double face')}.": len(faces) - len(once),
        f"Removed {pluralize(len(once) - len(kept), 'face')} that enclosed nothing.": len(once) - len(kept),
    }
    return (positions, kept), " ".join(sentence for sentence, applies in changes.items() if applies)


def split_nonmanifold_edges(positions: FloatArray, faces: IndexArray) -> tuple[Mesh, str]:
    """Give edges that several solids share to each of them, and move the copies apart by PARTING_GAP."""
    split = split_shared_edges(positions, faces)
    if split is None:
        return (positions, faces), ""
    points, fans = split[0].astype(np.float64), split[1]
    groups = group_half_edges(faces)
    starts, ends, _ = half_edges(faces)
    shared = groups.counts[groups.edge_of] > 2
    torn = np.zeros(len(positions), bool)
    torn[starts[shared]] = torn[ends[shared]] = True
    vertex_of = np.zeros(len(points), np.intp)
    vertex_of[fans] = faces
    parted = np.flatnonzero(torn[vertex_of] & (np.bincount(vertex_of, minlength=len(positions))[vertex_of] > 1))
    towards = _fan_centres(positions, faces, fans.ravel(), len(points))[parted] - points[parted]
    length = np.maximum(np.linalg.norm(towards, axis=1, keepdims=True), 1e-30)
    gap = PARTING_GAP * float(np.ptp(positions[faces].reshape(-1, 3), axis=0).max())
    points[parted] += towards / length * np.minimum(gap, length / 4)
    number = pluralize(int((groups.counts > 2).sum()), "edge")
    return (points.astype(np.float32), fans), f"Parted {number} where several solids touched."


def split_shared_edges(positions: FloatArray, faces: IndexArray) -> Mesh | None:
    """The mesh with a copy of each edge that several solids share for each of them; None where no edge is shared.

    Faces around such an edge are paired across the solid between them; those that cannot be paired stay as they are.
    """
    groups = group_half_edges(faces)
    shared, counts = groups.counts > 2, groups.counts
    if not shared.any():
        return None
    edge_of = groups.edge_of
    pairs = np.concatenate([_regular_pairs(edge_of, counts), _wedge_pairs(positions, faces, edge_of, shared)])
    starts, ends = pairs[:, 0], pairs[:, 1]
    following = np.arange(faces.size).reshape(-1, 3)[:, [1, 2, 0]].ravel()
    links = np.concatenate([np.stack([starts, following[ends]], 1), np.stack([following[starts], ends], 1)])
    count, fan_of = connected_components(links, faces.size)
    vertex_of = np.zeros(count, np.intp)
    vertex_of[fan_of] = faces.ravel()
    return positions[vertex_of], fan_of.reshape(-1, 3)


def _drop_repeated(faces: IndexArray) -> IndexArray:
    """Faces (k, 3) without repetitions in the same direction."""
    if _same_corners(faces)[1].all():
        return faces
    lowest = faces.argmin(axis=1)[:, None]
    rotated = np.take_along_axis(faces, (lowest + np.arange(3)) % 3, axis=1)
    _, first = np.unique(rotated, axis=0, return_index=True)
    return np.asarray(faces[np.sort(first)])


def _encloses(faces: IndexArray) -> bool:
    """True if faces are a closed surface, and none lies on another."""
    return is_closed_surface(faces) and bool(_same_corners(faces)[1].all())


def _same_corners(faces: IndexArray) -> tuple[IndexArray, NDArray[np.bool_], IndexArray]:
    """Order (m,) that puts faces of the same corners together, which there are the first of theirs, and how many are.

    The counts (k,) are of the k different sets of corners, in that order.
    """
    low, middle, high = np.sort(faces, axis=1).T
    order = np.lexsort((high, low * (int(faces.max(initial=-1)) + 1) + middle))
    sides = np.stack([low, middle, high])[:, order]
    is_first = np.ones(len(faces), bool)
    is_first[1:] = (np.diff(sides, axis=1) != 0).any(axis=0)
    return order, is_first, np.diff(np.flatnonzero(is_first), append=len(faces))


def _drop_folded_patches(faces: IndexArray) -> IndexArray:
    """Faces without patches of opposite pairs; one of each pair stays where the surface has a hole without it."""
    order, is_first, counts = _same_corners(faces)
    folded, single = np.zeros(len(faces), bool), np.zeros(len(faces), bool)
    folded[order] = np.repeat(counts == 2, counts)
    if not folded.any():
        return faces
    single[order[is_first]] = True
    copies = np.flatnonzero(folded & single)
    patch_of = _patches(faces[copies])
    _, _, edges = half_edges(faces)
    span = int(faces.max()) + 1
    others = np.unique(edges.reshape(-1, 3)[~folded], return_counts=True)
    keep = ~folded
    for patch in range(int(patch_of.max()) + 1):
        own = copies[patch_of == patch]
        rim, times = np.unique(_edge_keys(faces[own], span), return_counts=True)
        rim = rim[times == 1]
        at = np.searchsorted(others[0], rim).clip(max=max(len(others[0]) - 1, 0))
        touching = others[1][at] * (others[0][at] == rim) if len(others[0]) else np.zeros(len(rim), np.intp)
        closes = (touching % 2 == 1).sum() > (touching % 2 == 0).sum()
        if closes or (not len(rim) and not len(others[0])):
            keep[own] = True
    return np.asarray(faces[keep])


def _drop_dangling_patches(faces: IndexArray) -> IndexArray:
    """Faces without patches that have an open side or divide an inside, and hang on an odd edge of other faces."""
    while len(faces):
        groups = group_half_edges(faces)
        counts = groups.counts
        odd = (counts > 2) & (counts % 2 == 1)
        if not odd.any():
            break
        patch_of = _patches(faces)
        at = groups.edge_of.reshape(-1, 3)
        count = int(patch_of.max()) + 1
        if count > MAX_PATCHES:
            break
        hanging = np.bincount(patch_of, odd[at].sum(axis=1), count) > 0
        open_sides = np.bincount(patch_of, (counts[at] == 1).sum(axis=1), count)
        candidates = np.flatnonzero(hanging & (open_sides > 0)) if (hanging & (open_sides > 0)).any() else None
        if candidates is None:
            candidates = np.flatnonzero(hanging)
            candidates = candidates[[np.bincount(patch_of, minlength=count)[candidates].argmin()]]
        faces = faces[~np.isin(patch_of, candidates)]
    return faces


def _edge_keys(faces: IndexArray, span: int) -> IndexArray:
    starts, ends = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    return np.asarray(np.minimum(starts, ends) * span + np.maximum(starts, ends))


def _patches(faces: IndexArray) -> IndexArray:
    """Patch (m,) of each face: connected across edges of exactly two faces."""
    groups = group_half_edges(faces)
    pairs = _regular_pairs(groups.edge_of, groups.counts) // 3
    return connected_components(pairs, len(faces))[1]


def _regular_pairs(edge_of: IndexArray, counts: IndexArray) -> IndexArray:
    """Pairs (p, 2) of half-edges along edges of exactly two faces."""
    regular = np.flatnonzero(counts[edge_of] == 2)
    return np.asarray(regular[np.argsort(edge_of[regular], kind="stable")].reshape(-1, 2))


def _wedge_pairs(
    positions: FloatArray, faces: IndexArray, edge_of: IndexArray, shared: NDArray[np.bool_]
) -> IndexArray:
    """Pairs (p, 2) of half-edges along shared edges, each with the one across the solid between their faces.

    Around an edge, counter-clockwise, a solid begins at a face that runs against it and ends at one that runs along.
    """
    starts, ends, _ = half_edges(faces)
    opposite = np.roll(faces, -2, axis=1).ravel()
    pairs: list[tuple[int, int]] = []
    order = np.flatnonzero(shared[edge_of])
    order = order[np.argsort(edge_of[order], kind="stable")]
    for around in np.split(order, np.flatnonzero(np.diff(edge_of[order])) + 1):
        low, high = sorted((int(starts[around[0]]), int(ends[around[0]])))
        axis = positions[high].astype(float) - positions[low]
        axis /= max(float(np.linalg.norm(axis)), 1e-30)
        across = positions[opposite[around]].astype(float) - positions[low]
        across -= np.outer(across @ axis, axis)
        first = across[0] / max(float(np.linalg.norm(across[0])), 1e-30)
        angles = np.arctan2(across @ np.cross(axis, first), across @ first) % (2 * np.pi)
        along = starts[around] == low
        steps = np.rint(angles * ANGLE_STEPS).astype(int) % round(2 * np.pi * ANGLE_STEPS)
        order_around = np.lexsort((~along, steps))  # where two solids meet in a face, one ends before the other begins
        turn, along = around[order_around], along[order_around]
        for place, half_edge in enumerate(turn):
            following = (place + 1) % len(turn)
            if not along[place] and along[following]:
                pairs.append((int(half_edge), int(turn[following])))
    return np.array(pairs, np.intp).reshape(-1, 2)


def _fan_centres(positions: FloatArray, faces: IndexArray, fan_of: IndexArray, count: int) -> NDArray[np.float64]:
    """Mean centre (count, 3) of the faces around each vertex."""
    centres = np.repeat(positions[faces].mean(axis=1, dtype=np.float64), 3, axis=0)
    sums = np.stack([np.bincount(fan_of, centres[:, axis], count) for axis in range(3)], axis=1)
    return np.asarray(sums / np.bincount(fan_of, minlength=count)[:, None])
