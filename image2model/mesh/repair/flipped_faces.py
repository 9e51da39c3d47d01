"""Which side the faces of a mesh look to, and turning those that look the other way than their neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..facts import sides_of
from ..gltf.reader import Integers


def astray(faces: Integers) -> NDArray[np.bool_]:
    """Whether each face (m, 3) of a welded mesh looks to another side than most that it hangs together with.

    None does where the two sides cannot be told apart, as on a Möbius strip.
    """
    starts, _, keys = sides_of(faces)
    order = np.argsort(keys)
    first = np.flatnonzero(np.diff(keys[order], prepend=-1))
    first = first[np.diff(first, append=len(order)) == 2]
    one, other = order[first], order[first + 1]
    alike = starts[one] != starts[other]
    if alike.all():
        return np.zeros(len(faces), bool)
    count = len(faces)  # each face is there twice: as it is, and turned
    near = np.stack([one, other]) // 3
    near[1] += np.where(alike, 0, count)
    links = np.hstack([near, (near + count) % (2 * count)])
    graph = coo_array((np.ones(links.shape[1], np.int8), links), shape=(2 * count, 2 * count))
    as_is, turned = connected_components(graph, directed=False)[1].reshape(2, count)
    votes = np.bincount(as_is, minlength=int(max(as_is.max(), turned.max())) + 1)
    fewer, even = votes[as_is] < votes[turned], votes[as_is] == votes[turned]
    return np.asarray(fewer | (even & (as_is > turned)))
