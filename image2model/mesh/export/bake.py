"""Colours of a mesh carried over to a repaired one: baked on a new texture, or at its vertices."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..gltf.colours import linear_to_srgb
from ..gltf.container import encode_glb
from ..gltf.reader import FloatArray, Glb, IndexArray, MeshPrimitive, Scene
from ..render.rasterizer import Rasterizer
from .geometry import colour_or_white, has_colour

TEXTURE_SIZE, PADDING = 1024, 3
"""Pixels a side of a baked texture, and between its charts."""
MAX_UNWRAPPED = 150_000
"""Meshes of more faces get vertex colours: unwrapping them takes minutes."""
SURFACE_SAMPLES = 400_000
"""Points on the source among which the closest is searched."""
MATERIAL = {"metallicFactor": 0, "roughnessFactor": 0.9}
"""Plain and rough: what made the source shine does not fit the new texture."""


def bake(glb: Glb, source: Scene, positions: FloatArray, faces: IndexArray, *, textured: bool) -> tuple[Glb, Scene]:
    """A GLB and scene of `faces` (m, 3) over `positions` (n, 3) in the colours of the closest points of `source`.

    Both are in one frame. `textured` asks for a texture, which up to MAX_UNWRAPPED faces get; else each vertex has a
    colour.
    """
    if not any(has_colour(primitive) for primitive in source.primitives):
        return _glb_and_scene({}, positions, faces, {})
    sampler = _ClosestColours(glb, source)
    unwrapped = _unwrap(positions, faces) if textured and len(faces) <= MAX_UNWRAPPED else None
    if unwrapped is None:
        return _glb_and_scene({}, positions, faces, {"COLOR_0": sampler.colours_at(positions)})
    vertices, faces, uv = unwrapped
    positions = positions[vertices]
    return _glb_and_scene(_texture(sampler, positions, faces, uv), positions, faces, {"TEXCOORD_0": uv})


def _unwrap(positions: FloatArray, faces: IndexArray) -> tuple[IndexArray, IndexArray, FloatArray] | None:
    """Old index (k,) of each new vertex, faces (m, 3) and coordinates (k, 2); None where they cannot be unwrapped."""
    import uvunwrap  # only repairs need it

    mesh = uvunwrap.Mesh(np.ascontiguousarray(positions, np.float32), faces.astype(np.uint32))
    try:
        (unwrapped,) = uvunwrap.generate([mesh], page_size=TEXTURE_SIZE, padding=PADDING, packing="fast").meshes
    except uvunwrap.UnwrapError:
        return None
    return (
        np.array(unwrapped.xref, np.intp),
        np.array(unwrapped.indices, np.intp).reshape(-1, 3),
        np.array(unwrapped.uv, np.float32).reshape(-1, 2),
    )


def _texture(sampler: _ClosestColours, positions: FloatArray, faces: IndexArray, uv: FloatArray) -> dict[str, Any]:
    """The base colour (JPEG) of each texel that a face covers; other texels take the nearest one's colour."""
    from scipy.ndimage import distance_transform_edt  # slow to load, and only worker processes need it

    corners = np.zeros((3, 3, len(faces)), np.float32)
    corners[:2] = (uv[faces] * TEXTURE_SIZE).transpose(2, 1, 0)
    raster = Rasterizer.prepare(corners, TEXTURE_SIZE)
    nearest = raster.nearest(TEXTURE_SIZE)
    rows, columns = np.nonzero(nearest >= 0)
    triangles = nearest[rows, columns].astype(np.intp)
    weights = raster.barycentric(triangles, columns + np.float32(0.5), rows + np.float32(0.5))
    points = np.einsum("cn,ncx->nx", weights, positions[faces[raster.triangle_ids[triangles]]])
    image = np.zeros((TEXTURE_SIZE, TEXTURE_SIZE, 3), np.uint8)
    image[rows, columns] = linear_to_srgb(sampler.colours_at(points)[:, :3])
    around = distance_transform_edt(nearest < 0, return_distances=False, return_indices=True)
    data = io.BytesIO()
    Image.fromarray(image[tuple(around)]).save(data, "JPEG", quality=95, subsampling="4:4:4")
    return {"data": data.getvalue()}


def _glb_and_scene(
    texture: Mapping[str, bytes], positions: FloatArray, faces: IndexArray, attributes: dict[str, NDArray[Any]]
) -> tuple[Glb, Scene]:
    """The scene of one primitive, and a GLB without geometry that holds its material and texture."""
    material: dict[str, Any] = {"pbrMetallicRoughness": dict(MATERIAL)}
    document: dict[str, Any] = {"asset": {"version": "2.0"}, "materials": [material]}
    data = texture.get("data", b"")
    if data:
        material["pbrMetallicRoughness"]["baseColorTexture"] = {"index": 0}
        document |= {"textures": [{"source": 0}], "images": [{"bufferView": 0, "mimeType": "image/jpeg"}]}
        document |= {"bufferViews": [{"buffer": 0, "byteLength": len(data)}], "buffers": [{"byteLength": len(data)}]}
    primitive = MeshPrimitive(0, 0, len(faces), attributes, material, 0)
    glb = Glb.from_bytes(encode_glb(document, [data, bytes(-len(data) % 4)]))
    return glb, Scene(positions.astype(np.float32), faces, (primitive,), 0)


class _ClosestColours:
    """Base colours of a scene's surface at the points closest to others."""

    def __init__(self, glb: Glb, scene: Scene) -> None:
        from scipy.spatial import KDTree  # slow to load, and only worker processes need it

        self._glb, self._scene = glb, scene
        self._corners = scene.positions[scene.faces].astype(np.float64)
        areas = np.linalg.norm(np.cross(*(self._corners[:, 1:] - self._corners[:, :1]).transpose(1, 0, 2)), axis=1)
        rng = np.random.default_rng(0)
        each = np.arange(len(areas))
        chosen = rng.choice(len(areas), SURFACE_SAMPLES, p=areas / areas.sum()) if areas.sum() > 0 else each
        self._face_of = np.concatenate([each, chosen])
        weights = np.concatenate([np.full((len(each), 3), 1 / 3), rng.dirichlet((1, 1, 1), len(chosen))])
        self._tree = KDTree(np.einsum("nc,ncx->nx", weights, self._corners[self._face_of]))

    def colours_at(self, points: FloatArray) -> FloatArray:
        """Linear base colour and alpha (n, 4) of the surface point closest to each of `points` (n, 3)."""
        closest = self._face_of[self._tree.query(points, workers=1)[1]]
        weights = _projected(points.astype(np.float64), self._corners[closest])
        colours = np.ones((len(points), 4), np.float32)
        for primitive in self._scene.primitives:
            own = np.flatnonzero((closest >= primitive.first_face) & (closest < primitive.first_face + primitive.faces))
            if len(own):
                corners = self._scene.faces[closest[own]].T - primitive.first_vertex
                colour = colour_or_white(self._glb, primitive, corners, weights[own].T.astype(np.float32))
                colours[own] = np.clip(colour, 0, 1).T
        return colours


def _projected(points: NDArray[np.float64], corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Barycentric weights (n, 3) of `points` (n, 3) in the planes of triangles (n, 3, 3), clamped into these."""
    u, v, w = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0], points - corners[:, 0]
    uu, uv, vv = (np.einsum("nx,nx->n", *pair) for pair in ((u, u), (u, v), (v, v)))
    wu, wv = np.einsum("nx,nx->n", w, u), np.einsum("nx,nx->n", w, v)
    area = np.maximum(uu * vv - uv * uv, 1e-300)
    second, third = (vv * wu - uv * wv) / area, (uu * wv - uv * wu) / area
    weights = np.clip(np.stack([1 - second - third, second, third], axis=1), 0, None)
    return np.asarray(weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-300))
