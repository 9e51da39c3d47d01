"""OBJ with its MTL and textures, in one zip. Format: http://paulbourke.net/dataformats/obj/ and …/mtl/."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..glb import Glb, Scene, Surface
from ..thumbnail import TO_SRGB
from .pictures import Picture, base_texture
from .shape import surfaces
from .solids import lines


def obj(glb: Glb, scene: Scene, stem: str) -> bytes:
    """A zip of `stem`.obj, `stem`.mtl and the textures of the base colours, PNG or JPEG."""
    pictures = {number: base_texture(glb, surface.material) for number, surface in enumerate(scene.surfaces)}
    names = {number: f"{stem}-{number}.{picture.ending}" for number, picture in pictures.items() if picture}
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as archive:
        with archive.open(f"{stem}.obj", "w") as file:
            file.write(f"# image2model\nmtllib {stem}.mtl\no {stem}\n".encode())
            file.writelines(_geometry(scene))
        archive.writestr(f"{stem}.mtl", "".join(_material(n, s, names.get(n)) for n, s in enumerate(scene.surfaces)))
        for number, name in names.items():
            archive.writestr(name, _data(pictures[number]), zipfile.ZIP_STORED)
    return data.getvalue()


def _data(picture: Picture | None) -> bytes:
    return picture.data if picture else b""


def _geometry(scene: Scene) -> Iterator[bytes]:
    """The lines of vertices and of faces; each kind of attribute is counted on its own, from 1."""
    first = {"v": 1, "vt": 1, "vn": 1}
    for number, (surface, vertices, faces) in enumerate(surfaces(scene)):
        yield from lines("v %.7g %.7g %.7g\n", scene.positions[vertices])
        uvs, normals = surface.attributes.get("TEXCOORD_0"), surface.attributes.get("NORMAL")
        if uvs is not None:
            yield from lines("vt %.6g %.6g\n", np.column_stack([uvs[:, 0], 1 - uvs[:, 1]]))
        if normals is not None:
            yield from lines("vn %.5g %.5g %.5g\n", normals)
        yield f"usemtl material-{number}\n".encode()
        yield from _faces(faces, first, uvs is not None, normals is not None)
        count = vertices.stop - vertices.start
        first = {"v": first["v"] + count, "vt": first["vt"] + count * (uvs is not None),
                 "vn": first["vn"] + count * (normals is not None)}  # fmt: skip


def _faces(faces: NDArray[Any], first: dict[str, int], textured: bool, with_normals: bool) -> Iterator[bytes]:
    corner = {(False, False): "%d", (True, False): "%d/%d", (False, True): "%d//%d", (True, True): "%d/%d/%d"}
    kinds = ["v", *["vt"] * textured, *["vn"] * with_normals]
    numbers = np.stack([faces + first[kind] for kind in kinds], axis=2).reshape(len(faces), -1)
    yield from lines("f " + " ".join([corner[textured, with_normals]] * 3) + "\n", numbers)


def _material(number: int, surface: Surface, texture: str | None) -> str:
    """Colours in sRGB, as most readers take them."""
    look = surface.material.get("pbrMetallicRoughness", {})
    *linear, opacity = [*look.get("baseColorFactor", (1, 1, 1, 1)), 1][:4]
    red, green, blue = (TO_SRGB[(np.clip(linear, 0, 1) * 4095).astype(int)] / 255).tolist()
    picture = f"map_Kd {texture}\n" if texture else ""
    colour = f"Kd {red:.4g} {green:.4g} {blue:.4g}\nKs 0 0 0\nd {opacity:g}"
    return f"newmtl material-{number}\n{colour}\nillum 1\n{picture}\n"
