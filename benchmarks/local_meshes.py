"""Known meshes to measure against: primitives and things put together from them, with their outer surface only."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import trimesh
from trimesh import Trimesh
from trimesh.creation import box, capsule, cone, cylinder, icosphere, revolve, torus

UP = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]], float)
"""Turns trimesh's z axis to y, which is up here."""


def at(mesh: Trimesh, x: float = 0, y: float = 0, z: float = 0, scale: tuple[float, ...] = (1, 1, 1)) -> Trimesh:
    """Return `mesh` scaled by axis, then moved."""
    return mesh.apply_scale(scale).apply_translation((x, y, z))


def joined(*parts: Trimesh) -> Trimesh:
    """Return the union of `parts`."""
    return trimesh.boolean.union(parts, engine="manifold")


def rod(radius: float, start: tuple[float, ...], end: tuple[float, ...]) -> Trimesh:
    """Return a cylinder from `start` to `end`."""
    return cylinder(radius, segment=[start, end])


def mug() -> Trimesh:
    """Return a hollow cup with a handle."""
    cup = trimesh.boolean.difference([cylinder(0.7, 1.6), at(cylinder(0.6, 1.6), z=0.12)], engine="manifold")
    handle = torus(0.42, 0.1).apply_transform(UP)
    ring = trimesh.boolean.difference([at(handle, x=0.72), cylinder(0.65, 3)], engine="manifold")
    return joined(cup, ring).apply_transform(UP)


def figure() -> Trimesh:
    """Return a standing person."""
    limbs = [rod(0.11, (s * 0.14, -0.2, 0), (s * 0.24, -1.2, 0)) for s in (-1, 1)]
    limbs += [rod(0.09, (s * 0.2, 0.5, 0), (s * 0.75, 0.0, 0)) for s in (-1, 1)]
    body = at(icosphere(3), y=0.15, scale=(0.32, 0.55, 0.22))
    return joined(body, at(icosphere(3, 0.24), y=0.85), *limbs)


def bottle() -> Trimesh:
    """Return a wine bottle."""
    outline = [(0, 0), (0.4, 0), (0.42, 0.05), (0.42, 1.2), (0.35, 1.4), (0.14, 1.6), (0.14, 2.0), (0, 2.0)]
    return revolve(outline, sections=48).apply_transform(UP)


def vase() -> Trimesh:
    """Return a round-bellied vase."""
    height = np.linspace(0, 2, 24)
    radius = 0.35 + 0.35 * np.sin(height * 1.9) ** 2
    return revolve([(0, 0), *zip(radius, height, strict=True), (0, 2)], sections=48).apply_transform(UP)


def chair() -> Trimesh:
    """Return a kitchen chair."""
    legs = [at(box((0.1, 0.9, 0.1)), x, -0.4, z) for x in (-0.4, 0.4) for z in (-0.4, 0.4)]
    return joined(at(box((1, 0.1, 1)), y=0.1), at(box((1, 1, 0.1)), y=0.6, z=-0.45), *legs)


def plane() -> Trimesh:
    """Return an airliner from the side."""
    wings = at(icosphere(3), scale=(0.22, 0.05, 1.0))
    tail = at(icosphere(3), x=-0.9, scale=(0.12, 0.04, 0.4))
    fin = at(icosphere(3), x=-0.9, y=0.2, scale=(0.15, 0.3, 0.04))
    return joined(at(icosphere(3), scale=(1.1, 0.16, 0.16)), wings, tail, fin)


def car() -> Trimesh:
    """Return a toy car."""
    wheels = [at(cylinder(0.22, 0.16), x, -0.25, z) for x in (-0.6, 0.6) for z in (-0.42, 0.42)]
    return joined(box((2, 0.4, 0.9)), at(box((1, 0.4, 0.8)), x=-0.1, y=0.38), *wheels)


def fish() -> Trimesh:
    """Return a fish from the side."""
    tail = at(icosphere(3), x=-0.95, scale=(0.2, 0.4, 0.06))
    return joined(at(icosphere(4), scale=(0.9, 0.45, 0.25)), tail, at(icosphere(3), y=0.42, scale=(0.3, 0.2, 0.05)))


MESHES: dict[str, Callable[[], Trimesh]] = {
    "sphere": lambda: icosphere(4),
    "capsule": lambda: capsule(1.4, 0.4).apply_transform(UP),
    "torus": lambda: torus(0.7, 0.28).apply_transform(UP @ UP),
    "box": lambda: box((1.2, 1.0, 0.8)),
    "cone": lambda: cone(0.7, 1.8, sections=48).apply_transform(UP),
    "cylinder": lambda: cylinder(0.5, 1.8).apply_transform(UP),
    "mug": mug,
    "figure": figure,
    "bottle": bottle,
    "vase": vase,
    "chair": chair,
    "plane": plane,
    "car": car,
    "fish": fish,
}
VIEWS = {"eye level": (0, 5), "three quarters from above": (30, 20)}
"""Where each is photographed from, its broad side being towards +z: azimuth and elevation in degrees."""
