"""A toy car with round cheeks: red lacquer, white roof, chrome, and two suitcases on its roof rack."""

from __future__ import annotations

from math import cos, pi, sin

import numpy as np
from modelling import (
    ORIGIN,
    Object,
    Paint,
    ball,
    block,
    disc,
    inlay,
    lathe,
    mirrored,
    placed,
    prism,
    ring,
    spline,
    superellipse,
    surface,
    tube,
    without,
)
from services import Shot

SHOT = Shot(ground="#ecdbb0", turn=38, above=12, fills=0.78)
RED = Paint("#c8231c", 0.2, coat=1.0)
CREAM = Paint("#f3ead6", 0.25, coat=1.0)
GLASS = Paint("#1d2a33", 0.08, coat=1.0)
CHROME = Paint("#d5d8db", 0.16, metallic=1.0)
RUBBER = Paint("#222325", 0.7)
LAMP = Paint("#fff6dc", 0.1, second="#fff0c0", glow=0.5, coat=1.0)
ORANGE = Paint("#ee8a1d", 0.2, coat=1.0)
GAP = Paint("#3a0a08", 0.6)
LEATHER = Paint("#9a5a2b", 0.5, second="#ad6a36", scale=(4, 4, 4), grain=0.004, grain_scale=40)
GREEN = Paint("#2f6b5a", 0.5, grain=0.004, grain_scale=40)
STRAP = Paint("#4a2a14", 0.6)
SIDE = (0, 90, 0)
"""Turns what lies along z along x."""
FRONT = (90, 0, 0)
AXLES = (-0.78, 0.76)
WHEEL = 0.33
POWER = 3.2
"""Of the superellipses that the body's sections are."""


def build() -> None:
    """Build the car, its front at -y."""
    body = _hull(
        [(-1.36, 0.3, 0.3, 0.5), (-1.34, 0.46, 0.25, 0.6), (-1.24, 0.58, 0.22, 0.72), (-0.9, 0.66, 0.2, 0.86),
         (-0.4, 0.69, 0.2, 0.93), (0.3, 0.69, 0.2, 0.95), (0.9, 0.66, 0.2, 0.88), (1.2, 0.58, 0.23, 0.74),
         (1.3, 0.46, 0.26, 0.62), (1.33, 0.3, 0.3, 0.5)], POWER,
    )  # fmt: skip
    for y in AXLES:
        without(body, disc(0.4, 3.0, RED, at=(0, y, WHEEL), turn=SIDE, round_by=0))
    cabin = _hull(
        [(-0.66, 0.3, 0.6, 0.86), (-0.6, 0.46, 0.6, 1.0), (-0.42, 0.535, 0.6, 1.25), (-0.2, 0.55, 0.6, 1.4),
         (0.15, 0.555, 0.6, 1.46), (0.5, 0.545, 0.6, 1.4), (0.76, 0.52, 0.6, 1.22), (0.96, 0.45, 0.6, 0.98),
         (1.02, 0.3, 0.6, 0.84)], 3.4,
    )  # fmt: skip
    _windows(cabin)
    roof = placed(prism(superellipse(1.6, 0.5, 8), 0.86, CREAM), (0, -0.26, 1.53))
    inlay(cabin, roof, 0.014, CREAM)
    for y in AXLES:
        for part in (*_wheel(y), _fender(y)):
            mirrored(part)
    for part in _sides():
        mirrored(part)
    _face()
    _luggage()


def _hull(sections: list[tuple[float, float, float, float]], power: float) -> Object:
    """Return a body through superellipses, each given as y, half its width, and from which z to which it reaches."""
    rows = []
    for y, half, low, high in spline(sections, 72):
        rows.append([(x, y, (low + high) / 2 + z) for x, z in superellipse(2 * half, high - low, power, 96)])
    return surface(np.array(rows), RED)


def _windows(cabin: Object) -> None:
    """Two on each side, the windscreen and the rear window, each of glass in a chrome frame."""
    door = [(-0.3, 0.95), (0.12, 0.95), (0.12, 1.3), (-0.12, 1.27)]
    quarter = [(0.2, 0.95), (0.72, 0.95), (0.55, 1.24), (0.2, 1.3)]
    screen = [(-0.4, 0.93), (0.4, 0.93), (0.34, 1.27), (-0.34, 1.27)]
    sides = [(corners, turn) for corners in (door, quarter) for turn in (90, -90)]
    for corners, turn in (*sides, (screen, 0), (screen, 180)):
        if turn < 0:  # seen from the other side
            corners = [(-x, z) for x, z in corners[::-1]]
        for grown, by, of in ((0.03, 0.006, CHROME), (0.0, 0.012, GLASS)):
            pane = prism(_rounded_outline(corners, 0.065, grown), -1.5, of)
            inlay(cabin, placed(pane, ORIGIN, (0, 0, turn)), by, of)


def _rounded_outline(corners: list[tuple[float, float]], by: float, grown: float) -> list[tuple[float, float]]:
    """Return a polygon (counter-clockwise) with its corners rounded, grown outwards."""
    points = np.array(corners)
    middle = points.mean(axis=0)
    points = middle + (points - middle) * (1 + grown / np.abs(points - middle).max(axis=0))
    found = []
    for at in range(len(points)):
        here, before, after = points[at], points[at - 1], points[(at + 1) % len(points)]
        start = here + (before - here) / np.linalg.norm(before - here) * by
        end = here + (after - here) / np.linalg.norm(after - here) * by
        found += [(1 - t) ** 2 * start + 2 * t * (1 - t) * here + t**2 * end for t in np.linspace(0, 1, 8)]
    return [(float(x), float(z)) for x, z in found]


def _wheel(y: float) -> list[Object]:
    """Return a left wheel: tyre, white wall and hub cap."""
    at = (0.6, y, WHEEL)
    tyre = [(0.16, -0.1), (0.28, -0.12), (0.325, -0.08), (WHEEL, 0.0), (0.325, 0.08), (0.28, 0.12), (0.16, 0.1)]
    cap = [(0, 0.155), (0.06, 0.15), (0.11, 0.125), (0.15, 0.12), (0.2, 0.115), (0.21, 0.09), (0, 0.08)]
    return [
        lathe(tyre, RUBBER, at=at, turn=SIDE),
        ring(0.235, 0.022, CREAM, at=(0.715, y, WHEEL), turn=SIDE),
        lathe(cap, CHROME, at=at, turn=SIDE),
    ]


def _fender(y: float) -> Object:
    """Return a bulge around a left wheel."""
    angles = np.linspace(-0.1, pi + 0.1, 9)
    path = [(0.655, y + 0.41 * cos(at), WHEEL + 0.41 * sin(at)) for at in angles]
    return tube(path, 0.055, RED, smooth=48)


def _face() -> None:
    """Headlights, indicators, grille, bumpers before and behind, and a badge."""
    pot = [(0, -0.12), (0.12, -0.1), (0.165, 0.0), (0.17, 0.1), (0.165, 0.13), (0, 0.13)]
    for x in (-0.41, 0.41):
        lathe(pot, RED, at=(x, -1.2, 0.67), turn=FRONT)
        ring(0.15, 0.026, CHROME, at=(x, -1.33, 0.67), turn=FRONT)
        ball(0.14, LAMP, at=(x, -1.325, 0.67), scale=(1, 0.4, 1))
        ball(0.05, ORANGE, at=(1.02 * x, -1.33, 0.455), scale=(1.3, 0.6, 0.8))
    for z in np.linspace(0.46, 0.64, 4):
        wide = 0.22 + 0.05 * (z - 0.46) / 0.2
        tube([(-wide, -1.335, z), (0, -1.375, z), (wide, -1.335, z)], 0.018, CHROME)
    bumper = [(-0.66, -1.12, 0.32), (-0.55, -1.36, 0.32), (0, -1.45, 0.32), (0.55, -1.36, 0.32), (0.66, -1.12, 0.32)]
    tube(bumper, 0.055, CHROME)
    tube([(x, -0.98 * y, z) for x, y, z in bumper], 0.055, CHROME)
    for x in (-0.24, 0.24):
        tube([(x, -1.45, 0.26), (x, -1.47, 0.38)], 0.045, CHROME)
    ball(0.05, CHROME, at=(0, -1.3, 0.755), scale=(0.8, 1, 0.6))


def _flank(y: float, z: float) -> tuple[float, float, float]:
    """Return the point on the body's side, where it is widest, at y and z."""
    return 0.69 * (1 - (abs(z - 0.57) / 0.375) ** POWER) ** (1 / POWER), y, z


def _sides() -> list[Object]:
    """Return what is on the left side: running board, trim, handle, mirror on its stalk, the door's gaps."""
    return [
        tube([(0.705, -0.3, 0.3), (0.71, 0, 0.28), (0.705, 0.3, 0.3)], [0.05, 0.05, 0.05], RUBBER),
        tube([(0.655, -0.98, 0.66), (0.7, -0.4, 0.7), (0.705, 0.2, 0.7), (0.66, 0.95, 0.66)], 0.014, CHROME),
        tube([(0.69, 0.0, 0.79), (0.72, 0.05, 0.79), (0.69, 0.14, 0.79)], 0.02, CHROME),
        ball(0.075, CHROME, at=(0.74, -0.4, 1.0), scale=(0.8, 0.45, 1)),
        tube([(0.62, -0.36, 0.88), (0.68, -0.37, 0.92), (0.74, -0.38, 0.98)], 0.016, CHROME),
        *(tube([_flank(y, z) for z in np.linspace(0.32, 0.92, 12)], 0.009, GAP) for y in (-0.34, 0.17)),
    ]


def _luggage() -> None:
    """A roof rack, and on it a suitcase with straps and a smaller one."""
    for x in (-0.34, 0.34):
        tube([(x, -0.26, 1.47), (x, 0.15, 1.5), (x, 0.56, 1.46)], 0.018, CHROME)
        for y in (-0.16, 0.46):
            tube([(x, y, 1.3), (x, y, 1.48)], 0.016, CHROME)
    for y in (-0.16, 0.15, 0.46):
        tube([(-0.34, y, 1.48), (0, y, 1.5), (0.34, y, 1.48)], 0.016, CHROME)
    block((0.7, 0.46, 0.2), LEATHER, at=(0.0, 0.1, 1.61), round_by=0.045)
    block((0.5, 0.34, 0.16), GREEN, at=(0.04, 0.11, 1.79), turn=(0, 0, 8), round_by=0.04)
    for x in (-0.22, 0.22):
        block((0.05, 0.475, 0.212), STRAP, at=(x, 0.1, 1.61), round_by=0.03)
        block((0.06, 0.03, 0.05), CHROME, at=(x, -0.135, 1.63), round_by=0.008)
    tube([(-0.08, -0.12, 1.63), (-0.06, -0.17, 1.63), (0.06, -0.17, 1.63), (0.08, -0.12, 1.63)], 0.018, STRAP)
