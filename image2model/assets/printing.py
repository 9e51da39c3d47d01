"""Whether a mesh can be printed, and how it is mended: each step says what it did."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..errors import Unavailable
from . import meshopt
from .facts import Closure, closure, edges_of, is_flat, renumbered, vertices_of, weld, weld_numbers
from .glb import Floats, Integers

MOST_FACES = 1_000_000
"""More than this makes slicers slow."""
THINNEST = 0.8
"""Millimetres: two lines of a common nozzle."""
BASE_SHARE = 0.02
"""Of the area that the mesh covers seen from above, to be flat at the bottom for it to stand."""
BASE_CUT, BASE_CUTS = 0.004, 6
"""Share of the height that is cut from the bottom at first, and how often that is doubled until it stands."""
LOOSE = 0.05
"""Pieces smaller than this share of the longest side are loose bits."""
SMALL_HOLE, FLAT_HOLE = 0.2, 0.02
"""Holes up to this share of the longest side are closed, and larger ones whose rims lie as flat as this."""
SKIN_CELLS, SKIN_FACES = (160, 157, 163, 149, 171, 128, 96), 100_000
"""Grids for a new skin, tried until one closes: where two parts of a skin touch in one line, another grid helps."""
FLAT = "It is flat: it has no thickness, so there is nothing to print."
Mesh = tuple[Floats, Integers]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a mesh is ready to print, and for each thing that was looked at a sentence."""

    ready: bool
    fine: tuple[str, ...]
    problems: tuple[str, ...]
    advice: tuple[str, ...]
    """What may be fine, depending on the print."""

    def to_dict(self) -> dict[str, Any]:
        """The verdict as JSON takes it."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def print_check(positions: Floats, faces: Integers) -> Verdict:
    """Judge a mesh whose `positions` (n, 3) are in millimetres, Z up, `faces` (m, 3)."""
    if not _has_body(positions, faces):
        return Verdict(False, (), (FLAT,), ())
    found = closure(positions, faces)
    size = np.ptp(positions[faces].reshape(-1, 3), axis=0)
    fine: list[str] = []
    problems: list[str] = []
    for good, told, wrong in (
        (not found.open_edges, "The surface is closed.", f"It has {_count(found.holes, 'hole')}: fix before printing."),
        (not found.nonmanifold_edges, "No edge joins more than two faces.",
         f"{_count(found.nonmanifold_edges, 'edge')} join more than two faces."),
        (found.consistent and not (found.solid and found.volume < 0), "All faces look outwards.",
         "Some faces are turned inside out."),
        (found.parts <= 1, "It is one piece.", f"It is made of {_count(found.parts, 'piece')}."),
        (min(size) >= THINNEST, f"Its thinnest side has {min(size):.1f} mm.",
         f"Its thinnest side has only {min(size):.2f} mm."),
    ):  # fmt: skip
        (fine if good else problems).append(told if good else wrong)
    return Verdict(not problems, tuple(fine), tuple(problems), tuple(_advice(positions, faces)))


def _has_body(positions: Floats, faces: Integers) -> bool:
    """Whether it has faces, and not all in one plane."""
    return len(weld(positions, faces)) > 0 and not is_flat(positions, faces)


def _advice(positions: Floats, faces: Integers) -> list[str]:
    advice = []
    if not stands(positions, faces):
        advice.append("It has no flat base: print it with supports, or mend it, which gives it one.")
    if len(faces) > MOST_FACES:
        advice.append(f"It has {len(faces):,} faces: a face limit of 500,000 spares the slicer work.")
    return advice


def stands(positions: Floats, faces: Integers) -> bool:
    """Whether enough of the bottom (Z up) is flat; nothing does not stand."""
    if not len(faces):
        return False
    corners = positions[faces].astype(np.float64)
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2] / 2
    low, high = corners[:, :, 2].min(), corners[:, :, 2].max()
    at_bottom = (corners[:, :, 2] < low + 0.002 * (high - low)).all(axis=1)
    return bool(-flat[at_bottom & (flat < 0)].sum() > BASE_SHARE * -flat[flat < 0].sum())


def mended(positions: Floats, faces: Integers, *, rebuild: bool = False) -> tuple[Mesh, list[str]]:
    """Return the mesh as a closed solid that stands, as far as that can be done, and a sentence on each step.

    Millimetres, Z up. `rebuild` wraps it in a new skin, which closes anything and rounds details off.
    Raises Unavailable for a mesh without thickness, and for one of which nothing would be left.
    """
    if not _has_body(positions, faces):
        raise Unavailable("mesh_is_flat", "It is flat: it has no thickness, and cannot be mended.", "Try another mesh.")
    mesh, told = (positions, faces), list[str]()
    skin = (_all_holes_closed, _new_skin) if rebuild else (_holes_closed,)
    for step in (_without_doubles, _without_loose_bits, *skin, _solid, _with_base):
        mesh, sentence = step(*mesh)
        told += [sentence] if sentence else []
    return mesh, told or ["Nothing had to be mended."]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _new_skin(positions: Floats, faces: Integers) -> tuple[Mesh, str]:
    for cells in SKIN_CELLS:
        triangles = meshopt.remesh(positions, faces, cells)
        if not len(triangles):
            raise Unavailable("no_new_skin", "No new skin could be laid around this mesh.", "Try `repair` solid.")
        skin = _joined(triangles.reshape(-1, 3), np.arange(len(triangles) * 3).reshape(-1, 3))
        if closure(*skin).watertight:
            break
    positions, faces = skin
    if len(faces) > SKIN_FACES:
        faces = meshopt.simplify(positions, faces, np.empty((len(positions), 0), np.float32), (), SKIN_FACES)
    told = f"Gave it a new closed skin of {len(faces):,} faces; fine details are rounded off."
    return _joined(positions, faces), told


def _joined(positions: Floats, faces: Integers) -> Mesh:
    """The mesh with vertices at one place made one, and without those that no face uses."""
    numbers = weld_numbers(positions, faces)
    places = np.zeros((int(numbers.max()) + 1, 3), np.float32)
    used = vertices_of(faces)
    places[numbers[used]] = positions[used]
    kept, order = renumbered(weld(positions, faces))
    return places[kept], order


def _without_doubles(positions: Floats, faces: Integers) -> tuple[Mesh, str]:
    positions, faces = _joined(positions, faces)
    _, first = np.unique(np.sort(faces, axis=1), axis=0, return_index=True)
    doubles = len(faces) - len(first)
    return (positions, faces[np.sort(first)]), f"Removed {_count(doubles, 'double face')}." if doubles else ""


def pieces(faces: Integers) -> Integers:
    """For each face of a welded mesh the number of its piece."""
    size = int(faces.max()) + 1
    starts, ends = faces[:, [0, 1]].ravel(), faces[:, [1, 2]].ravel()
    graph = coo_array((np.ones(len(starts), np.int8), (starts, ends)), shape=(size, size))
    return np.asarray(connected_components(graph, directed=False)[1])[faces[:, 0]]


def _without_loose_bits(positions: Floats, faces: Integers) -> tuple[Mesh, str]:
    piece = pieces(faces)
    count = int(piece.max()) + 1
    low, high = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
    np.minimum.at(low, piece, positions[faces].min(axis=1))
    np.maximum.at(high, piece, positions[faces].max(axis=1))
    size = np.where(np.isfinite(high - low), high - low, 0).max(axis=1)
    kept = size >= LOOSE * size.max()
    loose = int((np.isin(np.arange(count), piece) & ~kept).sum())
    return (positions, faces[kept[piece]]), f"Removed {_count(loose, 'loose bit')}." if loose else ""


def _holes_closed(positions: Floats, faces: Integers) -> tuple[Mesh, str]:
    """Close each hole that is small or flat."""
    longest = float(np.ptp(positions[faces].reshape(-1, 3), axis=0).max())
    return _fanned(positions, faces, [loop for loop in _rims(faces) if _safe_to_close(positions[loop], longest)])


def _all_holes_closed(positions: Floats, faces: Integers) -> tuple[Mesh, str]:
    return _fanned(positions, faces, _rims(faces))


def _safe_to_close(rim: Floats, longest: float) -> bool:
    flatness = np.linalg.svd(rim - rim.mean(axis=0), full_matrices=False)[2][2] @ (rim - rim.mean(axis=0)).T
    return bool(np.ptp(rim, axis=0).max() <= SMALL_HOLE * longest or np.ptp(flatness) <= FLAT_HOLE * longest)


def _fanned(positions: Floats, faces: Integers, loops: list[NDArray[np.intp]]) -> tuple[Mesh, str]:
    """The mesh with a fan in each of these rims, around its middle."""
    if not loops:
        return (positions, faces), ""
    middles = np.array([positions[loop].mean(axis=0) for loop in loops], np.float32)
    fans = [
        np.column_stack([np.roll(loop, -1), loop, np.full(len(loop), len(positions) + number)])
        for number, loop in enumerate(loops)
    ]
    mesh = np.concatenate([positions, middles]), np.concatenate([faces, *fans])
    return mesh, f"Closed {_count(len(loops), 'hole')}."


def _rims(faces: Integers) -> list[NDArray[np.intp]]:
    """The rim of each hole, its vertices in the order in which the faces around it run."""
    starts, ends = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    span = int(faces.max()) + 1
    edges, _, balanced = edges_of(faces)
    torn = edges[~balanced] @ [span, 1]
    if not len(torn):
        return []
    keys = np.minimum(starts, ends) * span + np.maximum(starts, ends)
    near = np.flatnonzero(torn[np.searchsorted(torn[:-1], keys)] == keys)
    there, back = (starts * span + ends)[near], (ends * span + starts)[near]
    open_ = near[~np.isin(there, back)]
    following = dict(zip(starts[open_].tolist(), ends[open_].tolist(), strict=True))
    rims = []
    while following:
        first, vertex = following.popitem()
        rim = [first]
        while vertex != first and vertex in following:
            rim.append(vertex)
            vertex = following.pop(vertex)
        if vertex == first and len(rim) > 2:
            rims.append(np.array(rim))
    return rims


def _solid(positions: Floats, faces: Integers) -> tuple[Mesh, str]:
    """Make one solid of closed pieces that overlap or lie in each other, with the right side out."""
    before = closure(positions, faces)
    if not before.watertight:
        return (positions, faces), "It is still not closed: a new skin would close it."
    solid = _manifold(positions, faces if before.volume >= 0 else faces[:, ::-1])
    if solid is None:
        return (positions, faces), "It is closed, but no solid could be made of it: a new skin would do."
    mesh = _of_manifold(solid)
    return mesh, _what_changed(before, closure(*mesh))


def _what_changed(before: Closure, after: Closure) -> str:
    turned = "Turned it right side out. " if before.volume < 0 else ""
    joined = f"Joined {_count(before.parts, 'piece')} into {after.parts:,}." if before.parts > after.parts else ""
    return (turned + joined).strip()


def _manifold(positions: Floats, faces: Integers) -> Any:
    """manifold3d's solid of a closed mesh, its pieces united; None where it is not one."""
    import manifold3d  # only repairs need it

    mesh = manifold3d.Mesh(  # wants arrays of its own
        np.array(positions, np.float32), np.array(faces, np.uint32)
    )
    solid = manifold3d.Manifold(mesh)
    if solid.status() != manifold3d.Error.NoError or solid.is_empty():
        return None
    parts = solid.decompose()
    return manifold3d.Manifold.batch_boolean(parts, manifold3d.OpType.Add) if len(parts) > 1 else solid


def _of_manifold(solid: Any) -> Mesh:
    mesh = solid.to_mesh()
    return np.asarray(mesh.vert_properties[:, :3], np.float32), np.asarray(mesh.tri_verts, np.intp)


def _with_base(positions: Floats, faces: Integers) -> tuple[Mesh, str]:
    """Cut off as little of the bottom as makes it stand."""
    if stands(positions, faces):
        return (positions, faces), ""
    solid = _manifold(positions, faces)
    low, high = float(positions[:, 2].min()), float(positions[:, 2].max())
    for doubled in range(BASE_CUTS if solid is not None else 0):
        cut = BASE_CUT * 2**doubled * (high - low)
        mesh = _of_manifold(solid.trim_by_plane((0, 0, 1), low + cut))
        if stands(*mesh):
            return mesh, f"Cut {cut:.1f} mm off the bottom, so that it stands on a flat base."
    return (positions, faces), ""
