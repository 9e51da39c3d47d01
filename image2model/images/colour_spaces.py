"""Colour spaces by their code points (ITU-T H.273), and ICC profiles of them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
D65, C, E, DCI = (0.3127, 0.329), (0.31, 0.316), (1 / 3, 1 / 3), (0.314, 0.351)
BT709 = (*D65, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
BT601 = (*D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07)
PRIMARIES: Mapping[int, Sequence[float]] = {
    1: BT709,
    4: (*C, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*D65, 0.64, 0.33, 0.29, 0.6, 0.15, 0.06),
    6: BT601,
    7: BT601,
    8: (*C, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    9: (*D65, 0.708, 0.292, 0.17, 0.797, 0.131, 0.046),
    10: (*E, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0),
    11: (*DCI, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
    12: (*D65, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
    22: (*D65, 0.63, 0.34, 0.295, 0.605, 0.155, 0.077),
}
"""Chromaticities x, y of white, red, green and blue by their code point (ITU-T H.273, table 2)."""


def power(exponent: float) -> Callable[[Array], Array]:
    """The curve of a plain gamma."""
    return lambda value: value**exponent


def _from_srgb(value: Array) -> Array:
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _from_smpte_240(value: Array) -> Array:
    return np.where(value < 0.0913, value / 4, ((value + 0.1115) / 1.1115) ** (1 / 0.45))


TRANSFERS: Mapping[int, Callable[[Array], Array]] = {
    **dict.fromkeys((1, 6, 11, 14, 15), power(2.4)),  # as screens show them (ITU-R BT.1886)
    4: power(2.2),
    5: power(2.8),
    7: _from_smpte_240,
    8: power(1),
    13: _from_srgb,
    17: lambda value: value**2.6 * 52.37 / 48,
}
"""Functions from stored value to light, both 0 to 1, by code point (ITU-T H.273, table 3); without PQ and HLG."""


def icc_profile(chromaticities: Sequence[float], curve: Callable[[Array], Array]) -> bytes:
    """A matrix profile (ICC.1:2010, 8.3.3); empty for chromaticities that no colour space has."""
    try:
        matrix = _to_pcs(chromaticities)
    except (np.linalg.LinAlgError, ZeroDivisionError):
        return b""
    if not np.isfinite(matrix).all() or np.abs(matrix).max() > 4:
        return b""
    levels = np.rint(curve(np.linspace(0, 1, 256)).clip(0, 1) * 65535).astype(">u2")
    columns = [b"XYZ \0\0\0\0" + np.rint(column * 65536).astype(">i4").tobytes() for column in matrix.T]
    bodies = [*columns, b"curv\0\0\0\0" + struct.pack(">I", len(levels)) + levels.tobytes()]
    starts = [128 + 4 + 6 * 12 + sum(map(len, bodies[:number])) for number in range(len(bodies))]
    named = zip((b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC"), (0, 1, 2, 3, 3, 3), strict=True)
    tags = b"".join(struct.pack(">4sII", name, starts[at], len(bodies[at])) for name, at in named)
    rest = struct.pack(">I", 6) + tags + b"".join(bodies)
    white = np.rint(np.array(D50) * 65536).astype(">i4").tobytes()
    header = struct.pack(
        ">I4sI4s4s4s12s4s28x12s48x", 128 + len(rest), b"", 0x02400000, b"mntr", b"RGB ", b"XYZ ", b"", b"acsp", white
    )
    return header + rest


D50 = (0.9642, 1.0, 0.8249)
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def rgb_to_xyz(chromaticities: Sequence[float]) -> Array:
    """The matrix (3, 3) from linear RGB to XYZ under its own white, whose luminance is 1."""
    white, *primaries = (np.array([x / y, 1, (1 - x - y) / y]) if y else np.array([x, y, 1 - x - y]) for x, y in
                         zip(chromaticities[::2], chromaticities[1::2], strict=True))  # fmt: skip
    columns = np.stack(primaries, axis=1)
    matrix: Array = columns * np.linalg.solve(columns, white)
    return matrix


def _to_pcs(chromaticities: Sequence[float]) -> Array:
    """The matrix (3, 3) from linear RGB to XYZ under D50, adapted after Bradford (ICC.1:2010, annex E)."""
    matrix = rgb_to_xyz(chromaticities)
    cones = BRADFORD @ np.array(D50) / (BRADFORD @ matrix.sum(axis=1))
    adapted: Array = np.linalg.inv(BRADFORD) @ np.diag(cones) @ BRADFORD @ matrix
    return adapted
