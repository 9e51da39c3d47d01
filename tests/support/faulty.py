"""Meshes that a printer cannot print as they are, or only seems not to be able to."""

from __future__ import annotations

import manifold3d
import numpy as np
import trimesh


def broken_ball() -> trimesh.Trimesh:
    """A ball with a small hole and a crumb beside it."""
    ball = trimesh.creation.icosphere(4)
    ball.update_faces(ball.triangles_center[:, 0] < 0.99)
    return trimesh.util.concatenate([ball, trimesh.creation.box((0.02,) * 3).apply_translation([1.5, 0, 0])])


def sheet(tilt: float) -> trimesh.Trimesh:
    """A square without thickness, tilted by so many degrees."""
    quad = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], [[0, 1, 2], [0, 2, 3]])
    return quad.apply_transform(trimesh.transformations.rotation_matrix(np.radians(tilt), [1, 0.3, 0]))


def hollow() -> trimesh.Trimesh:
    """A box of one unit around a cavity, a ball of .4, in which lies a ball of .2."""
    cavity = trimesh.creation.icosphere(3, radius=0.4)
    cavity.invert()
    return trimesh.util.concatenate([trimesh.creation.box(), cavity, trimesh.creation.icosphere(3, radius=0.2)])


def inside_out() -> trimesh.Trimesh:
    """A box of two units, and one of one unit beside it that is turned inside out."""
    turned = trimesh.creation.box().apply_translation([3, 0, 0])
    turned.invert()
    return trimesh.util.concatenate([trimesh.creation.box((2, 2, 2)), turned])


def some_turned() -> trimesh.Trimesh:
    """A ball of which 200 faces look inwards."""
    ball = trimesh.creation.icosphere(5)
    faces = ball.faces.copy()
    faces[:200] = faces[:200, ::-1]
    return trimesh.Trimesh(ball.vertices, faces, process=False)


def cup() -> trimesh.Trimesh:
    """Two walls, .5 and .45 from the middle, each closed at the bottom, that are not joined at the rim."""
    walls = []
    for radius, bottom in ((0.5, 0.0), (0.45, 0.1)):
        wall = trimesh.creation.cylinder(radius, 1 - bottom, sections=64)
        wall.update_faces(wall.face_normals[:, 2] < 0.5)
        walls.append(wall.apply_translation([0, 0, (1 + bottom) / 2]))
    walls[1].invert()
    return trimesh.util.concatenate(walls).apply_transform(
        trimesh.transformations.rotation_matrix(-np.pi / 2, [1, 0, 0])
    )


def c_shape() -> trimesh.Trimesh:
    """A letter C, three units wide and one deep, its area 7, that is open below."""
    outline = [[0, 0], [3, 0], [3, 1], [1, 1], [1, 2], [3, 2], [3, 3], [0, 3]]
    solid = manifold3d.Manifold.extrude(manifold3d.CrossSection([outline]), 1.0).to_mesh()
    letter = trimesh.Trimesh(solid.vert_properties[:, :3], solid.tri_verts)
    letter.update_faces(letter.face_normals[:, 2] > -0.5)
    return letter.apply_transform(trimesh.transformations.rotation_matrix(-np.pi / 2, [1, 0, 0]))


def flipped(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """The mesh, all of it turned inside out."""
    mesh.invert()
    return mesh


def eight() -> trimesh.Trimesh:
    """A closed tube in the form of an 8, which passes through itself where it crosses."""
    turn, around = np.meshgrid(
        *(np.linspace(0, 2 * np.pi, count, endpoint=False) for count in (160, 24)), indexing="ij"
    )
    way = np.stack([np.sin(turn), np.sin(turn) * np.cos(turn), 0 * turn], -1)
    along = np.stack([np.cos(turn), np.cos(2 * turn), 0 * turn], -1)
    aside = np.cross([0, 0, 1], along / np.linalg.norm(along, axis=-1, keepdims=True))
    points = way + 0.15 * (np.cos(around)[..., None] * aside + np.sin(around)[..., None] * [0, 0, 1])
    corner = np.arange(160 * 24).reshape(160, 24)
    ahead, up = np.roll(corner, -1, axis=0), np.roll(corner, -1, axis=1)
    both = np.roll(ahead, -1, axis=1)
    faces = np.concatenate([np.stack([corner, both, ahead], -1), np.stack([corner, up, both], -1)]).reshape(-1, 3)
    return trimesh.Trimesh(points.reshape(-1, 3), faces, process=False)


def thin_cup(wall: float) -> trimesh.Trimesh:
    """A cup of one unit, with a wall of this thickness."""
    inside = trimesh.creation.cylinder(0.5 - wall, 1, sections=64).apply_translation([0, 0, wall])
    cup = trimesh.boolean.difference([trimesh.creation.cylinder(0.5, 1, sections=64), inside], engine="manifold")
    return cup.apply_transform(trimesh.transformations.rotation_matrix(-np.pi / 2, [1, 0, 0]))
