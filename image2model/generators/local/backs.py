"""Paint the back, which the picture does not show.

What is turned as a cup is, or seen from its side as a shoe, a car or an animal is, looks from behind as it does from
the front: it gets the photograph. What is seen from the front, with a face or a door, gets calm colours, or it would
have a second face: at each height those of its outline, as hair goes round a head and a wall round a house.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from .colour_filling import fill_outside
from .lathe import find_turned
from .subject import Array, touches_frame

Mask = NDArray[np.bool_]
Back = Callable[[Array, Array, Array], Array]

SIDE = 128
"""Side, in pixels, to which a picture is reduced to find its calm colours."""
COLOURS = 8
SIMILAR = 70.0
"""Distance of colours, of 255, below which they count as one."""
RIM_PIXELS, INNER_WEIGHT = 6.0, 0.06
"""Distance from the outline from which on a pixel's colour counts in full, and the weight of one in the middle."""
BLUR_SIGMAS = (5.0, 48.0)
"""Rows and columns over which the outline's colours spread: most things are layered from the ground up."""
BLUR_TRUNCATION = 2.0
"""Reaches from which on colours no longer count, which halves the time."""
EVEN_PIXELS, SHARPNESS = 1.5, 6
"""Smoothness and sharpness of the borders between the colours."""
MIN_RADIUS = SIDE / 16
"""Thickness that is assumed of what is thinner: there is no face on it whose ghost could appear."""
FADE_START, FADE_END = 0.1, 0.33
"""Radii from the rim: up to the first calm colours leave the photograph, from the second on nothing of it."""
SYMMETRY_SIDE = 96
WIDTHS, MAX_SYMMETRIES = (1.0, 1.2), (0.65, 0.78)
"""Overlap with the mirror image below which a subject is seen from its side; one wider than high may overlap more.
Measured: cars .73 and .74, a motorcycle .57, shoes .37 and .63, animals from the side .52 to .66; people and animals
from the front .76 to 1, a robot .83, houses .80 and .91, an armchair, as high as wide, .68."""


def is_seen_from_the_side(alpha: Array) -> bool:
    """True if the outline looks like a thing seen from its side: whole, and unlike its mirror image."""
    if touches_frame(alpha):
        return False
    height, width = (float((alpha > 0.5).any(axis=axis).sum()) for axis in (1, 0))
    most = float(np.interp(width / max(height, 1), WIDTHS, MAX_SYMMETRIES))
    return mirror_symmetry(_resize(alpha, _size(alpha, SYMMETRY_SIDE)).clip(0, 1)) < most


def mirror_symmetry(alpha: Array) -> float:
    """Overlap, 0 to 1, of `alpha` with its mirror image about the best vertical axis."""
    columns = alpha.shape[1]
    padded = np.pad(alpha, ((0, 0), (columns, columns)))
    overlaps = []
    for shift in range(-columns // 2, columns // 2 + 1):
        mirrored = padded[:, columns + shift : 2 * columns + shift][:, ::-1]
        both = float(np.minimum(alpha, mirrored).sum())
        overlaps.append(both / (2 * float(alpha.sum()) - both))
    return max(overlaps)


def _outline_colours(front: Array, alpha: Array, radius: Array) -> Array:
    """Return the photograph at the outline, its colours there spread over the rest, each row's over that row."""
    height, width = alpha.shape
    size = _size(alpha, SIDE)
    small = Image.fromarray(front.clip(0, 255).astype(np.uint8)).resize(size, Image.Resampling.BOX)
    small_alpha = _resize(alpha, size)
    # Where the frame cuts the subject there is no rim: its walls would get the photo's last row, drawn out to stripes.
    to_rim = _to_rim(small_alpha, "edge" if alpha.min() < 0.5 else "constant")
    spread = _spread(small, small_alpha > 0.5, np.exp(-((to_rim / RIM_PIXELS) ** 2)) + INNER_WEIGHT)
    depth_in = to_rim / np.maximum(_resize(radius, size) * SIDE / max(height, width), MIN_RADIUS)
    shown = np.clip((FADE_END - depth_in) / (FADE_END - FADE_START), 0, 1).astype(np.float32)
    large = np.stack([_resize(channel, (width, height)) for channel in spread.transpose(2, 0, 1)], axis=2)
    return np.asarray(large + (front - large) * _resize(shown, (width, height)).clip(0, 1)[..., None], np.float32)


def _to_rim(alpha: Array, mode: Literal["edge", "constant"]) -> NDArray[np.float64]:
    """Return the distance (rows, columns) to the outline; beyond the frame it goes on (`edge`) or ends (`constant`)."""
    return np.asarray(ndimage.distance_transform_edt(np.pad(alpha > 0.5, 1, mode=mode))[1:-1, 1:-1])


def _spread(picture: Image.Image, inside: Mask, weight: NDArray[np.float64]) -> Array:
    """Return for each pixel the mean of the most frequent of a few colours around it, each pixel counting by weight.

    A mean of all colours would be grey in between; similar ones count as one, or shading would give borders.
    """
    rgb = np.asarray(picture, np.float64)
    code = np.asarray(picture.quantize(COLOURS, Image.Quantize.MEDIANCUT, kmeans=4, dither=Image.Dither.NONE))
    codes = [code == number for number in np.unique(code[inside])]
    palette = np.array([rgb[mask].mean(axis=0) for mask in codes])
    similar = np.exp(-((palette[:, None] - palette) ** 2).sum(axis=2) / SIMILAR**2)
    counts = np.array([_blurred(mask * inside * weight) for mask in codes]) + 1e-9
    sums = np.array([_blurred(rgb * (mask * inside * weight)[..., None]) for mask in codes])
    votes = np.tensordot(similar, counts, 1)
    means = np.tensordot(similar, sums + 1e-9 * palette[:, None, None], 1) / votes[..., None]
    votes = ndimage.gaussian_filter(votes, (0, EVEN_PIXELS, EVEN_PIXELS))
    shares = (votes / votes.max(axis=0)) ** SHARPNESS
    colours = (shares[..., None] * means).sum(axis=0) / shares.sum(axis=0)[..., None]
    return fill_outside(colours.astype(np.float32), inside.astype(np.float32))


def _blurred(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(ndimage.gaussian_filter(values, BLUR_SIGMAS, axes=(0, 1), truncate=BLUR_TRUNCATION))


def _mirrored(front: Array, alpha: Array, radius: Array) -> Array:
    """Return the photograph itself: seen from behind, it is its own mirror image."""
    return front


def _plain(front: Array, alpha: Array, radius: Array) -> Array:
    """Return one colour, the subject's mean."""
    mean = np.average(front.reshape(-1, 3), axis=0, weights=alpha.ravel() + 1e-6)
    return np.broadcast_to(mean.astype(np.float32), front.shape)


def _size(alpha: Array, side: int) -> tuple[int, int]:
    """The width and height of `alpha` with a longer side of `side`."""
    height, width = alpha.shape
    return max(4, round(width * side / max(alpha.shape))), max(4, round(height * side / max(alpha.shape)))


def _resize(values: Array, size: tuple[int, int]) -> Array:
    return np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BICUBIC), np.float32)


BACK_STYLES: dict[str, Back] = {"soft colours": _outline_colours, "mirrored photo": _mirrored, "plain": _plain}
AUTOMATIC = "automatic"
"""The photograph for what is turned or seen from its side, else soft colours."""


@dataclass(frozen=True, slots=True)
class PaintedBack:
    """The colours of the back."""

    colours: Array
    """(height, width, 3), 0 to 255."""
    even: bool
    """True if the colours are stretched evenly over the back instead of projected from straight behind."""


def paint_back(style: str, front: Array, alpha: Array, radius: Array) -> PaintedBack:
    """Paint the back in `style`, AUTOMATIC or of BACK_STYLES; `radius` (h, w) is the body's, of curvature."""
    if style == AUTOMATIC:
        alike = is_seen_from_the_side(alpha) or find_turned(alpha) is not None
        style = "mirrored photo" if alike else "soft colours"
    paint = BACK_STYLES[style]
    return PaintedBack(paint(front, alpha, radius), paint is _outline_colours)
