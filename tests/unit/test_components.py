"""Connected components of graphs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import coo_array, csgraph

from image2model.mesh.components import connected_components


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("nodes", "pairs"), [(1, 0), (1, 1), (9, 4), (50, 50), (2000, 1500), (2000, 9000)])
def test_components_are_those_that_scipy_finds(nodes, pairs, seed):
    """Number and labels of components are scipy's, ordered by first node, also where pairs join a node to itself."""
    graph = np.random.default_rng(seed).integers(0, nodes, (pairs, 2))
    count, labels = csgraph.connected_components(
        coo_array((np.ones(pairs), graph.T), shape=(nodes, nodes)), directed=False
    )
    found = connected_components(graph, nodes)
    assert found[0] == count
    assert found[1].tolist() == labels.tolist()


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("shape", ["chain", "shuffled chain", "star", "tree"])
def test_long_graphs_are_one_component(shape, backwards):
    """Shapes that need many steps from end to end, numbered from either end."""
    nodes = 10_000
    following = np.arange(1, nodes)
    before = {"star": 0 * following, "tree": following // 2}
    graph = np.stack([before.get(shape, following - 1), following], axis=1)
    if shape == "shuffled chain":
        graph = np.random.default_rng(0).permutation(nodes)[graph]
    count, labels = connected_components(nodes - 1 - graph if backwards else graph, nodes)
    assert count == 1
    assert not labels.any()


def test_a_graph_without_nodes_has_no_component():
    """An empty graph has no components."""
    count, labels = connected_components(np.empty((0, 2), np.intp), 0)
    assert (count, len(labels)) == (0, 0)
