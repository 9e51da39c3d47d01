"""Print check: each aspect with a sentence for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..gltf.reader import FloatArray, IndexArray
from ..topology import Topology, analyze_topology, drop_degenerate_after_weld, is_flat
from .wall_thickness import sample_walls
from .wording import counted

MANY_FACES = 1_000_000
"""From so many faces on slicers are slow."""
MIN_WALL_MM = 0.8
"""Millimetres: two lines of a common nozzle."""
MAX_THIN_SHARE = 0.03
"""Share of the surface that may be thinner: tips, edges, tapering ends."""
MIN_OVERLAP = 0.005
"""Length of self-overlap that counts, as a share of the longest side."""
MIN_BASE_SHARE = 0.02
"""Share of the footprint that must be flat at the bottom for a mesh to stand."""
FLAT_PROBLEM = "It is flat: it has no thickness, so there is nothing to print."


@dataclass(frozen=True, slots=True)
class PrintCheck:
    """Whether a mesh is ready to print, with a sentence on each aspect."""

    ready: bool
    fine: tuple[str, ...]
    problems: tuple[str, ...]
    advice: tuple[str, ...]
    """What may be fine, depending on the printer."""

    def to_dict(self) -> dict[str, Any]:
        """The check as JSON takes it."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def check_printability(positions: FloatArray, faces: IndexArray, topology: Topology | None = None) -> PrintCheck:
    """Check a mesh with `positions` (n, 3) in millimetres, Z up, and `faces` (m, 3).

    `topology` spares its analysis where it is known, of the same mesh in any size.
    """
    if not has_volume(positions, faces):
        return PrintCheck(False, (), (FLAT_PROBLEM,), ())
    topology = topology or analyze_topology(positions, faces)
    size = np.ptp(positions[faces].reshape(-1, 3), axis=0)
    fine: list[str] = []
    problems: list[str] = []
    holes, nonmanifold = counted(topology.holes, "hole"), topology.nonmanifold_edges
    for passed, passed_text, problem_text in (
        (not topology.boundary_edges, "The surface is closed.", f"It has {holes}: fix before printing."),
        (not nonmanifold, "No edge joins more than two faces.",
         f"{counted(nonmanifold, 'edge')} join{'s' * (nonmanifold == 1)} more than two faces."),
        (topology.winding_consistent and not topology.inverted_shells, "All faces look outwards.",
         "Some faces are turned inside out."),
        (topology.parts <= 1, "It is one piece.", f"It is made of {counted(topology.parts, 'piece')}."),
        (min(size) >= MIN_WALL_MM, f"Its thinnest side has {min(size):.1f} mm.",
         f"Its thinnest side has only {min(size):.2f} mm."),
        *(_check_inside(positions, faces, topology) if topology.is_volume and not topology.inverted_shells else ()),
    ):  # fmt: skip
        (fine if passed else problems).append(passed_text if passed else problem_text)
    return PrintCheck(not problems, tuple(fine), tuple(problems), tuple(_advice(positions, faces)))


def _check_inside(positions: FloatArray, faces: IndexArray, topology: Topology) -> Iterator[tuple[bool, str, str]]:
    """Checks by rays through a closed solid: whether each passes, its sentence if so, and if not."""
    samples = sample_walls(positions[faces].astype(np.float64))
    thin, places = float((samples.thickness < MIN_WALL_MM).mean()), len(samples.thickness)
    thin_note = f" {thin:.1%} of them, as at points and edges, are thinner." if thin else ""
    yield (
        thin <= MAX_THIN_SHARE,
        f"Its walls have {MIN_WALL_MM} mm and more, by {places} places.{thin_note}",
        f"{thin:.0%} of its walls are thinner than {MIN_WALL_MM} mm, down to {samples.thickness.min():.2g} mm: "
        "print it larger.",
    )
    if topology.parts == 1:
        crossing = int((samples.overlap > MIN_OVERLAP * longest_side(positions, faces)).sum())
        yield (
            crossing < 2,
            f"It does not pass through itself, by {places} places.",
            "It passes through itself: a new skin would mend that.",
        )


def has_volume(positions: FloatArray, faces: IndexArray) -> bool:
    """Whether there are faces, and not all in one plane."""
    return len(drop_degenerate_after_weld(positions, faces)) > 0 and not is_flat(positions, faces)


def _advice(positions: FloatArray, faces: IndexArray) -> list[str]:
    advice = []
    if not has_flat_base(positions, faces):
        advice.append("It has no flat base: print it with supports, or mend it, which gives it one.")
    if len(faces) > MANY_FACES:
        advice.append(f"It has {len(faces):,} faces: a face limit of 500,000 spares the slicer work.")
    return advice


def has_flat_base(positions: FloatArray, faces: IndexArray) -> bool:
    """Whether enough of the bottom (Z up) is flat; False for no faces."""
    if not len(faces):
        return False
    corners = positions[faces].astype(np.float64)
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2] / 2
    low, high = corners[:, :, 2].min(), corners[:, :, 2].max()
    at_bottom = (corners[:, :, 2] < low + 0.002 * (high - low)).all(axis=1)
    return bool(-flat[at_bottom & (flat < 0)].sum() > MIN_BASE_SHARE * -flat[flat < 0].sum())


def longest_side(positions: FloatArray, faces: IndexArray) -> float:
    """Longest side of the bounding box of the faces."""
    return float(np.ptp(positions[faces].reshape(-1, 3), axis=0).max())
