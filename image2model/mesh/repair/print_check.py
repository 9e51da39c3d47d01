"""Print check: each aspect with a sentence for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ...plurals import pluralize
from ..bounding_box import extents
from ..gltf.reader import FloatArray, IndexArray
from ..topology import Topology, analyze_topology, drop_degenerate_after_weld, is_flat, referenced_vertices
from .cleaning import merge_vertices
from .manifold import least_wall_around_cavities
from .slices import NOZZLE_MM, measure_printable
from .wall_thickness import WallSamples, sample_walls

MANY_FACES = 1_000_000
"""Faces from which on slicers are slow."""
MIN_WALL_MM = 0.8
"""Millimetres: two lines of a common nozzle."""
ROUNDING_MM = 1e-4
"""Tolerance for rounding errors in lengths: a wall of exactly MIN_WALL_MM is thick enough."""
MAX_THIN_SHARE = 0.03
"""Share of the surface that may be thinner: tips, edges, tapering ends."""
MIN_OVERLAP = 0.005
"""Length of self-overlap that counts, as a share of the longest side."""
MIN_CROSSINGS = 2
"""Points at which a mesh must lie in itself for that to count: a single one may be a near miss."""
MIN_BASE_SHARE = 0.02
"""Share of the footprint that must be flat at the bottom for a mesh to stand."""
MIN_BASE_MM2, MIN_FLAT_BASE_MM2 = 2.0, 10.0
"""mm² of first layer below which a print does not hold on to the bed, and of flat base that a repair gives it."""
MAX_LOST, MAX_LOST_MM = 0.04, 2.5
"""Share of the longest side, or millimetres, that may be too thin for a nozzle, as pointed ends are."""
MAX_THIN_RUN = 0.1
"""Share of the longest side over which a part may be too thin while others are not, as the tips of fur are."""
FLAT_PROBLEM = "It is flat: it has no thickness, so there is nothing to print."


@dataclass(frozen=True, slots=True)
class PrintCheck:
    """Readiness of a mesh for printing, with a sentence on each aspect."""

    ready: bool
    fine: tuple[str, ...]
    problems: tuple[str, ...]
    advice: tuple[str, ...]
    """Sentences on what may be fine, depending on the printer."""

    def to_dict(self) -> dict[str, Any]:
        """The check as JSON takes it."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def check_printability(positions: FloatArray, faces: IndexArray, topology: Topology | None = None) -> PrintCheck:
    """Check a mesh with `positions` (n, 3) in millimetres, Z up, and `faces` (m, 3).

    `topology` spares its analysis where it is known, of the same mesh in any size.
    """
    topology = topology or analyze_topology(positions, faces)
    if not topology.parts or is_flat(positions, faces):
        return PrintCheck(False, (), (FLAT_PROBLEM,), ())
    size = extents(positions[referenced_vertices(faces)])
    fine: list[str] = []
    problems: list[str] = []
    holes, nonmanifold = pluralize(topology.holes, "hole"), topology.nonmanifold_edges
    for passed, passed_text, problem_text in (
        (not topology.boundary_edges, "The surface is closed.", f"It has {holes}: fix before printing."),
        (not nonmanifold, "No edge joins more than two faces.",
         f"{pluralize(nonmanifold, 'edge')} join{'s' * (nonmanifold == 1)} more than two faces."),
        (topology.winding_consistent and not topology.inverted_shells, "All faces look outwards.",
         "Some faces are turned inside out."),
        (topology.parts <= 1, "It is one piece.", f"It is made of {pluralize(topology.parts, 'piece')}."),
        (min(size) >= MIN_WALL_MM - ROUNDING_MM, f"Its thinnest side has {min(size):.1f} mm.",
         f"Its thinnest side has only {min(size):.2f} mm."),
        *(_check_inside(positions, faces, topology) if topology.is_volume and not topology.inverted_shells else ()),
    ):  # fmt: skip
        (fine if passed else problems).append(passed_text if passed else problem_text)
    return PrintCheck(not problems, tuple(fine), tuple(problems), tuple(_advice(positions, faces, topology)))


def _check_inside(positions: FloatArray, faces: IndexArray, topology: Topology) -> Iterator[tuple[bool, str, str]]:
    """Checks by rays through a closed solid: whether each passes, its sentence if so, and if not."""
    samples = sample_walls(positions[faces].astype(np.float64))
    thin, places = float((samples.thickness < MIN_WALL_MM - ROUNDING_MM).mean()), len(samples.thickness)
    thin_note = f" {thin:.1%} of them, as at points and edges, are thinner." if thin else ""
    yield (
        thin <= MAX_THIN_SHARE,
        f"Its walls have {MIN_WALL_MM} mm and more, by {places} places.{thin_note}",
        f"{thin:.0%} of its walls are thinner than {MIN_WALL_MM} mm, down to {samples.thickness.min():.2g} mm: "
        "print it larger.",
    )
    if topology.parts == 1:
        crossing = passes_through_itself(positions, faces, samples)
        yield (
            not crossing,
            f"It does not pass through itself, by {places} places.",
            "It passes through itself: a new surface would repair that.",
        )
        yield from _check_slices(positions, faces, topology.labels)
        if topology.cavities:
            yield _check_cavities(positions, faces, topology.labels)


def _check_cavities(positions: FloatArray, faces: IndexArray, labels: IndexArray | None) -> tuple[bool, str, str]:
    """The check of the walls around cavities, which no places by area find where they are thin at one point."""
    wall = least_wall_around_cavities(*merge_vertices(positions, faces, labels), NOZZLE_MM)
    return (
        wall >= NOZZLE_MM,
        f"The walls around its cavities have {NOZZLE_MM} mm and more everywhere.",
        f"A cavity comes within {wall:.2g} mm of its outside, where a nozzle of {NOZZLE_MM} mm prints no wall.",
    )


def passes_through_itself(positions: FloatArray, faces: IndexArray, samples: WallSamples | None = None) -> bool:
    """True if a watertight mesh lies in itself, by rays through its surface."""
    samples = samples or sample_walls(positions[faces].astype(np.float64))
    return int((samples.overlap > MIN_OVERLAP * longest_side(positions, faces)).sum()) >= MIN_CROSSINGS


def _check_slices(
    positions: FloatArray, faces: IndexArray, labels: IndexArray | None
) -> Iterator[tuple[bool, str, str]]:
    """Checks by cross-sections: the same triples as `_check_inside`."""
    parts, longest = measure_printable(positions, faces, labels), longest_side(positions, faces)
    yield (
        parts.base_area >= MIN_BASE_MM2,
        f"Its first layer has {parts.base_area:,.0f} mm² on the bed.",
        f"Its first layer has only {parts.base_area:.2g} mm² on the bed: repair it, which gives it a base.",
    )
    yield (
        parts.lost <= max(MAX_LOST * longest, MAX_LOST_MM),
        f"A nozzle of {NOZZLE_MM} mm reaches its ends.",
        f"{parts.lost:.0f} mm of its length are thinner than a nozzle of {NOZZLE_MM} mm prints.",
    )
    yield (
        parts.thin_run <= MAX_THIN_RUN * longest,
        f"None of its parts is thinner than {NOZZLE_MM} mm for long.",
        f"A part of it is thinner than a nozzle of {NOZZLE_MM} mm prints, over {parts.thin_run:.0f} mm.",
    )


def has_volume(positions: FloatArray, faces: IndexArray) -> bool:
    """True if there are faces, and not all in one plane."""
    return len(drop_degenerate_after_weld(positions, faces)) > 0 and not is_flat(positions, faces)


def _advice(positions: FloatArray, faces: IndexArray, topology: Topology) -> list[str]:
    advice = []
    if not has_flat_base(positions, faces):
        advice.append("It has no flat base: print it with supports, or repair it, which gives it one.")
    if topology.is_volume and topology.cavities:
        cavities = pluralize(topology.cavities, "sealed cavity", "sealed cavities")
        advice.append(f"It has {cavities}: a resin printer fills what has no drain hole.")
    if len(faces) > MANY_FACES:
        advice.append(f"It has {len(faces):,} faces: a face limit of 500,000 spares the slicer work.")
    return advice


def has_flat_base(positions: FloatArray, faces: IndexArray, min_area: float = 0.0) -> bool:
    """True if enough of the bottom (Z up) is flat, and at least `min_area`; False for no faces."""
    if not len(faces):
        return False
    x, y, z = ((axis - axis[faces[0, 0]])[faces.T] for axis in positions.astype(np.float64).T)
    areas = ((x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])) / 2
    outwards = np.sign((areas * z.sum(axis=0)).sum()) or 1.0  # of the volume: an inverted mesh has a base too
    flat = outwards * areas
    low, high = z.min(), z.max()
    at_bottom = (z < low + 0.002 * (high - low)).all(axis=0)
    base = -flat[at_bottom & (flat < 0)].sum()
    return bool(base > MIN_BASE_SHARE * -flat[flat < 0].sum() and base >= min_area)


def longest_side(positions: FloatArray, faces: IndexArray) -> float:
    """Longest side of the bounding box of the faces."""
    return float(extents(positions[referenced_vertices(faces)]).max())
