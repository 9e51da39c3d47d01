"""The subject cut out of its picture: a crop, and the coverage of each of its pixels by the subject."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from . import segment
from .failure_messages import IMAGE_TOO_SMALL, NO_SUBJECT, SUBJECT_INVISIBLE

Array = NDArray[np.float32]
Booleans = NDArray[np.bool_]
Box = tuple[float, float, float, float]

MIN_CROP_SIDE, MAX_CROP_SIDE = 256, 1024
"""The crop's longest side in pixels is brought between these."""
MARGIN = 0.06
"""Room around the subject, as a share of its longer side."""
MIN_CONFIDENCE = 0.7
"""A raw maximum below this means no subject (measured: photographs of things >= .999, textures and noise <= .43)."""
MIN_SUBJECT_SHARE = 0.001
"""The least share of the picture that a subject covers."""
MIN_TRANSPARENT_SHARE = 0.05
"""An alpha channel counts from this share of transparent pixels on: a stray one says nothing."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A crop around the subject. Beyond its `alpha` there is nothing but where the picture's frame cuts it."""

    rgb: Array
    """(height, width, 3), 0 to 255."""
    alpha: Array
    """(height, width), 0 to 1: coverage of each pixel by the subject."""
    box: Box = (0, 0, 0, 0)
    """Place of the crop in the picture: left, top, right and bottom in its pixels."""


@dataclass(frozen=True, slots=True)
class Mask:
    """The subject's coverage of a picture."""

    values: Array
    """(rows, columns), 0 to 1, over the whole picture: coverage by the subjects."""
    guessed: bool
    """True where the network made it, whose edges are coarse; False for the picture's own alpha channel."""


def find_subject(image: Image.Image) -> Subject:
    """Return the largest subject of `image` (RGB or RGBA); raises what `find_mask` and `cut_subject` raise."""
    return cut_subject(image, find_mask(image))


def find_mask(image: Image.Image) -> Mask:
    """Return where the subjects of `image` (RGB or RGBA) are.

    Raises GenerationFailed with code `image_too_small` or `no_subject`.
    """
    if min(image.size) < 8:
        raise IMAGE_TOO_SMALL.error()
    alpha = _existing_alpha(image)
    if alpha is not None:
        return Mask(alpha, guessed=False)
    probability = segment.subject_probability(image.convert("RGB"))
    if float(probability.max()) < MIN_CONFIDENCE:
        raise NO_SUBJECT.error()
    return Mask(probability, guessed=True)


def cut_subject(image: Image.Image, found: Mask) -> Subject:
    """Return the largest subject of `image` (RGB or RGBA, of any size) by the mask of the same picture.

    Raises GenerationFailed with code `no_subject`.
    """
    mask = found.values
    box, frame = _crop_box(mask, image.size)
    size = _crop_size(box)
    rgb = np.asarray(image.convert("RGB").resize(size, Image.Resampling.BICUBIC, box), np.float32)
    scale = (mask.shape[1] / image.width, mask.shape[0] / image.height) * 2
    part = tuple(side * factor for side, factor in zip(box, scale, strict=True))
    alpha = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.BICUBIC, part), np.float32)
    if found.guessed:
        alpha = _refined_at_edges(alpha, rgb)
    return Subject(rgb, _isolated(alpha, frame), box)


def whole_image(image: Image.Image) -> Subject:
    """Return all of `image` as the subject, for a relief card."""
    size = _crop_size((0, 0, *image.size))
    rgb = np.asarray(image.convert("RGB").resize(size, Image.Resampling.BICUBIC), np.float32)
    return Subject(rgb, np.ones(rgb.shape[:2], np.float32))


def brightness(rgb: Array) -> Array:
    """Return the brightness (height, width) of `rgb`, both 0 to 255 (ITU-R BT.601)."""
    return np.asarray(rgb @ np.array([0.299, 0.587, 0.114], np.float32), np.float32)


def touches_frame(alpha: Array) -> bool:
    """Return whether the subject of `alpha` (height, width) reaches an edge, where it may go on."""
    return any((edge > 0.5).any() for edge in (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]))


def largest_component(inside: Booleans) -> Booleans:
    """Return the largest part of `inside` that hangs together by sides, not corners."""
    labels, count = ndimage.label(inside)
    if count < 2:
        return inside
    sizes = np.bincount(labels.ravel())
    return np.asarray(labels == 1 + int(sizes[1:].argmax()))


def eroded(mask: Booleans, pixels: int) -> Booleans:
    """Return `mask` without what is within so many steps to a side of what is not in it; beyond the frame it goes on.

    The same as scipy's binary_erosion, in an eighth of the time or less.
    """
    for _ in range(pixels):
        around = np.pad(mask, 1, constant_values=True)
        mask = mask & around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    return mask


def dilated(mask: Booleans, pixels: int) -> Booleans:
    """Return `mask` with what is within so many steps to a side of it."""
    return ~eroded(~mask, pixels)


def _existing_alpha(image: Image.Image) -> Array | None:
    if "A" not in image.getbands():
        return None
    alpha = np.asarray(np.asarray(image.getchannel("A")) / 255, np.float32)
    return alpha if float((alpha < 0.5).mean()) >= MIN_TRANSPARENT_SHARE else None


def _crop_box(mask: Array, size: tuple[int, int]) -> tuple[Box, tuple[bool, bool, bool, bool]]:
    """Return the crop in pixels of a picture of `size`, and which of its sides are the frame's."""
    inside = largest_component(mask > 0.5)
    if inside.mean() < MIN_SUBJECT_SHARE:
        raise SUBJECT_INVISIBLE.error()
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    across, down = size[0] / mask.shape[1], size[1] / mask.shape[0]
    left, right = columns[0] * across, (columns[-1] + 1) * across
    top, bottom = rows[0] * down, (rows[-1] + 1) * down
    margin = MARGIN * max(right - left, bottom - top) + max(across, down)
    frame = (left <= margin, top <= margin, right >= size[0] - margin, bottom >= size[1] - margin)
    wanted = (left - margin, top - margin, right + margin, bottom + margin)
    limits = (0, 0, *size)
    clipped = [limit if cut else side for side, limit, cut in zip(wanted, limits, frame, strict=True)]
    return (clipped[0], clipped[1], clipped[2], clipped[3]), frame


def _crop_size(box: Box) -> tuple[int, int]:
    width, height = box[2] - box[0], box[3] - box[1]
    longest = max(width, height)
    scale = min(max(longest, MIN_CROP_SIDE), MAX_CROP_SIDE) / longest
    return max(8, round(width * scale)), max(8, round(height * scale))


def _refined_at_edges(alpha: Array, rgb: Array) -> Array:
    """Return `alpha` with its edge drawn to the picture's edges.

    A guided filter (He et al. 2010), its two coefficients found at half the size (fast: He and Sun 2015).
    """
    guide = brightness(rgb) / np.float32(255)
    small_guide, small_alpha = guide[::2, ::2], alpha[::2, ::2]
    size = 2 * (max(small_alpha.shape) // 100) + 1
    mean_guide, mean_alpha = _box_mean(small_guide, size), _box_mean(small_alpha, size)
    variance = _box_mean(small_guide * small_guide, size) - mean_guide**2
    slope = (_box_mean(small_guide * small_alpha, size) - mean_guide * mean_alpha) / (variance + 1e-3)
    offset = mean_alpha - slope * mean_guide
    slope, offset = (_resized(_box_mean(part, size), alpha.shape) for part in (slope, offset))
    return np.asarray(np.clip(slope * guide + offset, 0, 1), np.float32)


def _resized(values: Array, shape: tuple[int, ...]) -> Array:
    size = (shape[1], shape[0])
    return np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BILINEAR), np.float32)


def _box_mean(values: NDArray[Any], size: int) -> Array:
    return np.asarray(ndimage.uniform_filter(values, size, mode="nearest"), np.float32)


def _isolated(alpha: Array, frame: tuple[bool, bool, bool, bool]) -> Array:
    """Return `alpha` with everything but its largest part gone, closed at the sides that are not the frame's."""
    body = dilated(largest_component(alpha > 0.5), 2)
    alone = np.where(body, np.clip(alpha, 0, 1), 0).astype(np.float32)
    edges = alone[:, 0], alone[0], alone[:, -1], alone[-1]
    for edge, cut in zip(edges, frame, strict=True):
        edge *= cut
    return alone
