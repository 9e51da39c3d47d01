"""GLB with new geometry and the materials and encoded textures of another.

Packing: KHR_mesh_quantization with EXT_meshopt_compression, or KHR_draco_mesh_compression; see
https://github.com/KhronosGroup/glTF/tree/main/extensions/2.0.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..gltf import meshopt
from ..gltf.container import encode_glb
from ..gltf.materials import valid_material
from ..gltf.reader import COMPONENT_TYPES, Glb, IndexArray, MeshPrimitive, Scene, texture_source
from .geometry import iter_primitives
from .textures import TextureImage, as_png_or_jpeg
from .writer_input import WriterInput

TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}
COMPONENT_CODES = {np.dtype(name): number for number, name in COMPONENT_TYPES.items()}
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
EXTENSIONS = {"none": [], "meshopt": ["EXT_meshopt_compression", "KHR_mesh_quantization"],
              "draco": ["KHR_draco_mesh_compression"]}  # fmt: skip
WHITE_PIXEL = TextureImage(
    base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2FAAAAABJRU5ErkJggg=="),
    "png",
)
"""A PNG of one pixel, in place of an image that cannot be read."""
DRACO_BITS = {"quantization_bits": 14, "tex_coord_quantization_bits": 12, "normal_quantization_bits": 10}


def write_glb(mesh: WriterInput) -> bytes:
    """GLB of the scene with the materials of its source, packed or not.

    Textures are PNG or JPEG, each once. The stem names nodes and meshes that have no name.
    """
    writer = {"none": _Writer, "meshopt": _MeshoptWriter, "draco": _DracoWriter}[mesh.packing]
    return writer(mesh.glb, mesh.scene, mesh.packing, mesh.stem).file()


class _Writer:
    """One file being written: its JSON and the chunks of its binary buffer."""

    def __init__(self, glb: Glb, scene: Scene, packing: str, stem: str) -> None:
        self.scene = scene
        self.chunks: list[bytes] = []
        self.size = 0
        self.fallback_size = 0
        materials = [valid_material(entry) for entry in glb.list("materials")]
        used = sorted(set(_extensions(materials)))
        required = [name for name in used if name in glb.list("extensionsRequired")]
        extension = EXTENSIONS[packing]
        self.json: dict[str, Any] = {
            "asset": {"version": "2.0", "generator": "image2model"},
            "scene": 0,
            "accessors": [],
            "bufferViews": [],
            **({"samplers": glb.list("samplers")} if glb.list("samplers") else {}),
            **({"extensionsUsed": used + extension} if used + extension else {}),
            **({"extensionsRequired": required + extension} if required + extension else {}),
        }
        if materials:
            self.json["materials"] = materials
        self._add_textures(glb)
        self._add_nodes(stem)

    def _add_textures(self, glb: Glb) -> None:
        """Copy the textures, and each image that they show once."""
        shown: dict[TextureImage, int] = {}
        textures = []
        for texture, image in zip(glb.list("textures"), _images(glb), strict=True):
            kept = {name: texture[name] for name in ("name", "sampler") if name in texture}
            textures.append({"source": shown.setdefault(image, len(shown)), **kept})
        if textures:
            self.json["textures"] = textures
            self.json["images"] = [
                {"bufferView": self._view(image.data), "mimeType": image.media_type} for image in shown
            ]

    def _add_nodes(self, stem: str) -> None:
        """Add a node and a mesh for primitives that follow one another under one name."""
        nodes: list[dict[str, Any]] = []
        meshes: list[dict[str, Any]] = []
        for (node, mesh), group in groupby(iter_primitives(self.scene), key=lambda item: item[0].names):
            nodes.append({"name": node or stem, "mesh": len(meshes), **self._node_transform()})
            meshes.append({"name": mesh or node or stem, "primitives": [self._primitive(*item) for item in group]})
        self.json |= {"scenes": [{"nodes": list(range(len(nodes)))}], "nodes": nodes, "meshes": meshes}

    def _node_transform(self) -> dict[str, Any]:
        """Properties of a node that place its mesh."""
        return {}

    def file(self) -> bytes:
        """The encoded file."""
        fallback = {"EXT_meshopt_compression": {"fallback": True}}
        self.json["buffers"] = [{"byteLength": self.size}]
        if self.fallback_size:
            self.json["buffers"].append({"byteLength": self.fallback_size, "extensions": fallback})
        return encode_glb(self.json, self.chunks)

    def _append(self, data: bytes) -> int:
        """Append to the binary buffer; return the offset."""
        start = self.size
        self.chunks += [data, bytes(-len(data) % 4)]
        self.size += len(data) + -len(data) % 4
        return start

    def _view(self, data: bytes, **extra: Any) -> int:
        start = self._append(data)
        self.json["bufferViews"].append({"buffer": 0, "byteOffset": start, "byteLength": len(data), **extra})
        return len(self.json["bufferViews"]) - 1

    def _accessor(self, dtype: np.dtype[Any], count: int, width: int, **extra: Any) -> int:
        shape = {"componentType": COMPONENT_CODES[dtype.newbyteorder("<")], "count": count, "type": TYPES[width]}
        self.json["accessors"].append({**shape, **extra})
        return len(self.json["accessors"]) - 1

    def _attribute(self, name: str, values: NDArray[Any]) -> int:
        """Store an attribute (n, width) and return its accessor; POSITION gets bounds, as glTF demands."""
        bounds = {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()} if name == "POSITION" else {}
        if name.startswith("COLOR_"):
            values = np.clip(values, 0, 1)
        view = self._view(values.astype("<f4").tobytes(), target=ARRAY_BUFFER)
        return self._accessor(np.dtype("<f4"), len(values), values.shape[1], bufferView=view, **bounds)

    def _faces(self, faces: IndexArray, count: int) -> int:
        dtype = np.dtype("<u2" if count < 65535 else "<u4")
        view = self._view(faces.astype(dtype).tobytes(), target=ELEMENT_ARRAY_BUFFER)
        return self._accessor(dtype, faces.size, 1, bufferView=view)

    def _primitive(self, primitive: MeshPrimitive, vertices: slice, faces: IndexArray) -> dict[str, Any]:
        values = {"POSITION": self.scene.positions[vertices], **primitive.attributes}
        return {
            "attributes": {name: self._attribute(name, rows) for name, rows in values.items()},
            "indices": self._faces(faces, vertices.stop - vertices.start),
            **_material_reference(primitive),
        }


class _MeshoptWriter(_Writer):
    """Positions as 16 bits of the bounding box, normals as 8 bits, all compressed by meshopt."""

    def __init__(self, glb: Glb, scene: Scene, packing: str, stem: str) -> None:
        self._low = scene.positions.min(axis=0).astype(float)
        self._span = float(np.ptp(scene.positions, axis=0).max()) or 1.0
        super().__init__(glb, scene, packing, stem)

    def _node_transform(self) -> dict[str, Any]:
        return {"translation": self._low.tolist(), "scale": [self._span] * 3}

    def _primitive(self, primitive: MeshPrimitive, vertices: slice, faces: IndexArray) -> dict[str, Any]:
        count = vertices.stop - vertices.start
        faces, order = meshopt.optimize_vertex_order(faces, count)
        values = {"POSITION": self.scene.positions[vertices], **primitive.attributes}
        return {
            "attributes": {name: self._attribute(name, rows[order]) for name, rows in values.items()},
            "indices": self._faces(faces, len(order)),
            **_material_reference(primitive),
        }

    def _attribute(self, name: str, values: NDArray[Any]) -> int:
        rows = self._quantize(name, values)
        bounds = {}
        if name == "POSITION":
            bounds = {"min": rows[:, :3].min(axis=0).tolist(), "max": rows[:, :3].max(axis=0).tolist()}
        stride = rows.itemsize * rows.shape[1]
        view = self._compressed_view(meshopt.encode_attributes(rows), len(rows), stride, "ATTRIBUTES", ARRAY_BUFFER)
        normalized = {} if rows.dtype.kind == "f" else {"normalized": True}
        return self._accessor(rows.dtype, len(rows), values.shape[1], bufferView=view, **normalized, **bounds)

    def _quantize(self, name: str, values: NDArray[Any]) -> NDArray[Any]:
        """The attribute in its smallest sound type, each row padded to a multiple of four bytes."""
        if name == "POSITION":
            return _pad_rows(np.rint((values - self._low) / self._span * 65535).clip(0, 65535).astype("<u2"))
        if name == "NORMAL":
            return _pad_rows(np.rint(np.clip(values, -1, 1) * 127).astype("i1"))
        if name.startswith("COLOR_"):
            return _pad_rows(np.rint(np.clip(values, 0, 1) * 65535).astype("<u2"))
        if values.min() >= 0 and values.max() <= 1:
            return _pad_rows(np.rint(values * 65535).astype("<u2"))
        return values.astype("<f4")

    def _faces(self, faces: IndexArray, count: int) -> int:
        view = self._compressed_view(meshopt.encode_triangles(faces), faces.size, 4, "TRIANGLES", ELEMENT_ARRAY_BUFFER)
        return self._accessor(np.dtype("<u4"), faces.size, 1, bufferView=view)

    def _compressed_view(self, data: bytes, count: int, stride: int, mode: str, target: int) -> int:
        start = self._append(data)
        extension = {"buffer": 0, "byteOffset": start, "byteLength": len(data), "byteStride": stride, "count": count,
                  "mode": mode}  # fmt: skip
        view = {"buffer": 1, "byteOffset": self.fallback_size, "byteLength": count * stride, "target": target,
                "extensions": {"EXT_meshopt_compression": extension}}  # fmt: skip
        if mode == "ATTRIBUTES":
            view["byteStride"] = stride
        self.fallback_size += (count * stride + 3) // 4 * 4
        self.json["bufferViews"].append(view)
        return len(self.json["bufferViews"]) - 1


class _DracoWriter(_Writer):
    """Positions in 14 bits, texture coordinates in 12, normals in 10; other attributes stay uncompressed."""

    def _primitive(self, primitive: MeshPrimitive, vertices: slice, faces: IndexArray) -> dict[str, Any]:
        import DracoPy  # only this needs it

        kept = {"NORMAL": "normals", "TEXCOORD_0": "tex_coord", "COLOR_0": "colors"}
        if set(primitive.attributes) - set(kept):
            return super()._primitive(primitive, vertices, faces)
        values = {
            name: _draco_values(name, primitive.attributes[name]) for name in kept if name in primitive.attributes
        }
        arguments = {kept[name]: rows for name, rows in values.items()}
        data = DracoPy.encode(self.scene.positions[vertices], faces, compression_level=7, **DRACO_BITS, **arguments)
        unpacked = DracoPy.decode(data)
        kinds = {0: "POSITION", 1: "NORMAL", 2: "COLOR_0", 3: "TEXCOORD_0"}
        numbers = {kinds[int(entry["attribute_type"])]: entry["unique_id"] for entry in unpacked.attributes}
        extension = {"bufferView": self._view(data), "attributes": numbers}
        attributes = {
            kinds[int(entry["attribute_type"])]: self._empty_accessor(
                kinds[int(entry["attribute_type"])], entry["data"]
            )
            for entry in unpacked.attributes
        }
        return {
            "attributes": attributes,
            "indices": self._accessor(np.dtype("<u4"), unpacked.faces.size, 1),
            "extensions": {"KHR_draco_mesh_compression": extension},
            **_material_reference(primitive),
        }

    def _empty_accessor(self, name: str, values: NDArray[Any]) -> int:
        bounds = {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()} if name == "POSITION" else {}
        normalized = {} if values.dtype.kind == "f" else {"normalized": True}
        dtype = np.dtype("<f4") if values.dtype.kind == "f" else values.dtype
        return self._accessor(dtype, len(values), values.shape[1], **normalized, **bounds)


def _extensions(value: Any) -> Iterator[str]:
    """Yield the names of the extensions that a part of the JSON has, anywhere in it."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if isinstance(value, dict) and isinstance(value.get("extensions"), dict):
        yield from value["extensions"]
    for part in parts:
        yield from _extensions(part)


def _images(glb: Glb) -> Iterator[TextureImage]:
    """The image of each texture, decoded once."""
    known: dict[int, TextureImage] = {}
    for texture in glb.list("textures"):
        try:
            source = texture_source(texture)
            if source not in known:
                known[source] = as_png_or_jpeg(glb.image(source)) or WHITE_PIXEL
            image = known[source]
        except Exception:  # untrusted, and no reason to give no mesh
            image = WHITE_PIXEL
        yield image


def _draco_values(name: str, values: NDArray[Any]) -> NDArray[Any]:
    if name == "COLOR_0":
        return np.asarray(np.rint(np.clip(values, 0, 1) * 255), np.uint8)
    return np.asarray(np.nan_to_num(values), float)


def _pad_rows(rows: NDArray[Any]) -> NDArray[Any]:
    """Rows padded with zero columns to a multiple of four bytes."""
    missing = -rows.shape[1] * rows.itemsize % 4 // rows.itemsize
    return np.pad(rows, ((0, 0), (0, missing))) if missing else rows


def _material_reference(primitive: MeshPrimitive) -> dict[str, Any]:
    return {} if primitive.material_index is None else {"material": primitive.material_index}
