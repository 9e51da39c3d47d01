"""3MF in millimetres, coloured by its textures or vertices.

Formats: https://github.com/3MFConsortium/spec_core/blob/master/3MF%20Core%20Specification.md and, for the colours,
https://github.com/3MFConsortium/spec_materials/blob/master/3MF%20Materials%20Extension.md.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from ..gltf.colours import CLAMP, MIRROR, REPEAT
from ..gltf.reader import Scene
from .geometry import iter_primitives, weld_scene
from .solid_colours import SolidColours
from .stl_ply import format_rows
from .textures import SimpleMaterial, TextureImage, file_names, multiply_colour
from .writer_input import WriterInput

TEXTURE_TYPE = "application/vnd.ms-package.3dmanufacturing-3dmodeltexture"
CONTENT_TYPES = f"""<?xml version="1.0" encoding="UTF-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" \
ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="model" \
ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/><Default Extension="png" \
ContentType="{TEXTURE_TYPE}"/><Default Extension="jpg" ContentType="{TEXTURE_TYPE}"/></Types>
"""
RELATIONSHIPS = """<?xml version="1.0" encoding="UTF-8"?>
<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">%s</Relationships>
"""
RELATIONSHIP = '<Relationship Id="%s" Target="%s" Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/%s"/>'
MODEL = """<?xml version="1.0" encoding="UTF-8"?>
<model unit="millimeter" xml:lang="en" xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02" \
xmlns:m="http://schemas.microsoft.com/3dmanufacturing/material/2015/02" \
xmlns:slic3rpe="http://schemas.slic3r.org/3mf/2017/06">
<resources>
"""
MODEL_END = """</triangles></mesh></object></resources><build><item objectid="1"/></build></model>
"""
PAINTING_VERSION = '<metadata name="slic3rpe:MmPaintingVersion">1</metadata>\n'
FILAMENTS = ("4", "8", "0C", "1C", "2C", "3C", "4C", "5C")
"""PrusaSlicer's codes of a triangle wholly of the first, second … filament: its `TriangleSelector::serialize`."""
TILE_STYLES = {REPEAT: "wrap", CLAMP: "clamp", MIRROR: "mirror"}
FIRST_ID = 2
"""First resource id of the colour groups; the object is 1."""


@dataclass(frozen=True, slots=True)
class ColourGroup:
    """The colours of one primitive: a texture with coordinates, or vertex colours."""

    id: int
    vertices: slice
    texture: TextureImage | None
    """Multiplied by the base colour already: a 3MF triangle has a texture or a colour."""
    uv: NDArray[np.floating]
    """(n, 2), v upwards."""
    colours: NDArray[np.uint8]
    """(n, 4) sRGB and alpha."""
    wraps: tuple[int, int]
    """Wrap modes across and down, as in `SimpleMaterial.wraps`."""


def write_3mf(mesh: WriterInput) -> bytes:
    """3MF of the scene as one mesh, welded across texture seams, as slicers want it."""
    scene, solid = mesh.scene, mesh.solid_colours
    colours = None if solid else mesh.colours()
    groups = [] if colours is None else _colour_groups(scene, mesh.materials, colours)
    files = file_names([group.texture for group in groups], "3D/Textures/")
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("[Content_Types].xml", CONTENT_TYPES)
        archive.writestr("_rels/.rels", RELATIONSHIPS % RELATIONSHIP % ("model", "/3D/3dmodel.model", "3dmodel"))
        with archive.open("3D/3dmodel.model", "w") as model:
            name = escape(mesh.stem, {'"': "&quot;"})
            model.writelines(_solid_model(scene, solid, name) if solid else _model(scene, groups, files, name))
        if files:
            paths = enumerate(files.values())
            links = "".join(RELATIONSHIP % (f"picture{n}", f"/{file}", "3dtexture") for n, file in paths)
            archive.writestr("3D/_rels/3dmodel.model.rels", RELATIONSHIPS % links)
        for texture, file in files.items():
            archive.writestr(file, texture.data, zipfile.ZIP_STORED)
    return data.getvalue()


def _colour_groups(scene: Scene, materials: list[SimpleMaterial], colours: NDArray[np.uint8]) -> list[ColourGroup]:
    """Return the colours of each surface."""
    tinted_textures: dict[tuple[TextureImage | None, tuple[float, ...]], TextureImage | None] = {
        (material.texture, material.base_colour): multiply_colour(material.texture, material.base_colour)
        if material.texture
        else None
        for material in materials
    }
    return [
        ColourGroup(
            FIRST_ID + 2 * number,
            vertices,
            tinted_textures[material.texture, material.base_colour],
            _flipped_uv(material),
            colours[vertices],
            material.wraps,
        )
        for number, (material, (_, vertices, _)) in enumerate(zip(materials, iter_primitives(scene), strict=True))
    ]


def _flipped_uv(material: SimpleMaterial) -> NDArray[np.floating]:
    uv = material.uv if material.uv is not None else np.zeros((0, 2), np.float32)
    return np.column_stack([uv[:, 0], 1 - uv[:, 1]])


def _solid_model(scene: Scene, colours: SolidColours, name: str) -> Iterator[bytes]:
    """XML of a mesh in solid colours, given twice: as 3MF has them, and as PrusaSlicer paints triangles."""
    positions, faces = weld_scene(scene)
    yield MODEL.replace("<resources>", PAINTING_VERSION + "<resources>").encode()
    yield f'<m:colorgroup id="{FIRST_ID}">\n'.encode()
    yield from format_rows('<m:color color="#%02X%02X%02XFF"/>\n', colours.palette)
    yield f'</m:colorgroup>\n<object id="1" type="model" name="{name}" pid="{FIRST_ID}" pindex="0">'.encode()
    yield b"<mesh><vertices>\n"
    yield from format_rows('<vertex x="%.9g" y="%.9g" z="%.9g"/>\n', positions)
    yield b"</vertices><triangles>\n"
    for number, filament in zip(range(len(colours.palette)), FILAMENTS, strict=False):
        colour = f'pid="{FIRST_ID}" p1="{number}" slic3rpe:mmu_segmentation="{filament}"'
        yield from format_rows(f'<triangle v1="%d" v2="%d" v3="%d" {colour}/>\n', faces[colours.faces == number])
    yield MODEL_END.encode()


def _model(scene: Scene, groups: list[ColourGroup], files: Mapping[TextureImage, str], name: str) -> Iterator[bytes]:
    positions, faces = weld_scene(scene)
    yield MODEL.encode()
    for group in groups:
        yield from _write_group(group, files)
    default_property = f' pid="{groups[0].id}" pindex="0"' if groups else ""
    yield f'<object id="1" type="model" name="{name}"{default_property}><mesh><vertices>\n'.encode()
    yield from format_rows('<vertex x="%.9g" y="%.9g" z="%.9g"/>\n', positions)
    yield b"</vertices><triangles>\n"
    if not groups:
        yield from format_rows('<triangle v1="%d" v2="%d" v3="%d"/>\n', faces)
    for group, (primitive, _, texture_faces) in zip(groups, iter_primitives(scene), strict=False):
        corners = faces[primitive.first_face : primitive.first_face + primitive.faces]
        row = f'<triangle v1="%d" v2="%d" v3="%d" pid="{group.id}" p1="%d" p2="%d" p3="%d"/>\n'
        yield from format_rows(row, np.hstack([corners, texture_faces]))
    yield MODEL_END.encode()


def _write_group(group: ColourGroup, files: Mapping[TextureImage, str]) -> Iterator[bytes]:
    """XML of the properties that a primitive's triangles refer to, one for each of its vertices."""
    if group.texture:
        source = f'path="/{files[group.texture]}" contenttype="{group.texture.media_type}"'
        across, down = (TILE_STYLES[wrap] for wrap in group.wraps)
        tiles = f'tilestyleu="{across}" tilestylev="{down}"'
        yield f'<m:texture2d id="{group.id + 1}" {source} {tiles}/>\n'.encode()
        yield f'<m:texture2dgroup id="{group.id}" texid="{group.id + 1}">\n'.encode()
        yield from format_rows('<m:tex2coord u="%.6g" v="%.6g"/>\n', group.uv)
        yield b"</m:texture2dgroup>\n"
    else:
        yield f'<m:colorgroup id="{group.id}">\n'.encode()
        yield from format_rows('<m:color color="#%02X%02X%02X%02X"/>\n', group.colours)
        yield b"</m:colorgroup>\n"
