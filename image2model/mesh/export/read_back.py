"""Verification of an export: read back by another library than the one that wrote it, and compared."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from ...errors import ErrorCode, Unavailable
from ..bounding_box import bounding_box
from ..gltf.reader import Scene
from .options import ExportOptions
from .readers import ReadBack, read_meshopt_glb, read_with_trimesh

TOLERANCE, COMPRESSED_TOLERANCE = 1e-5, 1e-3
"""Tolerances of the bounds, as a share of the longest side."""


def available(format_id: str) -> bool:
    """True if this format can be verified here, and so be offered."""
    return format_id != "usdz" or find_spec("pxr") is not None


def require_available(format_id: str) -> None:
    """Raise Unavailable where the library that verifies this format is not installed."""
    if not available(format_id):
        raise Unavailable(
            ErrorCode.USDZ_NOT_INSTALLED,
            "USDZ is not installed on this server.",
            "The host can add it: pip install usd-core.",
        )


def verify(data: bytes, options: ExportOptions, scene: Scene, textured: bool) -> str:
    """Return the verifying library's name; raise Unavailable where it reads another mesh from `data`, or no texture."""
    try:
        read_back = _read(data, options)
        same_shape = read_back.faces == len(scene.faces) and _same_bounds(read_back.bounds, scene, options)
        matches = same_shape and (read_back.textured is None or read_back.textured or not textured)
    except MemoryError:
        raise
    except Exception as error:
        raise _export_failed(options) from error
    if not matches:
        raise _export_failed(options)
    return read_back.reader


def _export_failed(options: ExportOptions) -> Unavailable:
    return Unavailable(
        ErrorCode.EXPORT_FAILED,
        f"This mesh could not be written soundly as {options.format.label}.",
        "Take another format.",
    )


def _same_bounds(bounds: NDArray[np.float64], scene: Scene, options: ExportOptions) -> bool:
    expected = bounding_box(scene.positions)
    tolerance = COMPRESSED_TOLERANCE if options.packing != "none" else TOLERANCE
    return bool(np.abs(bounds - expected).max() <= tolerance * max(float((expected[1] - expected[0]).max()), 1e-9))


def _read(data: bytes, options: ExportOptions) -> ReadBack:
    if options.packing == "meshopt":
        return read_meshopt_glb(data)
    read = options.format.read
    return read(data) if read else read_with_trimesh(data, options.format.id)
