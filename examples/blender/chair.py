"""A low armchair: mustard wool with piping and buttons, on tapered walnut legs, with a striped cushion."""

from __future__ import annotations

from math import cos, pi, sin

import numpy as np
from modelling import (
    Paint,
    Point,
    ball,
    lathe,
    mirrored,
    placed,
    rounded,
    spline,
    subdivided,
    surface,
    thickened,
    tube,
)
from services import Shot

SHOT = Shot(ground="#b9cac6", turn=32, above=13)
WOOL = Paint("#c98a1b", 0.9, second="#d99c2e", scale=(40, 40, 40), grain=0.006, grain_scale=150, sheen=0.4)
PIPING = Paint("#a66d10", 0.85, grain=0.003, grain_scale=150)
WALNUT = Paint("#4f2d17", 0.4, second="#6f4424", pattern="rings", scale=(6, 6, 0.7), coat=0.4)
BRASS = Paint("#c89b3c", 0.3, metallic=1.0)
CLOTH = Paint(
    "#21495c",
    0.9,
    second="#e9e0cf",
    pattern="stripes",
    scale=(26, 1, 1),
    edges=(0.62, 0.66),
    grain=0.003,
    grain_scale=120,
    sheen=0.3,
)


def build() -> None:
    """Build the chair, its seat's front at -y."""
    _shell()
    _pad((0, -0.08, 0.72), 0.98, 0.96, 0.26)
    _cushion()
    leg = [(0, 0), (0.032, 0), (0.036, 0.02), (0.055, 0.3), (0.062, 0.5), (0, 0.5)]
    foot = [(0, 0), (0.038, 0), (0.042, 0.09), (0, 0.09)]
    for y, lean in ((-0.46, 9), (0.42, -12)):
        for profile, paint, smooth in ((leg, WALNUT, 40), (foot, BRASS, 0)):
            mirrored(lathe(profile, paint, at=(0.5, y, 0), turn=(lean, 9, 0), smooth=smooth))


def _shell() -> None:
    """One thick sheet around back and sides, high behind and low at the arms' ends, and the base under the seat."""
    ends = [(0.62, -0.6), (0.68, -0.2), (0.66, 0.2), (0.52, 0.52), (0.2, 0.66)]
    around = spline([*ends, *[(-x, y) for x, y in ends[::-1]]], 72)
    share = np.linspace(-1, 1, 72)
    top = 1.08 + 0.6 * np.clip(1 - (np.abs(share) / 0.72) ** 2.6, 0, 1) ** 1.2
    rows = []
    for up in np.linspace(0, 1, 14):
        z = 0.5 + (top - 0.5) * up
        lean = 1 + 0.1 * up
        rows.append(np.stack([around[:, 0] * lean, around[:, 1] * (1 + 0.2 * up) + 0.02 * up, z], axis=1))
    sheet = thickened(surface(np.array(rows), WOOL, loop=False), 0.2, 0)
    subdivided(rounded(sheet, 0.07, 5), 1)
    half = [(0.62, -0.6), (0.64, 0.19), (0.485, 0.53), (0, 0.64)]
    outline = spline([*half, *[(-x, y) for x, y in half[-2::-1]]], 40)
    subdivided(rounded(surface(np.array([[(x, y, z) for x, y in outline] for z in (0.44, 0.62)]), WOOL), 0.05), 1)
    for x, y in ((-0.3, 0.59), (0, 0.63), (0.3, 0.59)):  # buttons
        ball(0.035, PIPING, at=(x, y, 1.31), scale=(1, 0.5, 1))


def _pad(at: Point, width: float, depth: float, height: float) -> None:
    """A cushion, fuller in its middle, with piping around both of its edges."""
    angles = np.linspace(0, 2 * pi, 96, endpoint=False)
    edge = np.stack([_signed(np.cos(angles), 0.42) * width / 2, _signed(np.sin(angles), 0.42) * depth / 2], axis=1)
    rows = []
    for tilt in np.linspace(-pi / 2, pi / 2, 25):
        reach, up = max(cos(tilt), 1e-3) ** 0.28, np.sign(sin(tilt)) * abs(sin(tilt)) ** 0.9
        rows.append([(at[0] + x * reach, at[1] + y * reach, at[2] + up * height / 2) for x, y in edge])
    surface(np.array(rows), WOOL)
    for side in (-1, 1):
        path = np.array([(at[0] + x * 0.985, at[1] + y * 0.985, at[2] + side * height * 0.3) for x, y in edge])
        tube(path, 0.015, PIPING, smooth=192, closed=True)


def _cushion() -> None:
    """A square scatter cushion with pointed corners, leaning on the back."""
    side = np.linspace(-1, 1, 33)
    x, z = np.meshgrid(side, side)
    pinch = 1 - 0.07 * (1 - x**2) * z**2, 1 - 0.07 * (1 - z**2) * x**2
    full = 0.15 * ((1 - x**2) * (1 - z**2)) ** 0.45
    for way in (-1, 1):
        half = np.stack([0.3 * x * pinch[0], way * full, 0.3 * z * pinch[1]], axis=2)
        placed(surface(half, CLOTH, loop=False), (0.14, 0.26, 1.1), (-20, 14, -8))


def _signed(values: np.ndarray, power: float) -> np.ndarray:
    """Return the power of each value's size, with its sign."""
    return np.sign(values) * np.abs(values) ** power
