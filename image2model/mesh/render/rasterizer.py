"""A z-buffer without a loop over triangles.

Arrays keep their long axis last, (3, triangles) and not (triangles, 3): numpy is several times faster on them. The
centre of sample (column, row) is at (column + ½, row + ½).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..gltf.reader import FloatArray, IndexArray

SAMPLES_PER_BATCH, MAX_SAMPLES = 250_000, 400_000_000
"""Samples in bounding boxes: per batch, to stay in cache, and in all, as a hostile file could ask for billions."""
EMPTY = np.uint64(2**64 - 1)
HALF = np.float32(0.5)


@dataclass(frozen=True, slots=True)
class Rasterizer:
    """Triangles whose bounding box covers a sample's centre, prepared for filling.

    The barycentric weight of corner c at a point is `across[c]` times its column plus `down[c]` times its row, both
    relative to the first corner, plus 1 for the first corner.
    """

    triangle_ids: IndexArray
    """(k,) index of each prepared triangle among all triangles."""
    origin: FloatArray
    """(3, k): column, row and depth of the first corner."""
    across: FloatArray
    down: FloatArray
    slope: FloatArray
    """(2, k): growth of depth per column and per row."""
    box: NDArray[np.int32]
    """(4, k): first column, first row, last column, last row."""

    @classmethod
    def prepare(cls, corners: FloatArray, side: int) -> Rasterizer:
        """Prepare `corners`, (column, row, depth) × 3 corners × triangles, for a frame of `side`².

        Triangles without area or with a non-finite corner are dropped.
        """
        low = np.maximum(np.ceil(corners[:2].min(axis=1) - HALF), 0)
        high = np.minimum(np.floor(corners[:2].max(axis=1) - HALF), side - 1)
        numbers = np.flatnonzero((low <= high).all(axis=0))
        corners = corners.take(numbers, axis=2)
        u, v = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        area = u[0] * v[1] - u[1] * v[0]
        if not (sound := np.abs(area) > 1e-9).all():
            numbers, area, corners = numbers[sound], area[sound], corners[:, :, sound]
            u, v = u[:, sound], v[:, sound]
        across = np.stack([u[1] - v[1], v[1], -u[1]]) / area
        down = np.stack([v[0] - u[0], -v[0], u[0]]) / area
        slope = np.stack([across[1] * u[2] + across[2] * v[2], down[1] * u[2] + down[2] * v[2]])
        box = np.concatenate([low.take(numbers, axis=1), high.take(numbers, axis=1)]).astype(np.int32)
        return cls(numbers, corners[:, 0].copy(), across, down, slope, box)

    def nearest(self, side: int) -> NDArray[np.int32]:
        """The nearest prepared triangle at each sample (rows, columns), -1 for none."""
        buffer = np.full(side * side, EMPTY)
        for part in self._batches():
            triangle, sample, depth = self._fill(part, side)
            ranked = (np.clip(depth, 0, 1) * np.float32(2**31)).astype(np.uint64)
            ranked <<= np.uint64(32)
            ranked |= triangle
            np.minimum.at(buffer, sample, ranked)
        return buffer.astype("<u8", copy=False).view("<i4")[::2].reshape(side, side)  # the lower half: the triangle

    def barycentric(self, triangle: IndexArray, column: FloatArray, row: FloatArray) -> FloatArray:
        """Barycentric weights (3, n) of prepared triangles at points, clamped into the triangle."""
        x, y = column - self.origin[0].take(triangle), row - self.origin[1].take(triangle)
        second = np.clip(self.across[1].take(triangle) * x + self.down[1].take(triangle) * y, 0, 1)
        third = np.clip(self.across[2].take(triangle) * x + self.down[2].take(triangle) * y, 0, 1)
        over = np.maximum(second + third, 1)
        return np.stack([np.maximum(1 - second - third, 0), second / over, third / over])

    def _batches(self) -> Iterator[slice]:
        """Slices of triangles with so few samples each that memory stays flat."""
        work = (self.box[2].astype(np.int64) - self.box[0] + 2) * (self.box[3] - self.box[1] + 1)
        ends = np.cumsum(work)
        ends = ends[ends <= MAX_SAMPLES]
        last = int(ends[-1]) if len(ends) else 0
        cuts: list[int] = np.searchsorted(ends, np.arange(SAMPLES_PER_BATCH, last, SAMPLES_PER_BATCH)).tolist()
        for start, stop in pairwise([0, *cuts, len(ends)]):
            yield slice(start, stop)

    def _fill(self, part: slice, side: int) -> tuple[NDArray[np.uint64], IndexArray, FloatArray]:
        """Triangle, sample and depth of each sample that a batch covers."""
        heights = self.box[3, part] - self.box[1, part] + 1
        triangle = np.repeat(np.arange(part.start, part.stop), heights)
        row = _ranges(heights) + self.box[1].take(triangle)
        left, right = self._spans(triangle, row)
        x = left + HALF - self.origin[0].take(triangle)
        y = row + HALF - self.origin[1].take(triangle)
        growth = self.slope[0].take(triangle)
        depth = self.origin[2].take(triangle) + growth * x + self.slope[1].take(triangle) * y
        count = np.maximum(right - left + 1, 0)
        step = _ranges(count)
        sample = np.repeat(row * side + left, count) + step
        filled = np.repeat(depth.astype(np.float32), count) + np.repeat(growth, count) * step.astype(np.float32)
        return np.repeat(triangle.astype(np.uint64), count), sample, filled

    def _spans(self, triangle: IndexArray, row: IndexArray) -> tuple[IndexArray, IndexArray]:
        """First and last column that triangles cover in rows."""
        left = self.box[0].take(triangle).astype(np.float32)
        right = self.box[2].take(triangle).astype(np.float32)
        x = self.origin[0].take(triangle) - HALF
        y = (row + HALF - self.origin[1].take(triangle)).astype(np.float32)
        with np.errstate(divide="ignore", invalid="ignore"):
            for corner in range(3):
                across = self.across[corner].take(triangle)
                edge = x - (self.down[corner].take(triangle) * y + np.float32(corner == 0)) / across
                left = np.fmax(left, np.where(across > 0, edge, -np.inf))
                right = np.fmin(right, np.where(across < 0, edge, np.inf))
        slack = np.float32(1e-3)  # neighbours overlap a little rather than leave cracks
        return np.ceil(left - slack).astype(np.intp), np.floor(right + slack).astype(np.intp)


def _ranges(counts: NDArray[np.signedinteger]) -> IndexArray:
    """0, 1, … for each count: [2, 3] → [0, 1, 0, 1, 2]."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    numbers: IndexArray = np.arange(total) - np.repeat(ends - counts, counts)
    return numbers
