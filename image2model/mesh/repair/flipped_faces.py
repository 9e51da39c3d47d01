"""Detection of faces that are wound against their neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..components import connected_components
from ..gltf.reader import IndexArray
from ..topology import group_half_edges


def find_flipped_faces(faces: IndexArray) -> NDArray[np.bool_]:
    """Mask (m,) of the faces (m, 3) of a welded mesh that are wound against the majority of their component.

    None is on a surface that cannot be oriented, such as a Möbius strip.
    """
    groups = group_half_edges(faces)
    first = groups.first[groups.counts == 2]
    first_side, second_side = groups.order[first], groups.order[first + 1]
    same_direction = groups.backward[first] != groups.backward[first + 1]
    if same_direction.all():
        return np.zeros(len(faces), bool)
    count = len(faces)  # each face is there twice: as it is, and turned
    face_pairs = np.stack([first_side, second_side]) // 3
    face_pairs[1] += np.where(same_direction, 0, count)
    links = np.hstack([face_pairs, (face_pairs + count) % (2 * count)])
    label, flipped_label = connected_components(links.T, 2 * count)[1].reshape(2, count)
    votes = np.bincount(label, minlength=int(max(label.max(), flipped_label.max())) + 1)
    fewer, even = votes[label] < votes[flipped_label], votes[label] == votes[flipped_label]
    return np.asarray(fewer | (even & (label > flipped_label)))
