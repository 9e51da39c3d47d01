"""Facts about a GLB, in numbers and plain sentences."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from ..plurals import pluralize
from .bounding_box import extents
from .gltf.colours import KTX2_MAGIC, MAX_TEXTURE_PIXELS
from .gltf.decompress import DRACO, MESHOPT
from .gltf.reader import (
    INSTANCING,
    MAX_NAME_LENGTH,
    TRIANGLE_MODES,
    TRIANGLES,
    VISIBILITY,
    FloatArray,
    Glb,
    IndexArray,
    Scene,
)
from .topology import Topology, analyze_topology, is_flat

SUPPORTED_EXTENSIONS = (
    DRACO,
    *MESHOPT,
    "KHR_mesh_quantization",
    "KHR_texture_",
    "EXT_texture_webp",
    "EXT_texture_avif",
    "KHR_materials_",
    INSTANCING,
    VISIBILITY,
)
"""Prefixes of the extensions that the reader understands."""
HEADER_READERS: Mapping[bytes, Callable[[io.BytesIO], ImageFile]] = {
    b"\x89PNG": PngImageFile, b"\xff\xd8": JpegImageFile, b"RIFF": WebPImageFile,
}  # fmt: skip
"""Pillow's readers by the first bytes of a texture."""
MAX_LISTED = 1000
"""Textures and extensions that are listed at most: a hostile file has millions."""


@dataclass(frozen=True, slots=True)
class MeshFacts:
    """Facts about one mesh. None: could not be examined; a warning says why."""

    faces: int
    vertices: int
    """Vertices as stored: one on a texture seam counts twice."""
    parts: int | None
    """Connected components; the wall of a cavity is none."""
    materials: int
    textures: tuple[tuple[int, int], ...]
    """Width and height in pixels of each image in the file; (0, 0) for one that cannot be read."""
    size_bytes: int
    dimensions: tuple[float, float, float]
    """Bounding box: x (width), y (height), z (depth), in the file's units (glTF: metres)."""
    watertight: bool | None
    """Each edge joins exactly two faces, after welding."""
    holes: int | None
    nonmanifold_edges: int | None
    """Edges with three or more faces."""
    volume: float | None
    """Cubic units of the file: inverted shells counted as if flipped, cavities subtracted.

    None where the mesh is not watertight or its winding is inconsistent.
    """
    genus: int | None
    """Handles: 0 for a ball, 1 for a torus, summed over the parts; None where there is no volume."""
    extensions: tuple[str, ...]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The facts as JSON takes them."""
        return {
            name: list(map(list, value)) if name == "textures" else list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }


def read_facts(glb: Path) -> MeshFacts:
    """Facts of a GLB file; raise GenerationFailed for one that cannot be opened."""
    opened = Glb(glb)
    return scene_facts(opened, opened.scene())


def scene_facts(glb: Glb, scene: Scene) -> MeshFacts:
    """Facts of a GLB whose triangles are decoded already."""
    size = _dimensions(scene.positions, scene.faces)
    topology = analyze_topology(scene.positions, scene.faces)
    return MeshFacts(
        faces=len(scene.faces),
        vertices=len(scene.positions),
        parts=topology.parts,
        materials=len(glb.list("materials")),
        textures=_texture_sizes(glb),
        size_bytes=glb.size_bytes,
        dimensions=size,
        watertight=topology.watertight,
        holes=topology.holes,
        nonmanifold_edges=topology.nonmanifold_edges,
        volume=float(f"{topology.volume:.6g}") if topology.is_volume else None,
        genus=topology.genus if topology.is_volume else None,
        extensions=tuple(str(name)[:MAX_NAME_LENGTH] for name in glb.list("extensionsUsed")[:MAX_LISTED]),
        warnings=tuple(_warnings(topology, is_flat(scene.positions, scene.faces), scene.invalid_vertices, glb)),
    )


def _dimensions(positions: FloatArray, faces: IndexArray) -> tuple[float, float, float]:
    used = np.zeros(len(positions), bool)
    used[faces] = True
    return round_dimensions(extents(positions[used]))


def round_dimensions(size: NDArray[np.float64]) -> tuple[float, float, float]:
    """Three lengths rounded to six decimals, or to six digits of the longest."""
    longest = float(size.max())
    decimals = 6 if not 0 < longest < 1 else 6 - math.floor(math.log10(longest))
    x, y, z = (round(length, decimals) for length in size.tolist())
    return (x, y, z)


def _texture_sizes(glb: Glb) -> tuple[tuple[int, int], ...]:
    return tuple(_texture_size(glb, index) for index in range(min(len(glb.list("images")), MAX_LISTED)))


def _texture_size(glb: Glb, index: int) -> tuple[int, int]:
    """Width and height from the image header, without decoding it."""
    try:
        data = glb.image(index)
        if data.startswith(KTX2_MAGIC):
            return int.from_bytes(data[20:24], "little"), int.from_bytes(data[24:28], "little")
        reader = next(reader for start, reader in HEADER_READERS.items() if data.startswith(start))
        with reader(io.BytesIO(data)) as image:  # not Image.open, which refuses what has very many pixels
            return image.size
    except Exception:  # the file is untrusted, and an unreadable texture is no reason to give no facts
        return 0, 0


def _warnings(topology: Topology, is_flat: bool, invalid_vertices: int, glb: Glb) -> list[str]:
    many, edges = topology.holes != 1, topology.nonmanifold_edges
    sentences = {
        f"The surface is not closed: it has {pluralize(topology.holes, 'hole')}. "
        f"Close {'them' if many else 'it'} before printing.": topology.boundary_edges,
        f"{edges:,} edge{'s join' if edges != 1 else ' joins'} more than two faces, which slicers dislike.": edges,
        "Some faces are turned inside out.": not topology.winding_consistent or topology.inverted_shells,
        f"It is made of {topology.parts:,} separate pieces.": topology.parts > 1,
        "It is flat: it has no thickness.": is_flat,
        f"{invalid_vertices:,} vertices have no valid position; their faces were left out here.": invalid_vertices,
        "It has a texture of more pixels than many programs take; it is not in the pictures here.": any(
            width * height > MAX_TEXTURE_PIXELS for width, height in _texture_sizes(glb)
        ),
        "Its textures are KTX2, which not every viewer shows: its exports have PNG or JPEG.": "KHR_texture_basisu"
        in glb.list("extensionsUsed"),
        **{
            f"Its textures are {name}, which many programs do not read: its exports have PNG or JPEG.": extension
            in glb.list("extensionsUsed")
            for name, extension in (("WebP", "EXT_texture_webp"), ("AVIF", "EXT_texture_avif"))
        },
        **_unsupported_features(glb),
    }
    return [sentence for sentence, applies in sentences.items() if applies]


def _unsupported_features(glb: Glb) -> dict[str, bool]:
    """Sentences about what is ignored or unknown, each with whether it applies."""
    required = [str(name)[:MAX_NAME_LENGTH] for name in glb.list("extensionsRequired")]
    unknown = sorted({name for name in required if not name.startswith(SUPPORTED_EXTENSIONS)})[:3]
    primitives = _all_primitives(glb)
    return {
        "It moves: its animation is left out of exports.": bool(glb.list("animations")),
        "It has a skeleton: exports have it in the pose that the file shows.": bool(glb.list("skins")),
        "It can change its form (morph targets): exports have the one that the file shows.":
            any(bool(primitive.get("targets")) for primitive in primitives),
        "It has points or lines too: only its surface is looked at and exported.":
            any(primitive.get("mode", TRIANGLES) not in TRIANGLE_MODES for primitive in primitives),
        f"It needs {', '.join(unknown)}, unknown here: something may be missing or look different.": bool(unknown),
    }  # fmt: skip


def _all_primitives(glb: Glb) -> list[dict[str, Any]]:
    lists = [mesh.get("primitives") for mesh in glb.list("meshes") if isinstance(mesh, dict)]
    return [
        primitive
        for primitives in lists
        if isinstance(primitives, list)
        for primitive in primitives
        if isinstance(primitive, dict)
    ]
