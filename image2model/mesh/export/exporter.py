"""Export of a GLB: written, read back by another library, and only then kept."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...atomic_files import atomic_write
from ...errors import ErrorCode, Unavailable
from ..bounding_box import extents
from ..facts import round_dimensions
from ..gltf.reader import Glb, MeshPrimitive, Scene
from ..repair.print_check import check_printability
from ..repair.repair import repair_mesh
from ..topology import WELD_GRID, Topology, analyze_topology, weld_labels
from . import read_back
from .bake import TEXTURE_SIZE, bake
from .geometry import compact_scene, simplify_scene
from .options import DEFAULT_PRINT_MM, MAX_COLOURS, ExportOptions, parse_options
from .placement import Y_UP_TO_Z_UP, place_scene
from .solid_colours import paint_in_solid_colours
from .surface_textures import with_surface_textures
from .textures import SimpleMaterial, TextureCache, simple_materials
from .writer_input import WriterInput


@dataclass(frozen=True, slots=True)
class ExportReport:
    """Facts of an exported file, as JSON takes them."""

    faces: int
    faces_asked: int | None
    faces_before: int
    dimensions: tuple[float, float, float]
    """Bounding box along the file's x, y and z, in `unit`."""
    unit: str
    closed: bool
    notes: tuple[str, ...]
    """Changes to the mesh, as plain sentences."""
    checked_with: str
    """Name of the library that read the file back."""
    print_check: dict[str, Any] | None
    """A `PrintCheck` of the file's mesh; None for formats that are not for 3D printing."""

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON takes it."""
        return {name: list(value) if isinstance(value := getattr(self, name), tuple) else value
                for name in self.__dataclass_fields__}  # fmt: skip


OPENED_BY_FACE_LIMIT = "With so few faces its surface is no longer closed: take more for printing."
OUR_ASSET = {"version": "2.0", "generator": "image2model"}
NOTHING_REPAIRED = "Nothing had to be repaired."


def export(path: Path, options: ExportOptions, target: Path, stem: str) -> dict[str, Any]:
    """Write the GLB at `path` to `target` as `options` say. Its `ExportReport` is returned and kept as JSON beside it.

    `stem` names what is inside the file. Nothing is left at `target` unless another library reads the same faces,
    bounds and textures from it. Raises GenerationFailed for a GLB that cannot be opened, Unavailable for what cannot be
    written soundly.
    """
    read_back.require_available(options.format.id)
    glb = Glb(path)
    _name_after_picture(glb, stem)
    original = glb.scene()
    scene = compact_scene(original)
    _require_height(scene, options)
    faces_before, notes = len(original.faces), _degenerate_note(len(original.faces) - len(scene.faces))
    if options.repair != "none":
        glb, scene, repairs = _repair(glb, scene, options.with_longest_side(extents(scene.positions)))
        notes += repairs
    scene, topology, opened = _keep_face_limit(scene, options.face_limit)
    notes += opened
    options = options.with_longest_side(extents(scene.positions))
    placed = place_scene(scene, options)
    print_result = _check_print(scene, placed, options, topology)
    scene = placed
    solid_colours = None
    if options.colours:
        scene, solid_colours = paint_in_solid_colours(glb, scene, options.colours)
        notes.append(f"Its colours for the printer: {solid_colours}.")
    images: TextureCache = {}
    materials = simple_materials(glb, scene, images)
    if options.format.surface_textures:
        materials = with_surface_textures(glb, scene, materials, images)
    data = options.format.write(WriterInput(scene, glb, materials, stem, options.up, options.packing, solid_colours))
    textured = not solid_colours and any(material.images for material in materials)
    checked_with = read_back.verify(data, options, scene, textured)
    report = ExportReport(
        faces=len(scene.faces),
        faces_asked=options.face_limit,
        faces_before=faces_before,
        dimensions=round_dimensions(extents(scene.positions)),
        unit=options.format.unit,
        closed=topology.watertight,
        notes=(*notes, *_notes(scene, options, materials)),
        checked_with=checked_with,
        print_check=print_result,
    ).to_dict()
    target.parent.mkdir(exist_ok=True)
    atomic_write(target.with_name(target.name + ".json"), json.dumps(report).encode())
    atomic_write(target, data)
    return report


def _require_height(scene: Scene, options: ExportOptions) -> None:
    """Raise Unavailable where a flat mesh is to have a height."""
    if options.measure == "height" and options.size_mm and not _has_height(scene):
        raise Unavailable(ErrorCode.NO_HEIGHT, "It is flat and has no height.", "Give the length of its longest side.")


def _keep_face_limit(scene: Scene, face_limit: int | None) -> tuple[Scene, Topology, list[str]]:
    """Return the scene, with fewer faces where it has too many, its topology, and a note if that has opened it."""
    topology = analyze_topology(scene.positions, scene.faces)
    if not face_limit or face_limit >= len(scene.faces):
        return scene, topology, []
    simplified = simplify_scene(scene, face_limit, closed=topology.watertight)
    simplified_topology = analyze_topology(simplified.positions, simplified.faces)
    is_opened = topology.watertight and not simplified_topology.watertight
    return simplified, simplified_topology, [OPENED_BY_FACE_LIMIT] if is_opened else []


def _name_after_picture(glb: Glb, stem: str) -> None:
    """Rename the nodes, meshes and materials of a file of the embedded engine after their picture."""
    if glb.json.get("asset") == OUR_ASSET:
        for entry in (*glb.list("nodes"), *glb.list("meshes"), *glb.list("materials")):
            entry["name"] = stem


def _degenerate_note(count: int) -> list[str]:
    return [f"{count:,} {'face' if count == 1 else 'faces'} without any area left out."] if count else []


def _notes(scene: Scene, options: ExportOptions, materials: list[SimpleMaterial]) -> list[str]:
    notes = []
    if options.face_limit and len(scene.faces) > options.face_limit:
        notes.append(f"{options.face_limit:,} faces were asked for; {len(scene.faces):,} is as few as keep its shape.")
    if options.format.id == "glb" and options.up == "z":
        notes.append("It lies on its back in glTF viewers, which take Y for up.")
    if options.format.colour != "none" and any(material.unreadable for material in materials):
        notes.append("A texture could not be read here: too large, damaged or in an unusual form (KTX2).")
    return notes


def _has_height(scene: Scene) -> bool:
    """True if its height (y) is more than welding would join."""
    sides = extents(scene.positions)
    return bool(sides[1] * WELD_GRID > sides.max())


def _check_print(scene: Scene, placed: Scene, options: ExportOptions, topology: Topology) -> dict[str, Any] | None:
    """Print check of a scene that is `placed` as `options` say; None for formats that are not for 3D printing."""
    if not options.format.printed:
        return None
    stands = options.up == "z" and options.pivot == "bottom"
    upright = placed if stands else place_scene(scene, replace(options, up="z", pivot="bottom"))
    return check_printability(upright.positions, upright.faces, topology).to_dict()


def check_print(glb: Path, options: ExportOptions) -> dict[str, Any]:
    """Print check of a GLB at the size of `options`, as it is and, where that fails or is asked for, once repaired.

    Raises GenerationFailed for a file that cannot be opened.
    """
    scene = compact_scene(Glb(glb).scene())
    scene = place_scene(scene, options.with_longest_side(extents(scene.positions)))
    print_result = check_printability(scene.positions, scene.faces)
    result = {"size_mm": options.size_mm, "measure": options.measure, **print_result.to_dict(), "mended": None}
    if print_result.ready and options.repair == "none":
        return result
    try:
        (positions, faces), steps = repair_mesh(scene.positions, scene.faces)
    except Unavailable:  # the problems say why
        return result
    return {
        **result,
        "mended": {**check_printability(positions, faces).to_dict(), "steps": steps or [NOTHING_REPAIRED]},
    }


def find_printer_colours(glb: Path, options: ExportOptions) -> dict[str, Any]:
    """The solid colours, as hex and share of the surface, that a 3MF of these options would have, largest area first.

    Raises GenerationFailed for a file that cannot be opened.
    """
    opened = Glb(glb)
    scene = compact_scene(opened.scene())
    options = options.with_longest_side(extents(scene.positions))
    _, colours = paint_in_solid_colours(opened, place_scene(scene, options), options.colours or MAX_COLOURS)
    return {"size_mm": options.size_mm, "colors": colours.to_list()}


def _repair(glb: Glb, scene: Scene, options: ExportOptions) -> tuple[Glb, Scene, list[str]]:
    """The scene as one closed solid in the colours that it had, its materials, and what was done to it.

    Where nothing is to be repaired, only vertices that the weld would join are moved together.
    """
    size_mm = options.size_mm or DEFAULT_PRINT_MM
    upright = place_scene(scene, parse_options("stl", size=size_mm, pivot="keep"))
    (positions, faces), notes = repair_mesh(upright.positions, upright.faces, rebuild=options.repair == "rebuild")
    if not notes:
        labels = np.unique(weld_labels(scene.positions, scene.faces), return_index=True, return_inverse=True)
        return glb, replace(scene, positions=scene.positions[labels[1][labels[2]]]), [NOTHING_REPAIRED]
    if options.format.colour != "none":
        glb, repaired = bake(glb, upright, positions, faces, textured=options.format.colour == "textures")
        if "TEXCOORD_0" in repaired.primitives[0].attributes:
            notes.append(f"Its colours are on a new texture of {TEXTURE_SIZE} × {TEXTURE_SIZE} pixels.")
    else:
        repaired = Scene(positions, faces, (MeshPrimitive(0, 0, len(faces), {}, {}),), 0)
    longest = float(extents(scene.positions).max()) or 1.0
    restored = repaired.positions @ Y_UP_TO_Z_UP * (longest / size_mm)
    return glb, compact_scene(replace(repaired, positions=restored.astype(np.float32))), notes
