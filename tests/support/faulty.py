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


def open_box() -> trimesh.Trimesh:
    """A box without its lid, one corner of its rim higher than the others."""
    box = trimesh.creation.box()
    box.update_faces(box.face_normals[:, 1] < 0.5)
    points = box.vertices.copy()
    points[np.argmax(points @ [1, 1, 1]), 1] += 0.2
    return trimesh.Trimesh(points, box.faces, process=False)


def fins(count: int, sides: int) -> trimesh.Trimesh:
    """A ball with dangling triangles at some of its edges, each there once or, with two sides, twice."""
    ball = trimesh.creation.icosphere(3)
    edges = ball.edges_unique[:: len(ball.edges_unique) // count][:count]
    tips = 1.5 * ball.vertices[edges].mean(axis=1)
    faces = np.column_stack([edges, len(ball.vertices) + np.arange(count)])
    both = [ball.faces, faces, *[faces[:, ::-1]] * (sides - 1)]
    return trimesh.Trimesh(np.vstack([ball.vertices, tips]), np.vstack(both), process=False)


def shelf() -> trimesh.Trimesh:
    """A box with a sheet of two triangles along one of its edges."""
    box = trimesh.creation.box()
    first, second = np.flatnonzero((box.vertices[:, 0] > 0) & (box.vertices[:, 2] > 0))
    points = np.vstack([box.vertices, box.vertices[[first, second]] + [1, 0, 0]])
    return trimesh.Trimesh(points, np.vstack([box.faces, [[first, 8, 9], [first, 9, second]]]), process=False)


def inner_wall() -> trimesh.Trimesh:
    """A cylinder that a wall without thickness divides."""
    halves = [trimesh.creation.cylinder(0.5, 0.5, sections=32).apply_translation([0, 0, z]) for z in (-0.25, 0.25)]
    both = trimesh.util.concatenate(halves)
    both.merge_vertices()
    _, first = np.unique(np.sort(both.faces, axis=1), axis=0, return_index=True)
    return trimesh.Trimesh(both.vertices, both.faces[np.sort(first)], process=False)


def doubled(faces: int) -> trimesh.Trimesh:
    """A ball of which so many faces are there a second time, looking the other way."""
    ball = trimesh.creation.icosphere(3)
    return trimesh.Trimesh(ball.vertices, np.vstack([ball.faces, ball.faces[:faces, ::-1]]), process=False)


def boxes(*places: tuple[float, float, float]) -> trimesh.Trimesh:
    """Boxes of one unit at these places, which share nothing but where they lie."""
    return trimesh.util.concatenate([trimesh.creation.box().apply_translation(place) for place in places])


def tetrahedra_at_an_edge() -> trimesh.Trimesh:
    """Two tetrahedra that share an edge alone."""
    tip, edge = np.array([[1, 0, 0], [0.5, 1, 0.5]]), np.array([[0, 0, 0], [0, 0, 1]])
    order = [[0, 1, 2], [1, 0, 3], [0, 2, 3], [2, 1, 3]]
    halves = [trimesh.Trimesh(np.vstack([edge, tip * side]), order) for side in ([1, 1, 1], [-1, -1, 1])]
    for half in halves:
        half.fix_normals()
    return trimesh.util.concatenate(halves)


def box_with_sheet() -> trimesh.Trimesh:
    """A box through which a sheet without thickness goes."""
    sheet = [[-3, -0.1, 0], [3, -0.1, 0], [3, 0.1, 0.2], [-3, 0.1, 0.2]]
    return trimesh.util.concatenate([trimesh.creation.box(), trimesh.Trimesh(sheet, [[0, 1, 2], [0, 2, 3]])])


def box_at_half_a_face() -> trimesh.Trimesh:
    """A box of half the height against one of a box's faces."""
    return trimesh.util.concatenate(
        [trimesh.creation.box(), trimesh.creation.box((1, 1, 0.5)).apply_translation([1, 0, 0.25])]
    )


NONMANIFOLD = {
    "fin": lambda: fins(1, 1),
    "fin with two sides": lambda: fins(1, 2),
    "twelve fins": lambda: fins(12, 1),
    "shelf": shelf,
    "inner wall": inner_wall,
    "all faces doubled": lambda: doubled(1280),
    "some faces doubled": lambda: doubled(600),
    "two boxes at an edge": lambda: boxes((0, 0, 0), (1, 1, 0)),
    "three boxes at edges": lambda: boxes((0, 0, 0), (1, 1, 0), (2, 0, 0)),
    "two boxes at a face": lambda: boxes((0, 0, 0), (1, 0, 0)),
    "three boxes in a row": lambda: boxes((0, 0, 0), (1, 0, 0), (2, 0, 0)),
    "four boxes in a chequerboard": lambda: boxes((0, 0, 0), (1, 1, 0), (1, 0, 1), (0, 1, 1)),
    "two tetrahedra at an edge": tetrahedra_at_an_edge,
    "box with a sheet": box_with_sheet,
    "box at half a face": box_at_half_a_face,
}
"""Meshes with edges of more than two faces."""
