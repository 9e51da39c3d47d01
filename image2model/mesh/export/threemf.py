"""3MF in millimetres, in the colours of its textures or vertices.

Formats: https://github.com/3MFConsortium/spec_core/blob/master/3MF%20Core%20Specification.md and, for the colours,
https://github.com/3MFConsortium/spec_materials/blob/master/3MF%20Materials%20Extension.md.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..facts import renumbered, weld_numbers
from ..gltf.reader import Integers, Scene
from .geometry import surfaces
from .stl_ply import lines
from .textures import Paint, Picture, file_names, tinted

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
xmlns:m="http://schemas.microsoft.com/3dmanufacturing/material/2015/02">
<resources>
"""
MODEL_END = """</triangles></mesh></object></resources><build><item objectid="1"/></build></model>
"""
FIRST_ID = 2
"""Of the groups of colours; the object is 1."""


@dataclass(frozen=True, slots=True)
class Painted:
    """The colours of one surface: those of its picture, at its places, or those of its vertices."""

    group: int
    vertices: slice
    picture: Picture | None
    """Tinted already: a triangle has a colour or a place on a picture."""
    places: NDArray[np.floating]
    """(vertices, 2), v upwards"""
    colours: NDArray[np.uint8]
    """(vertices, 4), sRGB and opacity"""


def threemf(scene: Scene, looks: list[Paint], colours: NDArray[np.uint8] | None) -> bytes:
    """The scene as one mesh, its vertices joined across the seams of its textures, as slicers want it.

    `looks` has one for each surface, `colours` (vertices, 4) are sRGB and opacity, None where nothing is painted.
    """
    painted = [] if colours is None else _painted(scene, looks, colours)
    files = file_names([one.picture for one in painted], "3D/Textures/")
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as archive:
        archive.writestr("[Content_Types].xml", CONTENT_TYPES)
        archive.writestr("_rels/.rels", RELATIONSHIPS % RELATIONSHIP % ("model", "/3D/3dmodel.model", "3dmodel"))
        with archive.open("3D/3dmodel.model", "w") as model:
            model.writelines(_model(scene, painted, files))
        if files:
            names = enumerate(files.values())
            links = "".join(RELATIONSHIP % (f"picture{n}", f"/{file}", "3dtexture") for n, file in names)
            archive.writestr("3D/_rels/3dmodel.model.rels", RELATIONSHIPS % links)
        for picture, file in files.items():
            archive.writestr(file, picture.data, zipfile.ZIP_STORED)
    return data.getvalue()


def _painted(scene: Scene, looks: list[Paint], colours: NDArray[np.uint8]) -> list[Painted]:
    """Of each surface its colours."""
    shown: dict[tuple[Picture | None, tuple[float, ...]], Picture | None] = {
        (look.picture, look.tint): tinted(look.picture, look.tint) if look.picture else None for look in looks
    }
    return [
        Painted(FIRST_ID + 2 * number, vertices, shown[look.picture, look.tint], _places(look), colours[vertices])
        for number, (look, (_, vertices, _)) in enumerate(zip(looks, surfaces(scene), strict=True))
    ]


def _places(look: Paint) -> NDArray[np.floating]:
    uv = look.places if look.places is not None else np.zeros((0, 2), np.float32)
    return np.column_stack([uv[:, 0], 1 - uv[:, 1]])


def _model(scene: Scene, painted: list[Painted], files: Mapping[Picture, str]) -> Iterator[bytes]:
    positions, faces = _joined(scene)
    yield MODEL.encode()
    for one in painted:
        yield from _group(one, files)
    usual = f' pid="{painted[0].group}" pindex="0"' if painted else ""
    yield f'<object id="1" type="model"{usual}><mesh><vertices>\n'.encode()
    yield from lines('<vertex x="%.7g" y="%.7g" z="%.7g"/>\n', positions)
    yield b"</vertices><triangles>\n"
    if not painted:
        yield from lines('<triangle v1="%d" v2="%d" v3="%d"/>\n', faces)
    for one, (surface, _, own) in zip(painted, surfaces(scene), strict=False):
        corners = faces[surface.first_face : surface.first_face + surface.faces]
        row = f'<triangle v1="%d" v2="%d" v3="%d" pid="{one.group}" p1="%d" p2="%d" p3="%d"/>\n'
        yield from lines(row, np.hstack([corners, own]))
    yield MODEL_END.encode()


def _group(one: Painted, files: Mapping[Picture, str]) -> Iterator[bytes]:
    """What the corners of a surface's triangles point to, one for each of its vertices."""
    if one.picture:
        kind = "image/jpeg" if one.picture.ending == "jpg" else "image/png"
        yield f'<m:texture2d id="{one.group + 1}" path="/{files[one.picture]}" contenttype="{kind}"/>\n'.encode()
        yield f'<m:texture2dgroup id="{one.group}" texid="{one.group + 1}">\n'.encode()
        yield from lines('<m:tex2coord u="%.6g" v="%.6g"/>\n', one.places)
        yield b"</m:texture2dgroup>\n"
    else:
        yield f'<m:colorgroup id="{one.group}">\n'.encode()
        yield from lines('<m:color color="#%02X%02X%02X%02X"/>\n', one.colours)
        yield b"</m:colorgroup>\n"


def _joined(scene: Scene) -> tuple[NDArray[np.float32], Integers]:
    """Positions and faces with vertices at one place made one, except in faces that this would make a line."""
    numbers = weld_numbers(scene.positions, scene.faces)
    vertex_at = np.zeros(int(numbers.max()) + 1, np.intp)
    vertex_at[numbers] = np.arange(len(numbers))
    faces = vertex_at[numbers][scene.faces]
    lost = (faces == np.roll(faces, 1, axis=1)).any(axis=1)
    faces[lost] = scene.faces[lost]
    used, faces = renumbered(faces)
    return scene.positions[used], faces
