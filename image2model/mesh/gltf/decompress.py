"""Decompression: meshopt compresses buffer views, Draco whole primitives.

Extensions: EXT_meshopt_compression, KHR_meshopt_compression and KHR_draco_mesh_compression, in
https://github.com/KhronosGroup/glTF/tree/main/extensions/2.0
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import meshopt

MESHOPT = ("EXT_meshopt_compression", "KHR_meshopt_compression")
DRACO = "KHR_draco_mesh_compression"


@dataclass(frozen=True, slots=True)
class DecodedPrimitive:
    """A primitive decoded from Draco."""

    faces: NDArray[np.intp]
    attributes: Mapping[str, NDArray[Any]]
    """Attributes (n, width) by their names in glTF."""


def compression_of(json_object: Mapping[str, Any], *names: str) -> dict[str, Any] | None:
    """The first of the extensions `names` that a JSON object has; None where it has none of them."""
    extensions = json_object.get("extensions", {})
    return next((extensions[name] for name in names if name in extensions), None)


def decode_meshopt_view(extension: Mapping[str, Any], data: memoryview | bytes) -> bytes:
    """Decode a buffer view; raise ValueError for damaged data."""
    import wasmtime  # only few files need it

    filter_name = extension.get("filter", "NONE")
    try:
        return meshopt.decode(
            data, int(extension["count"]), int(extension["byteStride"]), extension["mode"], filter_name
        )
    except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
        raise ValueError("damaged meshopt data") from error


def decode_draco(extension: Mapping[str, Any], data: bytes) -> DecodedPrimitive:
    """Decode a primitive; raise ValueError for damaged data."""
    import DracoPy  # only few files need it

    try:
        mesh = DracoPy.decode(data)
        attributes = {
            name: np.asarray(mesh.get_attribute_by_unique_id(number)["data"])
            for name, number in extension["attributes"].items()
        }
        return DecodedPrimitive(np.asarray(mesh.faces, np.intp).reshape(-1, 3), attributes)
    except MemoryError:
        raise
    except Exception as error:  # the library has many ways to say that it cannot read this
        raise ValueError("damaged Draco data") from error
