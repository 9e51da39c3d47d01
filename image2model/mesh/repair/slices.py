"""What a nozzle can print of a solid, by cross-sections: what is lost, and the contact with the bed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..gltf.reader import FloatArray, IndexArray
from .cleaning import merge_vertices
from .manifold import to_manifold

NOZZLE_MM, LAYER_MM = 0.4, 0.2
"""Narrowest line and thinnest layer of a common printer."""
FIRST_SLICE_MM = 0.15
"""Height at which the first layer is cut."""
SECTIONS = 48
"""Cross-sections along each axis."""
NEAR_EXTREME_MM = 0.15
"""Distance from the outermost vertices at which further sections are cut, so that no thin rim lies between two."""
TO_Z = {0: (0, -90, 0), 1: (90, 0, 0), 2: (0, 0, 0)}
"""Degrees about x, y and z that turn an axis upwards."""


@dataclass(frozen=True, slots=True)
class PrintableParts:
    """What a nozzle prints of a solid."""

    base_area: float
    """mm² of the first layer that are wide enough to be printed."""
    lost: float
    """Millimetres along x, y or z over which nothing is wide enough."""
    thin_run: float
    """Longest stretch along x, y or z over which some part is too thin, in millimetres."""


def measure_printable(positions: FloatArray, faces: IndexArray) -> PrintableParts | None:
    """Measure a watertight mesh in millimetres, Z up; None where manifold3d takes it for no solid."""
    positions, faces = merge_vertices(positions, faces)
    solid = to_manifold(positions, faces)
    if solid is None:
        return None
    low, high = positions.min(axis=0).astype(float), positions.max(axis=0).astype(float)
    lost = _lost_at_sides(solid, positions, low, high)
    thin_run = 0.0
    for axis in range(3):
        layers = [_printable(section, axis) for section in _sections(solid, axis)]
        spacing = float(high[axis] - low[axis]) / SECTIONS
        lost = max(lost, spacing * sum(not some for some, _ in layers))
        thin_run = max(thin_run, spacing * _longest_run([some and not every for some, every in layers]))
    first = min(FIRST_SLICE_MM, float(high[2] - low[2]) / 2)
    return PrintableParts(_opened(solid.slice(low[2] + first)).area(), lost, thin_run)


def _sections(solid: Any, axis: int) -> list[Any]:
    """Cross-sections across an axis, in the middle of equal layers."""
    turned = solid.rotate(TO_Z[axis]) if axis != 2 else solid
    box = turned.bounding_box()
    return [turned.slice(box[2] + (box[5] - box[2]) * (layer + 0.5) / SECTIONS) for layer in range(SECTIONS)]


def _printable(section: Any, axis: int) -> tuple[bool, bool]:
    """Whether some of a section's parts are wide enough for a nozzle, and whether all are."""
    upright = {0: (NOZZLE_MM / LAYER_MM, 1), 1: (1, NOZZLE_MM / LAYER_MM), 2: (1, 1)}[axis]
    parts = [not _shrunk(part.scale(upright)).is_empty() for part in section.decompose() if part.area() > 0]
    return any(parts) or not parts, all(parts)


def _shrunk(section: Any) -> Any:
    """A section without the outer half of a line; empty where it is narrower than one."""
    import manifold3d  # only print checks and repairs need it

    return section.offset(-NOZZLE_MM / 2, manifold3d.JoinType.Miter)


def _opened(section: Any) -> Any:
    """What remains of a section in lines as wide as the nozzle."""
    import manifold3d  # only print checks and repairs need it

    return _shrunk(section).offset(NOZZLE_MM / 2, manifold3d.JoinType.Miter)


def _lost_at_sides(solid: Any, positions: FloatArray, low: NDArray[Any], high: NDArray[Any]) -> float:
    """How far the printed layers stay behind the solid on any of its four sides, in millimetres."""
    outermost = positions[[*positions[:, :2].argmin(axis=0), *positions[:, :2].argmax(axis=0)], 2]
    near = np.concatenate([outermost - NEAR_EXTREME_MM, outermost + NEAR_EXTREME_MM])
    layers = low[2] + (high[2] - low[2]) * (np.arange(SECTIONS) + 0.5) / SECTIONS
    heights = [float(height) for height in (*layers, *near) if low[2] < height < high[2]]
    bounds = [_opened(solid.slice(height)).bounds() for height in heights]
    boxes = np.array([box for box in bounds if box[0] <= box[2]])
    if not len(boxes):
        return float((high - low).max())
    printed = np.concatenate([boxes[:, :2].min(axis=0) - low[:2], high[:2] - boxes[:, 2:].max(axis=0)])
    return float(printed.max())


def _longest_run(flags: list[bool]) -> int:
    """Length of the longest run of true flags: [True, False, True, True] → 2."""
    gaps = [-1, *(place for place, flag in enumerate(flags) if not flag), len(flags)]
    return max(after - before - 1 for before, after in pairwise(gaps))
