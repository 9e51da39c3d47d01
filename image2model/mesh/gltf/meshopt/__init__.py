"""meshoptimizer as WebAssembly: needs no compiler and can reach nothing but its own memory.

Simplification with attributes, voxel remeshing and glTF's meshopt compression. What each function takes:
https://github.com/zeux/meshoptimizer/tree/master/js; where the files come from: NOTICE.md.
"""

from __future__ import annotations

import atexit
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # imported when it is first needed: most processes read no compressed mesh and change none
    from wasmtime import Engine, Memory, Module

FloatArray = NDArray[np.float32]
IndexArray = NDArray[np.intp]

HERE = Path(__file__).parent
MAX_BYTES = 3_000_000_000
"""Memory limit of one call."""
PERMISSIVE, REGULARIZE, PRUNE = 32, 16, 8
"""Flags of `simplify`: collapse across seams; prefer regular triangles; drop parts too small to see."""
FILTERS = {"OCTAHEDRAL": "Oct", "QUATERNION": "Quat", "EXPONENTIAL": "Exp", "COLOR": "Color"}
DECODERS = {"ATTRIBUTES": "VertexBuffer", "TRIANGLES": "IndexBuffer", "INDICES": "IndexSequence"}


@cache
def _engine() -> Engine:
    """An engine that reserves no address space ahead, which a worker's memory limit would count."""
    from wasmtime import Config, Engine

    config = Config()
    config.memory_reservation = 0
    config.memory_guard_size = 65536
    config.memory_reservation_for_growth = 1 << 24
    return Engine(config)


@cache
def _module(name: str) -> Module:
    from wasmtime import Module

    return Module.from_file(_engine(), str(HERE / f"{name}.wasm"))


@atexit.register
def _release() -> None:
    """Free modules while wasmtime can: it is imported after this module, and so taken apart before it."""
    _module.cache_clear()
    _engine.cache_clear()


class _WasmInstance:
    """One instance of a module; its memory is freed with it."""

    def __init__(self, name: str) -> None:
        from wasmtime import Instance, Store

        self._store = Store(_engine())
        self._store.set_limits(memory_size=MAX_BYTES)
        self._exports = cast(Mapping[str, Any], Instance(self._store, _module(name), []).exports(self._store))
        self._memory = cast("Memory", self._exports["memory"])
        self.call("__wasm_call_ctors")

    def call(self, function: str, *arguments: float) -> Any:
        return self._exports[function](self._store, *arguments)

    def alloc(self, size: int) -> int:
        """Pointer to `size` new bytes, aligned to 16; raise MemoryError where there is no room."""
        pointer: int = self.call("sbrk", (size + 31) // 16 * 16)
        if pointer == -1:
            raise MemoryError("the mesh needs more memory than it may take")
        return (pointer & 0xFFFFFFFF) + 15 & ~15

    def write(self, values: NDArray[Any]) -> int:
        """Pointer to a copy of `values`."""
        pointer = self.alloc(values.nbytes)
        self._bytes()[pointer : pointer + values.nbytes] = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
        return pointer

    def read(self, pointer: int, count: int, dtype: Any) -> NDArray[Any]:
        """A copy of `count` values at `pointer`."""
        return self._bytes()[pointer : pointer + count * np.dtype(dtype).itemsize].copy().view(dtype)

    def _bytes(self) -> NDArray[np.uint8]:
        memory: Any = self._memory.get_buffer_ptr(self._store)  # an array of ctypes, which numpy reads as it stands
        return np.frombuffer(memory, dtype=np.uint8)


def simplify(positions: FloatArray, faces: IndexArray, attributes: FloatArray, weights: Sequence[float], target: int,
             flags: int = 0) -> IndexArray:  # fmt: skip
    """Simplify `faces` (m, 3) to `target` faces (k, 3) or a few more, over the same `positions` (n, 3).

    `attributes` (n, len(weights)) are preserved too, weighted against the shape, whose longest side counts 1; seams in
    them stay unless `flags` has PERMISSIVE.
    """
    wasm = _WasmInstance("simplifier")
    out, order = wasm.alloc(faces.size * 4), wasm.write(faces.astype("<u4"))
    arguments = (
        out, order, faces.size, wasm.write(positions.astype("<f4")), len(positions), 12,
        wasm.write(attributes.astype("<f4")), 4 * len(weights), wasm.write(np.array(weights, "<f4")), len(weights),
        0, 3 * target, 1.0, flags, wasm.alloc(4),
    )  # fmt: skip
    count = wasm.call("meshopt_simplifyWithAttributes", *arguments)
    return wasm.read(out, count, "<u4").reshape(-1, 3).astype(np.intp)


def remesh(positions: FloatArray, faces: IndexArray, resolution: int) -> FloatArray:
    """Triangles (k, 3, 3) of a surface around `faces`, on a voxel grid of `resolution` (4 to 256) cells."""
    wasm = _WasmInstance("simplifier")
    indices, points = wasm.write(faces.astype("<u4")), wasm.write(positions.astype("<f4"))
    arguments = (indices, faces.size, points, len(positions), 12, resolution, 0)
    capacity = wasm.call("meshopt_remesh", 0, 0, *arguments)
    out = wasm.alloc(capacity * 36)
    count = wasm.call("meshopt_remesh", out, capacity, *arguments)
    return wasm.read(out, count * 9, "<f4").reshape(-1, 3, 3)


def encode_attributes(rows: NDArray[Any]) -> bytes:
    """Compress a vertex attribute (n, width), its rows a multiple of four bytes."""
    wasm = _WasmInstance("encoder")
    stride = rows.itemsize * rows.shape[1]
    bound = wasm.call("meshopt_encodeVertexBufferBound", len(rows), stride)
    out, source = wasm.alloc(bound), wasm.write(rows)
    size = wasm.call("meshopt_encodeVertexBufferLevel", out, bound, source, len(rows), stride, 2, 0)
    return wasm.read(out, size, np.uint8).tobytes()


def encode_triangles(faces: IndexArray) -> bytes:
    """Compress faces (m, 3); their order and first corners may change."""
    wasm = _WasmInstance("encoder")
    wasm.call("meshopt_encodeIndexVersion", 1)
    bound = wasm.call("meshopt_encodeIndexBufferBound", faces.size, int(faces.max()) + 1)
    out, source = wasm.alloc(bound), wasm.write(faces.astype("<u4"))
    size = wasm.call("meshopt_encodeIndexBuffer", out, bound, source, faces.size)
    return wasm.read(out, size, np.uint8).tobytes()


def optimize_vertex_order(faces: IndexArray, vertices: int) -> tuple[IndexArray, IndexArray]:
    """Faces reordered for the vertex cache, and the old index of each new vertex."""
    wasm = _WasmInstance("encoder")
    source = wasm.write(faces.astype("<u4"))
    wasm.call("meshopt_optimizeVertexCache", source, source, faces.size, vertices)
    ordered = wasm.read(source, faces.size, "<u4").astype(np.intp)
    used, first = np.unique(ordered, return_index=True)
    order = used[np.argsort(first)]
    numbers = np.zeros(vertices, np.intp)
    numbers[order] = np.arange(len(order))
    return numbers[ordered].reshape(-1, 3), order


def decode(data: bytes | memoryview, count: int, stride: int, mode: str, filter_name: str = "NONE") -> bytes:
    """Decompress a buffer view of `count` rows of `stride` bytes; raise ValueError for damaged data."""
    if count < 0 or not 0 < stride <= 256 or count * stride > MAX_BYTES // 2:
        raise ValueError("a compressed part of an impossible size")
    wasm = _WasmInstance("decoder")
    rows = (count + 3) // 4 * 4
    out, source = wasm.alloc(rows * stride), wasm.write(np.frombuffer(data, np.uint8))
    if wasm.call(f"meshopt_decode{DECODERS[mode]}", out, count, stride, source, len(data)):
        raise ValueError("damaged meshopt data")
    if filter_name != "NONE":
        wasm.call(f"meshopt_decodeFilter{FILTERS[filter_name]}", out, rows, stride)
    return wasm.read(out, count * stride, np.uint8).tobytes()
