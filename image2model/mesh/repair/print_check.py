"""Whether a mesh can be printed, and how it is mended: each step says what it did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from ...errors import ErrorCode, Unavailable
from ..facts import Closure, closure, is_flat, pieces, renumbered, vertices_of, weld, weld_numbers
from ..gltf import meshopt
from ..gltf.reader import Floats, Integers
from .flipped_faces import astray
from .hole_filling import Mesh, Rim, capped, nested, rims, thickness, width
from .shells import NOWHERE, shells
from .wall_thickness import walls

MOST_FACES = 1_000_000
"""More than this makes slicers slow."""
THINNEST = 0.8
"""Millimetres: two lines of a common nozzle."""
THIN_SHARE = 0.03
"""Of a surface that may be thinner: points, edges and thin ends."""
OVERLAP = 0.005
"""Share of the longest side that a mesh may lie in itself."""
BASE_SHARE = 0.02
"""Of the area that the mesh covers seen from above, to be flat at the bottom for it to stand."""
BASE_CUT, BASE_CUTS = 0.004, 6
"""Share of the height that is cut from the bottom at first, and how often that is doubled until it stands."""
TOLD_CHANGE = 0.05
"""Share of its volume by which a mesh must have changed for that to be told."""
LOOSE = 0.05
"""Pieces smaller than this share of the longest side are loose bits."""
SMALL_HOLE, FLAT_HOLE = 0.2, 0.02
"""Holes up to this share of the longest side are closed, and larger ones whose rims lie as flat as this."""
MOST_HOLES = 3000
"""A mesh of more holes than this is no surface with holes but a heap of faces, and takes minutes to close."""
SKIN_CELLS, SKIN_FACES = (160, 157, 163, 149, 171, 128, 96), 100_000
"""Grids for a new skin, tried until one closes: where two parts of a skin touch in one line, another grid helps."""
FLAT = "It is flat: it has no thickness, so there is nothing to print."


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


def print_check(positions: Floats, faces: Integers, found: Closure | None = None) -> Verdict:
    """Judge a mesh whose `positions` (n, 3) are in millimetres, Z up, `faces` (m, 3).

    `found` is how it closes, where that is known already: of the same mesh, in whatever size.
    """
    if not _has_body(positions, faces):
        return Verdict(False, (), (FLAT,), ())
    found = found or closure(positions, faces)
    size = np.ptp(positions[faces].reshape(-1, 3), axis=0)
    fine: list[str] = []
    problems: list[str] = []
    for good, told, wrong in (
        (not found.open_edges, "The surface is closed.", f"It has {_count(found.holes, 'hole')}: fix before printing."),
        (not found.nonmanifold_edges, "No edge joins more than two faces.",
         f"{_count(found.nonmanifold_edges, 'edge')} join{'s' * (found.nonmanifold_edges == 1)} more than two faces."),
        (found.consistent and not found.inside_out, "All faces look outwards.",
         "Some faces are turned inside out."),
        (found.parts <= 1, "It is one piece.", f"It is made of {_count(found.parts, 'piece')}."),
        (min(size) >= THINNEST, f"Its thinnest side has {min(size):.1f} mm.",
         f"Its thinnest side has only {min(size):.2f} mm."),
        *(_inner(positions, faces, found) if found.solid and not found.inside_out else ()),
    ):  # fmt: skip
        (fine if good else problems).append(told if good else wrong)
    return Verdict(not problems, tuple(fine), tuple(problems), tuple(_advice(positions, faces)))


def _inner(positions: Floats, faces: Integers, found: Closure) -> Iterator[tuple[bool, str, str]]:
    """What lines through a solid, right side out, tell: whether it is good, and what to say if it is and if not."""
    seen = walls(positions[faces].astype(np.float64))
    thin, places = float((seen.thickness < THINNEST).mean()), len(seen.thickness)
    few = f" {thin:.1%} of them, as at points and edges, are thinner." if thin else ""
    yield (
        thin <= THIN_SHARE,
        f"Its walls have {THINNEST} mm and more, by {places} places.{few}",
        f"{thin:.0%} of its walls are thinner than {THINNEST} mm, down to {seen.thickness.min():.2g} mm: "
        "print it larger.",
    )
    if found.parts == 1:
        crossing = int((seen.overlap > OVERLAP * _longest(positions, faces)).sum())
        yield (
            crossing < 2,
            f"It does not pass through itself, by {places} places.",
            "It passes through itself: a new skin would mend that.",
        )


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
    """Return the mesh as a closed solid that stands, as far as that can be done, and a sentence on each change.

    Millimetres, Z up. `rebuild` wraps it in a new skin, which closes anything and rounds details off.
    Raises Unavailable for a mesh without thickness, and for one of which nothing would be left.
    """
    if not _has_body(positions, faces):
        raise Unavailable(
            ErrorCode.MESH_IS_FLAT, "It is flat: it has no thickness, and cannot be mended.", "Try another mesh."
        )
    mesh, told = (positions, faces), list[str]()
    skin = (_all_holes_closed, _new_skin) if rebuild else (_holes_closed,)
    solid = partial(_solid, way_out="" if rebuild else ": a new skin may help")
    for step in (_without_doubles, _without_loose_bits, _turned_alike, *skin, solid, _with_base):
        mesh, sentence = step(*mesh)
        told += [sentence] if sentence else []
    return mesh, told


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _new_skin(positions: Floats, faces: Integers) -> tuple[Mesh, str]:
    before = closure(positions, faces)
    lost = ""
    for cells in SKIN_CELLS:
        triangles = meshopt.remesh(positions, faces, cells)
        if not len(triangles):
            raise Unavailable(
                ErrorCode.NO_NEW_SKIN, "No new skin could be laid around this mesh.", "Try `repair` solid."
            )
        skin = _joined(triangles.reshape(-1, 3), np.arange(len(triangles) * 3).reshape(-1, 3))
        if closure(*skin).watertight:
            break
        body = skin[0], _without_sheets(skin[1])
        if len(body[1]) and closure(*body).watertight:
            (skin, _), lost = _without_loose_bits(*body), " What had no thickness was left out."
            break
    positions, faces = skin
    if len(faces) > SKIN_FACES:
        faces = meshopt.simplify(positions, faces, np.empty((len(positions), 0), np.float32), (), SKIN_FACES)
    skin = _joined(positions, faces)
    told = f"Gave it a new closed skin of {len(faces):,} faces; fine details are rounded off.{lost}"
    return skin, f"{told} {_volume_told(before, closure(*skin))}".rstrip()


def _without_sheets(faces: Integers) -> Integers:
    """`faces` (m, 3) without those that lie on one another, as the two sides of a sheet do."""
    _, each, counts = np.unique(np.sort(faces, axis=1), axis=0, return_inverse=True, return_counts=True)
    return np.asarray(faces[counts[each] == 1])


def _joined(positions: Floats, faces: Integers) -> Mesh:
    """The mesh with vertices at one place made one, and without those that no face uses."""
    numbers = weld_numbers(positions, faces)
    places = np.zeros((int(numbers.max()) + 1, 3), np.float32)
    used = vertices_of(faces)
    places[numbers[used]] = positions[used]
    kept, order = renumbered(weld(positions, faces))
    return places[kept], order


def _without_doubles(positions: Floats, faces: Integers) -> tuple[Mesh, str]:
    given = len(faces)
    positions, faces = _joined(positions, faces)
    _, first = np.unique(np.sort(faces, axis=1), axis=0, return_index=True)
    told = {
        f"Removed {_count(given - len(faces), 'face')} without area.": given - len(faces),
        f"Removed {_count(len(faces) - len(first), 'double face')}.": len(faces) - len(first),
    }
    return (positions, faces[np.sort(first)]), " ".join(sentence for sentence, applies in told.items() if applies)


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


def _turned_alike(positions: Floats, faces: Integers) -> tuple[Mesh, str]:
    turned = astray(faces)
    told = f"Turned {_count(int(turned.sum()), 'face')} so that all look to one side." if turned.any() else ""
    return (positions, np.where(turned[:, None], faces[:, ::-1], faces)), told


def _holes_closed(positions: Floats, faces: Integers) -> tuple[Mesh, str]:
    """Close each hole that is small or flat."""
    longest, holes = _longest(positions, faces), rims(faces)
    few = len(holes) <= MOST_HOLES
    return _capped(positions, faces, [rim for rim in holes if few and _safe_to_close(positions[rim], longest)])


def _all_holes_closed(positions: Floats, faces: Integers) -> tuple[Mesh, str]:
    holes = rims(faces)
    return _capped(positions, faces, holes if len(holes) <= MOST_HOLES else [])


def _longest(positions: Floats, faces: Integers) -> float:
    return float(np.ptp(positions[faces].reshape(-1, 3), axis=0).max())


def _safe_to_close(rim: Floats, longest: float) -> bool:
    return width(rim) <= SMALL_HOLE * longest or thickness(rim) <= FLAT_HOLE * longest


def _capped(positions: Floats, faces: Integers, holes: list[Rim]) -> tuple[Mesh, str]:
    if not holes:
        return (positions, faces), ""
    longest = _longest(positions, faces)
    groups = nested(positions, holes, FLAT_HOLE * longest)
    widest = max((width(positions[group[0]]) for group in groups if len(group) == 1), default=0.0)
    filled = f" The widest was {widest:.3g} mm: what it led into is solid now." if widest > SMALL_HOLE * longest else ""
    return capped(positions, faces, groups, FLAT_HOLE * longest), f"Closed {_count(len(holes), 'hole')}.{filled}"


def _solid(positions: Floats, faces: Integers, way_out: str) -> tuple[Mesh, str]:
    """Make one solid of closed pieces that overlap or lie in each other, with the right side out and cavities kept."""
    before = closure(positions, faces)
    if before.open_edges:
        return (positions, faces), f"It is still not closed{way_out}."
    solid = _united(positions, faces) if before.solid else None
    if solid is None:
        return (positions, faces), f"It is closed, but no solid could be made of it{way_out}."
    mesh = _of_manifold(solid)
    return mesh, _what_changed(before, closure(*mesh))


def _what_changed(before: Closure, after: Closure) -> str:
    shells = before.parts + before.cavities
    turned = "it" if before.inside_out == shells else _count(before.inside_out, "piece")
    told = {
        f"Turned {turned} right side out.": before.inside_out,
        f"Joined {_count(before.parts, 'piece')} into {after.parts:,}.": before.parts > after.parts,
        (volume := _volume_told(before, after)): volume,
    }  # fmt: skip
    return " ".join(sentence for sentence, applies in told.items() if applies)


def _volume_told(before: Closure, after: Closure) -> str:
    """How its volume has changed, where it had any and that is worth telling."""
    if not (before.solid and after.solid) or abs(after.volume - before.volume) <= TOLD_CHANGE * before.volume:
        return ""
    return f"Its volume went from {_cubic(before.volume)} to {_cubic(after.volume)}."


def _cubic(volume: float) -> str:
    return f"{volume / 1000:,.4g} cm³"


def _united(positions: Floats, faces: Integers) -> Any:
    """manifold3d's solid of a closed welded mesh: its pieces turned right, cavities taken off each, all united.

    None where a piece is no solid, or where nothing would be left.
    """
    import manifold3d  # only repairs need it

    found = shells(positions[faces].astype(np.float64), pieces(faces))
    faces = np.where((found.volumes < 0)[found.of_face, None], faces[:, ::-1], faces)
    ends = np.cumsum(np.bincount(found.of_face))[:-1]
    bodies = [_manifold(positions, own) for own in np.split(faces[np.argsort(found.of_face, kind="stable")], ends)]
    if None in bodies:
        return None
    for cavity in np.flatnonzero(found.around != NOWHERE):
        bodies[found.around[cavity]] -= bodies[cavity]
    outer = [body for body, around in zip(bodies, found.around, strict=True) if around == NOWHERE]
    solid = manifold3d.Manifold.batch_boolean(outer, manifold3d.OpType.Add) if len(outer) > 1 else outer[0]
    return None if solid.is_empty() else solid


def _manifold(positions: Floats, faces: Integers) -> Any:
    """manifold3d's solid of a closed mesh; None where it is not one."""
    import manifold3d  # only repairs need it

    used, order = renumbered(faces)
    mesh = manifold3d.Mesh(positions[used].astype(np.float32), order.astype(np.uint32))
    solid = manifold3d.Manifold(mesh)
    return None if solid.status() != manifold3d.Error.NoError or solid.is_empty() else solid


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
