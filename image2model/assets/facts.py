"""What a GLB holds, in numbers and plain sentences."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .glb import Floats, Glb, Integers, Scene, contradictions_told

WELD_STEPS = 2**20
"""Vertices closer than a millionth of the longest side are one: UV seams repeat them."""
KTX2_START = b"\xabKTX 20\xbb\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a person wants to know of a mesh. None: could not be examined, and a warning says why."""

    faces: int
    vertices: int
    """As stored: a vertex on a texture's seam counts twice."""
    parts: int | None
    """Separate pieces."""
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

    @property
    def watertight(self) -> bool:
        """Each edge joins exactly two faces."""
        return not self.open_edges and not self.nonmanifold_edges


def facts(glb: Path) -> Facts:
    """Return the facts of a GLB file; raise GenerationFailed for one that nobody could open."""
    opened = Glb(glb)
    return compressed_facts(opened) if opened.compression else scene_facts(opened, opened.scene())


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
        extensions=tuple(map(str, glb.list("extensionsUsed"))),
        warnings=tuple(_warnings(found, size, scene.invalid_vertices, glb)),
    )


def compressed_facts(glb: Glb) -> Facts:
    """What the JSON alone tells of a GLB whose geometry is compressed with Draco or meshopt."""
    with contradictions_told():
        faces, vertices, size = _declared(glb)
    return Facts(
        faces=faces,
        vertices=vertices,
        parts=None,
        materials=len(glb.list("materials")),
        textures=_textures(glb),
        size_bytes=glb.size_bytes,
        dimensions=size,
        watertight=None,
        holes=None,
        nonmanifold_edges=None,
        extensions=tuple(map(str, glb.list("extensionsUsed"))),
        warnings=(f"The geometry is compressed with {glb.compression}, so it was not examined or drawn.",),
    )


def _declared(glb: Glb) -> tuple[int, int, tuple[float, float, float]]:
    """Faces, vertices and dimensions as the accessors declare them."""
    accessors, faces, vertices, boxes = glb.list("accessors"), 0, 0, [np.empty((0, 3))]
    for matrix, mesh in glb.placed():
        for primitive in mesh["primitives"]:
            position = accessors[primitive["attributes"]["POSITION"]]
            faces += int(accessors[primitive.get("indices", primitive["attributes"]["POSITION"])]["count"]) // 3
            vertices += int(position["count"])
            boxes.append(_corners(position) @ matrix[:3, :3].T + matrix[:3, 3])
    corners = np.concatenate(boxes)
    return faces, vertices, _rounded(np.ptp(corners, axis=0) if len(corners) else np.zeros(3))


def closure(positions: Floats, faces: Integers) -> Closure:
    """Judge how `faces` (m, 3) over `positions` (n, 3) close, vertices at one place counted as one."""
    welded = weld(positions, faces)
    if not len(welded):
        return Closure(0, 0, 0, 0, True)
    edges, counts, balanced = _edges(welded)
    used = np.unique(welded)
    return Closure(
        parts=_pieces(edges, used),
        holes=_pieces(edges[counts == 1], np.unique(edges[counts == 1])),
        open_edges=int((counts == 1).sum()),
        nonmanifold_edges=int((counts > 2).sum()),
        consistent=bool(balanced[counts == 2].all()),
    )


def weld(positions: Floats, faces: Integers) -> Integers:
    """Faces (k, 3) over welded vertices; faces that the welding makes a line or a point are dropped."""
    if not len(faces):
        return faces
    used = np.zeros(len(positions), bool)
    used[faces] = True
    points = positions[used].astype(np.float64)
    lowest = points.min(axis=0)
    longest = float((points.max(axis=0) - lowest).max()) or 1.0
    steps = np.rint((points - lowest) * (WELD_STEPS / longest)).astype(np.int64)
    _, same = np.unique((steps[:, 0] << 42) | (steps[:, 1] << 21) | steps[:, 2], return_inverse=True)
    numbers = np.zeros(len(positions), np.intp)
    numbers[used] = same
    welded = numbers[faces]
    a, b, c = welded.T
    kept: Integers = welded[(a != b) & (b != c) & (c != a)]
    return kept


def _edges(faces: Integers) -> tuple[Integers, Integers, NDArray[np.bool_]]:
    """Edges (e, 2), the number of faces at each, and whether as many faces run along it one way as the other."""
    starts, ends = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    span = int(faces.max()) + 1
    keys = (np.minimum(starts, ends) * span + np.maximum(starts, ends)) * 2 + (starts > ends)
    keys.sort()
    pairs = keys >> 1
    first = np.flatnonzero(np.diff(pairs, prepend=-1))
    counts = np.diff(first, append=len(pairs))
    balanced = np.add.reduceat(keys & 1, first) * 2 == counts
    return np.stack(np.divmod(pairs[first], span), axis=1), counts, balanced


def _pieces(edges: Integers, vertices: Integers) -> int:
    """How many separate groups `edges` (e, 2) make of `vertices`."""
    if not len(vertices):
        return 0
    size = int(vertices.max()) + 1
    graph = coo_array((np.ones(len(edges), np.int8), (edges[:, 0], edges[:, 1])), shape=(size, size))
    return int(connected_components(graph, directed=False)[0]) - (size - len(vertices))


def _dimensions(positions: Floats, faces: Integers) -> tuple[float, float, float]:
    used = np.zeros(len(positions), bool)
    used[faces] = True
    return _rounded(np.ptp(positions[used].astype(float), axis=0))


def _rounded(size: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (round(length, 6) for length in size.tolist())
    return (x, y, z)


def _corners(position: dict[str, Any]) -> NDArray[np.float64]:
    """The eight corners (8, 3) of the box that a POSITION accessor declares."""
    box = np.array([position.get("min", (0, 0, 0)), position.get("max", (0, 0, 0))], float)
    return np.stack([box[[i & 1, i >> 1 & 1, i >> 2], [0, 1, 2]] for i in range(8)])


def _textures(glb: Glb) -> tuple[tuple[int, int], ...]:
    return tuple(_texture_size(glb, index) for index in range(len(glb.list("images"))))


def _texture_size(glb: Glb, index: int) -> tuple[int, int]:
    """Width and height from the image's header, without decoding it."""
    try:
        data = glb.image(index)
        if data.startswith(KTX2_START):
            return int.from_bytes(data[20:24], "little"), int.from_bytes(data[24:28], "little")
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as image:
            return image.size
    except Exception:  # the file is untrusted, and an unreadable texture is no reason to give no facts
        return 0, 0


def _warnings(found: Closure, size: tuple[float, float, float], broken_vertices: int, glb: Glb) -> list[str]:
    many = found.holes != 1
    told = {
        f"The surface is not closed: it has {found.holes:,} hole{'s' * many}. "
        f"Close {'them' if many else 'it'} before printing.": found.open_edges,
        f"{found.nonmanifold_edges:,} edges join more than two faces, which slicers dislike.": found.nonmanifold_edges,
        "Some faces are turned inside out.": not found.consistent,
        f"It is made of {found.parts:,} separate pieces.": found.parts > 1,
        "It is flat: it has no thickness.": min(size) == 0,
        f"{broken_vertices:,} vertices have no valid position; their faces were left out here.": broken_vertices,
        "Its textures are KTX2, which not every viewer shows.": "KHR_texture_basisu" in glb.list("extensionsUsed"),
    }
    return [sentence for sentence, applies in told.items() if applies]
