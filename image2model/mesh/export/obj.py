"""OBJ with its MTL and textures, in one zip. Format: http://paulbourke.net/dataformats/obj/ and …/mtl/."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..gltf.colours import to_srgb
from ..gltf.reader import Scene, Surface
from .geometry import surfaces
from .stl_ply import lines
from .textures import Paint, Picture, file_names


def obj(scene: Scene, looks: list[Paint], stem: str) -> bytes:
    """A zip of an OBJ, its MTL and the textures of the base colours, called `stem` in one word.

    `looks` has one for each surface. Many readers end a name at a space, or take what follows for an option or a
    comment.
    """
    stem = re.sub(r"[^\w.-]", "_", stem)
    names = file_names([look.picture for look in looks], f"{stem}-")
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as archive:
        with archive.open(f"{stem}.obj", "w") as file:
            file.write(f"# image2model\nmtllib {stem}.mtl\no {stem}\n".encode())
            file.writelines(_geometry(scene, looks))
        archive.writestr(f"{stem}.mtl", "".join(_material(n, look, names) for n, look in enumerate(looks)))
        for picture, name in names.items():
            archive.writestr(name, picture.data, zipfile.ZIP_STORED)
    return data.getvalue()


def _geometry(scene: Scene, looks: list[Paint]) -> Iterator[bytes]:
    """The lines of vertices and of faces; each kind of attribute is counted on its own, from 1."""
    first = {"v": 1, "vt": 1, "vn": 1}
    coloured = any("COLOR_0" in surface.attributes for surface in scene.surfaces)
    for number, (surface, vertices, faces) in enumerate(surfaces(scene)):
        positions = scene.positions[vertices]
        if coloured:
            yield from lines("v %.7g %.7g %.7g %.4g %.4g %.4g\n", np.hstack([positions, _colours(surface, positions)]))
        else:
            yield from lines("v %.7g %.7g %.7g\n", positions)
        uvs, normals = looks[number].places, surface.attributes.get("NORMAL")
        if uvs is not None:
            yield from lines("vt %.6g %.6g\n", np.column_stack([uvs[:, 0], 1 - uvs[:, 1]]))
        if normals is not None:
            yield from lines("vn %.5g %.5g %.5g\n", normals)
        yield f"usemtl material-{number}\n".encode()
        yield from _faces(faces, first, uvs is not None, normals is not None)
        count = vertices.stop - vertices.start
        first = {"v": first["v"] + count, "vt": first["vt"] + count * (uvs is not None),
                 "vn": first["vn"] + count * (normals is not None)}  # fmt: skip


def _colours(surface: Surface, positions: NDArray[Any]) -> NDArray[Any]:
    """sRGB (n, 3), 0 to 1, of the vertices, as Blender and MeshLab write and read it behind the positions."""
    linear = surface.attributes.get("COLOR_0", np.ones((len(positions), 3)))[:, :3]
    return to_srgb(linear) / 255


def _faces(faces: NDArray[Any], first: dict[str, int], textured: bool, with_normals: bool) -> Iterator[bytes]:
    corner = {(False, False): "%d", (True, False): "%d/%d", (False, True): "%d//%d", (True, True): "%d/%d/%d"}
    kinds = ["v", *["vt"] * textured, *["vn"] * with_normals]
    numbers = np.stack([faces + first[kind] for kind in kinds], axis=2).reshape(len(faces), -1)
    yield from lines("f " + " ".join([corner[textured, with_normals]] * 3) + "\n", numbers)


def _material(number: int, look: Paint, names: Mapping[Picture, str]) -> str:
    """Colours in sRGB, as most readers take them."""
    *linear, opacity = look.tint
    red, green, blue = (to_srgb(np.array(linear)) / 255).tolist()
    picture = f"map_Kd {names[look.picture]}\n" if look.picture else ""
    holes = f"map_d {names[look.picture]}\n" if look.picture and look.cutoff is not None else ""
    colour = f"Kd {red:.4g} {green:.4g} {blue:.4g}\nKs 0 0 0\nd {opacity:g}"
    return f"newmtl material-{number}\n{colour}\nillum 1\n{picture}{holes}\n"
