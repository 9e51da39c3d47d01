"""Printable parts of a solid, by cross-sections: what a nozzle loses, and the contact with the bed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bounding_box import bounding_box
from ..gltf.reader import FloatArray, IndexArray
from .cleaning import merge_vertices
from .contours import cross_sections

NOZZLE_MM, LAYER_MM = 0.4, 0.2
"""Narrowest line and thinnest layer of a common printer."""
FIRST_SLICE_MM = 0.15
"""Height at which the first layer is cut."""
SECTIONS = 48
"""Cross-sections along each axis."""
NEAR_EXTREME_MM = 0.15
"""Distance from the outermost vertices at which further sections are cut, so that no thin rim lies between two."""
UPRIGHT = {0: (1, NOZZLE_MM / LAYER_MM), 1: (NOZZLE_MM / LAYER_MM, 1), 2: (1, 1)}
"""Scale of a section across each axis that makes a layer's height as wide as a line."""


@dataclass(frozen=True, slots=True)
class PrintableParts:
    """Measures of a solid as a nozzle prints it."""

    base_area: float
    """mm² of the first layer that are wide enough to be printed."""
    lost: float
    """Millimetres along x, y or z over which nothing is wide enough."""
    thin_run: float
    """Longest stretch along x, y or z over which some part is too thin, in millimetres."""


def measure_printable(positions: FloatArray, faces: IndexArray, labels: IndexArray | None = None) -> PrintableParts:
    """Measure a watertight mesh of consistent winding in millimetres, Z up; `labels` as in `merge_vertices`."""
    positions, faces = merge_vertices(positions, faces, labels)
    low, high = bounding_box(positions)
    lost = _lost_at_sides(positions, faces, low, high)
    thin_run = 0.0
    for axis in range(3):
        sections = cross_sections(positions, faces, axis, _middles(low[axis], high[axis]))
        layers = [_printable(section, axis) for section in sections]
        spacing = float(high[axis] - low[axis]) / SECTIONS
        lost = max(lost, spacing * sum(not some for some, _ in layers))
        thin_run = max(thin_run, spacing * _longest_run([some and not every for some, every in layers]))
    first = low[2] + min(FIRST_SLICE_MM, float(high[2] - low[2]) / 2)
    (first_layer,) = cross_sections(positions, faces, 2, np.array([first]))
    return PrintableParts(_opened(first_layer).area(), lost, thin_run)


def _middles(low: float, high: float) -> NDArray[np.float64]:
    """Heights (SECTIONS,) of the middles of equal layers."""
    return low + (high - low) * (np.arange(SECTIONS) + 0.5) / SECTIONS


def _printable(section: Any, axis: int) -> tuple[bool, bool]:
    """Return whether any of a section's parts is wide enough for a nozzle, and whether all are."""
    parts = [not _eroded(part.scale(UPRIGHT[axis])).is_empty() for part in section.decompose() if part.area() > 0]
    return any(parts) or not parts, all(parts)


def _eroded(section: Any) -> Any:
    """A section without the outer half of a line; empty where it is narrower than one."""
    import manifold3d  # only print checks and repairs need it

    return section.offset(-NOZZLE_MM / 2, manifold3d.JoinType.Miter)


def _opened(section: Any) -> Any:
    """Part of a section that lines as wide as the nozzle can fill."""
    import manifold3d  # only print checks and repairs need it

    return _eroded(section).offset(NOZZLE_MM / 2, manifold3d.JoinType.Miter)


def _lost_at_sides(
    positions: FloatArray, faces: IndexArray, low: NDArray[np.float64], high: NDArray[np.float64]
) -> float:
    """Greatest distance, in millimetres, of the printed layers behind the solid on its four sides."""
    x, y, _ = positions.T
    outermost = positions[[x.argmin(), y.argmin(), x.argmax(), y.argmax()], 2].astype(float)
    near = np.concatenate([outermost - NEAR_EXTREME_MM, outermost + NEAR_EXTREME_MM])
    heights = np.sort(np.concatenate([_middles(low[2], high[2]), near]))
    sections = cross_sections(positions, faces, 2, heights[(low[2] < heights) & (heights < high[2])])
    bounds = [_opened(section).bounds() for section in sections]
    boxes = np.array([box for box in bounds if box[0] <= box[2]])
    if not len(boxes):
        return float((high - low).max())
    printed = np.concatenate([boxes[:, :2].min(axis=0) - low[:2], high[:2] - boxes[:, 2:].max(axis=0)])
    return float(printed.max())


def _longest_run(flags: list[bool]) -> int:
    """Length of the longest run of true flags: [True, False, True, True] → 2."""
    gaps = [-1, *(place for place, flag in enumerate(flags) if not flag), len(flags)]
    return max(after - before - 1 for before, after in pairwise(gaps))
