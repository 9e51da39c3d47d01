"""OBJ with its MTL and textures in one zip. Formats: http://paulbourke.net/dataformats/obj/ and …/mtl/."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..gltf.colours import linear_to_srgb
from ..gltf.reader import MeshPrimitive, Scene
from .geometry import iter_primitives
from .stl_ply import format_rows
from .textures import SimpleMaterial, TextureImage, file_names


def write_obj(scene: Scene, materials: list[SimpleMaterial], stem: str) -> bytes:
    """Zip of `stem`.obj, `stem`.mtl and the base colour textures; `materials` has one for each primitive.

    `stem` is made one word: many readers end a name at a space, or take what follows for an option or a comment.
    """
    stem = re.sub(r"[^\w.-]", "_", stem)
    texture_files = file_names([material.texture for material in materials], f"{stem}-")
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as archive:
        with archive.open(f"{stem}.obj", "w") as file:
            file.write(f"# image2model\nmtllib {stem}.mtl\no {stem}\n".encode())
            file.writelines(_geometry(scene, materials))
        archive.writestr(
            f"{stem}.mtl",
            "".join(_material(n, material, texture_files) for n, material in enumerate(materials)),
        )
        for texture, name in texture_files.items():
            archive.writestr(name, texture.data, zipfile.ZIP_STORED)
    return data.getvalue()


def _geometry(scene: Scene, materials: list[SimpleMaterial]) -> Iterator[bytes]:
    """Lines of vertices and faces; `v`, `vt` and `vn` are each counted from 1."""
    first_index = {"v": 1, "vt": 1, "vn": 1}
    coloured = any("COLOR_0" in primitive.attributes for primitive in scene.primitives)
    for number, (primitive, vertices, faces) in enumerate(iter_primitives(scene)):
        positions = scene.positions[vertices]
        if coloured:
            yield from format_rows(
                "v %.7g %.7g %.7g %.4g %.4g %.4g\n", np.hstack([positions, _colours(primitive, positions)])
            )
        else:
            yield from format_rows("v %.7g %.7g %.7g\n", positions)
        uvs, normals = materials[number].uv, primitive.attributes.get("NORMAL")
        if uvs is not None:
            yield from format_rows("vt %.6g %.6g\n", np.column_stack([uvs[:, 0], 1 - uvs[:, 1]]))
        if normals is not None:
            yield from format_rows("vn %.5g %.5g %.5g\n", normals)
        yield f"usemtl material-{number}\n".encode()
        yield from _faces(faces, first_index, uvs is not None, normals is not None)
        count = vertices.stop - vertices.start
        first_index = {"v": first_index["v"] + count, "vt": first_index["vt"] + count * (uvs is not None),
                 "vn": first_index["vn"] + count * (normals is not None)}  # fmt: skip


def _colours(primitive: MeshPrimitive, positions: NDArray[Any]) -> NDArray[Any]:
    """sRGB (n, 3), 0 to 1, of the vertices, written behind the positions as Blender and MeshLab do."""
    linear = primitive.attributes.get("COLOR_0", np.ones((len(positions), 3)))[:, :3]
    return linear_to_srgb(linear) / 255


def _faces(faces: NDArray[Any], first_index: dict[str, int], textured: bool, with_normals: bool) -> Iterator[bytes]:
    corner = {(False, False): "%d", (True, False): "%d/%d", (False, True): "%d//%d", (True, True): "%d/%d/%d"}
    kinds = ["v", *["vt"] * textured, *["vn"] * with_normals]
    numbers = np.stack([faces + first_index[kind] for kind in kinds], axis=2).reshape(len(faces), -1)
    yield from format_rows("f " + " ".join([corner[textured, with_normals]] * 3) + "\n", numbers)


def _material(number: int, material: SimpleMaterial, texture_files: Mapping[TextureImage, str]) -> str:
    """An MTL material, colours in sRGB, as most readers take them."""
    *linear, opacity = material.base_colour
    red, green, blue = (linear_to_srgb(np.array(linear)) / 255).tolist()
    texture = f"map_Kd {texture_files[material.texture]}\n" if material.texture else ""
    alpha_map = (
        f"map_d {texture_files[material.texture]}\n" if material.texture and material.alpha_cutoff is not None else ""
    )
    colour = f"Kd {red:.4g} {green:.4g} {blue:.4g}\nKs 0 0 0\nd {opacity:g}"
    return f"newmtl material-{number}\n{colour}\nillum 1\n{texture}{alpha_map}\n"
