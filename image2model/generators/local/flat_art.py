"""Recognise drawings in a few flat colours, such as logos, which become slabs: they contain no sign of depth.

A few even colours alone are not enough: the faces of a lit box look so too. But light changes how bright a colour is,
and hardly its hue; and what is black, or one strong colour all over, is a silhouette and no lit thing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .subject import Array, Subject

MAX_COLOURS = 6
MAX_PIXELS = 50_000
"""Pixels of the subject that are looked at for its colours."""
COLOUR_TOLERANCE, EVEN_RANGE = 4, 6
"""Greatest distance, of 255, of a pixel from one of the few colours, and greatest range within an even patch."""
PATCH_SHARE = 1 / 100
"""Side of such a patch, as a share of the picture's longer side."""
MIN_OF_FEW_COLOURS, MIN_EVEN = 0.65, 0.5
"""Least shares of a drawing that are of few colours, and even. Measured: logos .70 to 1 and .52 to 1; photographs in
colour at most .53 and .41; of rendered toys all but a brown chair (.77) at most .53 of few colours."""
MIN_HUE_DISTANCE = 0.06
"""Least distance between the shares of red and green in two colours that no light makes of one another."""
MAIN_SHARE, ONLY_SHARE = 0.05, 0.9
"""Shares from which on a colour is one of the drawing's main ones, and is its only one."""
MAX_BLACK, MIN_SATURATION = 25, 0.5
SLAB_SHARE = 0.06
"""Half the thickness of a slab, as a share of its longer side."""
BEVEL_CELLS = 2.0
"""Cells over which a slab reaches its thickness from its outline."""


def is_flat_art(subject: Subject) -> bool:
    """True if `subject` is drawn in a few flat colours."""
    side = max(3, round(max(subject.alpha.shape) * PATCH_SHARE) | 1)
    deep = ndimage.distance_transform_cdt(np.pad(subject.alpha > 0.98, 1), "taxicab")[1:-1, 1:-1] > side
    if not deep.any():
        return False
    ranges, inner = _patch_ranges(subject.rgb, side), _patch_centres(deep, side)
    if not inner.any() or (ranges[inner] <= EVEN_RANGE).mean() < MIN_EVEN:
        return False
    pixels = subject.rgb[deep]
    colours, shares = _main_colours(pixels[:: len(pixels) // MAX_PIXELS + 1])
    if shares.sum() < MIN_OF_FEW_COLOURS:
        return False
    main = colours[shares >= MAIN_SHARE]
    if len(main) > 1:
        hues = main[:, :2] / np.maximum(main.sum(axis=1, keepdims=True), 1)
        return bool(np.linalg.norm(hues[:, None] - hues, axis=2).max() >= MIN_HUE_DISTANCE)
    brightest, darkest = float(colours[0].max()), float(colours[0].min())
    return bool(
        shares[0] >= ONLY_SHARE and (brightest <= MAX_BLACK or brightest - darkest >= MIN_SATURATION * brightest)
    )


def _patch_ranges(rgb: Array, side: int) -> Array:
    """Greatest range of a channel within each patch of `side` pixels, which lie side by side."""
    rows, columns = rgb.shape[0] // side * side, rgb.shape[1] // side * side
    patches = rgb[:rows, :columns].reshape(rows // side, side, -1)
    ranges = patches.max(axis=1).reshape(rows // side, -1, side, 3).max(axis=2)
    ranges -= patches.min(axis=1).reshape(rows // side, -1, side, 3).min(axis=2)
    return np.asarray(ranges.max(axis=2))


def _patch_centres(values: NDArray[np.bool_], side: int) -> NDArray[np.bool_]:
    """The value in the middle of each patch."""
    rows, columns = values.shape[0] // side * side, values.shape[1] // side * side
    return values[side // 2 : rows : side, side // 2 : columns : side]


def _main_colours(pixels: Array) -> tuple[Array, NDArray[np.float64]]:
    """The most frequent colours (k, 3) of `pixels` (n, 3), and the share (k,) of the pixels that is close to each."""
    colours: list[Array] = []
    shares: list[float] = []
    left = pixels
    while len(left) and len(colours) < MAX_COLOURS:
        code = (left // COLOUR_TOLERANCE).clip(0, 63).astype(np.intp) @ np.array([64 * 64, 64, 1])
        colour = np.median(left[code == np.bincount(code).argmax()], axis=0)
        far = np.abs(left - colour).max(axis=1) > COLOUR_TOLERANCE
        colours.append(colour)
        shares.append(float((~far).sum()) / len(pixels))
        left = left[far]
    return np.array(colours, np.float32), np.array(shares)


def slab(inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Half the thickness (n,), in cells, of a slab of that outline, at the inside points in reading order."""
    to_outline = ndimage.distance_transform_edt(np.pad(inside, 1, mode="edge"))[1:-1, 1:-1]
    longest = max(np.ptp(np.flatnonzero(inside.any(axis=axis))) for axis in (0, 1))
    return np.asarray(longest * SLAB_SHARE * np.minimum(to_outline[inside] / BEVEL_CELLS, 1))
