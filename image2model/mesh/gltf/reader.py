"""Reading untrusted GLB files (glTF 2.0 in one binary file) into numpy arrays.

The container and its JSON are judged before anything is decoded, every length is held against the
bytes that are there, and nothing outside the file is ever opened.
Format: https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ErrorCode
from .container import chunks, failed
from .decompress import DRACO, MESHOPT, Unpacked, draco_primitive, meshopt_view, packed_by

Floats = NDArray[np.float32]
Integers = NDArray[np.intp]

MAX_BYTES = 2_000_000_000
MAX_ELEMENTS = 30_000_000
MAX_FACES = 8_000_000
COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
TRIANGLES, STRIP, FAN = SURFACES = (4, 5, 6)
KINDS: dict[str, Any] = {
    "extensions": dict, "emissiveFactor": list, "emissiveTexture": dict, "alphaCutoff": (int, float),
}  # fmt: skip
"""What some parts of a material are, where they are there."""


@dataclass(frozen=True, slots=True)
class Surface:
    """What one primitive adds to a scene; `first_*` say where its faces and vertices begin there."""

    first_face: int
    first_vertex: int
    faces: int
    attributes: dict[str, NDArray[Any]]
    """By glTF's names, (vertices, width); normals already turned with their node."""
    material: dict[str, Any]
    material_index: int | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """All triangles of a GLB, placed by their nodes (glTF: Y up, front towards +Z)."""

    positions: Floats
    """(vertices, 3)"""
    faces: Integers
    """(faces, 3), into `positions`."""
    surfaces: tuple[Surface, ...]
    invalid_vertices: int
    """How many have no finite position; their faces are left out."""


@contextmanager
def contradictions_told() -> Iterator[None]:
    """Turn what broken JSON leads to (missing keys, wrong types, lengths that do not fit) into glb_broken."""
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise failed(ErrorCode.GLB_BROKEN, "contradicts itself") from error


class Glb:
    """A GLB whose container is sound and whose JSON was read; its buffers are decoded on demand."""

    def __init__(self, path: Path) -> None:
        """Raise GenerationFailed: not_a_glb, glb_truncated, glb_too_large, glb_broken, glb_outside_files."""
        self.size_bytes = path.stat().st_size
        if self.size_bytes > MAX_BYTES:
            raise failed(ErrorCode.GLB_TOO_LARGE, f"has {self.size_bytes / 1e9:.1f} GB")
        self.json, self._binary = chunks(path.read_bytes())
        self._refuse_outside_files()
        self._unpacked: dict[int, bytes] = {}
        self._decoded: dict[int, bytes] = {}

    def list(self, name: str) -> list[Any]:
        """The JSON's array called `name`; empty where there is none."""
        value = self.json.get(name)
        return value if isinstance(value, list) else []

    def scene(self) -> Scene:
        """Decode all triangles; raise GenerationFailed: glb_no_geometry, glb_broken, glb_too_large."""
        with contradictions_told():
            return self._scene()

    def accessor(self, index: int) -> NDArray[Any]:
        """The accessor's values as (count, width), normalised integers as floats."""
        accessor = self.json["accessors"][index]
        count, width = int(accessor["count"]), WIDTHS[accessor["type"]]
        kind = np.dtype(COMPONENTS[accessor["componentType"]])
        if not 0 <= count <= MAX_ELEMENTS:
            raise failed(ErrorCode.GLB_TOO_LARGE, f"claims {count:,} values in one list")
        if "bufferView" in accessor:
            values = self._values(accessor, kind, width, count)
        else:
            values = np.zeros((count, width), kind)
        if sparse := accessor.get("sparse"):
            values = self._patched(values, sparse)
        return _normalised(values, accessor)

    def image(self, index: int) -> bytes:
        """The encoded bytes of an image."""
        image = self.json["images"][index]
        if "bufferView" not in image:
            return _from_data_uri(image["uri"])
        return self._slice(self.json["bufferViews"][image["bufferView"]])

    def texture(self, reference: dict[str, Any]) -> bytes:
        """The encoded bytes of the picture that a material's reference to a texture leads to."""
        entry = self.json["textures"][reference["index"]]
        return self.image(entry.get("extensions", {}).get("EXT_texture_webp", entry)["source"])

    def placed(self) -> Iterator[tuple[NDArray[np.float64], dict[str, Any]]]:
        """Yield (4×4 matrix, mesh) for each node with a mesh, each node once however often it is linked."""
        nodes, scenes = self.list("nodes"), self.list("scenes")
        if scenes:
            roots = scenes[self.json.get("scene", 0)].get("nodes", [])
        else:
            roots = set(range(len(nodes))) - {child for node in nodes for child in node.get("children", [])}
        waiting, seen = [(root, np.eye(4)) for root in roots], set()
        while waiting:
            index, parent = waiting.pop()
            if index in seen:
                continue
            seen.add(index)
            node = nodes[index]
            matrix = parent @ _matrix(node)
            waiting += [(child, matrix) for child in node.get("children", [])]
            if "mesh" in node:
                yield matrix, self.json["meshes"][node["mesh"]]

    def _refuse_outside_files(self) -> None:
        for part in (*self.list("buffers"), *self.list("images")):
            uri = part.get("uri") if isinstance(part, dict) else None
            if uri and not str(uri).startswith("data:"):
                raise failed(ErrorCode.GLB_OUTSIDE_FILES, "needs other files that did not come with it")

    def _scene(self) -> Scene:
        positions: list[Floats] = []
        faces: list[Integers] = []
        surfaces: list[Surface] = []
        first_face = first_vertex = 0
        for matrix, mesh in self.placed():
            for primitive in mesh["primitives"]:
                packed = packed_by(primitive, DRACO)
                unpacked = self._draco(packed) if packed else None
                triangles = unpacked.faces if unpacked else self._triangles(primitive)
                if not len(triangles):
                    continue
                points, attributes = self._vertices(primitive, matrix, unpacked)
                triangles = _outwards(_with_sound_corners(triangles, points), matrix)
                positions.append(points)
                faces.append(triangles + first_vertex)
                surfaces.append(
                    Surface(
                        first_face,
                        first_vertex,
                        len(triangles),
                        attributes,
                        self._material(primitive),
                        primitive.get("material"),
                    )
                )
                first_face += len(triangles)
                first_vertex += len(points)
                if first_face > MAX_FACES:
                    raise failed(ErrorCode.GLB_TOO_LARGE, f"has more than {MAX_FACES:,} faces")
                if first_vertex > MAX_ELEMENTS:
                    raise failed(ErrorCode.GLB_TOO_LARGE, f"has more than {MAX_ELEMENTS:,} vertices")
        if not first_face:
            raise failed(ErrorCode.GLB_NO_GEOMETRY, "holds no surface")
        together = np.concatenate(positions)
        invalid = int((~np.isfinite(together)).any(axis=1).sum())
        return Scene(together, np.concatenate(faces), tuple(surfaces), invalid)

    def _vertices(
        self, primitive: dict[str, Any], matrix: NDArray[np.float64], unpacked: Unpacked | None
    ) -> tuple[Floats, dict[str, NDArray[Any]]]:
        """Positions (n, 3) of a primitive where its node puts them, and its other attributes, (n, width) each."""
        attributes = {
            name: _normalised(unpacked.attributes[name], self.json["accessors"][index])
            if unpacked and name in unpacked.attributes
            else self.accessor(index)
            for name, index in primitive["attributes"].items()
            if name in ("POSITION", "NORMAL") or name.startswith(("TEXCOORD_", "COLOR_"))
        }
        positions, normals = attributes.pop("POSITION"), attributes.pop("NORMAL", None)
        if positions.shape[1] != 3:
            raise ValueError("a position is three numbers")
        if normals is not None and normals.shape != positions.shape:
            normals = None
        points, normals = _moved(positions, normals, matrix)
        if normals is not None:
            attributes["NORMAL"] = normals
        return points, {name: values for name, values in attributes.items() if len(values) == len(points)}

    def _triangles(self, primitive: dict[str, Any]) -> Integers:
        """(faces, 3) indices of a primitive; none for points and lines."""
        mode = primitive.get("mode", TRIANGLES)
        if mode not in SURFACES or "POSITION" not in primitive.get("attributes", {}):
            return np.empty((0, 3), np.intp)
        if "indices" in primitive:
            indices = self.accessor(primitive["indices"])
            if indices.dtype.kind != "u":
                raise TypeError("indices are whole numbers from 0")
            order = indices.ravel().astype(np.intp)
        else:
            order = np.arange(len(self.accessor(primitive["attributes"]["POSITION"])))
        if mode == TRIANGLES:
            return order[: len(order) // 3 * 3].reshape(-1, 3)
        if mode == FAN:
            return np.stack([np.broadcast_to(order[:1], max(0, len(order) - 2)), order[1:-1], order[2:]], axis=1)
        strip = np.stack([order[:-2], order[1:-1], order[2:]], axis=1)
        strip[1::2] = strip[1::2, ::-1]
        return strip

    def _material(self, primitive: dict[str, Any]) -> dict[str, Any]:
        return sound_material(self.json["materials"][primitive["material"]]) if "material" in primitive else {}

    def _buffer(self, index: int) -> memoryview | bytes:
        uri = self.json["buffers"][index].get("uri")
        if not uri:
            return self._binary
        if index not in self._decoded:
            self._decoded[index] = _from_data_uri(uri)
        return self._decoded[index]

    def _slice(self, view: dict[str, Any]) -> bytes:
        """The bytes of a buffer view, or of what stands in for one."""
        return bytes(self._within(view))

    def _within(self, view: dict[str, Any]) -> memoryview:
        """The part of its buffer that a buffer view is."""
        start, length = int(view.get("byteOffset", 0)), int(view["byteLength"])
        if start < 0 or length < 0:
            raise ValueError("negative offset")
        return memoryview(self._buffer(view["buffer"]))[start : start + length]

    def _draco(self, packed: dict[str, Any]) -> Unpacked:
        return draco_primitive(packed, self._slice(self.json["bufferViews"][packed["bufferView"]]))

    def _view(self, index: int) -> tuple[memoryview | bytes, int]:
        """What is in a view, unpacked where it was packed, and its stride."""
        view = self.json["bufferViews"][index]
        packed = packed_by(view, *MESHOPT)
        if not packed:
            return self._within(view), int(view.get("byteStride") or 0)
        if index not in self._unpacked:
            self._unpacked[index] = meshopt_view(packed, self._slice(packed))
        return self._unpacked[index], int(packed["byteStride"])

    def _values(self, where: dict[str, Any], kind: np.dtype[Any], width: int, count: int) -> NDArray[Any]:
        """Values in a buffer view; numpy itself refuses what would reach beyond its end."""
        buffer, stride = self._view(where["bufferView"])
        start = int(where.get("byteOffset", 0))
        stride = stride or kind.itemsize * width
        if start < 0 or stride < 0:
            raise ValueError("negative offset")
        return np.ndarray((count, width), kind, buffer, start, (stride, kind.itemsize))

    def _patched(self, values: NDArray[Any], sparse: dict[str, Any]) -> NDArray[Any]:
        count = int(sparse["count"])
        kind = np.dtype(COMPONENTS[sparse["indices"]["componentType"]])
        rows = self._values(sparse["indices"], kind, 1, count).ravel()
        patched = values.copy()
        patched[rows] = self._values(sparse["values"], values.dtype, values.shape[1], count)
        return patched


def _from_data_uri(uri: str) -> bytes:
    return base64.b64decode(uri.partition("base64,")[2])


def _normalised(values: NDArray[Any], accessor: dict[str, Any]) -> NDArray[Any]:
    """`values` of an accessor, as floats up to 1 where it says that its whole numbers stand for these."""
    if not accessor.get("normalized") or values.dtype.kind == "f":
        return values
    return np.maximum(values.astype(np.float32) / np.iinfo(values.dtype).max, -1)


def _matrix(node: dict[str, Any]) -> NDArray[np.float64]:
    """A node's own 4×4 matrix, from its matrix or its translation, rotation (x, y, z, w) and scale."""
    if "matrix" in node:
        return np.array(node["matrix"], float).reshape(4, 4).T
    x, y, z, w = node.get("rotation", (0, 0, 0, 1))
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = turn * np.array(node.get("scale", (1, 1, 1)), float)
    matrix[:3, 3] = node.get("translation", (0, 0, 0))
    return matrix


def sound_material(material: dict[str, Any]) -> dict[str, Any]:
    """The material with only such colours, factors and extensions as glTF 2.0 (5.19, 5.22) allows: others count as
    not given."""
    look = material.get("pbrMetallicRoughness")
    kept = {name: value for name, value in look.items() if _allowed(name, value)} if isinstance(look, dict) else {}
    wrong = {name for name in KINDS.keys() & material.keys() if not isinstance(material[name], KINDS[name])}
    return {**{name: value for name, value in material.items() if name not in wrong}, "pbrMetallicRoughness": kept}


def _allowed(name: str, value: Any) -> bool:
    if name == "baseColorFactor":
        return isinstance(value, list) and len(value) == 4 and all(_is_number(one) for one in value)
    if name in ("metallicFactor", "roughnessFactor"):
        return _is_number(value)
    return isinstance(value, dict)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and bool(np.isfinite(value))


def _with_sound_corners(triangles: Integers, points: Floats) -> Integers:
    """`triangles` (m, 3) without those of which a corner's position is not finite."""
    if triangles.max() >= len(points):
        raise IndexError("a face uses a vertex that is not there")
    finite = np.asarray(np.isfinite(points).all(axis=1))
    return triangles if finite.all() else triangles[finite[triangles].all(axis=1)]


def _outwards(triangles: Integers, matrix: NDArray[np.float64]) -> Integers:
    """`triangles` (m, 3) with their outer sides out: a node that mirrors turns them (glTF 2.0, 3.7.4)."""
    with np.errstate(all="ignore"):
        return triangles[:, ::-1] if np.linalg.det(matrix[:3, :3]) < 0 else triangles


def _moved(
    positions: NDArray[Any], normals: NDArray[Any] | None, matrix: NDArray[np.float64]
) -> tuple[Floats, Floats | None]:
    """Positions and normals (n, 3) in the scene's coordinates."""
    if np.array_equal(matrix, np.eye(4)):
        return positions.astype(np.float32, copy=False), normals
    with np.errstate(all="ignore"):  # hostile numbers become infinities, which the facts tell
        turn = matrix[:3, :3]
        points = (positions @ turn.T + matrix[:3, 3]).astype(np.float32)
        if normals is None or not np.linalg.det(turn):
            return points, None
        return points, (normals @ np.linalg.inv(turn)).astype(np.float32)
