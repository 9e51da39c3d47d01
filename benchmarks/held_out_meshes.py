"""Known meshes kept apart: of the embedded engine only the limits of what gets planes were set with a look at them."""

from __future__ import annotations

from collections.abc import Callable

import manifold3d
import numpy as np
import trimesh
from trimesh import Trimesh
from trimesh.creation import box, cone, cylinder, icosphere, revolve, torus
from trimesh.transformations import rotation_matrix

from .local_meshes import UP, at, joined, rod

Outline = list[tuple[float, float]]


def turned(*outline: tuple[float, float]) -> Trimesh:
    """Return what a lathe makes of `outline`: (radius, height) from the bottom to the top."""
    return revolve([(0, outline[0][1]), *outline, (0, outline[-1][1])], sections=48).apply_transform(UP)


def slab(outline: Outline, depth: float) -> Trimesh:
    """Return `outline` (x, y) extruded by `depth`."""
    made = manifold3d.CrossSection([outline]).extrude(depth).to_mesh()
    return Trimesh(made.vert_properties[:, :3], made.tri_verts)


def around(count: int, *radii: float) -> Outline:
    """Return `count` points around the origin, their distances taking turns in `radii`, the first one straight up."""
    angles = np.pi / 2 + 2 * np.pi * np.arange(count) / count
    return [(radii[n % len(radii)] * np.cos(a), radii[n % len(radii)] * np.sin(a)) for n, a in enumerate(angles)]


def leg(x: float, z: float, top: float, width: float = 0.1) -> Trimesh:
    """Return a square leg from the ground to `top`."""
    return at(box((width, top, width)), x, top / 2, z)


def table() -> Trimesh:
    """Return a kitchen table."""
    return joined(at(box((1.6, 0.1, 1)), y=0.9), *(leg(x, z, 0.9) for x in (-0.7, 0.7) for z in (-0.4, 0.4)))


def house() -> Trimesh:
    """Return a house with a pitched roof and a chimney."""
    roof = at(slab([(-0.8, 0), (0.8, 0), (0, 0.6)], 1.3), y=0.9, z=-0.65)
    return joined(at(box((1.4, 1, 1.2)), y=0.45), roof, at(box((0.2, 0.5, 0.2)), 0.4, 1.3))


def cup(radius: float, height: float, wall: float) -> Trimesh:
    """Return a cup without a handle."""
    inner = at(cylinder(radius - wall, height), z=wall)
    return trimesh.boolean.difference([cylinder(radius, height), inner], engine="manifold").apply_transform(UP)


def quadruped() -> Trimesh:
    """Return a four-legged animal from the side."""
    legs = [rod(0.09, (x, 0, z), (x, -0.75, z)) for x in (-0.5, 0.5) for z in (-0.16, 0.16)]
    body = at(icosphere(3), scale=(0.75, 0.32, 0.28))
    return joined(body, at(icosphere(3, 0.25), 0.85, 0.4), rod(0.14, (0.55, 0.1, 0), (0.85, 0.4, 0)), *legs)


def bird() -> Trimesh:
    """Return a sitting bird with a beak."""
    beak = at(cone(0.08, 0.4, transform=rotation_matrix(np.pi / 2, [0, 1, 0])), 0.55, 0.55)
    tail = at(icosphere(3), -0.75, 0.05, scale=(0.35, 0.08, 0.2))
    return joined(at(icosphere(3), scale=(0.6, 0.42, 0.4)), at(icosphere(3, 0.26), 0.4, 0.5), tail, beak)


def lorry() -> Trimesh:
    """Return a lorry with a cab and a box."""
    wheels = [at(cylinder(0.18, 0.14), x, -0.45, z) for x in (-0.7, -0.3, 0.65) for z in (-0.33, 0.33)]
    return joined(at(box((1.4, 0.8, 0.76)), x=-0.25, y=0.1), at(box((0.5, 0.55, 0.7)), x=0.68, y=-0.03), *wheels)


def boat() -> Trimesh:
    """Return a sailing boat."""
    above = at(box((3, 1, 3)), y=0.55)
    hull = trimesh.boolean.difference([at(icosphere(3), scale=(0.9, 0.3, 0.32)), above], engine="manifold")
    return joined(
        hull, rod(0.04, (0, -0.1, 0), (0, 1.5, 0)), at(slab([(0, 0.2), (0.75, 0.2), (0, 1.4)], 0.04), z=-0.02)
    )


def mushroom() -> Trimesh:
    """Return a mushroom."""
    return turned((0.25, 0), (0.2, 0.7), (0.75, 0.65), (0.7, 0.9), (0.45, 1.2), (0.15, 1.3))


MESHES: dict[str, Callable[[], Trimesh]] = {
    "table": table,
    "house": house,
    "cup": lambda: cup(0.5, 1.1, 0.07),
    "bowl": lambda: cup(0.8, 0.6, 0.08),
    "dog": quadruped,
    "bird": bird,
    "lorry": lorry,
    "boat": boat,
    "mushroom": mushroom,
    "pawn": lambda: turned((0.45, 0), (0.45, 0.12), (0.2, 0.3), (0.14, 0.9), (0.3, 0.98), (0.3, 1.2), (0.12, 1.4)),
    "goblet": lambda: turned((0.4, 0), (0.38, 0.06), (0.08, 0.15), (0.08, 0.7), (0.45, 1.0), (0.42, 1.6)),
    "lamp": lambda: joined(turned((0.3, 0), (0.3, 0.1), (0.06, 0.15), (0.06, 1)), turned((0.6, 0.9), (0.3, 1.6))),
    "light bulb": lambda: turned((0.18, 0), (0.2, 0.4), (0.3, 0.6), (0.48, 0.95), (0.4, 1.3), (0.15, 1.45)),
    "skittle": lambda: turned((0.2, 0), (0.34, 0.5), (0.14, 1.2), (0.19, 1.5), (0.1, 1.66)),
    "tin": lambda: cylinder(0.55, 1.0, sections=48).apply_transform(UP),
    "snowman": lambda: joined(*(at(icosphere(3, r), y=y) for r, y in ((0.6, 0), (0.42, 0.8), (0.28, 1.35)))),
    "fir": lambda: joined(*(at(cone(r, 0.8).apply_transform(UP), y=y) for r, y in ((0.7, 0.2), (0.55, 0.6), (0.4, 1))),
                          rod(0.12, (0, -0.3, 0), (0, 0.4, 0))),
    "star": lambda: slab(around(10, 1, 0.42), 0.2),
    "gear": lambda: slab(around(36, 1, 1, 0.8), 0.25),
    "arrow": lambda: slab([(0, 1), (-0.7, 0.2), (-0.3, 0.2), (-0.3, -1), (0.3, -1), (0.3, 0.2), (0.7, 0.2)], 0.2),
    "book": lambda: box((1.1, 1.5, 0.3)),
    "dice": lambda: box((1, 1, 1)),
    "tower": lambda: joined(at(box((0.6, 1.8, 0.6))), at(box((0.75, 0.2, 0.75)), y=0.95)),
    "hammer": lambda: joined(rod(0.08, (0, -0.9, 0), (0, 0.8, 0)), at(box((0.8, 0.28, 0.28)), y=0.8)),
    "ring": lambda: torus(0.7, 0.12).apply_transform(UP @ UP),
    "dumb-bell": lambda: joined(rod(0.1, (-0.7, 0, 0), (0.7, 0, 0)), *(at(icosphere(3, 0.35), x) for x in (-0.7, 0.7))),
}  # fmt: skip
