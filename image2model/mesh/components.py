"""Connected components of a graph."""

from __future__ import annotations

import numpy as np

from .gltf.reader import IndexArray


def connected_components(pairs: IndexArray, nodes: int) -> tuple[int, IndexArray]:
    """Return the number of components that `pairs` (n, 2) make of `nodes` nodes, and the component (nodes,) of each."""
    from scipy.sparse import coo_array, csgraph  # slow to load, and only worker processes need it

    graph = coo_array((np.ones(len(pairs), np.int8), pairs.T), shape=(nodes, nodes))
    count, labels = csgraph.connected_components(graph, directed=False)
    return int(count), np.asarray(labels, np.intp)
