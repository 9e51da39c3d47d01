"""Relief from the light on the subject: no shading is flat, and what is darker than around it lies deeper.

That what is dark lies deep is what diffuse light makes of hollows, and what people see in pictures (Langer and Bülthoff
2000). It holds for eyes, folds and joints, and is wrong for spots and print: so it is only a soft relief.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from .flat_mesh import Grid
from .subject import Array, Subject, brightness

Floats = NDArray[np.float64]

BLUR_CELLS = 2.0
"""Blur, in cells, that evens out noise and the steps of JPEG."""
SHADING_RANGE = (0.05, 0.2)
"""Median change of the brightness over half the subject's width, as a share of its mean: up to the first it is flat,
from the last on it is not. Measured: drawn boxes 0, a plate .08, cylinders .2, balls .45; photographs .6 and more, as
texture counts for shading and so never flattens."""
MIN_BRIGHTNESS = 25.0
"""Mean brightness, of 255, below which no shading could be seen."""
FINE_SHARE, COARSE_SHARE = 1 / 120, 1 / 16
"""Shares of the longer side between which light and dark count as relief: finer is noise, coarser is the body's own."""
RELIEF_CONTRAST = 0.25
"""Contrast with the surroundings at which the relief is close to its greatest depth or height."""
MIN_LIGHT = 40.0
"""Light, of 255, of which such shares are taken at least, or the noise of dark pictures would be relief."""


def brightness_on_grid(subject: Subject, grid: Grid) -> Floats:
    """Return the brightness (rows, columns), 0 to 255, at each grid point."""
    return _resampled(brightness(subject.rgb), grid)


def relief(subject: Subject, grid: Grid, depth: Floats) -> Floats:
    """Return the relief (n,) that the light shows at the grid's inside points, from -1 (deepest) to 1 (highest).

    `depth` (n,) is the body's half thickness, in cells: where it is steep, the light shows that alone. The light is
    that of the brightest primary, which changes least with the colour of what is lit.
    """
    red, green, blue = subject.rgb.transpose(2, 0, 1)
    light = _resampled(np.maximum(np.maximum(red, green), blue), grid)  # rgb.max(axis=2) is slow
    here, around = (_masked_blur(light, grid.inside, share * max(light.shape)) for share in (FINE_SHARE, COARSE_SHARE))
    stands_out = np.tanh((here - around) / np.maximum(around, MIN_LIGHT) / RELIEF_CONTRAST)
    height = np.zeros_like(light)
    height[grid.inside] = depth
    slope = sum(along**2 for along in np.gradient(height))
    return np.asarray((stands_out / (1 + ndimage.gaussian_filter(slope, BLUR_CELLS)))[grid.inside])


def _resampled(values: Array, grid: Grid) -> Floats:
    rows, columns = grid.level.shape
    return np.asarray(Image.fromarray(values).resize((columns, rows), Image.Resampling.BOX), np.float64)


def _masked_blur(light: Floats, inside: NDArray[np.bool_], cells: float) -> Floats:
    """Return `light` blurred over `cells`, nothing of it from outside."""
    share = ndimage.gaussian_filter(inside.astype(float), cells)
    return np.asarray(ndimage.gaussian_filter(light * inside, cells) / np.maximum(share, 1e-6))


def flatness(subject: Subject, grid: Grid) -> float:
    """Return 0 for a subject that is shaded or textured all over, to 1 for one of even brightness but for its edges."""
    light = brightness_on_grid(subject, grid)
    change = np.hypot(*np.gradient(ndimage.gaussian_filter(light, BLUR_CELLS)))
    distance = ndimage.distance_transform_edt(grid.inside)
    half_width = float(distance.max())
    core = distance >= min(max(2.5 * BLUR_CELLS, 0.15 * half_width), 0.6 * half_width)
    mean = float(light[core].mean())
    if mean < MIN_BRIGHTNESS:
        return 0.0
    return float(np.interp(np.median(change[core]) * half_width / mean, SHADING_RANGE, (1, 0)))
