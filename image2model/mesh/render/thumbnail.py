"""Software rendering of a mesh: textured, softly lit, antialiased, on a transparent background.

Orthographic, three-quarter view from slightly above, every mesh filling the same share of the frame. Four samples a
pixel decide visibility; a pixel that one triangle fills is shaded once.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..bounding_box import bounding_box
from ..gltf.colours import base_colour, emitted_light, interpolate, linear_to_srgb, opacity
from ..gltf.materials import is_unlit
from ..gltf.reader import FloatArray, Glb, IndexArray, MeshPrimitive, Scene
from ..topology import referenced_vertices
from .rasterizer import Rasterizer

MARGIN = 0.06
"""Share of the frame left free on each side."""
AZIMUTH, ELEVATION = np.radians(28), np.radians(18)
KEY_LIGHT = np.array([-0.45, 0.62, 0.64], np.float32)
"""Direction to the key light in camera space: upper left, over the shoulder."""
AMBIENT, SKY_STRENGTH, KEY_STRENGTH, RIM_STRENGTH = 0.34, 0.22, 0.72, 0.10
SHEEN = 0.02
"""Share of the light that every surface reflects, so that black has a shape too."""
SHOULDER = 0.7
"""Brightness from which on highlights are compressed, so that white has a shape too."""


@dataclass(frozen=True, slots=True)
class Fragments:
    """Points to shade: their pixel and coverage, face and barycentric weights."""

    pixels: IndexArray
    coverage: FloatArray
    faces: IndexArray
    weights: FloatArray
    """(3, n) barycentric."""

    def on(self, primitive: MeshPrimitive) -> Fragments:
        """The fragments of one primitive."""
        own = (self.faces >= primitive.first_face) & (self.faces < primitive.first_face + primitive.faces)
        if own.all():
            return self
        return Fragments(self.pixels[own], self.coverage[own], self.faces[own], self.weights[:, own])


def render_thumbnail(glb: Path, size: int = 256) -> bytes:
    """WebP of `size` × `size` pixels of a GLB; raise GenerationFailed where there is nothing to draw."""
    opened = Glb(glb)
    return encode_thumbnail(opened, opened.scene(), size)


def encode_thumbnail(glb: Glb, scene: Scene, size: int = 256) -> bytes:
    """WebP of `size` × `size` pixels of a decoded scene."""
    buffer = io.BytesIO()
    render_view(glb, scene, size).save(buffer, "WEBP", quality=85, method=0)
    return buffer.getvalue()


def render_view(glb: Glb, scene: Scene, size: int, azimuth: float = 0, extent: FloatArray | None = None) -> Image.Image:
    """Render in mode RGBA with the camera moved round by `azimuth` radians.

    `extent` (horizontal radius, half height; see `turntable_extent`) frames every azimuth alike; None fits this one.
    """
    camera = _camera_axes(azimuth)
    with np.errstate(over="ignore", invalid="ignore"):  # hostile coordinates are left out, not complained of
        fragments = _rasterize(_project(scene, camera, 2 * size, extent), size)
    frame = np.zeros((4, size * size))
    for primitive in scene.primitives:
        own = fragments.on(primitive)
        if len(own.pixels):
            colour = _shade_or_grey(glb, scene, primitive, own, camera)
            colour *= own.coverage
            for channel in range(4):
                frame[channel] += np.bincount(own.pixels, colour[channel], minlength=size * size)
    return _to_image(frame, size)


def turntable_extent(scene: Scene) -> FloatArray:
    """Horizontal radius and half height (2,) of the scene around the vertical axis through its centre."""
    points = scene.positions[referenced_vertices(scene.faces)]
    offset = np.abs(points - _middle(scene))
    return np.array([np.hypot(offset[:, 0], offset[:, 2]).max(), offset[:, 1].max()], np.float32)


def _middle(scene: Scene) -> FloatArray:
    """Centre of the bounding box of referenced vertices."""
    points = scene.positions[referenced_vertices(scene.faces)]
    return np.asarray(bounding_box(points).sum(axis=0) / 2, np.float32)


def _camera_axes(azimuth: float) -> FloatArray:
    """Camera axes (3, 3) in world space: right, up, towards the viewer."""
    sin_a, cos_a, sin_e, cos_e = (
        np.sin(AZIMUTH + azimuth),
        np.cos(AZIMUTH + azimuth),
        np.sin(ELEVATION),
        np.cos(ELEVATION),
    )
    rows = [[cos_a, 0, -sin_a], [-sin_e * sin_a, cos_e, -sin_e * cos_a], [cos_e * sin_a, sin_e, cos_e * cos_a]]
    return np.array(rows, np.float32)


def _project(scene: Scene, camera: FloatArray, side: int, extent: FloatArray | None) -> FloatArray:
    """Corners of all faces, (column, row, depth from 0 near to 1 far) × 3 × m, in `side`² samples."""
    seen = camera @ scene.positions.T
    if not np.isfinite(seen).all():
        seen[:, ~np.isfinite(seen).all(axis=0)] = np.nan
    corners: FloatArray = seen.take(scene.faces.T, axis=1)
    if extent is None:
        lowest, highest = np.fmin.reduce(corners, axis=(1, 2)), np.fmax.reduce(corners, axis=(1, 2))
    else:
        radius, half_height = extent[0], extent[1]
        half = np.array([radius, camera[1, 1] * half_height + abs(camera[2, 1]) * radius, extent.sum()])
        lowest, highest = camera @ _middle(scene) - half, camera @ _middle(scene) + half
    extent, middle = highest - lowest, (highest + lowest) / 2
    scale = side * (1 - 2 * MARGIN) / max(extent[0], extent[1], 1e-20)
    for axis, factor, start, end in (
        (0, scale, middle[0], side / 2),
        (1, -scale, middle[1], side / 2),
        (2, -1 / max(extent[2], 1e-20), highest[2], 0),
    ):
        corners[axis] -= start
        corners[axis] *= np.float32(factor)
        corners[axis] += np.float32(end)
    return corners


def _rasterize(corners: FloatArray, size: int) -> Fragments:
    """Visible fragments, by four samples a pixel."""
    raster = Rasterizer.prepare(corners, 2 * size)
    nearest = raster.nearest(2 * size)
    quarters = [(row, column, nearest[row::2, column::2]) for row in (0, 1) for column in (0, 1)]
    first = quarters[0][2]
    alone = first >= 0
    for _, _, quarter in quarters[1:]:
        alone &= quarter == first
    whole = np.flatnonzero(alone)
    samples = [(whole, first.take(whole), 1.0, 1.0, 1.0)]
    for row, column, quarter in quarters:
        part = np.flatnonzero((quarter >= 0) & ~alone)
        samples.append((part, quarter.take(part), 0.25, row + 0.5, column + 0.5))
    lengths = [len(pixels) for pixels, *_ in samples]
    coverage, down, right = (np.repeat(np.array([row[i] for row in samples], np.float32), lengths) for i in (2, 3, 4))
    pixels, triangles = (np.concatenate([row[i] for row in samples]) for i in (0, 1))
    weights = raster.barycentric(triangles, pixels % size * 2 + right, pixels // size * 2 + down)
    return Fragments(pixels, coverage, raster.triangle_ids[triangles], weights)


def _shade_or_grey(
    glb: Glb, scene: Scene, primitive: MeshPrimitive, fragments: Fragments, camera: FloatArray
) -> FloatArray:
    """Shade; fall back to grey for a primitive whose material or attributes contradict themselves."""
    try:
        return _shade(glb, scene, primitive, fragments, camera)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        return _shade(glb, scene, replace(primitive, attributes={}, material={}), fragments, camera)


def _shade(glb: Glb, scene: Scene, primitive: MeshPrimitive, fragments: Fragments, camera: FloatArray) -> FloatArray:
    """Premultiplied sRGB from 0 to 255 and alpha from 0 to 1 (4, n)."""
    corners = scene.faces.take(fragments.faces, axis=0).T
    own_corners = corners - primitive.first_vertex
    colour = base_colour(glb, primitive, own_corners, fragments.weights)
    if not is_unlit(primitive.material):
        normals = _normals(scene, primitive, corners, fragments.weights)
        _apply_light(colour, camera @ normals)
        colour[:3] += emitted_light(glb, primitive, own_corners, fragments.weights)
    shaded = np.empty_like(colour)
    shaded[3] = opacity(primitive.material, colour[3].clip(0, 1))
    shaded[:3] = linear_to_srgb(colour[:3]) * shaded[3]
    return shaded


def _normals(scene: Scene, primitive: MeshPrimitive, corners: IndexArray, weights: FloatArray) -> FloatArray:
    """Unit normals (3, n): the file's own, or flat shading as glTF demands where it has none."""
    if "NORMAL" in primitive.attributes:
        normals = interpolate(primitive.attributes["NORMAL"], corners - primitive.first_vertex, weights)
    else:
        a, b, c = (scene.positions.take(corners[corner], axis=0).T for corner in range(3))
        u, v = b - a, c - a
        normals = np.stack([u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]])
    length = np.sqrt(normals[0] ** 2 + normals[1] ** 2 + normals[2] ** 2)
    normals /= np.maximum(length, np.float32(1e-30))
    return normals


def _apply_light(colour: FloatArray, normals: FloatArray) -> None:
    """Light `colour` (4, n) in place; `normals` (3, n) are in camera space."""
    normals *= np.where(normals[2] < 0, np.float32(-1), np.float32(1))  # both sides of a face are lit alike
    key = np.maximum(KEY_LIGHT @ normals * np.float32(0.85) + np.float32(0.15), 0)
    rim = np.float32(RIM_STRENGTH) * np.square(np.square(1 - normals[2]))
    light = (
        np.float32(AMBIENT + SKY_STRENGTH / 2)
        + np.float32(SKY_STRENGTH / 2) * normals[1]
        + np.float32(KEY_STRENGTH) * key
        + rim
    )
    colour[:3] += np.float32(SHEEN)
    colour[:3] *= light
    colour[:3] += np.float32(0.2) * rim
    over = np.maximum(colour[:3] - np.float32(SHOULDER), 0)
    colour[:3] += np.float32(1 - SHOULDER) * -np.expm1(over / np.float32(SHOULDER - 1)) - over


def _to_image(frame: NDArray[np.float64], size: int) -> Image.Image:
    """Premultiplied colour and alpha (4, pixels) as an image."""
    frame[:3] /= np.maximum(frame[3], 1e-6)
    frame[3] *= 255
    pixels = np.ascontiguousarray(np.rint(frame).clip(0, 255).astype(np.uint8).T).reshape(size, size, 4)
    return Image.fromarray(pixels)
