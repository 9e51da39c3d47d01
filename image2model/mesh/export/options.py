"""The options of an export, and parsing of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ErrorCode, OptionRefused
from .formats import FORMATS, Format, Up

UNITS: Mapping[str, float] = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "in": 25.4}
"""Millimetres per unit of length."""
DEFAULT_PRINT_MM = 100.0
"""Longest side, in millimetres, of a print for which no size is given."""
MIN_FACES, MAX_FACES = 4, 5_000_000
MAX_COLOURS = 8
"""Most solid colours; few printers have more filaments."""
PIVOTS = {"keep": "as made", "centre": "its middle", "bottom": "the middle of its bottom"}
MEASURES = {"longest": "", "height": "-high"}
"""Meanings of a size, each with the suffix of file names that says so."""
PACKINGS = {"none": "", "meshopt": "meshopt", "draco": "Draco"}
REPAIRS = {"none": "", "solid": "repaired to a solid", "rebuild": "given a new closed surface"}


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """Validated options of an export; equal options have equal file names."""

    format: Format
    size_mm: float | None
    """Millimetres of what `measure` names; None: the file's own size."""
    up: Up
    pivot: str
    face_limit: int | None
    packing: str
    repair: str
    measure: str = "longest"
    colours: int | None = None
    """Most solid colours, one for each face; None: the mesh's own."""

    def with_longest_side(self, extents: NDArray[np.float64]) -> ExportOptions:
        """Convert a height to a longest side, for a mesh of `extents` (3,), Y up."""
        if self.measure == "longest" or not self.size_mm:
            return self
        share = float(extents.max() / extents[1]) if extents[1] else 1.0
        return replace(self, size_mm=self.size_mm * share, measure="longest")

    @property
    def slug(self) -> str:
        """Part of the file name that distinguishes options; the format's defaults are left out."""
        size = f"{self.size_mm:g}mm{MEASURES[self.measure]}" if self.size_mm else ""
        face_count = f"{self.face_limit}-faces" if self.face_limit else ""
        colours = f"{self.colours}-colors" if self.colours else ""
        up = self.up + "-up" if self.up != self.format.up else ""
        parts = [size, face_count, colours, self.packing, self.repair, up,
                 "" if self.pivot == default_pivot(self.format) else self.pivot]  # fmt: skip
        return "-".join(part for part in parts if part and part != "none")

    @property
    def is_original(self) -> bool:
        """True if this is the generator's own file."""
        return self.format.id == "glb" and not self.slug

    def filename(self, stem: str) -> str:
        """File name of the export of a mesh named `stem`."""
        return f"{stem}-{self.slug}{self.format.extension}" if self.slug else f"{stem}{self.format.extension}"


def default_pivot(format_: Format) -> str:
    """The format's default origin."""
    return "bottom" if format_.printed else "keep"


def parse_options(
    format: str = "glb",
    *,
    size: float | str | None = None,
    unit: str | None = None,
    measure: str | None = None,
    up: str | None = None,
    pivot: str | None = None,
    face_limit: float | str | None = None,
    packing: str | None = None,
    repair: str | None = None,
    colors: float | str | None = None,
) -> ExportOptions:
    """Validate options and fill in defaults; raise OptionRefused.

    `size`, in `unit`, is of the longest side or, by `measure`, of the height. Numbers may be text; empty text counts
    as not given.
    """
    if str(format).lower() == "fbx":
        raise OptionRefused(ErrorCode.FORMAT_UNKNOWN, "FBX is not offered.", "Take glb, which Blender turns into one.")
    format_ = FORMATS[_choice_of("format", format or "glb", FORMATS, ErrorCode.FORMAT_UNKNOWN)]
    scale = UNITS[_choice_of("unit", unit or "mm", UNITS, ErrorCode.UNIT_UNKNOWN)]
    size_value = _number("The size", size, 0.001, 100_000_000 / scale)
    face_count = _number("The face limit", face_limit, MIN_FACES, MAX_FACES)
    packing_id = _choice_of("packing", packing or "none", PACKINGS, ErrorCode.PACKING_UNKNOWN)
    if packing_id != "none" and format_.id != "glb":
        raise OptionRefused(
            ErrorCode.PACKING_UNKNOWN, f"{format_.label} files are not packed.", "Only GLB takes `packing`."
        )
    colour_count = _number("The number of colours", colors, 1, MAX_COLOURS)
    if colour_count and not format_.solid_colours:
        raise OptionRefused(
            ErrorCode.OPTION_OUT_OF_RANGE, f"{format_.label} files take no number of colours.", "3MF does."
        )
    up_axis = _choice_of("up", str(up or format_.up).lower(), ("y", "z"), ErrorCode.UP_UNKNOWN)
    return ExportOptions(
        format=format_,
        size_mm=size_value * scale if size_value else DEFAULT_PRINT_MM if format_.printed else None,
        up="z" if up_axis == "z" else "y",
        pivot=_choice_of("pivot", pivot or default_pivot(format_), PIVOTS, ErrorCode.PIVOT_UNKNOWN),
        face_limit=int(face_count) if face_count else None,
        packing=packing_id,
        repair=_choice_of("repair", repair or "none", REPAIRS, ErrorCode.REPAIR_UNKNOWN),
        measure=_choice_of("measure", measure or "longest", MEASURES, ErrorCode.MEASURE_UNKNOWN),
        colours=int(colour_count) if colour_count else None,
    )


def _choice_of(name: str, value: str, allowed: Any, code: ErrorCode) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise OptionRefused(code, f"{value!r:.80} is no {name} that is known.", f"Take {', '.join(allowed)}.")
    return value


def _number(label: str, value: float | str | None, low: float, high: float) -> float | None:
    if value is None or value == "":
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if not low <= number <= high:
        raise OptionRefused(
            ErrorCode.OPTION_OUT_OF_RANGE, f"{label} cannot be {value!r:.80}.", f"It takes {low:g} to {high:,.0f}."
        )
    return number
