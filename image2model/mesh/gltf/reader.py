"""Reader of untrusted GLB files (glTF 2.0) into numpy arrays.

Container and JSON are validated before anything is decoded, every length is checked against the bytes that are there,
and nothing outside the file is ever opened.
Format: https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import numpy as np
from numpy.typing import NDArray

from ...errors import ErrorCode
from .container import invalid_glb, split_glb
from .decompress import DRACO, MESHOPT, DecodedPrimitive, compression_of, decode_draco, decode_meshopt_view
from .deformation import blend_by_joints, morph
from .materials import valid_material

FloatArray = NDArray[np.float32]
IndexArray = NDArray[np.intp]

MAX_BYTES = 2_000_000_000
MAX_ELEMENTS = 30_000_000
MAX_FACES = 8_000_000
MAX_INSTANCES = 100_000
MAX_NAME_LENGTH = 60
INSTANCING, VISIBILITY = "EXT_mesh_gpu_instancing", "KHR_node_visibility"
IMAGE_FORMAT_EXTENSIONS = ("EXT_texture_webp", "EXT_texture_avif", "KHR_texture_basisu")
"""Extensions by which a texture names an image that is neither PNG nor JPEG."""
COMPONENT_TYPES = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
TYPE_SIZES = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
SURFACE_ATTRIBUTES, SKELETON_ATTRIBUTES = ("TEXCOORD_", "COLOR_"), ("JOINTS_", "WEIGHTS_")
"""Prefixes of the names of vertex attributes: for the appearance, and for the skeleton."""
TRIANGLES, STRIP, FAN = TRIANGLE_MODES = (4, 5, 6)


@dataclass(frozen=True, slots=True)
class MeshPrimitive:
    """A primitive within a scene's arrays, from `first_face` and `first_vertex`."""

    first_face: int
    first_vertex: int
    faces: int
    attributes: dict[str, NDArray[Any]]
    """Attributes (n, width) by their names in glTF; normals are rotated with their node."""
    material: dict[str, Any]
    material_index: int | None = None
    names: tuple[str, str] = ("", "")
    """Names of its node and its mesh."""


@dataclass(frozen=True, slots=True)
class Scene:
    """All triangles of a GLB in world space (glTF: Y up, front towards +Z)."""

    positions: FloatArray
    """(n, 3)"""
    faces: IndexArray
    """(m, 3), into `positions`."""
    primitives: tuple[MeshPrimitive, ...]
    invalid_vertices: int
    """Vertices without a finite position; their faces are dropped."""


@contextmanager
def broken_glb_errors() -> Iterator[None]:
    """Turn the errors that contradictory JSON leads to into GenerationFailed: glb_broken."""
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise invalid_glb(ErrorCode.GLB_BROKEN, "contradicts itself") from error


class Glb:
    """A GLB with a valid container and parsed JSON; buffers are decoded on demand."""

    def __init__(self, path: Path) -> None:
        """Raise GenerationFailed: not_a_glb, glb_truncated, glb_too_large, glb_broken, glb_outside_files."""
        self.size_bytes = path.stat().st_size
        if self.size_bytes > MAX_BYTES:
            raise invalid_glb(ErrorCode.GLB_TOO_LARGE, f"has {self.size_bytes / 1e9:.1f} GB")
        self._parse(path.read_bytes())

    @classmethod
    def from_bytes(cls, data: bytes) -> Glb:
        """A GLB that was just encoded here; raises as for a file."""
        glb = cls.__new__(cls)
        glb.size_bytes = len(data)
        glb._parse(data)
        return glb

    def _parse(self, data: bytes) -> None:
        self.json, self._binary = split_glb(data)
        self._refuse_external_files()
        self._decompressed_views: dict[int, bytes] = {}
        self._data_uris: dict[int, bytes] = {}

    def list(self, name: str) -> list[Any]:
        """The JSON array `name`; empty where there is none."""
        value = self.json.get(name)
        return value if isinstance(value, list) else []

    def scene(self) -> Scene:
        """Decode all triangles; raise GenerationFailed: glb_no_geometry, glb_broken, glb_too_large."""
        with broken_glb_errors():
            return self._scene()

    def accessor(self, index: int) -> NDArray[Any]:
        """Values of an accessor (count, width), normalised integers as floats."""
        accessor = self.json["accessors"][index]
        count, width = int(accessor["count"]), TYPE_SIZES[accessor["type"]]
        kind = np.dtype(COMPONENT_TYPES[accessor["componentType"]])
        if not 0 <= count <= MAX_ELEMENTS:
            raise invalid_glb(ErrorCode.GLB_TOO_LARGE, f"claims {count:,} values in one list")
        if "bufferView" in accessor:
            values = self._read_values(accessor, kind, width, count)
        else:
            values = np.zeros((count, width), kind)
        if sparse := accessor.get("sparse"):
            values = self._apply_sparse(values, sparse)
        return _dequantized(values, accessor)

    def image(self, index: int) -> bytes:
        """Encoded bytes of an image."""
        image = self.json["images"][index]
        if "bufferView" not in image:
            return _from_data_uri(image["uri"])
        return self._view_bytes(self.json["bufferViews"][image["bufferView"]])

    def texture(self, reference: dict[str, Any]) -> bytes:
        """Encoded bytes of the image that a textureInfo refers to."""
        return self.image(texture_source(self.json["textures"][reference["index"]]))

    def iter_mesh_instances(self) -> Iterator[tuple[NDArray[np.float64], dict[str, Any], dict[str, Any]]]:
        """Yield (4×4 world matrix, node, mesh) for each instance of each node with a mesh.

        A hidden node does not count, nor do those below it.
        """
        for _, node, matrix in self._placed_nodes():
            if "mesh" in node:
                for local in self._instances(node):
                    yield matrix @ local, node, self.json["meshes"][node["mesh"]]

    def _placed_nodes(self) -> Iterator[tuple[int, dict[str, Any], NDArray[np.float64]]]:
        """Yield index, node and 4×4 world matrix of each visible node of the scene, once however often it is linked."""
        nodes, scenes = self.list("nodes"), self.list("scenes")
        if scenes:
            roots = scenes[self.json.get("scene", 0)].get("nodes", [])
        else:
            roots = set(range(len(nodes))) - {child for node in nodes for child in node.get("children", [])}
        stack, visited = [(root, np.eye(4)) for root in roots], set()
        while stack:
            index, parent = stack.pop()
            if index in visited:
                continue
            visited.add(index)
            node = nodes[index]
            if not node.get("extensions", {}).get(VISIBILITY, {}).get("visible", True):
                continue
            matrix = parent @ _matrix(node)
            stack += [(child, matrix) for child in node.get("children", [])]
            yield index, node, matrix

    def _instances(self, node: dict[str, Any]) -> Iterator[NDArray[np.float64]]:
        """4×4 matrices of a node's instances (EXT_mesh_gpu_instancing); one identity where it has none."""
        instancing = node.get("extensions", {}).get(INSTANCING)
        if not instancing:
            yield np.eye(4)
            return
        columns = {name.lower(): self.accessor(index) for name, index in instancing["attributes"].items()}
        kept = {name: columns[name] for name in ("translation", "rotation", "scale") if name in columns}
        counts = {len(rows) for rows in columns.values()}
        if len(counts) != 1 or max(counts) > MAX_INSTANCES:
            raise invalid_glb(ErrorCode.GLB_TOO_LARGE, f"repeats a part {max(counts, default=0):,} times")
        for instance in range(counts.pop()):
            yield _matrix({name: rows[instance].tolist() for name, rows in kept.items()})

    def _refuse_external_files(self) -> None:
        for part in (*self.list("buffers"), *self.list("images")):
            uri = part.get("uri") if isinstance(part, dict) else None
            if uri and not str(uri).startswith("data:"):
                raise invalid_glb(ErrorCode.GLB_OUTSIDE_FILES, "needs other files that did not come with it")

    def _scene(self) -> Scene:
        positions: list[FloatArray] = []
        faces: list[IndexArray] = []
        primitives: list[MeshPrimitive] = []
        first_face = first_vertex = 0
        for matrix, node, mesh in self.iter_mesh_instances():
            for primitive in mesh["primitives"]:
                morph_weights = node.get("weights", mesh.get("weights", ()))
                geometry = self._geometry(primitive, matrix, morph_weights, node)
                if geometry is None:
                    continue
                points, triangles, attributes = geometry
                positions.append(points)
                faces.append(triangles + first_vertex)
                material, names = self._material(primitive), (_name(node), _name(mesh))
                primitives.append(
                    MeshPrimitive(
                        first_face, first_vertex, len(triangles), attributes, material, primitive.get("material"), names
                    )
                )
                first_face += len(triangles)
                first_vertex += len(points)
                _check_size(first_face, first_vertex)
        if not first_face:
            raise invalid_glb(ErrorCode.GLB_NO_GEOMETRY, "holds no surface")
        all_positions = np.concatenate(positions)
        invalid = int((~np.isfinite(all_positions)).any(axis=1).sum())
        return Scene(all_positions, np.concatenate(faces), tuple(primitives), invalid)

    def _geometry(
        self,
        primitive: dict[str, Any],
        matrix: NDArray[np.float64],
        morph_weights: Sequence[float],
        node: dict[str, Any],
    ) -> tuple[FloatArray, IndexArray, dict[str, NDArray[Any]]] | None:
        """Positions, triangles and vertex attributes of a primitive; None without triangles."""
        compression = compression_of(primitive, DRACO)
        decoded = self._decode_draco(compression) if compression else None
        triangles = decoded.faces if decoded else self._triangles(primitive)
        if not len(triangles):
            return None
        has_joints = {"JOINTS_0", "WEIGHTS_0"} <= set(primitive["attributes"])
        joints = self._joint_matrices(node) if has_joints else None
        if joints is not None:
            matrix = np.eye(4)
        points, attributes = self._vertices(primitive, matrix, decoded, morph_weights, joints)
        return points, _fix_mirrored_winding(_drop_nonfinite(triangles, points), matrix), attributes

    def _vertices(
        self,
        primitive: dict[str, Any],
        matrix: NDArray[np.float64],
        decoded: DecodedPrimitive | None,
        morph_weights: Sequence[float],
        joint_matrices: NDArray[np.float64] | None,
    ) -> tuple[FloatArray, dict[str, NDArray[Any]]]:
        """World positions (n, 3) of a primitive, and its other attributes (n, width)."""
        attributes = {
            name: _dequantized(decoded.attributes[name], self.json["accessors"][index])
            if decoded and name in decoded.attributes
            else self.accessor(index)
            for name, index in primitive["attributes"].items()
            if name in ("POSITION", "NORMAL") or name.startswith(SURFACE_ATTRIBUTES + SKELETON_ATTRIBUTES)
        }
        for name in attributes:
            if name.startswith("COLOR_"):  # as whole numbers they are shares even where the file forgets to say so
                attributes[name] = _dequantized(attributes[name], {"normalized": True})
        positions, normals = attributes.pop("POSITION"), attributes.pop("NORMAL", None)
        if positions.shape[1] != 3:
            raise ValueError("a position is three numbers")
        if normals is not None and normals.shape != positions.shape:
            normals = None
        positions = self._morphed(primitive, "POSITION", positions, morph_weights)
        normals = None if normals is None else self._morphed(primitive, "NORMAL", normals, morph_weights)
        if joint_matrices is not None:
            joints, shares = (
                np.hstack([attributes[name] for name in sorted(attributes) if name.startswith(kind)])
                for kind in SKELETON_ATTRIBUTES
            )
            positions = blend_by_joints(positions, 1, joints, shares, joint_matrices)
            normals = None if normals is None else blend_by_joints(normals, 0, joints, shares, joint_matrices)
        points, normals = _transform_vertices(positions, normals, matrix)
        if normals is not None:
            attributes["NORMAL"] = normals
        kept = {name: values for name, values in attributes.items() if name.startswith(("NORMAL", *SURFACE_ATTRIBUTES))}
        return points, {name: values for name, values in kept.items() if len(values) == len(points)}

    def _morphed(
        self, primitive: dict[str, Any], name: str, values: NDArray[Any], weights: Sequence[float]
    ) -> NDArray[Any]:
        """An attribute (n, 3) moved by those of the primitive's targets that have a weight."""
        pairs = zip(weights, primitive.get("targets", ()), strict=False)
        used = [(weight, self.accessor(target[name])) for weight, target in pairs if weight and name in target]
        return morph(values, used)

    @cached_property
    def _world_matrices(self) -> dict[int, NDArray[np.float64]]:
        """4×4 world matrix of each visible node of the scene, by its index."""
        return {index: matrix for index, _, matrix in self._placed_nodes()}

    def _joint_matrices(self, node: dict[str, Any]) -> NDArray[np.float64] | None:
        """4×4 matrices (j, 4, 4) of the joints of a node's skin; None where it has none in the scene."""
        if "skin" not in node:
            return None
        skin = self.json["skins"][node["skin"]]
        if not all(joint in self._world_matrices for joint in skin["joints"]):
            return None
        worlds = np.stack([self._world_matrices[joint] for joint in skin["joints"]])
        if "inverseBindMatrices" not in skin:
            return worlds
        inverse = self.accessor(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
        return np.asarray(worlds @ inverse[: len(worlds)])

    def _triangles(self, primitive: dict[str, Any]) -> IndexArray:
        """Indices (m, 3) of a primitive; none for points and lines."""
        mode = primitive.get("mode", TRIANGLES)
        if mode not in TRIANGLE_MODES or "POSITION" not in primitive.get("attributes", {}):
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
        return valid_material(self.json["materials"][primitive["material"]]) if "material" in primitive else {}

    def _buffer(self, index: int) -> memoryview | bytes:
        uri = self.json["buffers"][index].get("uri")
        if not uri:
            return self._binary
        if index not in self._data_uris:
            self._data_uris[index] = _from_data_uri(uri)
        return self._data_uris[index]

    def _view_bytes(self, view: dict[str, Any]) -> bytes:
        """Bytes of a buffer view, or of the extension that replaces one."""
        return bytes(self._raw_view(view))

    def _raw_view(self, view: dict[str, Any]) -> memoryview:
        """Slice of its buffer that a buffer view is."""
        start, length = int(view.get("byteOffset", 0)), int(view["byteLength"])
        if start < 0 or length < 0:
            raise ValueError("negative offset")
        return memoryview(self._buffer(view["buffer"]))[start : start + length]

    def _decode_draco(self, compression: dict[str, Any]) -> DecodedPrimitive:
        return decode_draco(compression, self._view_bytes(self.json["bufferViews"][compression["bufferView"]]))

    def _decoded_view(self, index: int) -> tuple[memoryview | bytes, int]:
        """Decompressed content of a buffer view, and its stride."""
        view = self.json["bufferViews"][index]
        compression = compression_of(view, *MESHOPT)
        if not compression:
            return self._raw_view(view), int(view.get("byteStride") or 0)
        if index not in self._decompressed_views:
            self._decompressed_views[index] = decode_meshopt_view(compression, self._view_bytes(compression))
        return self._decompressed_views[index], int(compression["byteStride"])

    def _read_values(self, where: dict[str, Any], kind: np.dtype[Any], width: int, count: int) -> NDArray[Any]:
        """Values in a buffer view; numpy itself refuses what would reach beyond its end."""
        buffer, stride = self._decoded_view(where["bufferView"])
        start = int(where.get("byteOffset", 0))
        stride = stride or kind.itemsize * width
        if start < 0 or stride < 0:
            raise ValueError("negative offset")
        return np.ndarray((count, width), kind, buffer, start, (stride, kind.itemsize))

    def _apply_sparse(self, values: NDArray[Any], sparse: dict[str, Any]) -> NDArray[Any]:
        count = int(sparse["count"])
        kind = np.dtype(COMPONENT_TYPES[sparse["indices"]["componentType"]])
        rows = self._read_values(sparse["indices"], kind, 1, count).ravel()
        patched = values.copy()
        patched[rows] = self._read_values(sparse["values"], values.dtype, values.shape[1], count)
        return patched


def _from_data_uri(uri: str) -> bytes:
    """Bytes of a `data:` URI (RFC 2397)."""
    kind, _, text = uri.partition(",")
    data = unquote_to_bytes(text)
    return base64.b64decode(data) if kind.endswith(";base64") else data


def _dequantized(values: NDArray[Any], accessor: dict[str, Any]) -> NDArray[Any]:
    """Normalised integers of an accessor as floats."""
    if not accessor.get("normalized") or values.dtype.kind == "f":
        return values
    return np.maximum(values.astype(np.float32) / np.iinfo(values.dtype).max, -1)


def texture_source(texture: dict[str, Any]) -> int:
    """Index of the image of a texture, which an extension for another image format may give."""
    extensions = texture.get("extensions", {})
    alternative = next((extensions[name] for name in IMAGE_FORMAT_EXTENSIONS if name in extensions), texture)
    return int(alternative["source"])


def _name(entry: dict[str, Any]) -> str:
    """The name of a node or mesh without control characters; empty where it has none."""
    name = entry.get("name")
    return "".join(filter(str.isprintable, name))[:MAX_NAME_LENGTH] if isinstance(name, str) else ""


def _matrix(node: dict[str, Any]) -> NDArray[np.float64]:
    """A node's local 4×4 matrix, from its matrix or its translation, rotation (x, y, z, w) and scale."""
    if "matrix" in node:
        return np.array(node["matrix"], float).reshape(4, 4).T
    x, y, z, w = node.get("rotation", (0, 0, 0, 1))
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * np.array(node.get("scale", (1, 1, 1)), float)
    matrix[:3, 3] = node.get("translation", (0, 0, 0))
    return matrix


def _drop_nonfinite(triangles: IndexArray, points: FloatArray) -> IndexArray:
    """`triangles` (m, 3) without those that have a non-finite corner."""
    if triangles.max() >= len(points):
        raise IndexError("a face uses a vertex that is not there")
    finite = np.asarray(np.isfinite(points).all(axis=1))
    return triangles if finite.all() else triangles[finite[triangles].all(axis=1)]


def _check_size(faces: int, vertices: int) -> None:
    """Raise GenerationFailed for a mesh beyond MAX_FACES or MAX_ELEMENTS vertices."""
    if faces > MAX_FACES:
        raise invalid_glb(ErrorCode.GLB_TOO_LARGE, f"has more than {MAX_FACES:,} faces")
    if vertices > MAX_ELEMENTS:
        raise invalid_glb(ErrorCode.GLB_TOO_LARGE, f"has more than {MAX_ELEMENTS:,} vertices")


def _fix_mirrored_winding(triangles: IndexArray, matrix: NDArray[np.float64]) -> IndexArray:
    """`triangles` (m, 3) flipped where the node mirrors them (glTF 2.0, 3.7.4)."""
    with np.errstate(all="ignore"):
        return triangles[:, ::-1] if np.linalg.det(matrix[:3, :3]) < 0 else triangles


def _transform_vertices(
    positions: NDArray[Any], normals: NDArray[Any] | None, matrix: NDArray[np.float64]
) -> tuple[FloatArray, FloatArray | None]:
    """Positions and normals (n, 3) in world space."""
    if np.array_equal(matrix, np.eye(4)):
        return positions.astype(np.float32, copy=False), normals
    with np.errstate(all="ignore"):  # hostile numbers become infinities, which the facts tell
        rotation = matrix[:3, :3]
        points = (positions @ rotation.T + matrix[:3, 3]).astype(np.float32)
        if normals is None or not np.linalg.det(rotation):
            return points, None
        return points, (normals @ np.linalg.inv(rotation)).astype(np.float32)
