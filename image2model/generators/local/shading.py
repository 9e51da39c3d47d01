"""What the light on the subject tells of its shape: a surface that shows no shading is flat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from .sheet import Grid
from .subject import Subject, brightness

Floats = NDArray[np.float64]

BLUR = 2.0
"""In cells: evens out noise and the steps of JPEG."""
SHADED = (0.05, 0.2)
"""Median change of the brightness over half the subject's width, as a share of its mean: up to the first it is flat,
from the last on it is not. Measured: drawn boxes 0, a plate .08, cylinders .2, balls .45; photographs .6 and more, as
texture counts for shading and so never flattens."""
DARKEST = 25.0
"""Mean brightness, of 255, below which no shading could be seen."""


def light_on(subject: Subject, grid: Grid) -> Floats:
    """Return the brightness (rows, columns), 0 to 255, at each grid point."""
    rows, columns = grid.level.shape
    image = Image.fromarray(brightness(subject.rgb))
    return np.asarray(image.resize((columns, rows), Image.Resampling.BOX), np.float64)


def flatness(subject: Subject, grid: Grid) -> float:
    """Return 0 for a subject that is shaded or textured all over, to 1 for one of even brightness but for its edges."""
    light = light_on(subject, grid)
    change = np.hypot(*np.gradient(ndimage.gaussian_filter(light, BLUR)))
    distance = ndimage.distance_transform_edt(grid.inside)
    half_width = float(distance.max())
    core = distance >= min(max(2.5 * BLUR, 0.15 * half_width), 0.6 * half_width)
    mean = float(light[core].mean())
    if mean < DARKEST:
        return 0.0
    return float(np.interp(np.median(change[core]) * half_width / mean, SHADED, (1, 0)))
