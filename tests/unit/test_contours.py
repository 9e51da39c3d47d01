"""Cross-sections and cuts of closed meshes, against those of manifold3d, and the weld against a tree of neighbours."""

from __future__ import annotations

import manifold3d
import numpy as np
import pytest
import trimesh
from scipy.spatial import KDTree

from image2model.mesh.repair.cleaning import merge_vertices
from image2model.mesh.repair.contours import cross_sections, cut_off_below
from image2model.mesh.topology import weld_labels
from tests.support import faulty

SOLIDS = {
    "ball": lambda: trimesh.creation.icosphere(3),
    "ring": lambda: trimesh.creation.torus(2, 0.5),
    "pipe": lambda: trimesh.creation.annulus(1, 2, 3),
    "hollow box": faulty.hollow,
    "tube that crosses itself": faulty.eight,
}
TO_Z = {0: (0, -90, 0), 1: (90, 0, 0), 2: (0, 0, 0)}
"""Degrees about x, y and z that turn an axis upwards."""


def welded(name: str) -> tuple[np.ndarray, np.ndarray, manifold3d.Manifold]:
    """Positions and faces of a solid, askew, and manifold3d's own of them."""
    mesh = SOLIDS[name]().apply_transform(trimesh.transformations.rotation_matrix(0.3, [1, 2, 3]))
    positions, faces = merge_vertices(np.asarray(mesh.vertices, np.float32), np.asarray(mesh.faces))
    return positions, faces, manifold3d.Manifold(manifold3d.Mesh(positions, faces.astype(np.uint32)))


@pytest.mark.parametrize("name", SOLIDS)
@pytest.mark.parametrize("axis", TO_Z)
def test_cross_sections_are_those_of_manifold(name, axis):
    """At each height along each axis a solid has the area and the contours that manifold3d cuts."""
    positions, faces, solid = welded(name)
    heights = np.linspace(positions[:, axis].min(), positions[:, axis].max(), 9)[1:-1]
    for height, section in zip(heights, cross_sections(positions, faces, axis, heights), strict=True):
        expected = solid.rotate(TO_Z[axis]).slice(float(height))
        assert section.area() == pytest.approx(expected.area(), rel=1e-4)
        assert section.num_contour() == expected.num_contour()


@pytest.mark.parametrize("name", ["ball", "ring", "pipe", "hollow box"])
def test_part_above_a_cut_is_closed(name):
    """The part above a cut is closed and has the volume that manifold3d computes."""
    positions, faces, solid = welded(name)
    low, high = positions[:, 2].min(), positions[:, 2].max()
    for height in (low + share * (high - low) for share in (0.02, 0.37, 0.81)):
        rest = trimesh.Trimesh(*cut_off_below(positions, faces, float(height)))
        assert rest.is_watertight
        assert rest.is_winding_consistent
        assert rest.volume == pytest.approx(solid.trim_by_plane((0, 0, 1), float(height)).volume(), rel=1e-4)


@pytest.mark.parametrize("flat", [False, True], ids=["all over", "in a plane across the sweep"])
def test_vertices_that_touch_are_welded(flat):
    """Vertices of cells that touch become one, as a tree of neighbours finds them, wherever they lie."""
    rng = np.random.default_rng(0)
    cells = rng.integers(0, 12, (600, 3)).astype(float)
    if flat:
        cells = np.stack([*(rng.integers(0, 60, (2, 600)) * 2.0), np.zeros(600)], axis=1)
        cells[:, 2] = 100 - np.rint((cells[:, :2] @ [0.6134, 0.5427]) / 0.5738)
    positions = np.vstack([cells, [[2.0**20, 0, 0], [0, 0, 0]]]) / 2**20
    labels = weld_labels(positions.astype(np.float32), np.arange(len(positions))[:, None])
    near = KDTree(np.rint(positions * 2**20)).query_pairs(1.75, output_type="ndarray")
    graph = trimesh.graph.connected_component_labels(near, len(positions))
    assert len(np.unique(labels)) == len(np.unique(graph)) == len(np.unique(np.stack([labels, graph]), axis=1).T)
