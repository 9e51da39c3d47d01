"""Placement of a scene: scaled, rotated and moved as a format wants it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..bounding_box import bounding_box, extents
from ..gltf.reader import FloatArray, MeshPrimitive, Scene
from .options import ExportOptions

Y_UP_TO_Z_UP = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], np.float32)
"""Rotation (3, 3) from glTF's Y up to the Z up of printers."""


def place_scene(scene: Scene, options: ExportOptions) -> Scene:
    """Scale, rotate and translate as `options` say, into the format's units."""
    positions = scene.positions.astype(np.float64)
    longest = float(extents(positions).max())
    scale = options.size_mm / 1000 / longest if options.size_mm and longest else 1.0
    positions *= scale * (1000.0 if options.format.unit == "mm" else 1.0)
    rotation = Y_UP_TO_Z_UP if options.up == "z" else np.eye(3, dtype=np.float32)
    positions = positions @ rotation.T
    low, high = bounding_box(positions)
    origin = np.zeros(3) if options.pivot == "keep" else (low + high) / 2
    if options.pivot == "bottom":
        upwards = 2 if options.up == "z" else 1
        origin[upwards] = low[upwards]
    turned = [_rotate_normals(primitive, rotation) for primitive in scene.primitives]
    return replace(scene, positions=(positions - origin).astype(np.float32), primitives=tuple(turned))


def _rotate_normals(primitive: MeshPrimitive, rotation: FloatArray) -> MeshPrimitive:
    if "NORMAL" not in primitive.attributes:
        return primitive
    normals = np.asarray(primitive.attributes["NORMAL"], np.float32)
    length = np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)
    return replace(primitive, attributes={**primitive.attributes, "NORMAL": normals / length @ rotation.T})
