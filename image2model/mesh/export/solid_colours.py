"""A few solid colours for a mesh, one to each triangle, as printers with several filaments need them.

The colours are clustered in CIELAB, where distances are about as large as they look, each weighing as much as the
surface that has it. Then regions are smoothed, and what is narrower than a line of the nozzle joins its neighbour.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..components import connected_components
from ..gltf.colours import linear_to_srgb
from ..gltf.reader import FloatArray, Glb, IndexArray, MeshPrimitive, Scene
from .geometry import colour_or_white, iter_primitives, weld_scene

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Floats = NDArray[np.float64]

LINE_WIDTH_MM = 0.4
"""Width of a line of the usual nozzle: no region is narrower."""
MAX_EDGE_MM, MAX_DIVIDED = 0.8, 400_000
"""Textured triangles are divided until their edges are so short on average, or there would be more than so many."""
SURFACE_SAMPLES, CLUSTER_TRIES, CLUSTER_STEPS = 20_000, 4, 20
FACE_SAMPLES = np.array([[4, 1, 1], [1, 4, 1], [1, 1, 4], [2, 2, 2]], np.float32) / 6
"""Places on each triangle, as weights of its corners, whose colours are averaged."""
MAX_SMOOTHING_STEPS = 20
LINEAR_SRGB_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
"""IEC 61966-2-1, for the white point D65."""


@dataclass(frozen=True, slots=True)
class SolidColours:
    """A palette of a few colours, and each face's colour of it."""

    palette: NDArray[np.uint8]
    """(k, 3) sRGB, the colour of the largest area first."""
    shares: Floats
    """(k,): share of the surface."""
    faces: IndexArray
    """(m,): index of each face's colour."""

    def to_list(self) -> list[dict[str, Any]]:
        """Each colour as `hex`, and its `share` of the surface, as JSON takes them."""
        return [
            {"hex": f"#{red:02X}{green:02X}{blue:02X}", "share": round(share, 4)}
            for (red, green, blue), share in zip(self.palette.tolist(), self.shares.tolist(), strict=True)
        ]

    def __str__(self) -> str:
        """The colours and how much of the surface has each, for people."""
        return ", ".join(f"{colour['hex']} {colour['share']:.0%}" for colour in self.to_list())


def paint_in_solid_colours(glb: Glb, scene: Scene, count: int) -> tuple[Scene, SolidColours]:
    """A scene of the same surface, in millimetres, and its colours, at most `count`; textured triangles are divided."""
    if count > 1 and any(_is_textured(primitive.material) for primitive in scene.primitives):
        scene = _subdivided(scene)
    colours = _face_colours(glb, scene)
    positions, faces = weld_scene(scene)
    corners = positions[faces].astype(np.float64)
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    lab = _to_lab(colours)
    labels = _nearest(_cluster_centres(lab, areas, count), lab)[1]
    pairs, lengths = _face_neighbours(positions, faces)
    labels = _smoothed(labels, areas, pairs, lengths)
    labels = _without_narrow_regions(labels, areas, pairs, lengths)
    total = np.bincount(labels, areas)
    order = np.argsort(-total, kind="stable")[: np.count_nonzero(total)]
    number = np.zeros(len(total), np.intp)
    number[order] = np.arange(len(order))
    sums = np.stack([np.bincount(labels, areas * channel) for channel in colours.T], axis=1)
    palette = linear_to_srgb(sums[order] / total[order, None])
    return scene, SolidColours(palette, total[order] / total.sum(), number[labels])


def _is_textured(material: dict[str, Any]) -> bool:
    """True if its base colour or its light comes from a texture."""
    return "baseColorTexture" in material.get("pbrMetallicRoughness", {}) or "emissiveTexture" in material


def _subdivided(scene: Scene) -> Scene:
    """The scene with each triangle cut into four, as often as MAX_EDGE_MM and MAX_DIVIDED say."""
    corners = scene.positions[scene.faces]
    edge = float(np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).mean())
    while edge > MAX_EDGE_MM and 4 * len(scene.faces) <= MAX_DIVIDED:
        scene, edge = _divided_once(scene), edge / 2
    return scene


def _divided_once(scene: Scene) -> Scene:
    positions: list[FloatArray] = []
    faces: list[IndexArray] = []
    primitives: list[MeshPrimitive] = []
    first_vertex = first_face = 0
    for primitive, vertices, old in iter_primitives(scene):
        count = vertices.stop - vertices.start
        edges, number = np.unique(np.sort(np.roll(np.repeat(old, 2, axis=1), -1, axis=1).reshape(-1, 2), axis=1),
                                  axis=0, return_inverse=True)  # fmt: skip
        middle = count + number.reshape(-1, 3)
        a, b, c = old.T
        ab, bc, ca = middle.T
        cut = np.stack([a, ab, ca, ab, b, bc, ca, bc, c, ab, bc, ca], axis=1).reshape(-1, 3)
        attributes = {name: _with_middles(values, edges) for name, values in primitive.attributes.items()}
        positions.append(_with_middles(scene.positions[vertices], edges))
        faces.append(cut + first_vertex)
        primitives.append(
            replace(primitive, first_vertex=first_vertex, first_face=first_face, faces=len(cut), attributes=attributes)
        )
        first_vertex, first_face = first_vertex + len(positions[-1]), first_face + len(cut)
    return Scene(np.concatenate(positions), np.concatenate(faces), tuple(primitives), 0)


def _with_middles(values: FloatArray, edges: IndexArray) -> FloatArray:
    """`values` (n, …) of vertices, followed by those halfway along `edges` (k, 2)."""
    middles = (values[edges[:, 0]].astype(np.float64) + values[edges[:, 1]]) / 2
    return np.concatenate([values, middles.astype(values.dtype)])


def _face_colours(glb: Glb, scene: Scene) -> Floats:
    """Mean linear base colour (m, 3) of each face."""
    colours = np.empty((len(scene.faces), 3))
    for primitive, _, faces in iter_primitives(scene):
        own = slice(primitive.first_face, primitive.first_face + primitive.faces)
        samples = [
            colour_or_white(glb, primitive, faces.T, np.repeat(weights[:, None], len(faces), axis=1))[:3]
            for weights in FACE_SAMPLES
        ]
        colours[own] = np.clip(np.mean(samples, axis=0), 0, 1).T
    return colours


def _to_lab(linear: Floats) -> Floats:
    """CIELAB (n, 3) of linear sRGB (n, 3), 0 to 1: https://en.wikipedia.org/wiki/CIELAB_color_space."""
    relative = linear @ (LINEAR_SRGB_TO_XYZ / LINEAR_SRGB_TO_XYZ.sum(axis=1, keepdims=True)).T
    x, y, z = np.where(relative > (6 / 29) ** 3, np.cbrt(relative), relative * (29 / 6) ** 2 / 3 + 4 / 29).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def _cluster_centres(lab: Floats, areas: Floats, count: int) -> Floats:
    """Centres (k, 3), k at most `count`, of the colours `lab` (m, 3) over the surface."""
    rng = np.random.default_rng(0)
    samples = lab[rng.choice(len(lab), SURFACE_SAMPLES, p=areas / areas.sum())] if areas.sum() > 0 else lab
    distinct = np.unique(samples.round(1), axis=0)
    if len(distinct) <= count:
        return distinct
    from scipy.cluster.vq import kmeans2  # only printers' colours need it

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a cluster may become empty: its centre is kept
        tries = [kmeans2(samples, count, iter=CLUSTER_STEPS, minit="++", rng=seed)[0] for seed in range(CLUSTER_TRIES)]
    return np.asarray(min(tries, key=lambda centres: float(np.square(_nearest(centres, samples)[0]).sum())))


def _nearest(centres: Floats, colours: Floats) -> tuple[Floats, IndexArray]:
    """Distance (m,) of each colour (m, 3) to the nearest of `centres` (k, 3), and the number (m,) of that."""
    from scipy.spatial import KDTree  # slow to load, and only worker processes need it

    distances, numbers = KDTree(centres).query(colours)
    return np.asarray(distances), np.asarray(numbers, np.intp)


def _face_neighbours(positions: FloatArray, faces: IndexArray) -> tuple[IndexArray, Floats]:
    """Pairs (p, 2) of faces that share an edge, and the edges' lengths (p,)."""
    edges = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], axis=2).reshape(-1, 2), axis=1)
    order = np.lexsort((edges[:, 1], edges[:, 0]))
    same = np.flatnonzero((edges[order[1:]] == edges[order[:-1]]).all(axis=1))
    ends = positions[edges[order[same]]].astype(np.float64)
    return np.stack([order[same], order[same + 1]], axis=1) // 3, np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)


def _smoothed(labels: IndexArray, areas: Floats, pairs: IndexArray, lengths: Floats) -> IndexArray:
    """Labels (m,) by majority of the surface around, as far as half a line's width."""
    size, count = float(np.sqrt(areas.mean())), len(areas)
    steps = int(np.clip(np.ceil((LINE_WIDTH_MM / max(size, 1e-9)) ** 2 / 2), 1, MAX_SMOOTHING_STEPS))
    weights = _symmetric(pairs, lengths, count)
    around = np.asarray(weights.sum(axis=1)).ravel()
    votes = np.eye(int(labels.max()) + 1)[labels]
    for _ in range(steps):
        votes = (votes + (weights @ votes) / np.maximum(around, 1e-30)[:, None]) / 2
    return np.asarray(np.where(around > 0, votes.argmax(axis=1), labels))


def _without_narrow_regions(labels: IndexArray, areas: Floats, pairs: IndexArray, lengths: Floats) -> IndexArray:
    """Labels (m,) with each region narrower than a line joined to its neighbour, smallest first.

    That is the neighbour with the longest border. A strip's width is twice its area over its border's length.
    """
    region = np.arange(len(labels))
    while True:
        joined = connected_components(pairs[labels[pairs[:, 0]] == labels[pairs[:, 1]]], len(labels))[1]
        region, labels = joined[region], labels[np.unique(joined, return_index=True)[1]]
        areas, pairs = np.asarray(np.bincount(joined, areas), np.float64), joined[pairs]
        outer = pairs[:, 0] != pairs[:, 1]
        borders = _symmetric(pairs[outer], lengths[outer], len(labels)).tocoo()
        pairs, lengths = np.stack(borders.coords, axis=1), borders.data
        around = np.bincount(pairs[:, 0], lengths, len(labels))
        narrow = (around > 0) & (2 * areas < LINE_WIDTH_MM * around)
        if not narrow.any():
            return labels[region]
        rank = np.argsort(np.argsort(areas, kind="stable"))
        both = narrow[pairs].all(axis=1)
        narrow[pairs[both & (rank[pairs[:, 0]] > rank[pairs[:, 1]]), 0]] = False
        order = np.lexsort((lengths, pairs[:, 0]))
        longest = order[np.append(np.diff(pairs[order, 0]) > 0, True)]  # of each region, the last is the longest
        longest = longest[narrow[pairs[longest, 0]]]
        labels = labels.copy()
        labels[pairs[longest, 0]] = labels[pairs[longest, 1]]
        lengths = lengths / 2  # each border is there twice, once from either side


def _symmetric(pairs: IndexArray, values: Floats, count: int) -> csr_array:
    """A matrix (count, count) with the sum of `values` at each of `pairs` (p, 2), in both orders."""
    from scipy.sparse import coo_array  # slow to load, and only worker processes need it

    rows, columns = np.concatenate([pairs, pairs[:, ::-1]]).T
    return coo_array((np.concatenate([values, values]), (rows, columns)), shape=(count, count)).tocsr()
