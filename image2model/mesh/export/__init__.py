"""Export of a GLB to other formats, sizes and face counts, written beside it: the GLB itself is never touched.

What reads and writes meshes is loaded at the first call, in a worker process: the app's own needs none of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .options import FORMATS, PIVOTS, REPAIRS, UNITS, ExportOptions, Format, available, parse_options

__all__ = [
    "FORMATS",
    "PIVOTS",
    "REPAIRS",
    "UNITS",
    "ExportOptions",
    "Format",
    "available",
    "check_print",
    "export",
    "parse_options",
]


def export(path: Path, options: ExportOptions, target: Path, stem: str) -> dict[str, Any]:
    """See `exporter.export`."""
    from . import exporter

    return exporter.export(path, options, target, stem)


def check_print(glb: Path, options: ExportOptions) -> dict[str, Any]:
    """See `exporter.check_print`."""
    from . import exporter

    return exporter.check_print(glb, options)
