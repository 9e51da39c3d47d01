"""GLB with other geometry and the same looks: materials and encoded textures are taken over as they are.

Packing: KHR_mesh_quantization with EXT_meshopt_compression, or KHR_draco_mesh_compression; see
https://github.com/KhronosGroup/glTF/tree/main/extensions/2.0.
"""

from __future__ import annotations

import base64
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..gltf import meshopt
from ..gltf.container import glb_of
from ..gltf.reader import COMPONENTS, Glb, Integers, Scene, Surface, sound_material
from .geometry import surfaces

LOOKS = ("textures", "samplers")
LOOK_EXTENSIONS = ("KHR_materials_", "KHR_texture_", "EXT_texture_")
TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}
NUMBERS = {np.dtype(name): number for number, name in COMPONENTS.items()}
VERTICES, INDICES = 34962, 34963
EXTENSIONS = {"none": [], "meshopt": ["EXT_meshopt_compression", "KHR_mesh_quantization"],
              "draco": ["KHR_draco_mesh_compression"]}  # fmt: skip
KINDS = {
    rb"\x89PNG": "image/png",
    rb"\xff\xd8": "image/jpeg",
    rb"RIFF....WEBP": "image/webp",
    rb"\xabKTX 20": "image/ktx2",
}
"""What the bytes of a picture begin with."""
WHITE = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2FAAAAABJRU5ErkJggg==")
"""A PNG of one pixel, in place of a picture that is not there."""
DRACO_BITS = {"quantization_bits": 14, "tex_coord_quantization_bits": 12, "normal_quantization_bits": 10}


def gltf(glb: Glb, scene: Scene, packing: str = "none") -> bytes:
    """A GLB of `scene` with the looks of `glb`; packing is none, meshopt or draco."""
    return {"none": _Writer, "meshopt": _MeshoptWriter, "draco": _DracoWriter}[packing](glb, scene, packing).file()


class _Writer:
    """One file in the making: its JSON, and the parts of its binary chunk."""

    def __init__(self, glb: Glb, scene: Scene, packing: str) -> None:
        self.scene = scene
        self.parts: list[bytes] = []
        self.size = 0
        self.fallback = 0
        used = [str(name) for name in glb.list("extensionsUsed") if str(name).startswith(LOOK_EXTENSIONS)]
        required = [str(name) for name in glb.list("extensionsRequired") if name in used]
        packed = EXTENSIONS[packing]
        self.json: dict[str, Any] = {
            "asset": {"version": "2.0", "generator": "image2model"},
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0}],
            "accessors": [],
            "bufferViews": [],
            **{name: glb.list(name) for name in LOOKS if glb.list(name)},
            **({"extensionsUsed": used + packed} if used + packed else {}),
            **({"extensionsRequired": required + packed} if required + packed else {}),
        }
        if materials := [sound_material(one) for one in glb.list("materials")]:
            self.json["materials"] = materials
        if images := [self._image(glb, index, entry) for index, entry in enumerate(glb.list("images"))]:
            self.json["images"] = images
        primitives = [self._primitive(surface, vertices, faces) for surface, vertices, faces in surfaces(scene)]
        self.json["meshes"] = [{"primitives": primitives}]

    def file(self) -> bytes:
        """The whole file."""
        fallback = {"EXT_meshopt_compression": {"fallback": True}}
        self.json["buffers"] = [{"byteLength": self.size}]
        if self.fallback:
            self.json["buffers"].append({"byteLength": self.fallback, "extensions": fallback})
        return glb_of(self.json, self.parts)

    def _image(self, glb: Glb, index: int, entry: dict[str, Any]) -> dict[str, Any]:
        try:
            data = glb.image(index)
        except Exception:  # untrusted, and no reason to give no mesh
            data = WHITE
        kind = next((kind for begin, kind in KINDS.items() if re.match(begin, data, re.DOTALL)), None)
        return {"bufferView": self._view(data), "mimeType": kind or entry.get("mimeType", "image/jpeg")}

    def _append(self, data: bytes) -> int:
        """Add to the binary chunk; return where it begins."""
        start = self.size
        self.parts += [data, bytes(-len(data) % 4)]
        self.size += len(data) + -len(data) % 4
        return start

    def _view(self, data: bytes, **more: Any) -> int:
        start = self._append(data)
        self.json["bufferViews"].append({"buffer": 0, "byteOffset": start, "byteLength": len(data), **more})
        return len(self.json["bufferViews"]) - 1

    def _accessor(self, kind: np.dtype[Any], count: int, width: int, **more: Any) -> int:
        shape = {"componentType": NUMBERS[kind.newbyteorder("<")], "count": count, "type": TYPES[width]}
        self.json["accessors"].append({**shape, **more})
        return len(self.json["accessors"]) - 1

    def _attribute(self, name: str, values: NDArray[Any]) -> int:
        """Store an attribute (n, width); POSITION with its bounds, as glTF demands."""
        bounds = {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()} if name == "POSITION" else {}
        view = self._view(values.astype("<f4").tobytes(), target=VERTICES)
        return self._accessor(np.dtype("<f4"), len(values), values.shape[1], bufferView=view, **bounds)

    def _faces(self, faces: Integers, count: int) -> int:
        kind = np.dtype("<u2" if count < 65535 else "<u4")
        view = self._view(faces.astype(kind).tobytes(), target=INDICES)
        return self._accessor(kind, faces.size, 1, bufferView=view)

    def _primitive(self, surface: Surface, vertices: slice, faces: Integers) -> dict[str, Any]:
        values = {"POSITION": self.scene.positions[vertices], **surface.attributes}
        return {
            "attributes": {name: self._attribute(name, rows) for name, rows in values.items()},
            "indices": self._faces(faces, vertices.stop - vertices.start),
            **_material(surface),
        }


class _MeshoptWriter(_Writer):
    """Positions as 16 bits of the bounding box, normals as 8 bits, all of it packed."""

    def __init__(self, glb: Glb, scene: Scene, packing: str) -> None:
        self._low = scene.positions.min(axis=0).astype(float)
        self._span = float(np.ptp(scene.positions, axis=0).max()) or 1.0
        super().__init__(glb, scene, packing)
        place = {"translation": self._low.tolist(), "scale": [self._span] * 3}
        self.json["nodes"] = [{"mesh": 0, **place}]

    def _primitive(self, surface: Surface, vertices: slice, faces: Integers) -> dict[str, Any]:
        count = vertices.stop - vertices.start
        faces, order = meshopt.order_for_packing(faces, count)
        values = {"POSITION": self.scene.positions[vertices], **surface.attributes}
        return {
            "attributes": {name: self._attribute(name, rows[order]) for name, rows in values.items()},
            "indices": self._faces(faces, len(order)),
            **_material(surface),
        }

    def _attribute(self, name: str, values: NDArray[Any]) -> int:
        rows = self._quantised(name, values)
        bounds = {}
        if name == "POSITION":
            bounds = {"min": rows[:, :3].min(axis=0).tolist(), "max": rows[:, :3].max(axis=0).tolist()}
        stride = rows.itemsize * rows.shape[1]
        view = self._packed(meshopt.encode_attributes(rows), len(rows), stride, "ATTRIBUTES", VERTICES)
        whole = {} if rows.dtype.kind == "f" else {"normalized": True}
        return self._accessor(rows.dtype, len(rows), values.shape[1], bufferView=view, **whole, **bounds)

    def _quantised(self, name: str, values: NDArray[Any]) -> NDArray[Any]:
        """The attribute in its smallest sound form, each row a multiple of four bytes."""
        if name == "POSITION":
            return _in_fours(np.rint((values - self._low) / self._span * 65535).clip(0, 65535).astype("<u2"))
        if name == "NORMAL":
            return _in_fours(np.rint(np.clip(values, -1, 1) * 127).astype("i1"))
        if name.startswith("COLOR_"):
            return _in_fours(np.rint(np.clip(values, 0, 1) * 65535).astype("<u2"))
        if values.min() >= 0 and values.max() <= 1:
            return _in_fours(np.rint(values * 65535).astype("<u2"))
        return values.astype("<f4")

    def _faces(self, faces: Integers, count: int) -> int:
        view = self._packed(meshopt.encode_triangles(faces), faces.size, 4, "TRIANGLES", INDICES)
        return self._accessor(np.dtype("<u4"), faces.size, 1, bufferView=view)

    def _packed(self, data: bytes, count: int, stride: int, mode: str, target: int) -> int:
        start = self._append(data)
        packed = {"buffer": 0, "byteOffset": start, "byteLength": len(data), "byteStride": stride, "count": count,
                  "mode": mode}  # fmt: skip
        view = {"buffer": 1, "byteOffset": self.fallback, "byteLength": count * stride, "target": target,
                "extensions": {"EXT_meshopt_compression": packed}}  # fmt: skip
        if mode == "ATTRIBUTES":
            view["byteStride"] = stride
        self.fallback += (count * stride + 3) // 4 * 4
        self.json["bufferViews"].append(view)
        return len(self.json["bufferViews"]) - 1


class _DracoWriter(_Writer):
    """Positions in 14 bits, texture coordinates in 12, normals in 10; what has a second set of them stays unpacked."""

    def _primitive(self, surface: Surface, vertices: slice, faces: Integers) -> dict[str, Any]:
        import DracoPy  # only this needs it

        kept = {"NORMAL": "normals", "TEXCOORD_0": "tex_coord", "COLOR_0": "colors"}
        if set(surface.attributes) - set(kept):
            return super()._primitive(surface, vertices, faces)
        values = {name: _for_draco(name, surface.attributes[name]) for name in kept if name in surface.attributes}
        arguments = {kept[name]: rows for name, rows in values.items()}
        data = DracoPy.encode(self.scene.positions[vertices], faces, compression_level=7, **DRACO_BITS, **arguments)
        unpacked = DracoPy.decode(data)
        kinds = {0: "POSITION", 1: "NORMAL", 2: "COLOR_0", 3: "TEXCOORD_0"}
        numbers = {kinds[int(one["attribute_type"])]: one["unique_id"] for one in unpacked.attributes}
        packed = {"bufferView": self._view(data), "attributes": numbers}
        attributes = {
            kinds[int(one["attribute_type"])]: self._declared(kinds[int(one["attribute_type"])], one["data"])
            for one in unpacked.attributes
        }
        return {
            "attributes": attributes,
            "indices": self._accessor(np.dtype("<u4"), unpacked.faces.size, 1),
            "extensions": {"KHR_draco_mesh_compression": packed},
            **_material(surface),
        }

    def _declared(self, name: str, values: NDArray[Any]) -> int:
        bounds = {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()} if name == "POSITION" else {}
        whole = {} if values.dtype.kind == "f" else {"normalized": True}
        kind = np.dtype("<f4") if values.dtype.kind == "f" else values.dtype
        return self._accessor(kind, len(values), values.shape[1], **whole, **bounds)


def _for_draco(name: str, values: NDArray[Any]) -> NDArray[Any]:
    if name == "COLOR_0":
        return np.asarray(np.rint(np.clip(values, 0, 1) * 255), np.uint8)
    return np.asarray(np.nan_to_num(values), float)


def _in_fours(rows: NDArray[Any]) -> NDArray[Any]:
    """`rows` with columns of zeros behind them, until each row is a multiple of four bytes."""
    missing = -rows.shape[1] * rows.itemsize % 4 // rows.itemsize
    return np.pad(rows, ((0, 0), (0, missing))) if missing else rows


def _material(surface: Surface) -> dict[str, Any]:
    return {} if surface.material_index is None else {"material": surface.material_index}
