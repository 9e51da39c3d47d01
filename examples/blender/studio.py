"""A photographer's studio: a seamless ground, three soft lights and a camera that frames what stands there."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, radians, sin
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix, Vector
from modelling import Paint, applied, linear, surface

FOCAL_LENGTH = 85
"""In mm on a 36 mm sensor: that of portraits, with little perspective."""
JPEG_QUALITY = 90


@dataclass(frozen=True)
class Shot:
    """Camera, light and size of an object's photograph."""

    ground: str = "#dcdcdc"
    """The seamless paper's colour, sRGB."""
    turn: float = 30.0
    """By how many degrees the object is turned, its front to the right of the camera where it is positive."""
    above: float = 14.0
    """From how many degrees above the horizon the camera looks."""
    fills: float = 0.72
    """How much of the picture's longer side the object takes."""


def empty_scene() -> None:
    """Begin anew, with nothing in the scene."""
    bpy.ops.wm.read_factory_settings(use_empty=True)


def photograph(shot: Shot, to: Path, side: int = 1024, samples: int = 16) -> None:
    """Render all that stands in the scene to a square JPEG file."""
    objects = [applied(made) for made in bpy.context.scene.objects if made.type == "MESH"]
    turn = Matrix.Rotation(radians(shot.turn), 4, "Z")
    for made in objects:
        made.matrix_world = turn @ made.matrix_world
    corners = np.concatenate([_points(made) for made in objects])
    _lights(float(np.ptp(corners, axis=0).max()))
    _camera(shot, corners)
    _paper(shot.ground)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.samples = samples
    scene.cycles.adaptive_threshold, scene.cycles.adaptive_min_samples = 0.05, 4
    scene.cycles.max_bounces = 4
    scene.cycles.caustics_reflective = scene.cycles.caustics_refractive = False
    scene.cycles.use_denoising = True
    scene.cycles.denoiser = "OPENIMAGEDENOISE"
    scene.cycles.seed = 1
    scene.view_settings.view_transform = "Khronos PBR Neutral"
    scene.render.resolution_x = scene.render.resolution_y = side
    scene.render.image_settings.file_format = "JPEG"
    scene.render.image_settings.quality = JPEG_QUALITY
    scene.render.filepath = str(to)
    bpy.ops.render.render(write_still=True)


def _points(made: bpy.types.Object) -> np.ndarray:
    points = np.empty(3 * len(made.data.vertices), np.float32)
    made.data.vertices.foreach_get("co", points)
    turned = np.array(made.matrix_world)
    return points.reshape(-1, 3) @ turned[:3, :3].T + turned[:3, 3]


def _camera(shot: Shot, points: np.ndarray) -> None:
    """Aim at the middle of `points` (n, 3) from so far that they fill the wanted share, and in the picture's middle."""
    data = bpy.data.cameras.new("Camera")
    data.lens = FOCAL_LENGTH
    camera = bpy.data.objects.new("Camera", data)
    bpy.context.collection.objects.link(camera)
    bpy.context.scene.camera = camera
    tilt = radians(shot.above)
    right, ahead, up = np.array([1.0, 0, 0]), np.array([0, cos(tilt), -sin(tilt)]), np.array([0, sin(tilt), cos(tilt)])
    reach = 36 / FOCAL_LENGTH / 2
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    distance = 10.0
    for _ in range(20):  # perspective: what is nearer counts for more, so a few rounds are needed
        seen = points - (middle - distance * ahead)
        across, down = (seen @ right) / (seen @ ahead) / reach, (seen @ up) / (seen @ ahead) / reach
        shift = [(axis.min() + axis.max()) / 2 for axis in (across, down)]
        middle = middle + distance * reach * (shift[0] * right + shift[1] * up)
        distance *= max(np.ptp(across), np.ptp(down)) / 2 / shot.fills
    camera.matrix_world = Matrix.Translation(Vector(middle - distance * ahead)) @ Matrix.Rotation(pi / 2 - tilt, 4, "X")


def _lights(size: float) -> None:
    """A large soft key from the left, a fill from the right, a rim from behind, and some light from all around."""
    for name, place, width, power in (
        ("Key", (-1.8, -2.2, 2.6), 2.2, 85),
        ("Fill", (2.6, -1.6, 1.2), 2.6, 22),
        ("Rim", (1.4, 2.2, 2.4), 1.4, 50),
    ):
        data = bpy.data.lights.new(name, "AREA")
        data.size, data.energy = width * size, power * size**2
        light = bpy.data.objects.new(name, data)
        light.location = Vector(place) * size
        way = Vector((0, 0, 0.4 * size)) - light.location
        light.rotation_euler = way.to_track_quat("-Z", "Y").to_euler()
        bpy.context.collection.objects.link(light)
    world = bpy.data.worlds.new("World")
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs["Color"].default_value = linear("#ffffff")
    world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0.8
    bpy.context.scene.world = world


def _paper(colour: str) -> None:
    """Seamless paper: a floor that curves up into a wall behind."""
    near, far, high, bend = -30.0, 22.0, 40.0, 16.0
    curve = [(far - bend + bend * sin(at), bend - bend * cos(at)) for at in np.linspace(0, pi / 2, 24)]
    profile = [(near, 0.0), *curve, (far, high)]
    rows = np.array([[(x, y, z) for y, z in profile] for x in (-40.0, 40.0)])
    applied(surface(rows[:, ::-1], Paint(colour, 0.9), loop=False))
