"""A small z-buffer for looking at meshes: orthographic, vectorised, without a native library."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

LIGHT = np.array([-0.3, 0.5, 0.81])


@dataclass(frozen=True)
class Mesh:
    """A mesh to draw: points, faces and either a texture or one colour."""

    points: np.ndarray
    faces: np.ndarray
    uv: np.ndarray | None = None
    texture: np.ndarray | None = None
    normals: np.ndarray | None = None
    """At the points; without, faces are flat."""

    def turned(self, rotation: np.ndarray) -> Mesh:
        """Return the mesh turned by `rotation` (3, 3)."""
        normals = None if self.normals is None else self.normals @ rotation.T
        return Mesh(self.points @ rotation.T, self.faces, self.uv, self.texture, normals)


def view(azimuth: float, elevation: float) -> np.ndarray:
    """Return the rotation (3, 3) that brings what is seen from there, in degrees, to face +z."""
    a, e = np.radians([-azimuth, elevation])
    around = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    over = np.array([[1, 0, 0], [0, np.cos(e), -np.sin(e)], [0, np.sin(e), np.cos(e)]])
    return over @ around


def to_pixels(points: np.ndarray, size: int, extent: float = 1.1) -> np.ndarray:
    """Return `points` with x and y in pixels of a `size` picture that shows -extent to extent."""
    scale = size / (2 * extent)
    return np.column_stack([size / 2 + points[:, 0] * scale, size / 2 - points[:, 1] * scale, points[:, 2] * scale])


def visible(pixels: np.ndarray, faces: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return, for a picture of `size` (width, height), the face (h, w) seen, -1 for none, and its weights (h, w, 3)."""
    width, height = size
    corners = pixels[faces]
    low = np.ceil(corners[..., :2].min(axis=1) - 0.5).astype(int).clip(0)
    high = np.floor(corners[..., :2].max(axis=1) - 0.5).astype(int)
    span = (np.minimum(high, [width - 1, height - 1]) - low + 1).clip(0)
    count = span[:, 0] * span[:, 1]
    face = np.repeat(np.arange(len(faces)), count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    column, row = low[face, 0] + within % span[face, 0], low[face, 1] + within // span[face, 0]
    weights = _weights(corners[face], column + 0.5, row + 0.5)
    hit = (weights >= -1e-9).all(axis=1)
    face, weights, cell = face[hit], weights[hit], (row * width + column)[hit]
    depth = (weights * corners[face][..., 2]).sum(axis=1)
    order = np.lexsort((depth, cell))
    last = order[np.append(cell[order][1:] != cell[order][:-1], True)] if len(order) else order
    seen, share = np.full(width * height, -1), np.zeros((width * height, 3))
    seen[cell[last]], share[cell[last]] = face[last], weights[last]
    return seen.reshape(height, width), share.reshape(height, width, 3)


def silhouette(points: np.ndarray, faces: np.ndarray, size: int = 128) -> np.ndarray:
    """Return which pixels (size, size) the mesh covers, seen from +z."""
    return visible(to_pixels(points, size), faces, (size, size))[0] >= 0


def draw(mesh: Mesh, size: int = 256, extent: float = 0.75, colour: tuple[int, int, int] = (190, 170, 150)) -> Image:
    """Return an RGBA picture of `mesh` from +z, lit, drawn twice as large and reduced."""
    large = 2 * size
    seen, weights = visible(to_pixels(mesh.points, large, extent), mesh.faces, (large, large))
    hit = seen >= 0
    faces, share = mesh.faces[seen[hit]], weights[hit]
    if mesh.texture is not None and mesh.uv is not None:
        at = (mesh.uv[faces] * share[..., None]).sum(axis=1) * mesh.texture.shape[1::-1]
        column, row = at.astype(int).clip(0, np.array(mesh.texture.shape[1::-1]) - 1).T
        base = mesh.texture[row, column, :3].astype(float)
    else:
        base = np.broadcast_to(np.array(colour, float), (len(faces), 3))
    if mesh.normals is None:
        corners = mesh.points[faces]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    else:
        normals = (mesh.normals[faces] * share[..., None]).sum(axis=1)
    normals = normals / np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-12)
    shade = 0.55 + 0.5 * (normals @ LIGHT).clip(0)
    picture = np.zeros((large, large, 4), np.uint8)
    picture[hit, :3] = (base * shade[:, None]).clip(0, 255)
    picture[hit, 3] = 255
    return Image.fromarray(picture).resize((size, size), Image.Resampling.BOX)


def _weights(corners: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    with np.errstate(divide="ignore", invalid="ignore"):
        one = ((b[:, 0] - x) * (c[:, 1] - y) - (b[:, 1] - y) * (c[:, 0] - x)) / area
        two = ((c[:, 0] - x) * (a[:, 1] - y) - (c[:, 1] - y) * (a[:, 0] - x)) / area
        weights = np.stack([one, two, 1 - one - two], axis=1)
    return np.where(np.isfinite(weights), weights, -1)
