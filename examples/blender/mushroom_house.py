"""A toadstool that somebody lives in: a red cap with spots, a round door, windows with a light on, a chimney."""

from __future__ import annotations

from math import atan2, cos, degrees, pi, radians, sin

import numpy as np
from modelling import (
    ORIGIN,
    Object,
    Paint,
    Point,
    ball,
    block,
    disc,
    inlay,
    lathe,
    placed,
    prism,
    ring,
    spline,
    subdivided,
    superellipse,
    tube,
)
from services import Shot

SHOT = Shot(ground="#b7cfdb", turn=16, above=9)
WALL = Paint("#efe0c4", 0.8, second="#dcc49c", scale=(2, 2, 5), grain=0.02, grain_scale=5)
RED = Paint("#b3201b", 0.25, second="#c9342a", scale=(1.5, 1.5, 1.5), coat=0.7, grain=0.006, grain_scale=4)
WHITE = Paint("#f6efe2", 0.6, grain=0.008, grain_scale=9)
GILLS = Paint("#e8d3ad", 0.85)
WOOD = Paint("#5d3417", 0.55, second="#7d4a22", pattern="rings", scale=(9, 1, 0.6), grain=0.006, grain_scale=30)
STONE = Paint("#8d8a84", 0.85, second="#a9a294", scale=(5, 5, 5), grain=0.015, grain_scale=12)
BRASS = Paint("#c89b3c", 0.28, metallic=1.0)
IRON = Paint("#26262a", 0.45, metallic=0.9)
LIGHT = Paint("#ffd27a", 0.3, second="#ffb84d", glow=1.3, coat=1.0)
FRAME = Paint("#6b4423", 0.55, second="#4a2c14", pattern="rings", scale=(3, 3, 3))
BRICK = Paint("#9a5a43", 0.8, second="#b87a5d", scale=(7, 7, 14), grain=0.012, grain_scale=16)
DARK = Paint("#17130f", 0.9)
GRASS = Paint("#4f7d33", 0.85, second="#6d9a41", scale=(5, 5, 5), grain=0.03, grain_scale=12)
BLADE = Paint("#5b8c3a", 0.7, second="#83b04d", scale=(6, 6, 6))
PETAL = Paint("#fbf7ee", 0.6)
HEART = Paint("#f0b429", 0.6)
STEM = [(0.0, 0.0), (0.84, 0.0), (0.88, 0.06), (0.83, 0.25), (0.74, 0.6), (0.68, 0.95), (0.66, 1.2), (0.7, 1.42)]
CAP = [(0.5, 1.3), (0.85, 1.22), (1.12, 1.16), (1.22, 1.18), (1.245, 1.27), (1.17, 1.5), (0.98, 1.82), (0.68, 2.1),
       (0.35, 2.24), (0.15, 2.285), (0.0, 2.29)]  # fmt: skip
SPOTS = [(-118, 1.72, 0.2), (-72, 1.95, 0.17), (-62, 1.5, 0.15), (-28, 1.7, 0.21), (-92, 1.42, 0.11),
         (-150, 1.52, 0.16), (-140, 1.98, 0.13), (-10, 1.38, 0.12), (-100, 2.2, 0.12), (-40, 2.12, 0.1),
         (12, 1.75, 0.16), (-175, 1.8, 0.17), (-127, 1.36, 0.09), (-45, 1.34, 0.09)]  # fmt: skip
"""The angle in degrees around the cap (-90 is the front), height and radius of each."""


def build() -> None:
    """Build the house on its patch of grass."""
    house = lathe(STEM, WALL)
    lathe(CAP, RED, smooth=90, radius=lambda angle, z: 1 + 0.012 * sin(5 * angle + 2))
    for angle in np.arange(0, 360, 5.0):
        gill = block((0.4, 0.014, 0.07), GILLS, at=(0.82, 0, 1.22), turn=(0, 12, 0), round_by=0.004)
        placed(gill, ORIGIN, (0, 0, angle))
    for angle, height, radius in SPOTS:
        _spot(angle, height, radius)
    _door(house)
    _window(house, -38, 0.82, 0.19)
    _window(house, -142, 0.84, 0.16)
    _chimney()
    _garden()


def _on(profile: list[tuple[float, float]], height: float) -> tuple[float, float]:
    """Return the radius and the outward slope, in degrees above the horizon, of a lathe's profile at a height."""
    points = spline(profile, 400)
    points = points[np.argmax(points[:, 0]) :]  # above where it is widest
    at = int(np.argmin(np.abs(points[:, 1] - height)))
    ahead = points[min(at + 1, len(points) - 1)] - points[at - 1]
    return float(points[at, 0]), degrees(atan2(-ahead[0], ahead[1]))


def _spot(angle: float, height: float, radius: float) -> None:
    """A flat drop of white, lying on the cap."""
    reach, slope = _on(CAP, height)
    way = radians(angle)
    spot = ball(radius, WHITE, scale=(1, 1, 0.22))
    placed(spot, ORIGIN, (0, 90 - slope, 0))
    placed(spot, (reach * cos(way), reach * sin(way), height), (0, 0, angle))


def _door(house: Object) -> None:
    """Planks under a round arch of stones, with hinges and a knob, and two steps before it."""
    width, foot, spring = 0.235, 0.06, 0.56
    arch = [(width * cos(at), spring + width * sin(at)) for at in np.linspace(0, pi, 24)]
    plate = placed(prism([(width, foot), *arch, (-width, foot)], 1.2, WOOD), (0, -1.2, 0))
    inlay(house, plate, 0.035, WOOD)
    for x in (-0.12, 0.0, 0.12):
        top = spring + (width**2 - x**2) ** 0.5
        line = [_out(x, z, 0.037) for z in np.linspace(foot + 0.02, top - 0.02, 12)]
        tube(line, 0.007, IRON, smooth=24)
    edge = [(0.275, z) for z in (0.1, 0.21, 0.32, 0.43, 0.54)]
    edge += [(0.275 * cos(at), spring + 0.275 * sin(at)) for at in np.radians(np.linspace(24, 156, 7))]
    edge += [(-0.275, z) for z in (0.54, 0.43, 0.32, 0.21, 0.1)]
    for number, (x, z) in enumerate(edge):
        size = 0.056 + 0.006 * (number % 3)
        tilt = degrees(atan2(x, z - spring)) if z > spring else 90
        subdivided(block((1.5 * size, 1.5 * size, 1.8 * size), STONE, at=_out(x, z, 0.02), turn=(0, tilt, 0),
                         round_by=0.02), 1)  # fmt: skip
    ball(0.026, BRASS, at=_out(0.15, 0.38, 0.06))
    for z in (0.24, 0.58):
        tube([_out(x, z, 0.045) for x in (-0.2, -0.12, 0.0, 0.06)], [0.018, 0.016, 0.012, 0.006], IRON)
    for step in range(2):
        disc(0.38 - 0.07 * step, 0.06, STONE, at=(0, -0.98 + 0.06 * step, 0.05 + 0.05 * step), round_by=0.02)


def _out(x: float, z: float, by: float) -> Point:
    """Return the point on the door's side of the stem at (x, z), `by` further out."""
    radius = _on(STEM, z)[0] + by
    return x, -((radius**2 - x**2) ** 0.5), z


def _window(house: Object, angle: float, height: float, radius: float) -> None:
    """A round window at an angle around the stem, lit from inside, with a cross, a frame and a sill."""
    reach, lean = _on(STEM, height)
    way, turn = radians(angle), (0, 0, angle + 90)
    at = (reach * cos(way), reach * sin(way), height)
    pane = prism(superellipse(2 * radius, 2 * radius, 2), -0.6, LIGHT)
    inlay(house, placed(pane, (0.7 * at[0], 0.7 * at[1], height), turn), 0.02, LIGHT)
    for part in (
        ring(radius, 0.036, FRAME, turn=(90, 0, 0)),
        tube([(0, 0, -radius), (0, -0.02, 0), (0, 0, radius)], 0.016, FRAME),
        tube([(-radius, 0.01, 0), (0, -0.02, 0), (radius, 0.01, 0)], 0.016, FRAME),
        block((2.3 * radius, 0.12, 0.04), FRAME, at=(0, -0.02, -radius - 0.04), turn=(lean, 0, 0), round_by=0.012),
    ):
        placed(placed(part, ORIGIN, (-lean, 0, 0)), at, turn)


def _chimney() -> None:
    """It stands on the cap, a little behind."""
    block((0.24, 0.24, 0.75), BRICK, at=(0.5, 0.12, 2.12), round_by=0.025)
    block((0.32, 0.32, 0.08), BRICK, at=(0.5, 0.12, 2.5), round_by=0.025)
    disc(0.075, 0.12, DARK, at=(0.5, 0.12, 2.52))


def _garden() -> None:
    """A patch of grass with blades and daisies, none on the way to the door."""
    lathe([(0, 0), (1.13, 0), (1.18, 0.02), (1.12, 0.07), (0.9, 0.1), (0, 0.12)], GRASS,
          radius=lambda angle, z: 1 + 0.05 * sin(3 * angle) + 0.03 * sin(7 * angle + 1))  # fmt: skip
    random = np.random.default_rng(4)
    for _ in range(150):
        angle, reach = random.uniform(0, 2 * pi), random.uniform(0.88, 1.12)
        if abs(angle - 1.5 * pi) < 0.4:
            continue
        foot = np.array([reach * cos(angle), reach * sin(angle), 0.05])
        tip = foot + random.uniform((-0.05, -0.05, 0.07), (0.05, 0.05, 0.17))
        tube([foot, (foot + tip) / 2 + [0, 0, 0.02], tip], [0.016, 0.012, 0.003], BLADE, smooth=8, around=6)
    for angle, reach in ((-60, 1.06), (-125, 1.04), (-28, 1.02), (-158, 1.02)):
        x, y, z = reach * cos(radians(angle)), reach * sin(radians(angle)), 0.2
        tube([(x, y, 0.05), (x, y, z)], 0.01, BLADE, smooth=6, around=8)
        ball(0.022, HEART, at=(x, y, z + 0.012))
        for turn in range(0, 360, 60):
            way = radians(turn)
            ball(0.024, PETAL, at=(x + 0.038 * cos(way), y + 0.038 * sin(way), z), scale=(1, 1, 0.5))
