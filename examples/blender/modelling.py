"""Shapes and materials for the example objects, in Blender's Python.

An object faces -y and stands on z = 0, about two units tall. Points are (x, y, z); colours are sRGB like "#d94f30".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, cos, pi, radians, sin
from typing import Literal

import bmesh
import bpy
import numpy as np
from mathutils import Euler, Matrix, Vector

Object = bpy.types.Object
Socket = bpy.types.NodeSocket
Tree = bpy.types.NodeTree
Point = Sequence[float]
ORIGIN = (0.0, 0.0, 0.0)
SHARP = radians(40)
"""Edges that turn by more than this are shaded as edges."""


@dataclass(frozen=True)
class Paint:
    """Look of a surface; Blender's material is made of it where it is first used."""

    colour: str
    roughness: float = 0.5
    """Its mean: it varies a little from place to place, as on all real things."""
    second: str = ""
    """A second colour, mixed in where the pattern lies above its edges; empty for none."""
    pattern: Literal["noise", "rings", "stripes", "speckles"] = "noise"
    """Clouds, growth rings of wood around z, stripes across x, or round speckles."""
    scale: tuple[float, float, float] = (1, 1, 1)
    """How often the pattern repeats along x, y and z."""
    edges: tuple[float, float] = (0.35, 0.65)
    """Between which values of the pattern the two colours mix."""
    grain: float = 0.0
    """The height of a fine unevenness."""
    grain_scale: float = 40.0
    metallic: float = 0.0
    coat: float = 0.0
    """How much clear lacquer lies over it."""
    sheen: float = 0.0
    """How much it shines softly at its edges, as fabric does."""
    glow: float = 0.0
    """How strongly it shines by itself, in its second colour."""


def material(paint: Paint) -> bpy.types.Material:
    """Return Blender's material of a paint."""
    name = f"{hash(paint):x}"
    if name in bpy.data.materials:
        return bpy.data.materials[name]
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    tree = made.node_tree
    inputs = tree.nodes["Principled BSDF"].inputs
    inputs["Base Color"].default_value = linear(paint.colour)
    inputs["Metallic"].default_value = paint.metallic
    inputs["Coat Weight"].default_value = paint.coat
    inputs["Sheen Weight"].default_value = paint.sheen
    place = tree.nodes.new("ShaderNodeTexCoord").outputs["Object"]
    spread = 0.25 * paint.roughness
    roughness = _mapped(
        tree, _noise(tree, place, 6.0), (0.3, 0.7), (paint.roughness - spread, paint.roughness + spread)
    )
    tree.links.new(roughness, inputs["Roughness"])
    if paint.glow:
        inputs["Emission Color"].default_value = linear(paint.second)
        inputs["Emission Strength"].default_value = paint.glow
    elif paint.second:
        share = _mapped(tree, _pattern(tree, place, paint), paint.edges, (0, 1))
        tree.links.new(_mixed(tree, share, paint.colour, paint.second), inputs["Base Color"])
    if paint.grain:
        bump = tree.nodes.new("ShaderNodeBump")
        bump.inputs["Distance"].default_value = paint.grain
        tree.links.new(_noise(tree, place, paint.grain_scale), bump.inputs["Height"])
        tree.links.new(bump.outputs["Normal"], inputs["Normal"])
    return made


def linear(colour: str) -> tuple[float, float, float, float]:
    """Return the linear RGBA of an sRGB colour like "#d94f30" (IEC 61966-2-1)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return red, green, blue, 1.0


def _noise(tree: Tree, place: Socket, scale: float) -> Socket:
    node = tree.nodes.new("ShaderNodeTexNoise")
    node.inputs["Scale"].default_value = scale
    node.inputs["Detail"].default_value = 4.0
    tree.links.new(place, node.inputs["Vector"])
    return node.outputs["Fac"]


def _pattern(tree: Tree, place: Socket, paint: Paint) -> Socket:
    """Return the value of the paint's pattern, 0 to 1."""
    stretch = tree.nodes.new("ShaderNodeMapping")
    stretch.inputs["Scale"].default_value = paint.scale
    tree.links.new(place, stretch.inputs["Vector"])
    stretched = stretch.outputs["Vector"]
    if paint.pattern == "noise":
        return _noise(tree, stretched, 1.0)
    if paint.pattern == "speckles":
        node = tree.nodes.new("ShaderNodeTexVoronoi")
        node.inputs["Scale"].default_value = 1.0
    else:
        node = tree.nodes.new("ShaderNodeTexWave")
        if paint.pattern == "rings":
            node.wave_type, node.rings_direction = "RINGS", "Z"
            node.inputs["Distortion"].default_value = 4.0
        else:
            node.inputs["Scale"].default_value = 1 / 3
    tree.links.new(stretched, node.inputs["Vector"])
    return node.outputs[0 if paint.pattern == "speckles" else "Fac"]


def _mapped(tree: Tree, value: Socket, given: tuple[float, float], wanted: tuple[float, float]) -> Socket:
    node = tree.nodes.new("ShaderNodeMapRange")
    node.interpolation_type = "SMOOTHSTEP"
    for name, number in zip(("From Min", "From Max", "To Min", "To Max"), (*given, *wanted), strict=True):
        node.inputs[name].default_value = number
    tree.links.new(value, node.inputs["Value"])
    return node.outputs["Result"]


def _mixed(tree: Tree, share: Socket, one: str, two: str) -> Socket:
    node = tree.nodes.new("ShaderNodeMix")
    node.data_type = "RGBA"
    factor, first, second = node.inputs[0], node.inputs[6], node.inputs[7]
    first.default_value, second.default_value = linear(one), linear(two)
    tree.links.new(share, factor)
    return node.outputs[2]


# Shapes


def mesh(points: np.ndarray, faces: list[tuple[int, ...]], of: Paint) -> Object:
    """Return an object of `points` (n, 3) and faces by their points' numbers."""
    data = bpy.data.meshes.new("Mesh")
    data.from_pydata([tuple(map(float, point)) for point in points], [], faces)
    shape = bmesh.new()
    shape.from_mesh(data)
    bmesh.ops.recalc_face_normals(shape, faces=shape.faces)  # booleans and swelling need them to point outwards
    shape.to_mesh(data)
    shape.free()
    data.materials.append(material(of))
    made = bpy.data.objects.new("Object", data)
    bpy.context.collection.objects.link(made)
    return made


def surface(rows: np.ndarray, of: Paint, *, loop: bool = True, capped: bool = True) -> Object:
    """Return the surface through a grid of points (rows, columns, 3).

    `loop` joins the last column to the first; `capped` closes the first and last row (of a loop).
    """
    height, width = rows.shape[:2]
    number = np.arange(height * width).reshape(height, width)
    around = range(width if loop else width - 1)
    faces = [
        (number[row, at], number[row, (at + 1) % width], number[row + 1, (at + 1) % width], number[row + 1, at])
        for row in range(height - 1)
        for at in around
    ]
    if loop and capped:
        faces += [tuple(number[0][::-1]), tuple(number[-1])]
    return mesh(rows.reshape(-1, 3), [tuple(int(at) for at in face) for face in faces], of)


def spline(points: Sequence[Point], count: int, *, closed: bool = False) -> np.ndarray:
    """Return `count` points on the centripetal Catmull-Rom spline through `points`, even in its parameter."""
    given = np.array(points, float)
    steps = np.linalg.norm(np.diff(np.vstack([given, given[:1]]) if closed else given, axis=0), axis=1) ** 0.5
    knots = np.concatenate([[0], np.cumsum(np.maximum(steps, 1e-6))])
    if closed:
        given = np.vstack([given[-1:], given, given[:2]])
        knots = np.concatenate([[-steps[-1]], knots, [knots[-1] + steps[0]]])
    else:
        given = np.vstack([2 * given[0] - given[1], given, 2 * given[-1] - given[-2]])
        knots = np.concatenate([[knots[0] - steps[0]], knots, [knots[-1] + steps[-1]]])
    found = []
    for place in np.linspace(knots[1], knots[-2], count, endpoint=not closed):
        at = int(np.clip(np.searchsorted(knots, place, side="right") - 1, 1, len(knots) - 3))
        p, t = given[at - 1 : at + 3], knots[at - 1 : at + 3]
        for level in range(1, 3):  # Barry and Goldman's pyramid, but for its tip
            p = np.array(
                [
                    ((t[i + level] - place) * p[i] + (place - t[i]) * p[i + 1]) / (t[i + level] - t[i])
                    for i in range(len(p) - 1)
                ]
            )
        found.append(((t[2] - place) * p[0] + (place - t[1]) * p[1]) / (t[2] - t[1]))
    return np.array(found)


def lathe(
    profile: Sequence[tuple[float, float]],
    of: Paint,
    *,
    at: Point = ORIGIN,
    turn: Point = ORIGIN,
    smooth: int = 60,
    around: int = 96,
    radius: Callable[[float, float], float] | None = None,
) -> Object:
    """Return what turning a `profile` of (radius, z) around z makes, its ends capped.

    The profile is drawn as a spline of `smooth` points (0: as it is). `radius`, of the angle and z, is a factor.
    """
    points = spline(profile, smooth) if smooth else np.array(profile, float)
    angles = np.linspace(0, 2 * pi, around, endpoint=False)
    factor = np.array([[radius(angle, z) if radius else 1.0 for angle in angles] for _, z in points])
    reach = np.maximum(points[:, :1], 1e-4) * factor
    rows = np.stack([reach * np.cos(angles), reach * np.sin(angles), np.repeat(points[:, 1:], around, axis=1)], axis=2)
    return placed(surface(rows, of), at, turn)


def tube(
    path: Sequence[Point] | np.ndarray,
    radius: float | Sequence[float],
    of: Paint,
    *,
    smooth: int = 64,
    closed: bool = False,
    flat: float = 1.0,
    around: int = 20,
) -> Object:
    """Return a tube along the spline through `path`, round at its ends; `radius` may change along it.

    `flat` scales it along what is nearest to z, to make a strap of it.
    """
    middle = spline(path, smooth, closed=closed)
    ahead = np.roll(middle, -1, 0) - np.roll(middle, 1, 0)
    if not closed:
        ahead[0], ahead[-1] = middle[1] - middle[0], middle[-1] - middle[-2]
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    radii = np.interp(np.linspace(0, 1, smooth), np.linspace(0, 1, np.size(radius)), np.atleast_1d(radius))
    up = np.array([0, 0, 1.0]) if abs(ahead[0, 2]) < 0.9 else np.array([0, 1.0, 0])
    rings = []
    angles = np.linspace(0, 2 * pi, around, endpoint=False)[:, None]
    for here, way, reach in zip(middle, ahead, radii, strict=True):
        side = np.cross(way, up)
        side /= np.linalg.norm(side)
        up = np.cross(side, way)
        rings.append(here + reach * (np.cos(angles) * side + flat * np.sin(angles) * up))
    if closed:
        return surface(np.array([*rings, rings[0]]), of, capped=False)
    start, end = (
        [middle[at] + way * ahead[at] * radii[at] * sin(tilt) + (rings[at] - middle[at]) * cos(tilt) for tilt in tilts]
        for at, way, tilts in ((0, -1, np.radians([88, 60, 30])), (-1, 1, np.radians([30, 60, 88])))
    )
    return surface(np.array([*start, *rings, *end]), of)


def ball(radius: float, of: Paint, *, at: Point = ORIGIN, scale: Point = (1, 1, 1), turn: Point = ORIGIN) -> Object:
    """Return a ball, or an ellipsoid by `scale`."""
    tilts = np.linspace(-pi / 2, pi / 2, 33)
    made = lathe([(radius * cos(tilt), radius * sin(tilt)) for tilt in tilts], of, smooth=0, around=64)
    made.data.transform(Matrix.Diagonal((*scale, 1)))
    return placed(made, at, turn)


def block(
    size: Point,
    of: Paint,
    *,
    at: Point = ORIGIN,
    turn: Point = ORIGIN,
    round_by: float = 0.02,
    top: tuple[float, float] = (1, 1),
) -> Object:
    """Return a box around `at` with rounded edges, its top scaled by `top` along x and y."""
    corners = [
        (x * size[0] / 2 * (top[0] if z > 0 else 1), y * size[1] / 2 * (top[1] if z > 0 else 1), z * size[2] / 2)
        for z in (-1, 1)
        for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    ]
    faces = [(3, 2, 1, 0), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)]
    return placed(rounded(mesh(np.array(corners), faces, of), round_by), at, turn)


def disc(
    radius: float,
    depth: float,
    of: Paint,
    *,
    at: Point = ORIGIN,
    turn: Point = ORIGIN,
    round_by: float = 0.01,
) -> Object:
    """Return a cylinder around `at` along z with rounded rims."""
    made = lathe([(1e-4, -depth / 2), (radius, -depth / 2), (radius, depth / 2), (1e-4, depth / 2)], of, smooth=0)
    return placed(rounded(made, round_by), at, turn)


def ring(radius: float, thickness: float, of: Paint, *, at: Point = ORIGIN, turn: Point = ORIGIN) -> Object:
    """Return a torus around `at` about z."""
    angles = np.linspace(0, 2 * pi, 48, endpoint=False)
    path = np.stack([radius * np.cos(angles), radius * np.sin(angles), 0 * angles], axis=1)
    return placed(tube(path, thickness, of, smooth=96, closed=True), at, turn)


def prism(outline: Sequence[tuple[float, float]], depth: float, of: Paint) -> Object:
    """Return an `outline` of (x, z) drawn out from y = 0 to y = `depth`."""
    flat = np.array(outline, float)
    rows = np.array([[(x, y, z) for x, z in flat] for y in (0.0, depth)])
    return surface(rows, of)


def superellipse(width: float, height: float, power: float = 4.0, count: int = 64) -> list[tuple[float, float]]:
    """Return points on |x / (width / 2)|^power + |z / (height / 2)|^power = 1."""
    angles = np.linspace(0, 2 * pi, count, endpoint=False)
    cosine, sine = np.cos(angles), np.sin(angles)
    x = np.sign(cosine) * np.abs(cosine) ** (2 / power) * width / 2
    z = np.sign(sine) * np.abs(sine) ** (2 / power) * height / 2
    return list(zip(x.tolist(), z.tolist(), strict=True))


# What is done to shapes; each function returns its first argument


def placed(made: Object, at: Point, turn: Point = ORIGIN) -> Object:
    """Turn by degrees about x, y, z, then move to `at`; the material's pattern goes along."""
    made.matrix_world = (
        Matrix.Translation(Vector(at))
        @ Euler([radians(angle) for angle in turn]).to_matrix().to_4x4()
        @ made.matrix_world
    )
    return made


def rounded(made: Object, width: float, segments: int = 4) -> Object:
    """Bevel all sharp edges."""
    if width:
        bevel = made.modifiers.new("Bevel", "BEVEL")
        bevel.width, bevel.segments, bevel.limit_method, bevel.harden_normals = width, segments, "ANGLE", True
    return made


def subdivided(made: Object, levels: int = 2) -> Object:
    """Smooth by Catmull and Clark's subdivision."""
    smooth = made.modifiers.new("Subdivision", "SUBSURF")
    smooth.levels = smooth.render_levels = levels
    return made


def thickened(made: Object, thickness: float, outwards: float = 1.0) -> Object:
    """Give a sheet a thickness: outwards 1 adds it along the normals, -1 against them."""
    shell = made.modifiers.new("Solidify", "SOLIDIFY")
    shell.thickness, shell.offset = thickness, outwards
    return made


def swollen(made: Object, by: float) -> Object:
    """Move each point along its normal."""
    swell = made.modifiers.new("Displace", "DISPLACE")
    swell.strength, swell.mid_level = by, 0.0
    return made


def without(made: Object, cutter: Object) -> Object:
    """Cut `cutter` out, and remove it."""
    return _boolean(made, cutter, "DIFFERENCE")


def within(made: Object, cutter: Object) -> Object:
    """Leave only what lies within `cutter`, and remove that."""
    return _boolean(made, cutter, "INTERSECT")


def inlay(body: Object, outline: Object, by: float, of: Paint) -> Object:
    """Return a plate of a material on `body`, `by` thick, as far as `outline` (a prism, used up) reaches."""
    plate = copy(body)
    plate.data.materials.clear()
    plate.data.materials.append(material(of))
    return within(applied(swollen(plate, by)), outline)


def copy(made: Object) -> Object:
    """Return another object of the same shape, its modifiers applied."""
    twin = made.copy()
    twin.data = made.data.copy()
    bpy.context.collection.objects.link(twin)
    return applied(twin)


def mirrored(made: Object) -> Object:
    """Return a copy on the other side of x = 0."""
    twin = copy(made)
    twin.data.transform(twin.matrix_world)
    twin.matrix_world = Matrix.Identity(4)
    twin.data.transform(Matrix.Diagonal((-1, 1, 1, 1)))
    twin.data.flip_normals()
    return twin


def applied(made: Object) -> Object:
    """Apply the modifiers, and shade smoothly but for sharp edges."""
    depsgraph = bpy.context.evaluated_depsgraph_get()
    made.data = bpy.data.meshes.new_from_object(made.evaluated_get(depsgraph))
    made.modifiers.clear()
    made.data.shade_smooth()
    made.data.set_sharp_from_angle(angle=SHARP)
    return made


def _boolean(made: Object, cutter: Object, operation: str) -> Object:
    boolean = made.modifiers.new(operation, "BOOLEAN")
    boolean.operation, boolean.solver, boolean.object = operation, "EXACT", cutter
    applied(made)
    bpy.data.objects.remove(cutter)
    return made


def along(path: np.ndarray, step: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return places every `step` along `path` (n, 3) and the ways ahead there: where stitches or bricks go."""
    lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    stops = np.linspace(0, lengths[-1], max(2, ceil(lengths[-1] / step)))
    places = np.stack([np.interp(stops, lengths, path[:, axis]) for axis in range(3)], axis=1)
    ahead = np.gradient(places, axis=0)
    return list(zip(places, ahead / np.linalg.norm(ahead, axis=1, keepdims=True), strict=True))
