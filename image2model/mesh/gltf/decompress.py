"""Geometry out of its compressions: meshopt packs buffer views, Draco whole primitives.

Extensions: EXT_meshopt_compression, KHR_meshopt_compression and KHR_draco_mesh_compression, in
https://github.com/KhronosGroup/glTF/tree/main/extensions/2.0
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import wasmtime
from numpy.typing import NDArray

from . import meshopt

MESHOPT = ("EXT_meshopt_compression", "KHR_meshopt_compression")
DRACO = "KHR_draco_mesh_compression"


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A primitive that Draco had packed."""

    faces: NDArray[np.intp]
    attributes: Mapping[str, NDArray[Any]]
    """By glTF's names, (vertices, width)."""


def packed_by(part: Mapping[str, Any], *names: str) -> dict[str, Any] | None:
    """What the first of these extensions says in a part of the JSON; None where it has none of them."""
    extensions = part.get("extensions", {})
    return next((extensions[name] for name in names if name in extensions), None)


def meshopt_view(packed: Mapping[str, Any], data: memoryview | bytes) -> bytes:
    """The bytes of a buffer view that meshopt has packed into `data`; raise ValueError where it is damaged."""
    kind = packed.get("filter", "NONE")
    try:
        return meshopt.decode(data, int(packed["count"]), int(packed["byteStride"]), packed["mode"], kind)
    except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
        raise ValueError("damaged meshopt data") from error


def draco_primitive(packed: Mapping[str, Any], data: bytes) -> Unpacked:
    """The primitive that Draco has packed into `data`; raise ValueError where it is damaged."""
    import DracoPy  # only few files need it

    try:
        mesh = DracoPy.decode(data)
        attributes = {
            name: np.asarray(mesh.get_attribute_by_unique_id(number)["data"])
            for name, number in packed["attributes"].items()
        }
        return Unpacked(np.asarray(mesh.faces, np.intp).reshape(-1, 3), attributes)
    except MemoryError:
        raise
    except Exception as error:  # the library has many ways to say that it cannot read this
        raise ValueError("damaged Draco data") from error
