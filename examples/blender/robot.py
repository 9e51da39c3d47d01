"""A tin toy robot: mint enamel, glowing eyes, a dial on its chest, bellows for arms."""

from __future__ import annotations

from math import cos, pi, radians, sin

import numpy as np
from modelling import Object, Paint, ball, block, disc, lathe, mirrored, placed, prism, ring, rounded, tube
from services import Shot

SHOT = Shot(ground="#eed4d0", turn=24, above=8)
ENAMEL = Paint("#5fb3a1", 0.28, second="#6abba9", scale=(2, 2, 2), coat=0.8)
CREAM = Paint("#f2e7cf", 0.32, coat=0.6)
STEEL = Paint("#b9bec4", 0.3, metallic=1.0)
RUBBER = Paint("#33383d", 0.65)
RED = Paint("#d8432f", 0.3, coat=0.8)
YELLOW = Paint("#f2b632", 0.3, coat=0.8)
GLOW = Paint("#fff3c4", 0.2, second="#ffd76b", glow=1.6, coat=1.0)
DARK = Paint("#23282c", 0.35, coat=0.4)
FRONT = (90, 0, 0)
"""Turns what lies along z to face -y."""


def build() -> None:
    """Build the robot, its arms hanging and one claw half open."""
    _head()
    _body()
    for part in (*_arm(), *_leg()):
        mirrored(part)


def _head() -> None:
    """Eyes that shine, ears, a grille to speak through, an aerial, and the neck."""
    block((0.86, 0.68, 0.62), ENAMEL, at=(0, 0, 1.86), round_by=0.14, top=(0.94, 0.94))
    block((0.7, 0.1, 0.42), CREAM, at=(0, -0.315, 1.85), turn=(-2, 0, 0), round_by=0.045)
    for x in (-0.17, 0.17):
        disc(0.135, 0.06, STEEL, at=(x, -0.365, 1.9), turn=FRONT, round_by=0.02)
        disc(0.108, 0.06, DARK, at=(x, -0.378, 1.9), turn=FRONT, round_by=0.01)
        ball(0.09, GLOW, at=(x, -0.385, 1.9), scale=(1, 0.5, 1))
        disc(0.075, 0.08, STEEL, at=(2.62 * x, 0, 1.86), turn=(0, 90, 0), round_by=0.02)
        disc(0.12, 0.06, RED, at=(2.5 * x, 0, 1.86), turn=(0, 90, 0), round_by=0.02)
    block((0.3, 0.04, 0.075), DARK, at=(0, -0.355, 1.7), round_by=0.015)
    for x in np.linspace(-0.11, 0.11, 5):
        block((0.02, 0.05, 0.07), STEEL, at=(x, -0.36, 1.7), round_by=0.006)
    lathe([(0, 2.13), (0.12, 2.14), (0.13, 2.18), (0.06, 2.22), (0.035, 2.25), (0.03, 2.3), (0, 2.31)], STEEL)
    tube([(0, 0, 2.25), (0, 0, 2.42)], 0.034, STEEL)
    ball(0.085, RED, at=(0, 0, 2.47))
    for z in (1.49, 1.53, 1.57):
        ring(0.17, 0.028, RUBBER, at=(0, 0, z))


def _body() -> None:
    """A chest plate with screws, a dial, three lamps and slots, and the hips."""
    block((1.08, 0.78, 0.92), ENAMEL, at=(0, 0, 1.0), round_by=0.13, top=(1.0, 0.94))
    block((0.8, 0.1, 0.62), CREAM, at=(0, -0.36, 1.03), turn=(-1.5, 0, 0), round_by=0.04)
    for x in (-0.36, 0.36):
        for z in (0.77, 1.29):
            ball(0.022, STEEL, at=(x, -0.41 + 0.02 * (z - 0.77), z), scale=(1, 0.6, 1))
    dial = (-0.16, -0.415, 1.1)
    disc(0.17, 0.05, STEEL, at=dial, turn=FRONT, round_by=0.015)
    disc(0.145, 0.056, CREAM, at=dial, turn=FRONT, round_by=0.006)
    for angle in np.linspace(-30, 210, 9):
        way = radians(float(angle))
        at = (dial[0] + 0.115 * cos(way), dial[1] - 0.028, dial[2] + 0.115 * sin(way))
        block((0.03, 0.008, 0.012), RUBBER, at=at, turn=(0, -angle, 0), round_by=0.002)
    needle = prism([(-0.012, -0.02), (0.012, -0.02), (0.0, 0.11)], -0.01, RED)
    placed(needle, (dial[0], dial[1] - 0.03, dial[2] - 0.01), (0, 35, 0))
    disc(0.022, 0.03, RUBBER, at=(dial[0], dial[1] - 0.028, dial[2] - 0.01), turn=FRONT, round_by=0.006)
    for z, colour in ((1.2, RED), (1.08, YELLOW), (0.96, ENAMEL)):
        disc(0.05, 0.03, STEEL, at=(0.2, -0.412, z), turn=FRONT, round_by=0.01)
        ball(0.038, colour, at=(0.2, -0.425, z), scale=(1, 0.7, 1))
    for x in np.linspace(-0.27, 0.27, 7):
        block((0.04, 0.03, 0.1), RUBBER, at=(x, -0.4, 0.82), round_by=0.012)
    rounded(lathe([(0.0, 0.46), (0.36, 0.46), (0.36, 0.56), (0.0, 0.56)], RUBBER, smooth=0), 0.02)


def _arm() -> list[Object]:
    """Return the parts of the left arm, from the shoulder to the claw."""
    path = np.array([(0.56, 0, 1.26), (0.7, -0.01, 1.2), (0.77, -0.04, 1.02), (0.78, -0.1, 0.84), (0.77, -0.18, 0.7)])
    wrist = [(0, 0.1), (0.1, 0.1), (0.13, 0.06), (0.14, -0.02), (0.1, -0.08), (0, -0.09)]
    parts = [
        disc(0.17, 0.1, STEEL, at=(0.56, 0, 1.26), turn=(0, 90, 0), round_by=0.03),
        _bellows(path, 0.095, 0.02, 13, RUBBER),
        lathe(wrist, ENAMEL, at=(0.77, -0.21, 0.65), turn=(-26, 0, 0)),
    ]
    for side in (-1, 1):
        claw = [(0, 0, -0.04), (0.12 * side, 0, -0.1), (0.135 * side, 0, -0.22), (0.04 * side, 0, -0.3)]
        parts.append(placed(tube(claw, [0.055, 0.055, 0.05, 0.035], RED), (0.77, -0.23, 0.62), (-26, 0, 24)))
    return parts


def _leg() -> list[Object]:
    """Return the parts of the left leg, from the hip to the sole."""
    return [
        _bellows(np.array([(0.25, 0, 0.52), (0.25, 0, 0.22)]), 0.125, 0.022, 6, RUBBER),
        block((0.38, 0.6, 0.2), ENAMEL, at=(0.25, -0.07, 0.14), round_by=0.075, top=(0.86, 0.8)),
        block((0.4, 0.62, 0.08), RED, at=(0.25, -0.07, 0.04), round_by=0.03),
        disc(0.15, 0.05, STEEL, at=(0.25, 0, 0.24), round_by=0.02),
    ]


def _bellows(path: np.ndarray, radius: float, fold: float, folds: int, of: Paint) -> Object:
    """Return a tube along `path` whose radius swings by `fold` as often as it has `folds`."""
    swing = [radius + fold * cos(2 * pi * folds * at) for at in np.linspace(0, 1, 16 * folds)]
    return tube(path, swing, of, smooth=16 * folds, around=32)
