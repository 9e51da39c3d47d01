"""Pictures of high dynamic range (PQ and HLG of ITU-R BT.2100) as Chromium shows them on a plain screen.

Highlights are made to fit by the reference white operator of SMPTE ST 2094-50, annex D: all that is not brighter than
white is darkened alike, at most to a half.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .colour_spaces import BT709, PRIMARIES, Array, rgb_to_xyz

PQ, HLG = 16, 18
"""Transfer characteristics (ITU-T H.273, table 3)."""
BT2020 = PRIMARIES[9]
WHITE_NITS = 203
"""Light of white in cd/m² (ITU-R BT.2408)."""
DEFAULT_PEAK_NITS = 1000.0
"""Luminance of the brightest highlight: the default of a picture without one, and the nominal screen of HLG."""
HLG_SYSTEM_GAMMA = 1.2
KNEE_SHARE = 0.65
"""Kappa of ST 2094-50, formula D.5: the bend of the curve above white."""
CURVE_POINTS, CURVE_STEPS = 8, 32
"""Points between which the curve is a cubic of the gain's logarithm, and straight lines for each of these."""
ROWS_AT_A_TIME = 128
SRGB_STEPS = 1 << 14


@dataclass(frozen=True, slots=True)
class HdrSpace:
    """A colour space of high dynamic range."""

    primaries: int
    """Code point in PRIMARIES."""
    transfer: int
    """PQ or HLG."""
    peak_nits: float = DEFAULT_PEAK_NITS
    """Light of the picture's brightest highlight."""

    @property
    def input_mode(self) -> str:
        """The mode of pictures that `apply` takes."""
        return "RGB"

    def apply(self, image: Image.Image) -> Image.Image:
        """An RGB picture in sRGB."""
        pixels = np.asarray(image)
        converted = np.empty_like(pixels)
        for top in range(0, len(pixels), ROWS_AT_A_TIME):  # light takes many times a picture's memory
            rows = slice(top, top + ROWS_AT_A_TIME)
            converted[rows] = _encode_srgb(self._light(pixels[rows]) @ _matrix(BT2020, BT709))
        return Image.fromarray(converted)

    def _light(self, pixels: NDArray[np.uint8]) -> Array:
        """Light of pixels in BT.2020's primaries, mapped to a screen whose white is 1."""
        light: Array = _curve(self.transfer)[pixels]
        if self.transfer == HLG:
            luminance = light @ rgb_to_xyz(PRIMARIES[self.primaries])[1]
            light *= luminance[..., None] ** (HLG_SYSTEM_GAMMA - 1) * (DEFAULT_PEAK_NITS / WHITE_NITS)
        light = light @ _matrix(PRIMARIES[self.primaries], BT2020)
        if self.peak_nits <= WHITE_NITS:
            return light  # what is brighter all the same is cut off, channel by channel
        brightest = np.maximum(light.max(axis=-1, keepdims=True), np.finfo(float).tiny)
        mapped: Array = light * (np.interp(brightest, *_tone_curve(self.peak_nits)) / brightest)
        return mapped


@lru_cache(maxsize=2)
def _curve(transfer: int) -> Array:
    """Light of each of 256 levels: of PQ in shares of white, of HLG in shares of the scene (ITU-R BT.2100)."""
    value = np.linspace(0, 1, 256)
    if transfer == HLG:
        return np.where(value <= 0.5, value**2 / 3, (np.exp((value - 0.55991073) / 0.17883277) + 0.28466892) / 12)
    power = value ** (4096 / (128 * 2523))
    nits: Array = 10_000 * (np.maximum(power - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * power)) ** (16384 / 2610)
    return nits / WHITE_NITS


@lru_cache(maxsize=8)
def _tone_curve(peak_nits: float) -> tuple[Array, Array]:
    """Points of the curve from light to a plain screen's light, both in shares of white (formulas D.2 to D.5).

    `peak_nits` is more than WHITE_NITS.
    """
    peak = peak_nits / WHITE_NITS
    white = 1 - 0.5 * min(math.log(peak) / math.log(DEFAULT_PEAK_NITS / WHITE_NITS), 1)
    begin, bend, end = np.array([(1, white), (1 - KNEE_SHARE + KNEE_SHARE / white, white + KNEE_SHARE * (1 - white)),
                                 (peak, 1)])  # fmt: skip
    at = np.linspace(0, 1, CURVE_POINTS)[:, None]
    light, screen = ((1 - at) ** 2 * begin + 2 * at * (1 - at) * bend + at**2 * end).T
    along, up = ((1 - at) * (bend - begin) + at * (end - bend)).T
    between = _hermite(light, np.log(screen / light), up / along / screen - 1 / light)
    return np.append(0, between[0]), np.append(0, between[0] * np.exp(between[1]))


def _hermite(x: Array, y: Array, slope: Array) -> tuple[Array, Array]:
    """Points of the piecewise cubic through `x` and `y` (n,) with the slopes that it has there."""
    at, width = np.linspace(0, 1, CURVE_STEPS), np.diff(x)[:, None]
    begin, end = y[:-1, None], y[1:, None]
    bent = (1 - at) ** 2 * at * width * slope[:-1, None] - (1 - at) * at**2 * width * slope[1:, None]
    curve: Array = begin + (end - begin) * (3 - 2 * at) * at**2 + bent
    return (x[:-1, None] + width * at).ravel(), curve.ravel()


def _matrix(source: Sequence[float], target: Sequence[float]) -> Array:
    """Matrix that turns rows of linear RGB in the `source` primaries into the `target` ones."""
    return np.asarray(np.linalg.solve(rgb_to_xyz(target), rgb_to_xyz(source)).T, float)


def _encode_srgb(light: Array) -> NDArray[np.uint8]:
    places = np.rint(light.clip(0, 1) * (SRGB_STEPS - 1)).astype(np.uint16)
    return np.asarray(_srgb_levels()[places])


@lru_cache(maxsize=1)
def _srgb_levels() -> NDArray[np.uint8]:
    """The stored value, 0 to 255, for each of SRGB_STEPS of light from 0 to 1."""
    levels = np.linspace(0, 1, SRGB_STEPS)
    encoded = np.where(levels <= 0.0031308, 12.92 * levels, 1.055 * levels ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(encoded * 255), np.uint8)
