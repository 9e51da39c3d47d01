"""OBJ with its MTL and textures in one zip. Formats: http://paulbourke.net/dataformats/obj/ and …/mtl/."""

from __future__ import annotations

import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..gltf.colours import linear_to_srgb
from ..gltf.reader import MAX_NAME_LENGTH, MeshPrimitive, Scene
from .geometry import iter_primitives, weld_scene
from .stl_ply import format_rows
from .textures import SimpleMaterial, TextureImage, file_names
from .writer_input import WriterInput

CORNERS = {(False, False): "%d", (True, False): "%d/%d", (False, True): "%d//%d", (True, True): "%d/%d/%d"}
"""A corner of a face, by whether it has texture coordinates and a normal."""

NORMAL_STEPS = 10_000
NORMAL_TEXTS = np.array([f"{step / NORMAL_STEPS:g}" for step in range(-NORMAL_STEPS, NORMAL_STEPS + 1)], np.bytes_)
"""All values of a normal's x, y or z: -1 to 1 in steps of a ten-thousandth, which is 0.006 degrees."""


def write_obj(mesh: WriterInput) -> bytes:
    """Zip of `stem`.obj, `stem`.mtl and the base colour textures.

    Names are made one word: many readers end a name at a space, or take what follows for an option or a comment.
    """
    scene, materials, stem = mesh.scene, mesh.materials, _word(mesh.stem)
    texture_files = file_names([material.texture for material in materials], f"{stem}-")
    names = _material_names(scene)
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open(f"{stem}.obj", "w") as file:
            file.write(f"# image2model\n# One unit is one metre.\nmtllib {stem}.mtl\n".encode())
            file.writelines(_geometry(scene, materials, names, stem))
        described = {
            name: _material(name, material, texture_files) for name, material in zip(names, materials, strict=True)
        }
        archive.writestr(f"{stem}.mtl", "".join(described.values()))
        for texture, name in texture_files.items():
            archive.writestr(name, texture.data, zipfile.ZIP_STORED)
    return data.getvalue()


def _word(name: str) -> str:
    return re.sub(r"[^\w.-]", "_", name)


def _material_names(scene: Scene) -> list[str]:
    """A name for each primitive's material, the same for the same material."""
    names = {index: _word(str(material.get("name") or f"material-{index}"))[:MAX_NAME_LENGTH]
             for index, material in ((part.material_index, part.material) for part in scene.primitives)}  # fmt: skip
    taken = Counter(names.values())
    unique = {index: name if taken[name] == 1 else f"{name}-{index}" for index, name in names.items()}
    return [unique[primitive.material_index] for primitive in scene.primitives]


def _geometry(scene: Scene, materials: list[SimpleMaterial], names: list[str], stem: str) -> Iterator[bytes]:
    """Lines of vertices and faces; `v`, welded across texture seams, `vt` and `vn` are each counted from 1."""
    positions, welded = weld_scene(scene)
    if any("COLOR_0" in primitive.attributes for primitive in scene.primitives):
        colours = np.ones((len(positions), 3))
        for primitive, vertices, own in iter_primitives(scene):
            corners = welded[primitive.first_face : primitive.first_face + primitive.faces]
            colours[corners] = _colours(primitive, vertices)[own]
        yield from format_rows("v %.9g %.9g %.9g %.4g %.4g %.4g\n", np.hstack([positions, colours]))
    else:
        yield from format_rows("v %.9g %.9g %.9g\n", positions)
    first_uv = first_normal = 1
    for number, (primitive, vertices, faces) in enumerate(iter_primitives(scene)):
        uv, normals = materials[number].uv, primitive.attributes.get("NORMAL")
        numbers = [welded[primitive.first_face : primitive.first_face + primitive.faces] + 1]
        yield f"o {_word(primitive.names[0] or stem)}\n".encode()
        if uv is not None:
            yield from format_rows("vt %.6g %.6g\n", np.column_stack([uv[:, 0], 1 - uv[:, 1]]))
            numbers.append(faces + first_uv)
            first_uv += vertices.stop - vertices.start
        if normals is not None:
            steps = np.rint(np.nan_to_num(normals).clip(-1, 1) * NORMAL_STEPS).astype(np.intp)
            yield from format_rows("vn %d %d %d\n", steps + NORMAL_STEPS, NORMAL_TEXTS)
            numbers.append(faces + first_normal)
            first_normal += vertices.stop - vertices.start
        yield f"usemtl {names[number]}\n".encode()
        corner = CORNERS[uv is not None, normals is not None]
        yield from format_rows(f"f {corner} {corner} {corner}\n", np.stack(numbers, axis=2).reshape(len(faces), -1))


def _colours(primitive: MeshPrimitive, vertices: slice) -> NDArray[Any]:
    """sRGB (n, 3), 0 to 1, of the vertices, written behind the positions as Blender and MeshLab do."""
    linear = primitive.attributes.get("COLOR_0", np.ones((vertices.stop - vertices.start, 3)))[:, :3]
    return linear_to_srgb(linear) / 255


def _material(name: str, material: SimpleMaterial, texture_files: Mapping[TextureImage, str]) -> str:
    """An MTL material, colours in sRGB, as most readers take them."""
    *linear, opacity = material.base_colour
    red, green, blue = (linear_to_srgb(np.array(linear)) / 255).tolist()
    texture = f"map_Kd {texture_files[material.texture]}\n" if material.texture else ""
    has_alpha = material.is_blended or material.alpha_cutoff is not None
    alpha_map = f"map_d {texture_files[material.texture]}\n" if material.texture and has_alpha else ""
    colour = f"Kd {red:.4g} {green:.4g} {blue:.4g}\nKs 0 0 0\nd {opacity:g}"
    return f"newmtl {name}\n{colour}\nillum 1\n{texture}{alpha_map}\n"
