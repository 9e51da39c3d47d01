"""What a GLB holds, in numbers and plain sentences."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from .gltf.colours import MOST_PIXELS
from .gltf.decompress import DRACO, MESHOPT
from .gltf.reader import SURFACES, TRIANGLES, Floats, Glb, Integers, Scene
from .repair.shells import shells

WELD_STEPS = 2**20
"""Vertices closer than a millionth of the longest side are one: UV seams repeat them."""
INSTANCES = "EXT_mesh_gpu_instancing"
KNOWN = (DRACO, *MESHOPT, "KHR_mesh_quantization", "KHR_texture_", "EXT_texture_webp", "KHR_materials_")
"""What a file may need: how these begin."""
READERS: Mapping[bytes, Callable[[io.BytesIO], ImageFile]] = {
    b"\x89PNG": PngImageFile, b"\xff\xd8": JpegImageFile, b"RIFF": WebPImageFile,
}  # fmt: skip
"""Kinds of textures, by how their files begin."""
MOST_TOLD, MOST_LETTERS = 1000, 60
"""Of textures and extensions so many are told, of an extension's name so much: a hostile file has millions."""
KTX2_START = b"\xabKTX 20\xbb\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a person wants to know of a mesh. None: could not be examined, and a warning says why."""

    faces: int
    vertices: int
    """As stored: a vertex on a texture's seam counts twice."""
    parts: int | None
    """Separate pieces; the wall of a cavity is none."""
    materials: int
    textures: tuple[tuple[int, int], ...]
    """Width and height in pixels of each image in the file; (0, 0) for one that cannot be read."""
    size_bytes: int
    dimensions: tuple[float, float, float]
    """Of the bounding box: x (width), y (height), z (depth), in the file's units (glTF: metres)."""
    watertight: bool | None
    """Closed: each edge joins exactly two faces, once vertices at one place count as one."""
    holes: int | None
    nonmanifold_edges: int | None
    """Edges with three or more faces."""
    volume: float | None
    """In the file's units, cubed, pieces that are inside out counted as if turned, cavities taken off.

    None where the mesh is not closed or neighbouring faces look to different sides."""
    genus: int | None
    """Handles, as of a cup: 0 for a ball, 1 for a ring, pieces added up; None where there is no volume."""
    extensions: tuple[str, ...]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The facts as JSON takes them."""
        return {
            name: list(map(list, value)) if name == "textures" else list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }


@dataclass(frozen=True, slots=True)
class Closure:
    """How well the faces of a mesh close: counts of pieces, holes and edges with more than two faces."""

    parts: int
    holes: int
    open_edges: int
    nonmanifold_edges: int
    consistent: bool
    """Neighbouring faces agree on which side is out."""
    volume: float = 0.0
    """Once what is inside out is turned, cavities taken off."""
    genus: int = 0
    cavities: int = 0
    inside_out: int = 0
    """Pieces, or walls of cavities, all of whose faces look to the wrong side."""

    @property
    def watertight(self) -> bool:
        """It has edges, and each joins exactly two faces."""
        return self.parts > 0 and not self.open_edges and not self.nonmanifold_edges

    @property
    def solid(self) -> bool:
        """It has an inside: volume and genus mean something."""
        return self.watertight and self.consistent


def facts(glb: Path) -> Facts:
    """Return the facts of a GLB file; raise GenerationFailed for one that nobody could open."""
    opened = Glb(glb)
    return scene_facts(opened, opened.scene())


def scene_facts(glb: Glb, scene: Scene) -> Facts:
    """The facts of a GLB whose triangles were decoded."""
    size = _dimensions(scene.positions, scene.faces)
    found = closure(scene.positions, scene.faces)
    return Facts(
        faces=len(scene.faces),
        vertices=len(scene.positions),
        parts=found.parts,
        materials=len(glb.list("materials")),
        textures=_textures(glb),
        size_bytes=glb.size_bytes,
        dimensions=size,
        watertight=found.watertight,
        holes=found.holes,
        nonmanifold_edges=found.nonmanifold_edges,
        volume=float(f"{found.volume:.6g}") if found.solid else None,
        genus=found.genus if found.solid else None,
        extensions=tuple(str(name)[:MOST_LETTERS] for name in glb.list("extensionsUsed")[:MOST_TOLD]),
        warnings=tuple(_warnings(found, is_flat(scene.positions, scene.faces), scene.invalid_vertices, glb)),
    )


def closure(positions: Floats, faces: Integers) -> Closure:
    """Judge how `faces` (m, 3) over `positions` (n, 3) close, vertices at one place counted as one."""
    numbers = weld_numbers(positions, faces)[faces] if len(faces) else faces
    kept = _with_area(numbers)
    welded = numbers[kept]
    if not len(welded):
        return Closure(0, 0, 0, 0, True)
    edges, counts, balanced = edges_of(welded)
    piece = pieces(welded)
    parts = int(piece.max()) + 1
    found = Closure(
        parts=parts,
        holes=_groups(edges[counts == 1]),
        open_edges=int((counts == 1).sum()),
        nonmanifold_edges=int((counts > 2).sum()),
        consistent=bool(balanced[counts == 2].all()),
        genus=parts - (_corners(welded, piece) - len(edges) + len(welded)) // 2,
    )
    if not found.solid:
        return found
    each = shells(positions[faces[kept]].astype(np.float64), piece)
    cavities, turned = each.cavities, int(each.turned.sum())
    return replace(found, parts=parts - cavities, volume=each.volume, cavities=cavities, inside_out=turned)


def weld(positions: Floats, faces: Integers) -> Integers:
    """Faces (k, 3) over welded vertices; faces that the welding makes a line or a point are dropped."""
    if not len(faces):
        return faces
    welded = weld_numbers(positions, faces)[faces]
    return np.asarray(welded[_with_area(welded)])


def _with_area(welded: Integers) -> NDArray[np.bool_]:
    """Whether each face (m, 3) over welded vertices has three corners."""
    a, b, c = welded.T
    return np.asarray((a != b) & (b != c) & (c != a))


def weld_numbers(positions: Floats, faces: Integers) -> Integers:
    """The number (n,) of the place of each vertex; 0 for those that no face uses."""
    used = np.zeros(len(positions), bool)
    used[faces] = True
    points = positions[used].astype(np.float64)
    lowest = points.min(axis=0)
    longest = float((points.max(axis=0) - lowest).max()) or 1.0
    steps = np.rint((points - lowest) * (WELD_STEPS / longest)).astype(np.int64)
    keys, cells = np.unique((steps[:, 0] << 42) | (steps[:, 1] << 21) | steps[:, 2], return_inverse=True)
    numbers = np.zeros(len(positions), np.intp)
    numbers[used] = _places(keys)[cells]
    return numbers


def _places(keys: Integers) -> Integers:
    """The number of the place of each grid cell; cells that touch are one, as vertices at one place may lie in both.

    `keys` (c,) hold x, y and z of a cell, 21 bits each, and no cell twice.
    """
    cells = np.stack([keys >> 42, keys >> 21 & WELD_STEPS * 2 - 1, keys & WELD_STEPS * 2 - 1], axis=1)
    tree = KDTree(cells, balanced_tree=False, compact_nodes=False)
    pairs = tree.query_pairs(1.75, output_type="ndarray")  # from corner to corner it is the root of three
    if not len(pairs):
        return np.arange(len(keys))
    touching = coo_array((np.ones(len(pairs), np.int8), pairs.T), shape=(len(keys), len(keys)))
    return np.asarray(connected_components(touching, directed=False)[1], np.intp)


def vertices_of(faces: Integers) -> Integers:
    """The vertices that faces or edges use, in order; several times faster than numpy's `unique`."""
    used = np.zeros(int(faces.max(initial=-1)) + 1, bool)
    used[faces] = True
    return np.flatnonzero(used)


def renumbered(faces: Integers) -> tuple[Integers, Integers]:
    """The vertices that faces use, and the faces over these alone."""
    used = vertices_of(faces)
    numbers = np.zeros(int(faces.max(initial=-1)) + 1, np.intp)
    numbers[used] = np.arange(len(used))
    return used, numbers[faces]


def sides_of(faces: Integers) -> tuple[Integers, Integers, Integers]:
    """Start and end of each side (3m,) of faces (m, 3), and a number that is the same for sides along one edge."""
    starts, ends = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    return starts, ends, np.minimum(starts, ends) * (int(faces.max(initial=-1)) + 1) + np.maximum(starts, ends)


def edges_of(faces: Integers) -> tuple[Integers, Integers, NDArray[np.bool_]]:
    """Edges (e, 2), the number of faces at each, and whether as many faces run along it one way as the other."""
    starts, ends, numbers = sides_of(faces)
    span = int(faces.max()) + 1
    keys = numbers * 2 + (starts > ends)
    keys.sort()
    pairs = keys >> 1
    first = np.flatnonzero(np.diff(pairs, prepend=-1))
    counts = np.diff(first, append=len(pairs))
    balanced = np.add.reduceat(keys & 1, first) * 2 == counts
    return np.stack(np.divmod(pairs[first], span), axis=1), counts, balanced


def pieces(faces: Integers) -> Integers:
    """For each face of a welded mesh the number of its piece, from 0; what meets at a corner alone are two pieces."""
    _, _, keys = sides_of(faces)
    order = np.argsort(keys)
    same = np.flatnonzero(np.diff(keys[order]) == 0)
    near = np.stack([order[same], order[same + 1]]) // 3
    graph = coo_array((np.ones(len(same), np.int8), near), shape=(len(faces), len(faces)))
    return np.asarray(connected_components(graph, directed=False)[1], np.intp)


def _corners(faces: Integers, piece: Integers) -> int:
    """How many vertices there are, one at which several pieces meet counted for each of them."""
    owner = np.zeros(int(faces.max()) + 1, np.intp)
    owner[faces] = piece[:, None]
    if (owner[faces] == piece[:, None]).all():
        return len(vertices_of(faces))
    return len(np.unique(faces * (int(piece.max()) + 1) + piece[:, None]))


def _groups(edges: Integers) -> int:
    """How many groups of `edges` (e, 2) there are that have no vertex in common."""
    used, numbers = renumbered(edges)
    graph = coo_array((np.ones(len(edges), np.int8), numbers.T), shape=(len(used), len(used)))
    return int(connected_components(graph, directed=False)[0]) if len(used) else 0


def is_flat(positions: Floats, faces: Integers) -> bool:
    """Whether all that `faces` (m, 3) use of `positions` (n, 3) lies in one plane, as near as welding looks."""
    points = positions[vertices_of(faces)].astype(np.float64)
    with np.errstate(all="ignore"):  # hostile numbers overflow
        points -= points.mean(axis=0)
        longest = float(np.ptp(points, axis=0).max())
        if not 0 < longest < np.inf:
            return longest == 0
        points /= longest
    across = np.linalg.eigh(points.T @ points)[1][:, 0]
    return bool(np.ptp(points @ across) * WELD_STEPS <= 1)


def _dimensions(positions: Floats, faces: Integers) -> tuple[float, float, float]:
    used = np.zeros(len(positions), bool)
    used[faces] = True
    return rounded(np.ptp(positions[used].astype(float), axis=0))


def rounded(size: NDArray[np.float64]) -> tuple[float, float, float]:
    """Three lengths to six decimals, or as many as the longest needs for six digits."""
    longest = float(size.max())
    decimals = 6 if not 0 < longest < 1 else 6 - math.floor(math.log10(longest))
    x, y, z = (round(length, decimals) for length in size.tolist())
    return (x, y, z)


def _textures(glb: Glb) -> tuple[tuple[int, int], ...]:
    return tuple(_texture_size(glb, index) for index in range(min(len(glb.list("images")), MOST_TOLD)))


def _texture_size(glb: Glb, index: int) -> tuple[int, int]:
    """Width and height from the image's header, without decoding it."""
    try:
        data = glb.image(index)
        if data.startswith(KTX2_START):
            return int.from_bytes(data[20:24], "little"), int.from_bytes(data[24:28], "little")
        reader = next(reader for start, reader in READERS.items() if data.startswith(start))
        with reader(io.BytesIO(data)) as image:  # not Image.open, which refuses what has very many pixels
            return image.size
    except Exception:  # the file is untrusted, and an unreadable texture is no reason to give no facts
        return 0, 0


def _warnings(found: Closure, flat: bool, broken_vertices: int, glb: Glb) -> list[str]:
    many, edges = found.holes != 1, found.nonmanifold_edges
    told = {
        f"The surface is not closed: it has {found.holes:,} hole{'s' * many}. "
        f"Close {'them' if many else 'it'} before printing.": found.open_edges,
        f"{edges:,} edge{'s join' if edges != 1 else ' joins'} more than two faces, which slicers dislike.": edges,
        "Some faces are turned inside out.": not found.consistent or found.inside_out,
        f"It is made of {found.parts:,} separate pieces.": found.parts > 1,
        "It is flat: it has no thickness.": flat,
        f"{broken_vertices:,} vertices have no valid position; their faces were left out here.": broken_vertices,
        "It has a texture of more pixels than many programs take; it is not in the pictures here.": any(
            width * height > MOST_PIXELS for width, height in _textures(glb)
        ),
        "Its textures are KTX2, which not every viewer shows.": "KHR_texture_basisu" in glb.list("extensionsUsed"),
        **_left_out(glb),
    }
    return [sentence for sentence, applies in told.items() if applies]


def _left_out(glb: Glb) -> dict[str, bool]:
    """What a file may have that we do not read, each with whether it has."""
    needed = [str(name)[:MOST_LETTERS] for name in glb.list("extensionsRequired")]
    unknown = sorted({name for name in needed if not name.startswith(KNOWN)} - {INSTANCES})[:3]
    primitives = _primitives(glb)
    return {
        "It moves: its animation is left out of exports.": bool(glb.list("animations")),
        "It has a skeleton: exports have the pose that it was made in.": bool(glb.list("skins")),
        "It can change its form (morph targets): exports have it at rest.":
            any(bool(one.get("targets")) for one in primitives),
        "It has points or lines too: only its surface is looked at and exported.":
            any(one.get("mode", TRIANGLES) not in SURFACES for one in primitives),
        f"It repeats parts ({INSTANCES}): each is here, and in exports, only once.":
            INSTANCES in glb.list("extensionsUsed") or INSTANCES in needed,
        f"It needs {', '.join(unknown)}, unknown here: something may be missing or look different.": bool(unknown),
    }  # fmt: skip


def _primitives(glb: Glb) -> list[dict[str, Any]]:
    lists = [mesh.get("primitives") for mesh in glb.list("meshes") if isinstance(mesh, dict)]
    return [one for some in lists if isinstance(some, list) for one in some if isinstance(one, dict)]
