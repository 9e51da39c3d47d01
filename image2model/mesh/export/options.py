"""What can be taken home: the formats as data, and a person's choice among them, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from ...errors import ErrorCode, OptionRefused
from ..gltf.reader import Floats

Up = Literal["y", "z"]


@dataclass(frozen=True, slots=True)
class Format:
    """A file format, with what the programs that read it take for granted."""

    id: str
    label: str
    ending: str
    media_type: str
    good_for: str
    up: Up
    """The axis that points up where nothing else is asked for."""
    unit: Literal["m", "mm"]
    """What one unit in the file is."""
    printed: bool = False
    """For 3D printers: without a size it gets 100 mm, standing on its bottom."""
    colour: str = "textures"
    """What it keeps of the colours."""


FORMATS: dict[str, Format] = {
    one.id: one
    for one in (
        Format("glb", "GLB", ".glb", "model/gltf-binary", "game engines, the web, Blender", "y", "m"),
        Format("obj", "OBJ", "-obj.zip", "application/zip", "almost every 3D program", "y", "m"),
        Format("stl", "STL", ".stl", "model/stl", "3D printing", "z", "mm", True, "none"),
        Format("3mf", "3MF", ".3mf", "model/3mf", "3D printing with true millimetres", "z", "mm", True),
        Format("ply", "PLY", ".ply", "application/octet-stream", "MeshLab and scans", "z", "m", colour="at vertices"),
        Format("usdz", "USDZ", ".usdz", "model/vnd.usdz+zip", "iPhone and iPad", "y", "m"),
    )
}
UNITS: Mapping[str, float] = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "in": 25.4}
"""Millimetres in each unit of length."""
PRINT_SIZE = 100.0
FEWEST, MOST = 4, 5_000_000
PIVOTS = {"keep": "as made", "centre": "its middle", "bottom": "the middle of its bottom"}
MEASURES = {"longest": "", "height": "-high"}
"""What a size is of, and how a file's name says it."""
PACKINGS = {"none": "", "meshopt": "meshopt", "draco": "Draco"}
REPAIRS = {"none": "", "solid": "mended to a solid", "rebuild": "given a new closed skin"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A choice that was checked; as good as a file name, since equal choices make equal files."""

    format: Format
    size_mm: float | None
    """Millimetres of what `measure` says; None: as large as the file says."""
    up: Up
    pivot: str
    face_limit: int | None
    packing: str
    repair: str
    measure: str = "longest"

    def of(self, extents: Floats) -> Wanted:
        """The same choice, its size that of the longest side, for a mesh of these extents (3,), Y up."""
        if self.measure == "longest" or not self.size_mm:
            return self
        share = float(extents.max() / extents[1]) if extents[1] else 1.0
        return replace(self, size_mm=self.size_mm * share, measure="longest")

    @property
    def slug(self) -> str:
        """The choice as part of a file name, one for each choice; what is the format's own way is not named."""
        size = f"{self.size_mm:g}mm{MEASURES[self.measure]}" if self.size_mm else ""
        faces = f"{self.face_limit}-faces" if self.face_limit else ""
        parts = [size, faces, self.packing, self.repair, self.up + "-up" if self.up != self.format.up else "",
                 "" if self.pivot == usual_pivot(self.format) else self.pivot]  # fmt: skip
        return "-".join(part for part in parts if part and part != "none")

    @property
    def changes_nothing(self) -> bool:
        """Whether this is the generator's own file."""
        return self.format.id == "glb" and not self.slug

    def filename(self, stem: str) -> str:
        """What the file is called, for a mesh called `stem`."""
        return f"{stem}-{self.slug}{self.format.ending}" if self.slug else f"{stem}{self.format.ending}"


def usual_pivot(form: Format) -> str:
    """Where the origin is put where nothing else is asked for."""
    return "bottom" if form.printed else "keep"


def wanted(
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
) -> Wanted:
    """Return the choice, defaults filled in; raise OptionRefused where one does not fit.

    `size` is the longest side or, where `measure` says so, the height, in `unit`; numbers may be text, and empty text
    counts as nothing.
    """
    form = FORMATS[_one_of("format", format or "glb", FORMATS)]
    scale = UNITS[_one_of("unit", unit or "mm", UNITS)]
    length = _number("The size", size, 0.001, 100_000_000 / scale)
    faces = _number("The face limit", face_limit, FEWEST, MOST)
    packed = _one_of("packing", packing or "none", PACKINGS)
    if packed != "none" and form.id != "glb":
        raise OptionRefused(
            ErrorCode.PACKING_UNKNOWN, f"{form.label} files are not packed.", "Only GLB takes `packing`."
        )
    return Wanted(
        format=form,
        size_mm=length * scale if length else PRINT_SIZE if form.printed else None,
        up="z" if _one_of("up", str(up or form.up).lower(), ("y", "z")) == "z" else "y",
        pivot=_one_of("pivot", pivot or usual_pivot(form), PIVOTS),
        face_limit=int(faces) if faces else None,
        packing=packed,
        repair=_one_of("repair", repair or "none", REPAIRS),
        measure=_one_of("measure", measure or "longest", MEASURES),
    )


def _one_of(name: str, value: str, known: Any) -> str:
    if not isinstance(value, str) or value not in known:
        raise OptionRefused(
            ErrorCode(f"{name}_unknown"), f"{value!r:.80} is no {name} that is known.", f"Take {', '.join(known)}."
        )
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
