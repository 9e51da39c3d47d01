"""Drawn pictures and the ways to look at a preview, shared by the tests of the embedded engine."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import trimesh
from PIL import Image, ImageDraw
from scipy import ndimage

from image2model.generators.local.engine import generate_preview

SIDE = 200


def cut_out(*boxes: tuple[str, tuple[int, ...]], side: int = SIDE) -> Image.Image:
    """A transparent picture with shapes: ("ellipse" | "rectangle" | "line", box); a negative one is a hole."""
    image = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    pen = ImageDraw.Draw(image)
    for number, (shape, box) in enumerate(boxes):
        fill = (0, 0, 0, 0) if shape.startswith("-") else (200, 90 + 40 * number, 60, 255)
        options = {"width": 3} if shape == "line" else {}
        getattr(pen, shape.lstrip("-"))(box, fill=fill, **options)
    return image


def disc() -> Image.Image:
    """A filled circle of radius 80 in a picture of 200 × 200."""
    return cut_out(("ellipse", (20, 20, 180, 180)))


def shaded(image: Image.Image) -> Image.Image:
    """The picture with what is in it darker towards its outline, as if it were round."""
    pixels = np.array(image)
    inwards = ndimage.distance_transform_edt(pixels[..., 3] > 0)
    height = np.sqrt(1 - (1 - inwards / inwards.max()) ** 2)
    pixels[..., :3] = pixels[..., :3] * (0.5 + 0.5 * height[..., None])
    return Image.fromarray(pixels)


def make(image: Image.Image, face_limit: int | None = None, **options: Any) -> bytes:
    """The preview of `image`, with little detail unless said otherwise."""
    chosen: Mapping[str, Any] = {"detail": "low"} | options
    return generate_preview(image, chosen, face_limit, lambda done, what: None)


def load(glb: bytes) -> trimesh.Trimesh:
    """The mesh as it is written, seams and all."""
    return trimesh.load(io.BytesIO(glb), file_type="glb", force="mesh", process=False)


def body(glb: bytes) -> trimesh.Trimesh:
    """The mesh with equal positions made one vertex."""
    mesh = load(glb)
    bare = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    bare.merge_vertices()
    return bare


def assert_sound(glb: bytes) -> trimesh.Trimesh:
    """Return the welded mesh after checking that it is one closed body, turned outwards, without degenerate faces."""
    mesh = body(glb)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.body_count == 1
    assert mesh.volume > 0
    assert mesh.area_faces.min() > 0
    return mesh


def front_mask(mesh: trimesh.Trimesh, side: int = 256) -> np.ndarray:
    """Mask of the pixels that the mesh covers from the front, its longer side filling `side`."""
    flat = mesh.vertices[:, :2] - mesh.bounds[0, :2]
    pixels = flat * (side / mesh.extents[:2].max())
    image = Image.new("1", (side, side))
    pen = ImageDraw.Draw(image)
    for face in mesh.faces[mesh.face_normals[:, 2] > 0]:
        pen.polygon([(x - 0.5, side - 0.5 - y) for x, y in pixels[face]], fill=1)
    return np.asarray(image)
