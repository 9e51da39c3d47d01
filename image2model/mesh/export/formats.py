"""The export formats: a new one is an entry in FORMATS and its writer; also a reader, where trimesh has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from .gltf import write_glb
from .obj import write_obj
from .readers import ReadBack, read_3mf, read_obj_zip, read_stl, read_usdz
from .stl_ply import write_ply, write_stl
from .threemf import write_3mf
from .usdz import write_usdz
from .writer_input import WriterInput

Up = Literal["y", "z"]


@dataclass(frozen=True, slots=True)
class Format:
    """A file format, what writes it, what reads it back, and the conventions of the programs that use it."""

    id: str
    label: str
    extension: str
    media_type: str
    good_for: str
    up: Up
    """The axis that points up by default."""
    unit: Literal["m", "mm"]
    """The unit of length in the file."""
    write: Callable[[WriterInput], bytes]
    """A module's own function, like `read`: a format is pickled for other processes."""
    read: Callable[[bytes], ReadBack] | None = None
    """Another library's reader, which verifies each file; None: trimesh, which knows the format by its id."""
    printed: bool = False
    """True if it is for 3D printers: 100 mm by default, standing on its bottom."""
    solid_colours: bool = False
    """True if each face can have one of a few colours."""
    colour: Literal["textures", "at vertices", "none"] = "textures"
    """Colours that the format keeps."""
    surface_textures: bool = False
    """True if its writer takes the textures of metal, roughness, normals, occlusion and emission apart."""


FORMATS: Mapping[str, Format] = {
    format_.id: format_
    for format_ in (
        Format("glb", "GLB", ".glb", "model/gltf-binary", "game engines, the web, Blender", "y", "m", write_glb),
        Format(
            "obj", "OBJ", "-obj.zip", "application/zip", "almost every 3D program", "y", "m", write_obj, read_obj_zip
        ),
        Format(
            "stl", "STL", ".stl", "model/stl", "3D printing", "z", "mm", write_stl, read_stl,
            printed=True, colour="none",
        ),
        Format(
            "3mf", "3MF", ".3mf", "model/3mf", "3D printing with true millimetres", "z", "mm", write_3mf, read_3mf,
            printed=True, solid_colours=True,
        ),
        Format(
            "ply", "PLY", ".ply", "application/octet-stream", "MeshLab and scans", "z", "m", write_ply,
            colour="at vertices",
        ),
        Format(
            "usdz", "USDZ", ".usdz", "model/vnd.usdz+zip", "iPhone and iPad", "y", "m", write_usdz, read_usdz,
            surface_textures=True,
        ),
    )
}  # fmt: skip
