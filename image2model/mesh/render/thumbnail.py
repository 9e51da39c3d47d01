"""A picture of a mesh, drawn on the processor: textured, softly lit, edges smooth, background transparent.

Orthographic, from three quarters and a little above, every mesh filling the same share of the
frame. Four samples a pixel decide what is seen; where one triangle fills a pixel it is shaded once.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..facts import vertices_of
from ..gltf.colours import base_colour, blend, glow, to_srgb
from ..gltf.reader import Floats, Glb, Integers, Scene, Surface
from .rasterizer import Raster

MARGIN = 0.06
"""Of the frame, left free on each side."""
AZIMUTH, ELEVATION = np.radians(28), np.radians(18)
KEY_LIGHT = np.array([-0.45, 0.62, 0.64], np.float32)
"""Direction towards the light, as the camera sees it: from the upper left, over the shoulder."""
AMBIENT, SKY, KEY, RIM = 0.34, 0.22, 0.72, 0.10
SHEEN = 0.02
"""Of the light, thrown back by every surface, so that what is black has a shape too."""
SHOULDER = 0.7
"""From which brightness on light is taken back, so that what is white has a shape where it is lit."""


@dataclass(frozen=True, slots=True)
class Points:
    """What is to be shaded: the face and the place on it, and the pixel whose colour it shares in."""

    pixels: Integers
    shares: Floats
    faces: Integers
    weights: Floats
    """(3, points): barycentric."""

    def on(self, surface: Surface) -> Points:
        """Those on one surface."""
        mine = (self.faces >= surface.first_face) & (self.faces < surface.first_face + surface.faces)
        if mine.all():
            return self
        return Points(self.pixels[mine], self.shares[mine], self.faces[mine], self.weights[:, mine])


def thumbnail(glb: Path, size: int = 256) -> bytes:
    """Return a WebP of `size` × `size` pixels of the GLB; raise GenerationFailed where there is nothing to draw."""
    opened = Glb(glb)
    return draw(opened, opened.scene(), size)


def draw(glb: Glb, scene: Scene, size: int = 256) -> bytes:
    """Return the scene of `glb` as a WebP of `size` × `size` pixels."""
    buffer = io.BytesIO()
    picture(glb, scene, size).save(buffer, "WEBP", quality=85, method=0)
    return buffer.getvalue()


def picture(glb: Glb, scene: Scene, size: int, turn: float = 0, reach: Floats | None = None) -> Image.Image:
    """Return the scene of `glb` in mode RGBA, the viewer having walked round it by `turn` radians.

    `reach` (x and z together, y; see `reach_of`) frames every turn alike; without it the frame fits this one.
    """
    camera = _camera(turn)
    with np.errstate(over="ignore", invalid="ignore"):  # hostile coordinates are left out, not complained of
        points = _seen(_framed(scene, camera, 2 * size, reach), size)
    frame = np.zeros((4, size * size))
    for surface in scene.surfaces:
        mine = points.on(surface)
        if len(mine.pixels):
            colour = _shaded_or_grey(glb, scene, surface, mine, camera) * mine.shares
            for channel in range(4):
                frame[channel] += np.bincount(mine.pixels, colour[channel], minlength=size * size)
    return _image(frame, size)


def reach_of(scene: Scene) -> Floats:
    """How far a scene reaches from the upright line through the middle of its box, and up and down from there."""
    points = scene.positions[vertices_of(scene.faces)]
    offset = np.abs(points - _middle(scene))
    return np.array([np.hypot(offset[:, 0], offset[:, 2]).max(), offset[:, 1].max()], np.float32)


def _middle(scene: Scene) -> Floats:
    """The middle of the scene's box, of what its faces use."""
    points = scene.positions[vertices_of(scene.faces)]
    return np.asarray((points.min(axis=0) + points.max(axis=0)) / 2, np.float32)


def _camera(turn: float) -> Floats:
    """Rows: right, up and towards the viewer, in the scene's coordinates."""
    sin_a, cos_a, sin_e, cos_e = np.sin(AZIMUTH + turn), np.cos(AZIMUTH + turn), np.sin(ELEVATION), np.cos(ELEVATION)
    rows = [[cos_a, 0, -sin_a], [-sin_e * sin_a, cos_e, -sin_e * cos_a], [cos_e * sin_a, sin_e, cos_e * cos_a]]
    return np.array(rows, np.float32)


def _framed(scene: Scene, camera: Floats, side: int, reach: Floats | None) -> Floats:
    """The corners of all faces, (column, row, depth from 0 near to 1 far) × 3 × faces, in `side`² samples."""
    seen = camera @ scene.positions.T
    if not np.isfinite(seen).all():
        seen[:, ~np.isfinite(seen).all(axis=0)] = np.nan
    corners: Floats = seen.take(scene.faces.T, axis=1)
    if reach is None:
        lowest, highest = np.fmin.reduce(corners, axis=(1, 2)), np.fmax.reduce(corners, axis=(1, 2))
    else:
        round_about, upright = reach[0], reach[1]
        half = np.array([round_about, camera[1, 1] * upright + abs(camera[2, 1]) * round_about, reach.sum()])
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


def _seen(corners: Floats, size: int) -> Points:
    """Find what is seen through four samples a pixel; a pixel that one triangle fills becomes one point."""
    raster = Raster.of(corners, 2 * size)
    nearest = raster.nearest(2 * size)
    quarters = [(row, column, nearest[row::2, column::2]) for row in (0, 1) for column in (0, 1)]
    first = quarters[0][2]
    alone = first >= 0
    for _, _, quarter in quarters[1:]:
        alone &= quarter == first
    whole = np.flatnonzero(alone)
    found = [(whole, first.take(whole), 1.0, 1.0, 1.0)]
    for row, column, quarter in quarters:
        part = np.flatnonzero((quarter >= 0) & ~alone)
        found.append((part, quarter.take(part), 0.25, row + 0.5, column + 0.5))
    lengths = [len(pixels) for pixels, *_ in found]
    shares, down, right = (np.repeat(np.array([row[i] for row in found], np.float32), lengths) for i in (2, 3, 4))
    pixels, triangles = (np.concatenate([row[i] for row in found]) for i in (0, 1))
    weights = raster.weights(triangles, pixels % size * 2 + right, pixels // size * 2 + down)
    return Points(pixels, shares, raster.numbers[triangles], weights)


def _shaded_or_grey(glb: Glb, scene: Scene, surface: Surface, points: Points, camera: Floats) -> Floats:
    """As `_shaded`; a surface whose material or attributes contradict themselves is drawn without them."""
    try:
        return _shaded(glb, scene, surface, points, camera)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        return _shaded(glb, scene, replace(surface, attributes={}, material={}), points, camera)


def _shaded(glb: Glb, scene: Scene, surface: Surface, points: Points, camera: Floats) -> Floats:
    """Colours (4, points) on a surface: sRGB 0 to 255 times opacity, and opacity 0 to 1."""
    corners = scene.faces.take(points.faces, axis=0).T
    colour = base_colour(glb, surface, corners - surface.first_vertex, points.weights)
    if "KHR_materials_unlit" not in surface.material.get("extensions", {}):
        normals = _normals(scene, surface, corners, points.weights)
        _light(colour, camera @ normals)
        colour[:3] += glow(glb, surface, corners - surface.first_vertex, points.weights)
    shaded = np.empty_like(colour)
    shaded[3] = _opacity(colour[3], surface.material)
    shaded[:3] = to_srgb(colour[:3]) * shaded[3]
    return shaded


def _normals(scene: Scene, surface: Surface, corners: Integers, weights: Floats) -> Floats:
    """Unit normals (3, points): the file's own, or the faces' (glTF: flat shading) where it has none."""
    if "NORMAL" in surface.attributes:
        normals = blend(surface.attributes["NORMAL"], corners - surface.first_vertex, weights)
    else:
        a, b, c = (scene.positions.take(corners[corner], axis=0).T for corner in range(3))
        u, v = b - a, c - a
        normals = np.stack([u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]])
    length = np.sqrt(normals[0] ** 2 + normals[1] ** 2 + normals[2] ** 2)
    normals /= np.maximum(length, np.float32(1e-30))
    return normals


def _light(colour: Floats, normals: Floats) -> None:
    """Put `colour` (4, points) under a soft key light, a sky and a faint rim; `normals` as the camera sees them."""
    normals *= np.where(normals[2] < 0, np.float32(-1), np.float32(1))  # both sides of a face are lit alike
    key = np.maximum(KEY_LIGHT @ normals * np.float32(0.85) + np.float32(0.15), 0)
    rim = np.float32(RIM) * np.square(np.square(1 - normals[2]))
    light = np.float32(AMBIENT + SKY / 2) + np.float32(SKY / 2) * normals[1] + np.float32(KEY) * key + rim
    colour[:3] += np.float32(SHEEN)
    colour[:3] *= light
    colour[:3] += np.float32(0.2) * rim
    over = np.maximum(colour[:3] - np.float32(SHOULDER), 0)
    colour[:3] += np.float32(1 - SHOULDER) * -np.expm1(over / np.float32(SHOULDER - 1)) - over


def _opacity(alpha: Floats, material: dict[str, Any]) -> Floats | float:
    mode = material.get("alphaMode", "OPAQUE")
    if mode == "MASK":
        return np.asarray(alpha >= material.get("alphaCutoff", 0.5), np.float32)
    return np.asarray(np.clip(alpha, 0, 1)) if mode == "BLEND" else 1.0


def _image(frame: NDArray[np.float64], size: int) -> Image.Image:
    """Colour times opacity, and opacity, (4, pixels), as an image of `size` × `size` pixels."""
    frame[:3] /= np.maximum(frame[3], 1e-6)
    frame[3] *= 255
    pixels = np.ascontiguousarray(np.rint(frame).clip(0, 255).astype(np.uint8).T).reshape(size, size, 4)
    return Image.fromarray(pixels)
