"""Topology of a mesh: welding, edges, components, holes, volume and genus."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from .bounding_box import bounding_box, extents
from .components import connected_components
from .gltf.reader import FloatArray, IndexArray
from .repair.shells import classify_shells

WELD_GRID = 2**20
"""Vertices closer than this fraction of the longest side are one: texture seams repeat them."""
TOUCHING, SWEEP, MAX_SWEPT = 1.75, np.array([0.6134, 0.5427, 0.5738]), 30
"""Cells this far apart may touch at a corner (√3); a direction along no axis; most cells looked at for each one."""


@dataclass(frozen=True, slots=True)
class Topology:
    """Connections of the faces of a mesh."""

    parts: int
    holes: int
    boundary_edges: int
    nonmanifold_edges: int
    winding_consistent: bool
    """Neighbouring faces agree on which side is out."""
    volume: float = 0.0
    """Volume once inverted shells are flipped, cavities subtracted."""
    genus: int = 0
    cavities: int = 0
    inverted_shells: int = 0
    """Shells, cavity walls included, that are inside out."""
    labels: IndexArray | None = field(default=None, repr=False, compare=False)
    """The `weld_labels` of its mesh."""

    @property
    def watertight(self) -> bool:
        """Each edge joins exactly two faces, and there is one."""
        return self.parts > 0 and not self.boundary_edges and not self.nonmanifold_edges

    @property
    def is_volume(self) -> bool:
        """True if it has an inside, as trimesh's `is_volume`: volume and genus mean something."""
        return self.watertight and self.winding_consistent


@dataclass(frozen=True, slots=True)
class HalfEdgeGroups:
    """The half-edges of faces, sorted by the edge that they run along."""

    order: IndexArray
    """(3m,) half-edge, counted through the faces, at each place."""
    keys: IndexArray
    """(3m,) id of its edge, ascending."""
    first: IndexArray
    """(e,) place of each edge's first half-edge."""
    counts: IndexArray
    """(e,) half-edges of each edge."""
    backward: NDArray[np.bool_]
    """(3m,) whether it runs from the higher vertex to the lower."""

    @property
    def edge_of(self) -> IndexArray:
        """Edge (3m,) of each half-edge, counted as in `first`."""
        edges = np.empty(len(self.order), np.intp)
        edges[self.order] = np.repeat(np.arange(len(self.first)), self.counts)
        return edges

    @property
    def balanced(self) -> NDArray[np.bool_]:
        """Mask (e,) of the edges whose half-edges run one way as often as the other."""
        return np.asarray(np.add.reduceat(self.backward, self.first, dtype=np.intp) * 2 == self.counts)


def analyze_topology(positions: FloatArray, faces: IndexArray) -> Topology:
    """Topology of `faces` (m, 3) over `positions` (n, 3), welded."""
    labels = weld_labels(positions, faces) if len(faces) else np.empty(0, np.intp)
    welded_faces = labels[faces] if len(faces) else faces
    keep = _nondegenerate(welded_faces)
    welded = welded_faces[keep]
    if not len(welded):
        return Topology(0, 0, 0, 0, True)
    groups = group_half_edges(welded)
    edges, counts, balanced = unique_edges(welded, groups)
    component = face_components(welded, groups)
    parts = int(component.max()) + 1
    topology = Topology(
        parts=parts,
        holes=_count_holes(edges[counts == 1]),
        boundary_edges=int((counts == 1).sum()),
        nonmanifold_edges=int((counts > 2).sum()),
        winding_consistent=bool(balanced[counts == 2].all()),
        genus=parts - (_count_component_vertices(welded, component) - len(edges) + len(welded)) // 2,
        labels=labels,
    )
    if not topology.is_volume:
        return topology
    shells = classify_shells(positions[faces[keep]].astype(np.float64), component)
    cavities, turned = shells.cavities, int(shells.inverted.sum())
    return replace(topology, parts=parts - cavities, volume=shells.volume, cavities=cavities, inverted_shells=turned)


def drop_degenerate_after_weld(positions: FloatArray, faces: IndexArray) -> IndexArray:
    """Faces (k, 3) over welded vertices, without those that welding collapses."""
    if not len(faces):
        return faces
    return drop_degenerate(weld_labels(positions, faces)[faces])


def drop_degenerate(faces: IndexArray) -> IndexArray:
    """The welded `faces` (m, 3) that have three distinct vertices (k, 3)."""
    return np.asarray(faces[_nondegenerate(faces)])


def _nondegenerate(faces: IndexArray) -> NDArray[np.bool_]:
    """Mask (m,) of the faces (m, 3) with three distinct vertices."""
    a, b, c = faces.T
    return np.asarray((a != b) & (b != c) & (c != a))


def weld_labels(positions: FloatArray, faces: IndexArray) -> IndexArray:
    """Label (n,) of the welded vertex of each vertex; 0 for unreferenced ones."""
    used = np.zeros(len(positions), bool)
    used[faces] = True
    points = positions[used].astype(np.float64)
    lowest, highest = bounding_box(points)
    longest = float((highest - lowest).max()) or 1.0
    grid = np.rint((points - lowest) * (WELD_GRID / longest)).astype(np.int64)
    keys, cells = np.unique((grid[:, 0] << 42) | (grid[:, 1] << 21) | grid[:, 2], return_inverse=True)
    labels = np.zeros(len(positions), np.intp)
    labels[used] = _merge_touching_cells(keys)[cells]
    return labels


def _merge_touching_cells(cell_keys: IndexArray) -> IndexArray:
    """Label (c,) of each grid cell; cells that touch get one, as nearby vertices may lie in both.

    `cell_keys` (c,) hold x, y and z in 21 bits each, no cell twice.
    """
    mask = WELD_GRID * 2 - 1
    pairs = _touching_cells(np.stack([cell_keys >> 42, cell_keys >> 21 & mask, cell_keys & mask], axis=1))
    if not len(pairs):
        return np.arange(len(cell_keys))
    return connected_components(pairs, len(cell_keys))[1]


def _touching_cells(cells: IndexArray) -> IndexArray:
    """Pairs (p, 2) of `cells` (c, 3) that touch at a face, an edge or a corner.

    Cells are sorted along SWEEP, where those that touch are near each other, as hardly any others are.
    """
    along = cells @ SWEEP
    order = np.argsort(along)
    following = np.searchsorted(along[order], along[order] + TOUCHING, side="right") - np.arange(len(cells)) - 1
    if following.sum() > MAX_SWEPT * len(cells):  # all in one plane across it
        from scipy.spatial import KDTree  # slow to load, and hardly ever needed

        return np.asarray(KDTree(cells).query_pairs(TOUCHING, output_type="ndarray"), np.intp)
    first = np.repeat(np.arange(len(cells)), following)
    second = np.arange(len(first)) - np.repeat(np.cumsum(following) - following, following) + first + 1
    pairs = np.stack([order[first], order[second]], axis=1)
    return np.asarray(pairs[(np.abs(cells[pairs[:, 0]] - cells[pairs[:, 1]]) <= 1).all(axis=1)])


def referenced_vertices(faces: IndexArray) -> IndexArray:
    """Sorted indices that faces or edges use; several times faster than numpy's `unique`."""
    used = np.zeros(int(faces.max(initial=-1)) + 1, bool)
    used[faces] = True
    return np.flatnonzero(used)


def compact_indices(faces: IndexArray) -> tuple[IndexArray, IndexArray]:
    """Referenced vertices, and the faces renumbered to them."""
    used = referenced_vertices(faces)
    labels = np.zeros(int(faces.max(initial=-1)) + 1, np.intp)
    labels[used] = np.arange(len(used))
    return used, labels[faces]


def half_edges(faces: IndexArray) -> tuple[IndexArray, IndexArray, IndexArray]:
    """Start and end (3m,) of each half-edge of faces (m, 3), and an id that both directions of an edge share."""
    starts, ends = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    return starts, ends, np.minimum(starts, ends) * (int(faces.max(initial=-1)) + 1) + np.maximum(starts, ends)


def group_half_edges(faces: IndexArray) -> HalfEdgeGroups:
    """Group the half-edges of faces (m, 3) by their edge."""
    starts, ends, keys = half_edges(faces)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    first = np.flatnonzero(np.diff(keys, prepend=-1))
    return HalfEdgeGroups(order, keys, first, np.diff(first, append=len(keys)), (starts > ends)[order])


def unique_edges(
    faces: IndexArray, groups: HalfEdgeGroups | None = None
) -> tuple[IndexArray, IndexArray, NDArray[np.bool_]]:
    """Edges (e, 2), their face counts, and whether as many half-edges run one way as the other."""
    groups = groups or group_half_edges(faces)
    edges = np.stack(np.divmod(groups.keys[groups.first], int(faces.max()) + 1), axis=1)
    return edges, groups.counts, groups.balanced


def is_closed_surface(faces: IndexArray) -> bool:
    """True if each edge of welded faces has exactly two, which run along it in opposite directions."""
    groups = group_half_edges(faces)
    return bool(((groups.counts == 2) & groups.balanced).all())


def face_components(faces: IndexArray, groups: HalfEdgeGroups | None = None) -> IndexArray:
    """Component (m,) of each face of a welded mesh, from 0, connected by edges; a shared vertex does not connect."""
    groups = groups or group_half_edges(faces)
    shared = np.flatnonzero(groups.keys[1:] == groups.keys[:-1])
    face_pairs = np.stack([groups.order[shared], groups.order[shared + 1]]) // 3
    return connected_components(face_pairs.T, len(faces))[1]


def _count_component_vertices(faces: IndexArray, component: IndexArray) -> int:
    """Number of vertices, one that several components share counted for each."""
    owner = np.zeros(int(faces.max()) + 1, np.intp)
    owner[faces] = component[:, None]
    if (owner[faces] == component[:, None]).all():
        return len(referenced_vertices(faces))
    return len(np.unique(faces * (int(component.max()) + 1) + component[:, None]))


def _count_holes(edges: IndexArray) -> int:
    """Number of loops of boundary `edges` (e, 2): holes that touch at a vertex are two, as a repair closes them."""
    used, labels = compact_indices(edges)
    if not len(used):
        return 0
    groups = connected_components(labels, len(used))[0]
    return groups + max(0, len(edges) - len(used))


def is_flat(positions: FloatArray, faces: IndexArray) -> bool:
    """True if all referenced `positions` (n, 3) lie in one plane, within the weld's tolerance."""
    points = positions[referenced_vertices(faces)].astype(np.float64)
    with np.errstate(all="ignore"):  # hostile numbers overflow
        points -= points.mean(axis=0)
        longest = float(extents(points).max())
        if not 0 < longest < np.inf:
            return longest == 0
        points /= longest
    across = np.linalg.eigh(points.T @ points)[1][:, 0]
    return bool(np.ptp(points @ across) * WELD_GRID <= 1)
