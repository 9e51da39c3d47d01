"""Distances to the outline along straight lines through each point, in any direction."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Array = NDArray[np.float32]
Point = tuple[float, float]


def distances_along(level: Array, angle: float) -> tuple[Array, Array]:
    """Return the distances (rows, columns) of each point inside to the outline behind and ahead of it.

    `level` is as in Grid; `angle`, in radians, is the line's, from the columns' direction towards the rows'.
    """
    shape = rotated_shape(level.shape, angle)
    here, there = center(level.shape), center(shape)
    turned = rotated(level, angle, shape, there, here)
    left, right = distances_along_rows(turned)
    # Outside, the lines of the nearest points inside go on, or points next to the outline would get some of its 0;
    # four cells along a line are as near as one across, for its own ends are exact where the outline is aslant
    row, column = ndimage.distance_transform_edt(turned <= 0, (4, 1), return_distances=False, return_indices=True)
    beyond = (np.arange(turned.shape[1]) - column).astype(np.float32)
    signed = left[row, column] + beyond, right[row, column] - beyond
    behind, ahead = (np.maximum(rotated(steps, -angle, level.shape, here, there), 0) for steps in signed)
    return behind, ahead


def distances_along_rows(level: Array) -> tuple[Array, Array]:
    """Return the distances (rows, columns) of each point to the outline on its left and on its right; 0 outside."""
    inside = level > 0
    row, column = np.nonzero(inside[:, 1:] != inside[:, :-1])
    before, after = level[row, column], level[row, column + 1]
    place = column + before / (before - after)
    at = np.arange(level.shape[1], dtype=np.float32)
    last, following = np.zeros_like(level), np.full_like(level, at[-1])
    last[row, column + 1] = place
    following[row, column] = place
    left = at - np.maximum.accumulate(last, axis=1)
    right = np.minimum.accumulate(following[:, ::-1], axis=1)[:, ::-1] - at
    return left * inside, right * inside


def center(shape: tuple[int, ...]) -> Point:
    """Return the (column, row) in the middle of `shape`."""
    return (shape[1] - 1) / 2, (shape[0] - 1) / 2


def rotated_shape(shape: tuple[int, ...], angle: float) -> tuple[int, int]:
    """Return the shape that holds one of `shape` rotated by `angle`."""
    cos, sin = abs(np.cos(angle)), abs(np.sin(angle))
    return int(shape[0] * cos + shape[1] * sin) + 3, int(shape[0] * sin + shape[1] * cos) + 3


def rotated(values: Array, angle: float, shape: tuple[int, ...], middle: Point, at: Point) -> Array:
    """Return `values` rotated by `angle`, in radians, into `shape`; what was `at` (column, row) comes to `middle`."""
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    # PIL counts from the pixels' corners, not from their centres
    column = at[0] + 0.5 - cos * (middle[0] + 0.5) + sin * (middle[1] + 0.5)
    row = at[1] + 0.5 - sin * (middle[0] + 0.5) - cos * (middle[1] + 0.5)
    back = (cos, -sin, column, sin, cos, row)
    size = (shape[1], shape[0])
    image = Image.fromarray(values).transform(size, Image.Transform.AFFINE, back, Image.Resampling.BILINEAR)
    return np.asarray(image, np.float32)
