"""Recognise turned bodies, such as cups, bottles and vases, and give them round cross-sections.

A round foot seen from a little above ends in half an ellipse, where a box ends in a straight line or a corner, and a
person or an animal in feet. Its height over its half width is the sine of the angle from above. What sticks out of the
body to one side, such as a handle, is left to `inflate`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .flat_mesh import sample_grid
from .subject import Array, touches_frame

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

CELLS = 384
"""Cells along the longer side of the grid on which it is looked for."""
MIN_SHARE = 0.78
"""The least share of the outline that is the same on both sides of the axis; a mug's handle is .13."""
SINES = (0.04, 0.4)
"""Sines of the angles from above at which a foot is looked for: 2° to 24°."""
FOOT_PART = 0.95
"""The share of the foot's half width, from its middle, whose line is compared with an ellipse's."""
MAX_ERROR, MIN_ERROR = 0.1, 0.8
"""The greatest difference from the ellipse: as a share of its height, and in cells where that is less."""
MIN_FOOT = 3.0
"""The least height of the ellipse, in cells: a flatter one looks like a straight line."""
MAX_FLARE = 1.22
"""The greatest half width, in the foot's, as far above the ellipse as that is high: a ball would go on widening."""
MIN_WALL = 0.5
"""The least height of the body between the ellipses of its foot and of its top, in half widths of the foot."""
MAX_WIDTH = 3.5
"""The greatest half width, in half widths of the foot: a hammer stands on a round foot too."""
EVEN_ROWS = 9
"""Rows over which the radius is evened out, or each pixel of a ragged outline would be a groove."""
BEVEL_CELLS = 2.0
"""Cells over which the flat ends reach their depth."""


@dataclass(frozen=True, slots=True)
class Turned:
    """A turned body: its upright axis and from where it is seen."""

    axis: float
    """Position of the axis, as a share of the picture's width."""
    sine: float
    """Sine of the angle from above."""


def find_turned(alpha: Array) -> Turned | None:
    """Return the turned body that an outline (height, width), 1 inside, shows, or None where it shows none."""
    if touches_frame(alpha):
        return None
    inside = sample_grid(alpha, CELLS).inside
    axis = _axis(inside)
    widths = _half_widths(inside, axis)
    if 2 * widths.sum() < MIN_SHARE * inside.sum():
        return None
    sine = _foot_sine(inside, axis, widths)
    return None if sine is None else Turned(axis / (inside.shape[1] - 1), sine)


def turned_depth(inside: Mask, turned: Turned, inflated: Floats) -> Floats:
    """Return half the thickness (n,), in cells, at the inside points: `turned`, and at most `inflated` beside it."""
    axis = turned.axis * (inside.shape[1] - 1)
    widths = _half_widths(inside, axis)
    radius = _radii(widths, turned.sine)[:, None]
    off = np.arange(inside.shape[1]) - axis
    body = inside & (np.abs(off) <= widths[:, None])
    to_end = np.minimum(_points_above(inside), _points_above(inside[::-1])[::-1])
    depth = np.sqrt(np.maximum(radius**2 - off**2, 1) * np.minimum(to_end / BEVEL_CELLS, 1))
    beside = inside & ~body
    thickest = float(ndimage.distance_transform_edt(beside).max())
    other = np.zeros(inside.shape)
    other[inside] = np.minimum(inflated, thickest)
    other[ndimage.distance_transform_edt(~beside) > thickest] = 0
    return np.asarray(np.where(body, np.maximum(depth, other), other)[inside])


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


def _half_widths(inside: Mask, axis: float) -> Floats:
    """Return the distance (rows,), in cells, up to which each row is inside on both sides of `axis`."""
    reach = int(min(axis, inside.shape[1] - 1 - axis))
    steps = np.arange(reach + 1)
    both = inside[:, np.floor(axis - steps).astype(int)] & inside[:, np.ceil(axis + steps).astype(int)]
    return np.asarray(np.logical_and.accumulate(both, axis=1).sum(axis=1), float)


def _foot_sine(inside: Mask, axis: float, widths: Floats) -> float | None:
    """Return height over half width of the half ellipse at the bottom of the body; None without one."""
    rows = np.flatnonzero(widths)
    upwards, downwards = widths[rows[-1] :: -1], widths[rows[0] :]
    sines: list[tuple[float, float]] = []
    for sine in np.geomspace(*SINES, 24).tolist():
        foot = _end_width(upwards, sine)
        height = sine * foot
        wall = len(rows) - height - sine * _end_width(downwards, sine)
        flare = upwards[min(round(2 * height) + 1, len(upwards) - 1)]
        if height < MIN_FOOT or wall < MIN_WALL * foot or flare > MAX_FLARE * foot or widths.max() > MAX_WIDTH * foot:
            continue
        error = _ellipse_error(inside, axis, foot, height)
        if error <= max(MAX_ERROR * height, MIN_ERROR):
            sines.append((error, sine))
    return min(sines)[1] if sines else None


def _ellipse_error(inside: Mask, axis: float, half_width: float, height: float) -> float:
    """Return the greatest distance, in cells, of the lower outline from the best half ellipse."""
    off = np.arange(-int(FOOT_PART * half_width), int(FOOT_PART * half_width) + 1)
    ends = -inside[::-1, np.rint(axis + off).astype(int)].argmax(axis=0)
    error = ends - height * np.sqrt(1 - (off / half_width) ** 2)
    return float(np.abs(error - np.median(error)).max())


def _end_width(widths: Floats, sine: float) -> float:
    """Return the half width of a flat end seen at `sine`, of `widths` from that end on: where its ellipse is widest."""
    within = np.flatnonzero(np.arange(len(widths)) >= sine * widths)
    return float(widths[within[0]]) if len(within) else 0.0


def _radii(widths: Floats, sine: float) -> Floats:
    """Return the smoothed radius (rows,): half the width; within the ellipse of a flat end the radius of that end."""
    radius = ndimage.gaussian_filter1d(ndimage.median_filter(widths, EVEN_ROWS), EVEN_ROWS / 4)
    for part in (radius[np.flatnonzero(widths)[0] :], radius[np.flatnonzero(widths)[-1] :: -1]):
        end = _end_width(part, sine)
        part[: round(sine * end)] = end
    return np.asarray(radius)


def _points_above(inside: Mask) -> Floats:
    """Return for each point inside how many lie above it without a gap, itself included."""
    row = np.arange(1, len(inside) + 1)[:, None]
    return np.asarray((row - np.maximum.accumulate(np.where(inside, 0, row), axis=0)) * inside, float)
