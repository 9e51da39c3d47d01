"""A low trainer: grey suede and cream canvas, an orange saddle and laces, a rubber sole with a stitched edge."""

from __future__ import annotations

from collections.abc import Callable
from math import pi

import numpy as np
from modelling import Paint, along, ball, rounded, spline, subdivided, surface, thickened, tube
from services import Shot

SHOT = Shot(ground="#d2cddf", turn=62, above=16, fills=0.8)
CANVAS = Paint("#efe7d8", 0.85, grain=0.004, grain_scale=110)
SUEDE = Paint("#5f7382", 0.95, second="#6d8291", scale=(9, 9, 9), grain=0.005, grain_scale=90, sheen=0.5)
ORANGE = Paint("#e2622a", 0.45, coat=0.2, grain=0.002, grain_scale=80)
RUBBER = Paint("#f3eee2", 0.55, grain=0.002, grain_scale=60)
GUM = Paint("#b67a45", 0.6, grain=0.004, grain_scale=50)
LINING = Paint("#d9b98c", 0.95, grain=0.004, grain_scale=100)
LACE = Paint("#e8692e", 0.8, grain=0.003, grain_scale=130)
THREAD = Paint("#f7f2e6", 0.7)
EYELET = Paint("#c9ccd0", 0.25, metallic=1.0)
SOLE = spline([(0.0, -1.5), (0.3, -1.44), (0.5, -1.2), (0.55, -0.85), (0.5, -0.4), (0.41, 0.1), (0.39, 0.6),
               (0.42, 0.98), (0.34, 1.26), (0.0, 1.38)], 400)  # fmt: skip
"""Half the outline of the foot from above, from the toe (-y) to the heel."""
COLLAR = spline([(0.0, -0.3, 1.0), (0.13, -0.22, 0.985), (0.24, 0.05, 0.9), (0.27, 0.4, 0.83), (0.27, 0.75, 0.86),
                 (0.22, 1.05, 0.98), (0.0, 1.2, 1.06)], 400)  # fmt: skip
"""Half the edge of the opening, likewise."""
AROUND = np.arange(160) / 160
"""Places around the foot: 0 at the toe, ½ at the heel."""
FOOT = 0.3
"""Where the upper begins, above the ground."""


def build() -> None:
    """Build a left shoe, its toe at -y."""
    _sole()
    upper = np.array([[_upper(around, up) for around in AROUND] for up in np.linspace(0, 1, 40)])
    thickened(surface(upper, CANVAS, capped=False), 0.03, -1)
    insole = np.array([[_upper(around, up, -0.05) for around in AROUND] for up in (0.02, 0.5)])
    surface(insole, LINING)
    tube([_upper(around, 1.0, -0.012) for around in AROUND[::2]], 0.045, SUEDE, smooth=240, closed=True)
    # the toe's cap, the heel's counter, and what the laces go through
    _panel((-0.17, 0.17), lambda at: 0.0, lambda at: 0.5 - 6.5 * at**2)
    _panel((0.36, 0.64), lambda at: 0.0, lambda at: 0.98 - 21 * (at - 0.5) ** 2)
    for side in (1, -1):
        _panel((side * 0.045, side * 0.2), lambda at: 0.56 + 1.1 * max(0.0, abs(at) - 0.09),
               lambda at: 0.985)  # fmt: skip
        _panel((side * 0.225, side * 0.325), lambda at: 0.0, lambda at: 0.74, ORANGE)
    _laces()
    _tongue()


def _ring(half: np.ndarray, around: float) -> np.ndarray:
    """Return the point of an outline and its mirror image `around` the foot, negative on the right."""
    around = (around + 0.5) % 1 - 0.5
    lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(half, axis=0), axis=1))])
    place = np.array(
        [np.interp(2 * abs(around) * lengths[-1], lengths, half[:, axis]) for axis in range(half.shape[1])]
    )
    place[0] *= np.sign(around)
    return place


def _upper(around: float, up: float, out: float = 0.0) -> np.ndarray:
    """Return the point of the upper `around` the foot, from the sole (`up` 0) to the opening (1), moved outwards."""
    place = _at(around, up)
    if out:
        step = 1e-3
        along_it = _at(around + step, up) - _at(around - step, up)
        upwards = _at(around, min(up + step, 1)) - _at(around, max(up - step, 0))
        normal = np.cross(along_it, upwards)
        place = place + out * normal / max(np.linalg.norm(normal), 1e-9)
    return place


def _at(around: float, up: float) -> np.ndarray:
    """A cubic Bézier curve that leaves the sole upright and comes to the opening as steeply as the place asks."""
    x, y = _ring(SOLE, around)
    foot = np.array([0.91 * x, 0.95 * y, FOOT + _spring(y)])
    end = _ring(COLLAR, around)
    toe = max(0.0, np.cos(2 * pi * around)) ** 1.5
    over = np.array([foot[0] * (1 + 0.03 * toe), foot[1], foot[2] + 0.32 + 0.06 * (1 - toe)])
    towards = end + np.array(
        [0.35 * (foot[0] - end[0]), 0.42 * toe * (foot[1] - end[1]), -0.16 * toe - 0.18 * (1 - toe)]
    )
    return (1 - up) ** 3 * foot + 3 * up * (1 - up) ** 2 * over + 3 * up**2 * (1 - up) * towards + up**3 * end


def _spring(y: float) -> float:
    """Height by which the sole is lifted towards the toe."""
    return 0.12 * max(0.0, (-y - 0.7) / 0.8) ** 2


def _sole() -> None:
    """The tread, the wall above it, a line around that, and its seam."""
    tread = [(0.97, 0.0), (1.0, 0.02), (1.01, 0.08)]
    wall = [(1.0, 0.08), (1.05, 0.1), (1.055, 0.2), (1.06, 0.3), (1.045, 0.335), (1.0, 0.345)]
    for of, profile in ((GUM, tread), (RUBBER, wall)):
        rounded(surface(np.array([_around_sole(grown, z) for grown, z in profile]), of), 0.01)
    tube(_around_sole(1.06, 0.14), 0.012, GUM, smooth=240, closed=True)
    _stitches(_around_sole(1.066, 0.27), GUM, 0.055)


def _around_sole(grown: float, z: float) -> np.ndarray:
    """Return the sole's outline, grown, at a height; the sole is thicker under the heel."""
    outline = np.array([_ring(SOLE, around) for around in AROUND])
    heel = np.clip((outline[:, 1] + 0.4) / 1.4, 0, 1)
    height = z * (1 + 0.14 * heel) + [_spring(y) for y in outline[:, 1]]
    return np.column_stack([outline * (grown, (1 + grown) / 2), height])


def _panel(
    span: tuple[float, float],
    low: Callable[[float], float],
    high: Callable[[float], float],
    of: Paint = SUEDE,
) -> None:
    """A piece sewn onto the upper between two lines, with a seam along its upper edge and its ends."""
    arounds = np.linspace(*span, 60)
    rows = np.array([[_upper(at, float(np.clip(low(at) + (high(at) - low(at)) * up, 0, 0.99)), 0.006) for at in arounds]
                     for up in np.linspace(0, 1, 28)])  # fmt: skip
    rounded(thickened(surface(rows, of, loop=False), 0.026, 1), 0.01)
    if low(span[0]) > 0:
        edge = [(at, low(at) + 0.05) for at in arounds[3:-2]]
    else:
        edge = [(at, high(at) - 0.05) for at in arounds if high(at) - 0.05 > 0.02]
    seam = np.array([_upper(at, up, 0.036) for at, up in edge])
    _stitches(seam, THREAD, 0.045)


def _stitches(seam: np.ndarray, of: Paint, step: float) -> None:
    """A stitch every `step` along a seam."""
    for place, ahead in along(seam, step):
        tube([place - 0.3 * step * ahead, place, place + 0.3 * step * ahead], 0.008, of, smooth=5, around=8)


def _laces() -> None:
    """Five rows across and their eyelets, and a bow."""
    for number, up in enumerate(np.linspace(0.62, 0.95, 5)):
        around = 0.075 - 0.004 * number
        left, right = _upper(around, up, 0.045), _upper(-around, up, 0.045)
        middle = (left + right) / 2 + [0, -0.02, 0.07]
        for place in (left, right):
            ball(0.034, EYELET, at=place, scale=(1, 1, 0.6))
        arch = [left, (left + middle) / 2 + [0, 0, 0.022], middle, (right + middle) / 2 + [0, 0, 0.022], right]
        tube(arch, 0.036, LACE, flat=0.5)
    knot = _upper(0.0, 0.95, 0.1)
    ball(0.06, LACE, at=knot, scale=(1.2, 1, 0.8))
    for side in (-1, 1):
        loop = [(0.03, 0, 0.01), (0.14, -0.04, 0.05), (0.25, -0.07, -0.03), (0.24, -0.03, -0.11), (0.12, 0, -0.03)]
        end = [(0.02, 0, 0), (0.09, -0.12, 0.0), (0.15, -0.25, -0.1), (0.17, -0.34, -0.19)]
        for path in ([*loop, (0.02, 0, 0)], end):
            tube([knot + np.array([side * x, y, z]) for x, y, z in path], 0.028, LACE, flat=0.6)


def _tongue() -> None:
    """It shows above the laces."""
    rows = []
    for up in np.linspace(0, 1, 12):
        wide = 0.15 + 0.04 * up
        y, z = -0.5 + 0.42 * up + 0.06 * up**3, 0.84 + 0.42 * up
        rows.append([(wide * x, y + 0.1 * x**2, z - 0.05 * x**2) for x in np.linspace(-1, 1, 15)])
    subdivided(rounded(thickened(surface(np.array(rows), SUEDE, loop=False), 0.06, 0), 0.025), 1)
