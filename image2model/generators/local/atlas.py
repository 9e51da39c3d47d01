"""The texture atlas: left the photograph, its colours extended over the outline; right the back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from .subject import Array, Subject
from .texture_mapping import TextureMapping

PADDING = 8
"""Pixels around each half, so that no mip level mixes one half with the other."""
SOFT_BACK_SIDE = 128
"""The soft back is painted this small: the front's fine detail would look like a ghost of it."""
MIN_RADIUS = SOFT_BACK_SIDE / 16
"""What is thinner counts as so thick: there is no face on it whose ghost could appear."""
FADE_START, FADE_END = 0.1, 0.33
"""Radii from the rim: up to the first the soft back shows the mirrored photograph, from the second on none of it."""
JPEG_QUALITY = 90
DEPTH_FACTOR = 2
"""So many times as far from the outline as what is behind shines through, a pixel is the subject's for certain."""


@dataclass(frozen=True, slots=True)
class Atlas:
    """The texture and the way from pixels of the crop to its coordinates."""

    image: Image.Image
    crop: tuple[int, int]
    """Width and height of the crop."""
    back_offsets: NDArray[np.float64]
    """(n, 2): pixels by which inner points of the flat mesh are offset on the back, against stretching."""

    def front_uv(self, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the texture coordinates (n, 2) of points (n, 2) of the crop, on the photograph."""
        width, height = self.crop[0] + 2 * PADDING, self.crop[1] + 2 * PADDING
        return np.asarray((pixels + PADDING) / (2 * width, height))

    def back_uv(self, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the texture coordinates (n, 2) of all the flat mesh's points (n, 2), in pixels, on the back's half."""
        no_offset = np.zeros((len(pixels) - len(self.back_offsets), 2))
        return np.asarray(self.front_uv(pixels + np.concatenate([self.back_offsets, no_offset])) + np.array([0.5, 0]))


def make_atlas(subject: Subject, back: str, mapping: TextureMapping, step: tuple[float, float]) -> Atlas:
    """Paint the texture of `subject`; `back` is one of BACK_STYLES, `mapping` is in cells of `step` pixels."""
    front = fill_outside(subject.rgb, _certain_pixels(subject.alpha))
    halves = [front, BACK_STYLES[back](front, subject.alpha, (mapping.radius * np.mean(step)).astype(np.float32))]
    padded = [np.pad(half, ((PADDING, PADDING), (PADDING, PADDING), (0, 0)), mode="edge") for half in halves]
    pixels = np.concatenate(padded, axis=1).clip(0, 255).round().astype(np.uint8)
    offsets = mapping.offsets * step if BACK_STYLES[back] is _soft_back else mapping.offsets[:0]
    return Atlas(Image.fromarray(pixels), (subject.alpha.shape[1], subject.alpha.shape[0]), offsets)


def fill_outside(rgb: Array, weight: Array) -> Array:
    """Return `rgb` (h, w, 3) with pixels of `weight` (h, w) 0 filled from those of 1 (pull and push)."""
    height, width = weight.shape
    if min(height, width) < 2 or weight.min() >= 1:
        mean = np.average(rgb.reshape(-1, 3), axis=0, weights=weight.ravel() + 1e-6)
        return np.asarray(rgb * weight[..., None] + mean * (1 - weight[..., None]), np.float32)
    edges = ((0, height % 2), (0, width % 2))
    even_weight = np.pad(weight, edges)
    even = np.pad(rgb * weight[..., None], (*edges, (0, 0)))
    small_weight = _halve(even_weight)
    small = np.asarray(_halve(even) / np.maximum(small_weight, 1e-6)[..., None], np.float32)
    coarse = fill_outside(small, np.minimum(small_weight * 4, np.float32(1)))
    fill = coarse.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]
    if max(height, width) <= 2 * SOFT_BACK_SIDE:  # larger, the steps are too small to see
        fill = ndimage.uniform_filter(fill, (3, 3, 1))
    return np.asarray(fill + (rgb - fill) * weight[..., None], np.float32)


def _halve(values: Array) -> Array:
    return np.asarray((values[::2, ::2] + values[1::2, ::2] + values[::2, 1::2] + values[1::2, 1::2]) / 4, np.float32)


def _certain_pixels(alpha: Array) -> Array:
    """Return 1 where a pixel shows the subject and nothing of what is behind it.

    That is where the mask is sure, well inside the outline whatever the mask says of it (a pale part of a sure whole
    is shown, not smeared over), and along the middle of what is too thin to have an inside.
    """
    near = max(1, max(alpha.shape) // 400)
    outline = alpha > 0.5
    within = _eroded(outline, near)
    inside = _eroded(within, (DEPTH_FACTOR - 1) * near)
    thin = within & ~ndimage.binary_dilation(inside, iterations=DEPTH_FACTOR * near + 1)
    core = _eroded(alpha > 0.9, near) | inside | thin
    return (core if core.any() else outline).astype(np.float32)


def _eroded(mask: NDArray[np.bool_], pixels: int) -> NDArray[np.bool_]:
    return np.asarray(ndimage.binary_erosion(mask, iterations=pixels, border_value=1))


def _soft_back(front: Array, alpha: Array, radius: Array) -> Array:
    """Return the photograph's mirror image at the rim, its colours there spread softly over the rest."""
    height, width = alpha.shape
    scale = SOFT_BACK_SIDE / max(height, width)
    size = max(4, round(width * scale)), max(4, round(height * scale))
    small = np.stack([_resize(front[..., channel], size) for channel in range(3)], axis=2)
    # Where the frame cuts the subject there is no rim: its walls would get the photo's last row, drawn out to stripes.
    cut = alpha.min() < 0.5
    small_alpha = _resize(alpha, size)
    inside = ndimage.gaussian_filter(small_alpha, SOFT_BACK_SIDE / 24, mode="nearest" if cut else "constant")
    near_rim = np.clip((0.95 - inside) / 0.35, 0, 1).astype(np.float32)
    spread = ndimage.gaussian_filter(fill_outside(small, near_rim), (3, 3, 0), mode="nearest")
    large = np.stack([_resize(spread[..., channel], (width, height)) for channel in range(3)], axis=2)
    padded_inside = np.pad(small_alpha > 0.5, 1, mode="edge" if cut else "constant")
    depth_in = ndimage.distance_transform_edt(padded_inside)[1:-1, 1:-1] / np.maximum(
        _resize(radius, size) * scale, MIN_RADIUS
    )
    shown = np.clip((FADE_END - depth_in) / (FADE_END - FADE_START), 0, 1).astype(np.float32)
    return np.asarray(large + (front - large) * _resize(shown, (width, height)).clip(0, 1)[..., None], np.float32)


def _mirrored_back(front: Array, alpha: Array, radius: Array) -> Array:
    """Return the photograph itself: seen from behind, it is its own mirror image."""
    return front


def _plain_back(front: Array, alpha: Array, radius: Array) -> Array:
    """Return one colour, the subject's mean."""
    mean = np.average(front.reshape(-1, 3), axis=0, weights=alpha.ravel() + 1e-6)
    return np.broadcast_to(mean.astype(np.float32), front.shape)


def _resize(values: Array, size: tuple[int, int]) -> Array:
    return np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BICUBIC), np.float32)


BACK_STYLES: dict[str, Callable[[Array, Array, Array], Array]] = {
    "soft colours": _soft_back,
    "mirrored photo": _mirrored_back,
    "plain": _plain_back,
}
