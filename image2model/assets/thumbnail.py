"""A picture of a mesh, drawn on the processor: a z-buffer in numpy, textured and softly lit.

Orthographic, from three quarters and a little above, every mesh filling the same share of the
frame. Two samples a side per pixel smooth the edges; the background is transparent.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import GenerationFailed
from .glb import Floats, Glb, Integers, Scene, Surface

SAMPLES = 2
MARGIN = 0.06
"""Of the frame, left free on each side."""
AZIMUTH, ELEVATION = np.radians(28), np.radians(18)
TEXTURE_SIDE = 1024
MAX_TEXTURE_PIXELS = 80_000_000
WORK_AT_ONCE, MOST_WORK = 4_000_000, 400_000_000
"""Samples within faces' boxes: as many in memory at a time, and in all (a hostile file could ask for billions)."""
FAR = np.uint64(2**64 - 1)
REPEAT, CLAMP, MIRROR = 10497, 33071, 33648
WRAPS: dict[int, Callable[[Floats], Floats]] = {
    REPEAT: lambda u: u - np.floor(u),
    CLAMP: lambda u: np.clip(u, 0, 1),
    MIRROR: lambda u: 1 - np.abs(u % 2 - 1),
}
GREY = 0.55
"""Linear reflectance of what has no colour of its own, dimmer than glTF's white so that shape shows."""

KEY_LIGHT = np.array([-0.45, 0.62, 0.64], np.float32)
"""Direction towards the light, as the camera sees it: from the upper left, over the shoulder."""
AMBIENT, SKY, KEY, RIM = 0.42, 0.22, 0.62, 0.10


def _encoding() -> NDArray[np.uint8]:
    linear = np.linspace(0, 1, 4096)
    return np.rint(255 * np.where(linear < 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)).astype(
        np.uint8
    )


def _decoding() -> Floats:
    stored = np.arange(256) / 255
    return np.where(stored < 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4).astype(np.float32)


TO_SRGB, TO_LINEAR = _encoding(), _decoding()


@dataclass(frozen=True, slots=True)
class Hits:
    """What the camera sees: for each covered sample its number in the frame, its face, and where on it."""

    samples: Integers
    faces: Integers
    weights: Floats
    """(samples, 3): barycentric."""

    def of(self, surface: Surface) -> Hits:
        """The hits on one surface."""
        mine = (self.faces >= surface.first_face) & (self.faces < surface.first_face + surface.faces)
        return self if mine.all() else Hits(self.samples[mine], self.faces[mine], self.weights[mine])


def thumbnail(glb: Path, size: int = 320) -> bytes:
    """Return a WebP of `size` × `size` pixels of the GLB; raise GenerationFailed where there is nothing to draw."""
    opened = Glb(glb)
    if opened.compression:
        raise GenerationFailed(
            "glb_compressed", f"The mesh is compressed with {opened.compression}.", "Its thumbnail cannot be drawn."
        )
    return draw(opened, opened.scene(), size)


def draw(glb: Glb, scene: Scene, size: int = 320) -> bytes:
    """Return the scene of `glb` as a WebP of `size` × `size` pixels."""
    side = size * SAMPLES
    camera = _camera()
    on_screen = _framed(scene.positions, scene.faces, camera, side)
    frame = np.zeros((side * side, 4), np.float32)
    hits = _hits(on_screen, scene.faces, side)
    for surface in scene.surfaces:
        mine = hits.of(surface)
        if len(mine.faces):
            frame[mine.samples] = _shaded(glb, scene, surface, mine, camera)
    return _webp(frame, size)


def _camera() -> Floats:
    """Rows: right, up and towards the viewer, in the scene's coordinates."""
    sin_a, cos_a, sin_e, cos_e = np.sin(AZIMUTH), np.cos(AZIMUTH), np.sin(ELEVATION), np.cos(ELEVATION)
    rows = [[cos_a, 0, -sin_a], [-sin_e * sin_a, cos_e, -sin_e * cos_a], [cos_e * sin_a, sin_e, cos_e * cos_a]]
    return np.array(rows, np.float32)


def _framed(positions: Floats, faces: Integers, camera: Floats, side: int) -> Floats:
    """Vertices as (n, 3): column, row and depth (0 near … 1 far) in a frame of `side` samples."""
    with np.errstate(all="ignore"):
        seen = positions @ camera.T
    seen[~np.isfinite(seen).all(axis=1)] = np.nan
    used = np.zeros(len(seen), bool)
    used[faces] = True
    lowest, highest = np.nanmin(seen[used], axis=0), np.nanmax(seen[used], axis=0)
    extent = highest - lowest
    scale = side * (1 - 2 * MARGIN) / max(extent[0], extent[1], 1e-20)
    middle = (lowest + highest) / 2
    framed = np.empty_like(seen)
    framed[:, 0] = (seen[:, 0] - middle[0]) * scale + side / 2
    framed[:, 1] = (middle[1] - seen[:, 1]) * scale + side / 2
    framed[:, 2] = (highest[2] - seen[:, 2]) / max(extent[2], 1e-20)
    return framed


def _hits(vertices: Floats, faces: Integers, side: int) -> Hits:
    """Find the nearest face at each sample's middle."""
    drawn = _Drawn.of(vertices, faces, side)
    nearest = np.full(side * side, FAR)
    for part in drawn.parts():
        owner, column, row = drawn.covered(part)
        depth = np.clip(drawn.depth(owner, column, row), 0, 1) * np.float32(2**31)
        np.minimum.at(nearest, row * side + column, depth.astype(np.uint64) << np.uint64(32) | owner.astype(np.uint64))
    samples = np.flatnonzero(nearest != FAR)
    owner = (nearest[samples] & np.uint64(0xFFFFFFFF)).astype(np.intp)
    return Hits(samples, drawn.numbers[owner], drawn.weights(owner, samples % side, samples // side))


@dataclass(frozen=True, slots=True)
class _Drawn:
    """The faces that hold the middle of a sample within their box on the screen, one row of each array a face.

    The weight of a corner grows over the screen by `gradients[face, corner]` (per column, per row), and is
    1 at its own corner; `origin` is the first corner's column, row and depth.
    """

    numbers: Integers
    origin: Floats
    gradients: Floats
    slope: Floats
    box: Integers
    """(faces, 4): first column, first row, last column, last row."""

    @classmethod
    def of(cls, vertices: Floats, faces: Integers, side: int) -> _Drawn:
        """Choose the faces to draw; those with a vertex that is no number, or without area, are left out."""
        x, y = ([vertices[:, axis].take(faces[:, corner]) for corner in range(3)] for axis in (0, 1))
        boxes = [np.ceil(np.minimum(np.minimum(*v[:2]), v[2]) - 0.5) for v in (x, y)]
        boxes += [np.floor(np.maximum(np.maximum(*v[:2]), v[2]) - 0.5) for v in (x, y)]
        area = (x[1] - x[0]) * (y[2] - y[0]) - (y[1] - y[0]) * (x[2] - x[0])
        numbers = np.flatnonzero((boxes[2] >= boxes[0]) & (boxes[3] >= boxes[1]) & (np.abs(area) > 1e-9))
        box = np.stack([np.clip(edge[numbers], 0, side - 1) for edge in boxes], axis=1).astype(np.intp)
        corners = vertices[faces[numbers]]
        u, v = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        grown = np.stack([v[:, 1], -v[:, 0], -u[:, 1], u[:, 0]], axis=1).reshape(-1, 2, 2) / area[numbers, None, None]
        gradients = np.concatenate([-grown.sum(axis=1, keepdims=True), grown], axis=1)
        slope = grown[:, 0] * u[:, 2:] + grown[:, 1] * v[:, 2:]
        return cls(numbers, corners[:, 0], gradients, slope, box)

    def parts(self) -> Iterator[slice]:
        """Slices of the faces, each with so few samples that memory stays flat."""
        work = (self.box[:, 2] - self.box[:, 0] + 2) * (self.box[:, 3] - self.box[:, 1] + 1)
        ends = np.cumsum(work)
        ends = ends[ends <= MOST_WORK]
        cuts = np.searchsorted(ends, np.arange(WORK_AT_ONCE, ends[-1], WORK_AT_ONCE)) if len(ends) else []
        for first, last in pairwise([0, *cuts, len(ends)]):
            yield slice(first, last)

    def covered(self, part: slice) -> tuple[Integers, Integers, Integers]:
        """For each sample that a face of `part` covers: the face, the column and the row."""
        rows = self.box[part, 3] - self.box[part, 1] + 1
        face = np.repeat(np.arange(part.start, part.stop), rows)
        row = _counted(rows) + self.box[face, 1]
        left, right = self._span(face, row)
        count = np.maximum(right - left + 1, 0)
        return np.repeat(face, count), _counted(count) + np.repeat(left, count), np.repeat(row, count)

    def _span(self, face: Integers, row: Integers) -> tuple[Integers, Integers]:
        """First and last covered column of faces in rows: where all three weights are positive."""
        left, right = self.box[face, 0].astype(np.float32), self.box[face, 2].astype(np.float32)
        x, y = self.origin[face, 0] - np.float32(0.5), row + np.float32(0.5) - self.origin[face, 1]
        with np.errstate(divide="ignore", invalid="ignore"):
            for corner in range(3):
                across, down = self.gradients[face, corner].T
                edge = x - (down * y + (corner == 0)) / across
                left = np.fmax(left, np.where(across > 0, edge, -np.inf))
                right = np.fmin(right, np.where(across < 0, edge, np.inf))
        return np.ceil(left - 1e-3).astype(np.intp), np.floor(right + 1e-3).astype(np.intp)

    def _from_origin(self, face: Integers, column: Integers, row: Integers) -> tuple[Floats, Floats]:
        half = np.float32(0.5)
        return column + half - self.origin[face, 0], row + half - self.origin[face, 1]

    def depth(self, face: Integers, column: Integers, row: Integers) -> Floats:
        """Depth of faces at samples, 0 near … 1 far."""
        x, y = self._from_origin(face, column, row)
        depth: Floats = self.origin[face, 2] + self.slope[face, 0] * x + self.slope[face, 1] * y
        return depth

    def weights(self, face: Integers, column: Integers, row: Integers) -> Floats:
        """Barycentric weights (samples, 3) of faces at samples."""
        x, y = self._from_origin(face, column, row)
        weights = self.gradients[face, :, 0] * x[:, None] + self.gradients[face, :, 1] * y[:, None]
        weights[:, 0] += 1
        np.clip(weights, 0, 1, out=weights)
        weights /= weights.sum(axis=1, keepdims=True)
        return weights


def _counted(counts: Integers) -> Integers:
    """0, 1, … for each count, one after the other: [2, 3] → [0, 1, 0, 1, 2]."""
    numbers: Integers = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return numbers


def _shaded(glb: Glb, scene: Scene, surface: Surface, hits: Hits, camera: Floats) -> Floats:
    """Colours (samples, 4) of hits on a surface: sRGB 0 to 255 times opacity, and opacity 0 to 1."""
    corners = scene.faces[hits.faces]
    colour = _colour(glb, surface, corners - surface.first_vertex, hits.weights)
    if "KHR_materials_unlit" not in surface.material.get("extensions", {}):
        normals = _normals(scene, surface, corners, hits.weights)
        colour[:, :3] = _lit(colour[:, :3], normals @ camera.T)
    shaded = np.empty_like(colour)
    shaded[:, :3] = TO_SRGB[(np.clip(colour[:, :3], 0, 1) * 4095).astype(np.intp)]
    shaded[:, 3] = _opacity(colour[:, 3], surface.material)
    shaded[:, :3] *= shaded[:, 3:]
    return shaded


def _blend(values: NDArray[Any], corners: Integers, weights: Floats) -> Floats:
    """`values` (vertices, width) at hits: mixed by their weights."""
    mixed: Floats = np.einsum("kcw,kc->kw", values[corners], weights)
    return mixed


def _normals(scene: Scene, surface: Surface, corners: Integers, weights: Floats) -> Floats:
    """Unit normals (samples, 3): the file's own, or the faces' (glTF: flat shading) where it has none."""
    if "NORMAL" in surface.attributes:
        normals = _blend(surface.attributes["NORMAL"], corners - surface.first_vertex, weights)
    else:
        a, b, c = (scene.positions[corners[:, corner]] for corner in range(3))
        normals = np.cross(b - a, c - a)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.divide(normals, length, out=np.zeros_like(normals), where=length > 0)


def _lit(colour: Floats, normals: Floats) -> Floats:
    """`colour` (samples, 3) under a soft key light, a sky and a faint rim; `normals` as the camera sees them."""
    facing = np.where(normals[:, 2:] < 0, -normals, normals)  # both sides of a face are lit alike
    key = np.clip(facing @ KEY_LIGHT * 0.85 + 0.15, 0, None)
    light = AMBIENT + SKY * (facing[:, 1] * 0.5 + 0.5) + KEY * key
    rim = RIM * (1 - facing[:, 2]) ** 4
    lit: Floats = colour * light[:, None] + rim[:, None] * (0.2 + colour)
    return lit


def _colour(glb: Glb, surface: Surface, corners: Integers, weights: Floats) -> Floats:
    """Linear colour and opacity (samples, 4) before any light."""
    look = surface.material.get("pbrMetallicRoughness", {})
    texture = look.get("baseColorTexture")
    uvs = surface.attributes.get(f"TEXCOORD_{(texture or {}).get('texCoord', 0)}")
    image = _texture(glb, texture) if texture and uvs is not None else None
    painted = surface.attributes.get("COLOR_0")
    plain = (GREY, GREY, GREY, 1) if image is None and painted is None else (1, 1, 1, 1)
    colour = np.empty((len(corners), 4), np.float32)
    colour[:] = look.get("baseColorFactor", plain)
    if image is not None and texture and uvs is not None:
        colour *= _sampled(image, _transformed(_blend(uvs, corners, weights), texture), _wraps(glb, texture))
    if painted is not None:
        colour[:, : painted.shape[1]] *= _blend(painted, corners, weights)
    return colour


def _texture(glb: Glb, texture: dict[str, Any]) -> NDArray[np.uint8] | None:
    """The texture as (rows, columns, 4), of a size between half of and TEXTURE_SIDE; None where it cannot be read."""
    try:
        entry = glb.json["textures"][texture["index"]]
        source = entry.get("extensions", {}).get("EXT_texture_webp", entry)["source"]
        image = Image.open(io.BytesIO(glb.image(source)), formats=("JPEG", "PNG", "WEBP"))
        if image.width * image.height > MAX_TEXTURE_PIXELS:
            return None
        image.draft(None, (TEXTURE_SIDE, TEXTURE_SIDE))
        size = np.clip(image.size, TEXTURE_SIDE // 2, TEXTURE_SIDE).tolist()
        return np.asarray(image.convert("RGBA").resize(size, Image.Resampling.BILINEAR, reducing_gap=2))
    except Exception:  # untrusted bytes; the mesh is drawn without
        return None


def _wraps(glb: Glb, texture: dict[str, Any]) -> tuple[int, int]:
    entry = glb.json["textures"][texture["index"]]
    sampler = glb.json["samplers"][entry["sampler"]] if "sampler" in entry else {}
    return sampler.get("wrapS", REPEAT), sampler.get("wrapT", REPEAT)


def _transformed(uvs: Floats, texture: dict[str, Any]) -> Floats:
    """`uvs` (n, 2) after KHR_texture_transform."""
    transform = texture.get("extensions", {}).get("KHR_texture_transform")
    if not transform:
        return uvs
    turn = float(transform.get("rotation", 0))
    matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    scaled = uvs * np.array(transform.get("scale", (1, 1)), np.float32)
    return (scaled @ matrix.T + transform.get("offset", (0, 0))).astype(np.float32)


def _sampled(image: NDArray[np.uint8], uvs: Floats, wraps: tuple[int, int]) -> Floats:
    """Linear colour and opacity (n, 4) of the texel at each of `uvs` (n, 2)."""
    rows, columns = image.shape[:2]
    u, v = (np.nan_to_num(WRAPS.get(wrap, WRAPS[REPEAT])(uvs[:, axis])) for axis, wrap in enumerate(wraps))
    column = np.minimum((u * columns).astype(np.intp), columns - 1)
    row = np.minimum((v * rows).astype(np.intp), rows - 1)
    texels = image[row, column]
    colour = TO_LINEAR[texels]
    colour[:, 3] = texels[:, 3] / np.float32(255)
    return colour


def _opacity(alpha: Floats, material: dict[str, Any]) -> Floats | float:
    mode = material.get("alphaMode", "OPAQUE")
    if mode == "MASK":
        return (alpha >= material.get("alphaCutoff", 0.5)).astype(np.float32)
    return np.clip(alpha, 0, 1) if mode == "BLEND" else 1.0


def _webp(frame: Floats, size: int) -> bytes:
    """Encode the samples (colour times opacity, opacity) as an image of `size` × `size` pixels."""
    grid = frame.reshape(size * SAMPLES, size * SAMPLES, 4)
    pixels = sum(grid[i::SAMPLES, j::SAMPLES] for i in range(SAMPLES) for j in range(SAMPLES)) / SAMPLES**2
    opacity = pixels[..., 3:]
    pixels[..., :3] /= np.maximum(opacity, 1e-6)
    opacity *= 255
    buffer = io.BytesIO()
    Image.fromarray(np.rint(pixels).astype(np.uint8)).save(buffer, "WEBP", quality=88, method=2)
    return buffer.getvalue()
