"""Recognise what is one face all along, such as a box, a book, a house or a simple car, and give it planes.

Seen from above and in three quarters, its outline is that of the face, swept along a straight line. Things stand
upright before an upright camera, so two directions of the outline that are horizontal and at right angles tell the
camera's elevation e: a unit vector that heads φ away from the line of sight appears as (sin φ, cos φ sin e), the one at
right angles to it as (-cos φ, sin φ sin e), and the product of their slopes is -sin² e. This gives the third dimension
of every line in the face and along the sweep. Which of the possible faces it is, and how far it is swept, show the
edges between light and dark along the face's far side. Far cameras are assumed: lines that are parallel appear so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .flat_mesh import Grid, sample_grid
from .lines import distances_along
from .shading import brightness_on_grid
from .subject import Array, Subject, touches_frame

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

CELLS = 256
"""Cells along the longer side of the grid on which it is looked for."""
OUTLINE_SMOOTHING, END_LOSS = 2.0, 3.0
"""Smoothing of the outline, in cells, before its directions are taken, and what each straight part loses by it at
either end (measured on a box)."""
STEPS = 2
"""Directions per degree."""
ANGLE_TOLERANCE = 5
"""Degrees by which the directions of straight parts differ from each other."""
MIN_SHARE, MIN_LOWER_SHARE = 0.04, 0.02
"""Least shares of the outline that run in a direction, and that do so on the lower side if it is horizontal: the slopes
of a gable do not."""
MIN_LENGTH = 14.0
"""The least length of a sweep, in cells."""
SLOPES = (3, 80)
"""Degrees between which horizontal directions rise or fall in the picture."""
SINES = (0.14, 0.87)
"""Sines of the camera's elevation: 8° to 60°."""
MIN_STRAIGHT = 0.55
"""The least share of the outline that runs in one of the three directions; wheels may be round."""
MIN_SWEPT, MIN_RUN = 0.92, 0.85
"""The least share of the body on lines along the sweep that are at least so long, in lengths of the sweep."""
LENGTHS = np.linspace(0.85, 1.2, 15)
"""Lengths that are tried, in lengths of the outline's straight parts."""
EDGE_CONTRAST, EDGE_REACH = 0.05, 2.0
"""Contrast between both sides of an edge at which it is certain, and their distance to it, in cells."""
MIN_EVIDENCE, MIN_EDGE_POINTS = 0.3, 20
"""The least certainty of a face's far edge, on average over so many points or more. Measured: .75 to 1 for boxes, .44
for a house and a car with wheels, at most .15 for a face that is none."""
WHOLE_RUN = 0.93
"""The least length of a line along the sweep, in lengths of the sweep, whose ends are taken for those of the sweep: the
outline's noise cuts lines next to it short."""
BLEND = 0.02
"""Reach, as a share of the longer side, over which what is no part of the sweep, as wheels are, joins it."""
MIN_HALF_THICKNESS = 0.25
"""In cells."""


@dataclass(frozen=True, slots=True)
class Extrusion:
    """A plane face swept along a line; x is to the right, y up, z towards the camera."""

    direction: tuple[float, float]
    """Unit vector (x, y) in the picture from the face that is seen to the one that is not."""
    length: float
    """Length of the sweep in the picture, as a share of the picture's longer side."""
    gradient: tuple[float, float]
    """The slope (dz/dx, dz/dy) of the face."""
    fall: float
    """By how much z falls below the face's plane with each unit of length along the sweep."""
    elevation: float
    """Angle from which it is seen from above, in radians."""


@dataclass(frozen=True, slots=True)
class Direction:
    """The straight parts of the outline that run in one direction."""

    angle: float
    """From the x axis towards the y axis, in degrees, 0 to 180."""
    share: float
    """Their share of the outline."""
    length: float
    """Their length, in cells, on the side of the body that has less of them."""
    lower_share: float
    """The share of the outline that belongs to them and has the body above it."""


def find_extrusion(subject: Subject) -> Extrusion | None:
    """Return the extruded body that `subject` shows, or None where it shows none."""
    if touches_frame(subject.alpha):
        return None
    grid = sample_grid(subject.alpha, CELLS)
    sweeps = [sweep for axes in _possible_axes(_directions(grid.level)) for sweep in _sweeps(*axes)]
    if not sweeps:
        return None
    light = brightness_on_grid(subject, grid)
    fits = [_fitted(sweep, grid, light) for sweep in sweeps]
    score, best = max(fits, key=lambda fit: fit[0])
    return best if score > 0 else None


def extruded_heights(grid: Grid, extrusion: Extrusion) -> tuple[Floats, Floats, Floats]:
    """Return the heights of front (n,) and back (n,), in cells, at the inside points, and (rows, columns) of the rim.

    Where the body is too short for the whole sweep, as wheels below a car are, it is about as thick as wide.
    """
    inside = grid.inside
    behind, ahead = _along(grid, extrusion)
    length = extrusion.length * _longest(grid)
    run = np.minimum(behind + ahead, length)
    near, far = np.maximum(run - ahead, 0), np.minimum(behind, run)  # on each line of sight, along the sweep
    middle = (near + far) / 2
    beside = inside & (run < WHOLE_RUN * length)
    middle = np.where(beside, _blended(middle, inside & ~beside, BLEND * _longest(grid)), middle)
    to_outline = ndimage.distance_transform_edt(inside) / extrusion.fall
    half = np.maximum(np.where(beside, to_outline, (far - near) / 2), MIN_HALF_THICKNESS / extrusion.fall)
    # The sweep begins or ends exactly at the outline, not at the last point before it
    at_end = np.maximum(behind, ahead) >= run
    rim = np.where(at_end & ~beside, np.where(behind < ahead, 0, run), middle)
    row, column = np.mgrid[: inside.shape[0], : inside.shape[1]]
    plane = extrusion.gradient[0] * column - extrusion.gradient[1] * row
    front, back = (plane - extrusion.fall * (middle + side * half) for side in (-1, 1))
    outline = plane - extrusion.fall * _from_nearest(rim, inside)
    centre = (front[inside].max() + back[inside].min()) / 2
    return front[inside] - centre, back[inside] - centre, outline - centre


def _longest(grid: Grid) -> int:
    """Return the cells along the longer side."""
    rows, columns = grid.level.shape
    return max(int(rows), int(columns)) - 1


def _along(grid: Grid, sweep: Extrusion) -> tuple[Array, Array]:
    """Return the distances (rows, columns), in cells, to the outline behind and ahead along the sweep."""
    return distances_along(grid.level, float(np.arctan2(-sweep.direction[1], sweep.direction[0])))


def _directions(level: Array) -> list[Direction]:
    """Return the directions in which the outline has straight parts."""
    smooth = ndimage.gaussian_filter(np.clip(level, -0.5, 0.5), OUTLINE_SMOOTHING)
    down, across = np.gradient(smooth)
    turn, half_turn = 360 * STEPS, 180 * STEPS
    angle = np.rint(np.degrees(np.arctan2(across, down)) * STEPS).astype(int) % turn  # of the outline, the body left
    lengths = np.bincount(angle.ravel(), np.hypot(down, across).ravel(), turn)
    both = lengths[:half_turn] + lengths[half_turn:]
    peaks = ndimage.gaussian_filter1d(both, 2 * STEPS, mode="wrap")
    near = np.arange(-ANGLE_TOLERANCE * STEPS, ANGLE_TOLERANCE * STEPS + 1)
    found = []
    for peak in np.flatnonzero((peaks >= np.roll(peaks, 1)) & (peaks > np.roll(peaks, -1))):
        sides = lengths[(peak + near) % turn].sum(), lengths[(peak + near + half_turn) % turn].sum()
        if sum(sides) < MIN_SHARE * lengths.sum():
            continue
        exact = (peak + np.average(near, weights=both[(peak + near) % half_turn])) / STEPS % 180
        lower = sides[1] if exact < 90 else sides[0]
        found.append(
            Direction(float(exact), sum(sides) / lengths.sum(), min(sides) + 2 * END_LOSS, lower / lengths.sum())
        )
    return found


def _possible_axes(directions: list[Direction]) -> Iterator[tuple[Direction, Direction, Direction]]:
    """Yield what may be the edges of a body: two horizontal directions, one rising and one falling, and the upright."""
    upright = [direction for direction in directions if abs(direction.angle - 90) < ANGLE_TOLERANCE]
    horizontal = [direction for direction in directions if direction.lower_share >= MIN_LOWER_SHARE]
    for rising in horizontal:
        for falling in horizontal:
            if not (SLOPES[0] < rising.angle < SLOPES[1] and SLOPES[0] < 180 - falling.angle < SLOPES[1]):
                continue
            for axis in upright:
                sine = _elevation_sine(rising, falling)
                straight = rising.share + falling.share + axis.share
                if SINES[0] < sine < SINES[1] and straight >= MIN_STRAIGHT:
                    yield rising, falling, axis


def _slope(direction: Direction) -> float:
    return float(np.tan(np.radians(direction.angle)))


def _elevation_sine(rising: Direction, falling: Direction) -> float:
    return float(np.sqrt(-_slope(rising) * _slope(falling)))


def _sweeps(rising: Direction, falling: Direction, upright: Direction) -> Iterator[Extrusion]:
    """Yield the sweeps along each of a body's edges, of which each has the other two in its face; `length` in cells."""
    elevation = float(np.arcsin(_elevation_sine(rising, falling)))
    tangent = float(np.tan(elevation))
    steepness = tangent + 1 / tangent
    for along, beside in ((rising, falling), (falling, rising)):
        x, y = float(np.cos(np.radians(along.angle))), float(np.sin(np.radians(along.angle)))
        slope = _slope(beside)
        if along.length >= MIN_LENGTH + 2 * END_LOSS:
            gradient, fall = (-steepness * slope, tangent), steepness * (y - slope * x)
            yield Extrusion((x, y), along.length, gradient, fall, elevation)
    if upright.length >= MIN_LENGTH + 2 * END_LOSS:
        yield Extrusion((0.0, -1.0), upright.length, (0.0, -1 / tangent), steepness, elevation)


def _fitted(sweep: Extrusion, grid: Grid, light: Floats) -> tuple[float, Extrusion]:
    """Return how well `sweep`, its length in cells, goes with the picture, 0 for not at all, and it fitted to that.

    Of two that go as well with it the one with the larger face is better, for it is less steep.
    """
    behind, ahead = _along(grid, sweep)
    if ((behind + ahead)[grid.inside] >= MIN_RUN * sweep.length).mean() < MIN_SWEPT:
        return 0.0, sweep
    deep = (ndimage.distance_transform_edt(grid.inside) > 2 * EDGE_REACH) & (behind > 2 * EDGE_REACH)
    lengths = sweep.length * LENGTHS
    evidence = [_edge_evidence(light, deep & (np.abs(ahead - length) < 0.5), sweep) for length in lengths]
    best = int(np.argmax(evidence))
    if evidence[best] < MIN_EVIDENCE:
        return 0.0, sweep
    face = float((ahead[grid.inside] >= lengths[best]).mean())
    return evidence[best] * face**0.5, replace(sweep, length=float(lengths[best]) / _longest(grid))


def _edge_evidence(light: Floats, on_edge: Mask, sweep: Extrusion) -> float:
    """Return how certain it is, 0 to 1, that light and dark meet where `on_edge` says, on a line along `sweep`."""
    points = np.array(np.nonzero(on_edge))
    if points.shape[1] < MIN_EDGE_POINTS:
        return 0.0
    reach = EDGE_REACH * np.array([[-sweep.direction[1]], [sweep.direction[0]]])
    left, right = (ndimage.map_coordinates(light, points + side * reach, order=1) for side in (-1, 1))
    contrast = np.abs(left - right) / np.maximum(left + right, 20)
    return float(np.minimum(contrast / EDGE_CONTRAST, 1).mean())


def _blended(values: Floats, known: Mask, reach: float) -> Floats:
    """Return `values` blurred, where they are not `known` extended from where they are."""
    share = ndimage.gaussian_filter(known.astype(float), reach)
    blurred = ndimage.gaussian_filter(values * known, reach) / np.maximum(share, 1e-9)
    return _from_nearest(blurred, share > 0.01)


def _from_nearest(values: Floats, known: Mask) -> Floats:
    """Return at each point the value at the nearest point that is `known`."""
    nearest = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    return np.asarray(values[tuple(nearest)])
