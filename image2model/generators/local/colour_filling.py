"""Fill what is outside of a shape with the colours of its inside."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .subject import Array

EVEN_SIDE = 256
"""Largest side, in pixels, of a level of the pyramid whose fill is smoothed; in larger ones no step is visible."""


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
    if max(height, width) <= EVEN_SIDE:
        fill = ndimage.uniform_filter(fill, (3, 3, 1))
    return np.asarray(fill + (rgb - fill) * weight[..., None], np.float32)


def _halve(values: Array) -> Array:
    return np.asarray((values[::2, ::2] + values[1::2, ::2] + values[::2, 1::2] + values[1::2, 1::2]) / 4, np.float32)
