"""Recognise turned bodies, such as cups, bottles and vases, and give them round cross-sections.

A round foot seen from a little above ends in half an ellipse, where a box ends in a straight line or a corner, and a
person or an animal in feet. Its height over its half width is the sine of the angle from above. What sticks out of the
body to one side, such as a handle, is left to `inflate`.

A circle of radius r around the upright axis appears as an ellipse, r times that sine s in half height. The outline, of
half width w(y), holds them all, so r² of the one whose middle is in row h is at most w(y)² + ((y - h) / s)² for every
row y; the largest r that these allow is taken. A line of sight is in the body where it is within a circle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .flat_mesh import Grid, sample_grid
from .lines import distances_along_rows
from .subject import Array, touches_frame

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

CELLS = 384
"""Cells along the longer side of the grid on which it is looked for."""
MIN_SHARE = 0.78
"""The least share of the outline that is the same on both sides of the axis; a mug's handle is .13."""
SINES = np.geomspace(0.04, 0.6, 64)
"""Sines of the angles from above at which a foot is looked for: 2° to 37°."""
TOP_SINES = np.geomspace(0.01, 0.6, 64)
"""The same of a flat top, which from close by may look almost straight."""
FOOT_FIT_SHARE = 0.95
"""The share of the foot's half width, from its middle, whose line is compared with an ellipse's."""
MAX_ERROR, MIN_ERROR = 0.1, 0.8
"""The greatest difference from the ellipse: as a share of its height, and in cells where that is less."""
MAX_TOP_ERROR, MIN_TOP_ERROR = 0.14, 1.0
"""The same for a flat top; a ball's top differs by .2 of the height."""
MIN_FOOT_HEIGHT = 3.0
"""The least height of the ellipse, in cells: a flatter one looks like a straight line."""
MAX_FLARE = 1.22
"""The greatest half width, in the foot's, as far above the ellipse as that is high: a ball would go on widening."""
MIN_WALL = 0.5
"""The least height of the body between the ellipses of its foot and of its top, in half widths of the foot."""
MAX_WIDTH = 3.5
"""The greatest half width, in half widths of the foot: a hammer stands on a round foot too."""
MAX_BEYOND = 0.02
"""The greatest share of the body that may lie beyond the outline of what is made of it."""
EVEN_ROWS = 9
"""Rows over which the width is evened out, or each pixel of a ragged outline would be a groove."""
STEPS = 256
"""Places on each line of sight of which it is asked whether they are in the body."""
TOLERANCE = 0.015
"""How far beyond the round outline, as a share of the longer side, a point still belongs to the body."""
MIN_HALF_THICKNESS = 0.25
"""In cells."""


@dataclass(frozen=True, slots=True)
class Turned:
    """A turned body, standing upright; lengths are cells of a grid of CELLS."""

    axis: float
    """Column of the axis."""
    sine: float
    """Sine of the angle from which it is seen from above."""
    ends: tuple[float, float]
    """The rows in which the middles of its top and its foot appear."""
    radii: Floats
    """(rows,): radius of the circle around the axis whose middle appears in each row; beyond the ends as at them."""

    @property
    def elevation(self) -> float:
        """Angle from which it is seen from above, in radians."""
        return float(np.arcsin(self.sine))


@dataclass(frozen=True, slots=True)
class TurnedSurface:
    """How far before the axis, on the ground, a turned body's surface lies; in cells of its grid."""

    front: Floats
    """(rows, columns)"""
    back: Floats
    """(rows, columns)"""
    outline: Floats
    """(rows, columns): where the outline is at each point."""
    sine: float

    def heights(self, before: Floats) -> Floats:
        """Return the heights (rows, columns) towards the camera of what is so far `before` the axis."""
        down = np.arange(len(before))[:, None]
        return np.asarray((before - self.sine * down) / np.sqrt(1 - self.sine**2))


def find_turned(alpha: Array) -> Turned | None:
    """Return the turned body that an outline (height, width), 1 inside, shows, or None where it shows none."""
    if touches_frame(alpha):
        return None
    grid = sample_grid(alpha, CELLS)
    inside = grid.inside
    axis = _axis(inside)
    widths = _half_widths(grid.level, axis)
    if 2 * widths.sum() < MIN_SHARE * inside.sum():
        return None
    sine = _foot_sine(inside, axis, widths)
    return None if sine is None else _turned(inside, axis, widths, sine)


def turned_surface(grid: Grid, turned: Turned, inflated: Floats) -> TurnedSurface:
    """Return the surface of `turned` over `grid`; beside it half as thick as `inflated` (n,) says at most."""
    inside = grid.inside
    longest = max(inside.shape) - 1
    scale = longest / CELLS
    off = np.abs(np.arange(inside.shape[1]) - turned.axis * scale)
    sight = _on_lines_of_sight(turned, np.arange(len(inside)) / scale, off / scale)
    front, back, outline = (scale * each for each in sight)
    beyond = ndimage.distance_transform_edt(front <= back)
    beside = inside & (beyond > TOLERANCE * longest)
    thickest = float(ndimage.distance_transform_edt(beside).max())
    other = np.zeros(inside.shape)
    other[inside] = np.minimum(inflated, thickest)
    other[ndimage.distance_transform_edt(~beside) > thickest] = 0
    middle = np.where(beside, 0, (front + back) / 2)
    least = np.where(beyond > 0, ndimage.distance_transform_edt(inside), MIN_HALF_THICKNESS)
    half = np.where(beside, other, np.maximum((front - back) / 2, least))
    joined = (other > 0) & ~beside
    front, back = middle + half, middle - half
    front[joined], back[joined] = np.maximum(front, other)[joined], np.minimum(back, -other)[joined]
    outline = np.where(beyond > TOLERANCE * longest + 1, 0, outline)
    return TurnedSurface(front, back, outline, turned.sine)


def _on_lines_of_sight(turned: Turned, rows: Floats, off: Floats) -> tuple[Floats, Floats, Floats]:
    """Return how far before the axis lines of sight enter and leave the body, and, (rows, 1), where one touches it.

    The lines are those in `rows` that pass `off` (columns,) the axis; outside the outline they only touch the body.
    """
    front, back, touching = (np.empty((len(rows), columns)) for columns in (len(off), len(off), 1))
    longest = turned.radii.max()
    numbers = np.arange(len(turned.radii))
    for at, row in enumerate(rows):
        top, foot = np.clip((row - np.array(turned.ends)) / turned.sine, -longest, longest)
        before = np.linspace(foot, top, STEPS)
        room = np.interp(row - turned.sine * before, numbers, turned.radii) ** 2 - before**2
        touching[at] = before[room.argmax()]
        front[at] = np.interp(off**2, np.maximum.accumulate(room[::-1]), np.maximum(before, touching[at])[::-1])
        back[at] = np.interp(off**2, np.maximum.accumulate(room), np.minimum(before, touching[at]))
    return front, back, touching


def _axis(inside: Mask) -> float:
    """Return the median of the middles of each row's longest run, each counting by its length."""
    first = inside & ~np.pad(inside, ((0, 0), (1, 0)))[:, :-1]
    last = inside & ~np.pad(inside, ((0, 0), (0, 1)))[:, 1:]
    rows, start = np.nonzero(first)
    end = np.nonzero(last)[1]
    length = end - start + 1
    order = np.lexsort((length, rows))
    longest = order[np.append(np.diff(rows[order]) > 0, True)]
    middle = ((start + end) / 2)[longest]
    by_middle = np.argsort(middle, kind="stable")
    total = np.cumsum(length[longest][by_middle])
    return float(middle[by_middle][np.searchsorted(total, total[-1] / 2)])


def _half_widths(level: Array, axis: float) -> Floats:
    """Return the distance (rows,), in cells, up to which each row is inside on both sides of `axis`."""
    nearest = round(axis)
    left, right = (side[:, nearest] for side in distances_along_rows(level))
    return np.asarray(np.maximum(np.minimum(left + axis - nearest, right - axis + nearest), 0), float)


def _foot_sine(inside: Mask, axis: float, widths: Floats) -> float | None:
    """Return height over half width of the half ellipse at the bottom of the body; None without one."""
    rows = np.flatnonzero(widths)
    upwards, downwards = widths[rows[-1] :: -1], widths[rows[0] :]
    sines: list[tuple[float, float]] = []
    for sine in SINES.tolist():
        foot = _end_width(upwards, sine)
        height = sine * foot
        wall = len(rows) - height - sine * _end_width(downwards, sine)
        flare = upwards[min(round(2 * height) + 1, len(upwards) - 1)]
        if (
            height < MIN_FOOT_HEIGHT
            or wall < MIN_WALL * foot
            or flare > MAX_FLARE * foot
            or widths.max() > MAX_WIDTH * foot
        ):
            continue
        error = _ellipse_error(inside, axis, foot, height)
        if error <= max(MAX_ERROR * height, MIN_ERROR):
            sines.append((error, sine))
    return min(sines)[1] if sines else None


def _ellipse_error(inside: Mask, axis: float, half_width: float, height: float) -> float:
    """Return the greatest distance, in cells, of the lower outline from the best half ellipse."""
    off = np.arange(-int(FOOT_FIT_SHARE * half_width), int(FOOT_FIT_SHARE * half_width) + 1)
    ends = -inside[::-1, np.rint(axis + off).astype(int)].argmax(axis=0)
    error = ends - height * np.sqrt(1 - (off / half_width) ** 2)
    return float(np.abs(error - np.median(error)).max())


def _end_width(widths: Floats, sine: float) -> float:
    """Return the half width of a flat end seen at `sine`, of `widths` from that end on: where its ellipse is widest."""
    within = np.flatnonzero(np.arange(len(widths)) >= sine * widths)
    return float(widths[within[0]]) if len(within) else 0.0


def _turned(inside: Mask, axis: float, widths: Floats, foot_sine: float) -> Turned | None:
    """Return the body of half `widths` (rows,) that stands on a flat foot and ends in a flat top or in a point.

    None if its outline would be another one.
    """
    rows = np.flatnonzero(widths)
    top_sine = _top_sine(inside, axis, widths[rows[0] :], foot_sine)
    sine = foot_sine if top_sine is None else top_sine
    tip, foot = float(rows[0]) - 0.5, float(rows[-1]) + 0.5 - sine * _end_width(widths[rows[-1] :: -1], sine)
    top = tip if top_sine is None else tip + sine * _end_width(widths[rows[0] :], sine)
    kept = np.arange(max(round(top), rows[0]), round(foot) + 1)
    even = ndimage.gaussian_filter1d(
        ndimage.median_filter(widths[kept], EVEN_ROWS, mode="nearest"), EVEN_ROWS / 4, mode="nearest"
    )
    squares = (even**2 + ((kept[:, None] - kept) / sine) ** 2).min(axis=1)
    if top_sine is None:
        squares = np.minimum(squares, ((kept - tip) / sine) ** 2)
    outline = np.sqrt((squares - ((np.arange(len(widths))[:, None] - kept) / sine) ** 2).max(axis=1).clip(0))
    if np.maximum(widths - outline, 0).sum() > MAX_BEYOND * widths.sum():
        return None
    return Turned(axis, sine, (top, foot), np.interp(np.arange(len(widths)), kept, np.sqrt(squares)))


def _top_sine(inside: Mask, axis: float, downwards: Floats, foot_sine: float) -> float | None:
    """Return the sine at which a flat top is seen, of half widths `downwards`; None for a pointed or a round one.

    From close by it is less than `foot_sine`, which is taken where it fits.
    """
    fits: list[tuple[float, float]] = []
    smaller: list[float] = TOP_SINES[foot_sine > TOP_SINES].tolist()
    for sine in (foot_sine, *smaller):
        width = _end_width(downwards, sine)
        height = sine * width
        if width <= 1 or downwards[min(round(2 * height) + 1, len(downwards) - 1)] > MAX_FLARE * width:
            continue
        error = _ellipse_error(inside[::-1], axis, width, height)
        if error <= max(MAX_TOP_ERROR * height, MIN_TOP_ERROR):
            if sine == foot_sine:
                return sine
            fits.append((error, sine))
    return min(fits)[1] if fits else None
