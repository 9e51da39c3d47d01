"""The texture atlas: left the photograph, its colours extended over the outline; right the back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .backs import paint_back
from .colour_filling import fill_outside
from .flat_mesh import FlatMesh
from .subject import Array, Subject, dilated, eroded
from .texture_mapping import TextureMapping

PADDING = 8
"""Pixels around each half, so that no mip level mixes one half with the other."""
JPEG_QUALITY = 90
DEPTH_FACTOR = 2
"""Distance from the outline beyond which no background shines through, in multiples of the edge's blur."""


@dataclass(frozen=True, slots=True)
class Atlas:
    """The texture and the way from pixels of the crop to its coordinates."""

    image: Image.Image
    crop: tuple[int, int]
    """Width and height of the crop."""
    cell_size: tuple[float, float]
    """Width and height, in pixels, of the cells of `mapping`."""
    mapping: TextureMapping
    """The mapping of the back."""
    even: bool
    """True if the back's colours are to lie evenly."""

    def front_uv(self, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the texture coordinates (n, 2) of points (n, 2) of the crop, on the photograph."""
        width, height = self.crop[0] + 2 * PADDING, self.crop[1] + 2 * PADDING
        return np.asarray((pixels + PADDING) / (2 * width, height))

    def back_uv(self, flat: FlatMesh) -> NDArray[np.float64]:
        """Return the texture coordinates (n, 2) of all the points of `flat`, on the back's half."""
        at = flat.points + self.mapping.offsets_at(flat, self.even)
        return np.asarray(self.front_uv(at * self.cell_size) + np.array([0.5, 0]))


def make_atlas(subject: Subject, back: str, mapping: TextureMapping, step: tuple[float, float]) -> Atlas:
    """Paint the texture of `subject`; `back` is as `paint_back` takes it, `mapping` is in cells of `step` pixels."""
    front = fill_outside(subject.rgb, _certain_pixels(subject.alpha))
    painted = paint_back(back, front, subject.alpha, (mapping.radius * np.mean(step)).astype(np.float32))
    halves = [front, painted.colours]
    padded = [np.pad(half, ((PADDING, PADDING), (PADDING, PADDING), (0, 0)), mode="edge") for half in halves]
    pixels = np.concatenate(padded, axis=1).clip(0, 255).round().astype(np.uint8)
    crop = (subject.alpha.shape[1], subject.alpha.shape[0])
    return Atlas(Image.fromarray(pixels), crop, step, mapping, painted.even)


def _certain_pixels(alpha: Array) -> Array:
    """Return 1 where a pixel shows the subject and nothing of what is behind it.

    That is where the mask is sure, well inside the outline whatever the mask says of it (a pale part of a sure whole
    is shown, not smeared over), and along the middle of what is too thin to have an inside.
    """
    near = max(1, max(alpha.shape) // 400)
    outline = alpha > 0.5
    within = eroded(outline, near)
    inside = eroded(within, (DEPTH_FACTOR - 1) * near)
    thin = within & ~dilated(inside, DEPTH_FACTOR * near + 1)
    core = eroded(alpha > 0.9, near) | inside | thin
    return (core if core.any() else outline).astype(np.float32)
