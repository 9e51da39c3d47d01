"""meshoptimizer, run as WebAssembly: it needs no compiler here and can reach nothing but its own memory.

Thins meshes with their texture coordinates kept, and packs and unpacks glTF's meshopt compression.
What each function takes: https://github.com/zeux/meshoptimizer/tree/master/js; where the files come from: NOTICE.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from wasmtime import Config, Engine, Instance, Memory, Module, Store

Floats = NDArray[np.float32]
Integers = NDArray[np.intp]

HERE = Path(__file__).parent
MAX_BYTES = 3_000_000_000
"""Memory that one call may take."""
PERMISSIVE, REGULARIZE, PRUNE = 32, 16, 8
"""Ways to thin: collapse across seams too; to evener faces; drop bits that have become too small to see."""
FILTERS = {"OCTAHEDRAL": "Oct", "QUATERNION": "Quat", "EXPONENTIAL": "Exp", "COLOR": "Color"}
DECODERS = {"ATTRIBUTES": "VertexBuffer", "TRIANGLES": "IndexBuffer", "INDICES": "IndexSequence"}


@cache
def _engine() -> Engine:
    """An engine that reserves no address space ahead, which a worker's memory limit would count."""
    config = Config()
    config.memory_reservation = 0
    config.memory_guard_size = 65536
    config.memory_reservation_for_growth = 1 << 24
    return Engine(config)


@cache
def _module(name: str) -> Module:
    return Module.from_file(_engine(), str(HERE / f"{name}.wasm"))


class _Machine:
    """One run of a module, its memory gone with it."""

    def __init__(self, name: str) -> None:
        self._store = Store(_engine())
        self._store.set_limits(memory_size=MAX_BYTES)
        self._exports = cast(Mapping[str, Any], Instance(self._store, _module(name), []).exports(self._store))
        self._memory = cast(Memory, self._exports["memory"])
        self.call("__wasm_call_ctors")

    def call(self, function: str, *arguments: float) -> Any:
        return self._exports[function](self._store, *arguments)

    def room(self, size: int) -> int:
        """The place of `size` fresh bytes, a multiple of 16; raise MemoryError where there is no room."""
        place: int = self.call("sbrk", (size + 31) // 16 * 16)
        if place == -1:
            raise MemoryError("the mesh needs more memory than it may take")
        return (place & 0xFFFFFFFF) + 15 & ~15

    def put(self, values: NDArray[Any]) -> int:
        """The place of a copy of `values`."""
        place = self.room(values.nbytes)
        self._bytes()[place : place + values.nbytes] = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
        return place

    def take(self, place: int, count: int, kind: Any) -> NDArray[Any]:
        """A copy of `count` values at `place`."""
        return self._bytes()[place : place + count * np.dtype(kind).itemsize].copy().view(kind)

    def _bytes(self) -> NDArray[np.uint8]:
        memory: Any = self._memory.get_buffer_ptr(self._store)  # an array of ctypes, which numpy reads as it stands
        return np.frombuffer(memory, dtype=np.uint8)


def simplify(positions: Floats, faces: Integers, attributes: Floats, weights: Sequence[float], target: int,
             flags: int = 0) -> Integers:  # fmt: skip
    """Return `target` faces (k, 3) or a few more, over the same vertices, that keep the shape of `faces` (m, 3) best.

    `positions` (n, 3); `attributes` (n, len(weights)) are kept too, each by its weight against the shape,
    whose longest side counts 1; seams in them stay unless `flags` has PERMISSIVE.
    """
    run = _Machine("simplifier")
    out, order = run.room(faces.size * 4), run.put(faces.astype("<u4"))
    arguments = (
        out, order, faces.size, run.put(positions.astype("<f4")), len(positions), 12,
        run.put(attributes.astype("<f4")), 4 * len(weights), run.put(np.array(weights, "<f4")), len(weights),
        0, 3 * target, 1.0, flags, run.room(4),
    )  # fmt: skip
    count = run.call("meshopt_simplifyWithAttributes", *arguments)
    return run.take(out, count, "<u4").reshape(-1, 3).astype(np.intp)


def remesh(positions: Floats, faces: Integers, resolution: int) -> Floats:
    """Return the triangles (k, 3, 3) of a new skin around `faces`, on a grid of `resolution` (4 to 256) cells."""
    run = _Machine("simplifier")
    arguments = (
        run.put(faces.astype("<u4")), faces.size, run.put(positions.astype("<f4")), len(positions), 12, resolution, 0,
    )  # fmt: skip
    capacity = run.call("meshopt_remesh", 0, 0, *arguments)
    out = run.room(capacity * 36)
    count = run.call("meshopt_remesh", out, capacity, *arguments)
    return run.take(out, count * 9, "<f4").reshape(-1, 3, 3)


def encode_attributes(rows: NDArray[Any]) -> bytes:
    """Pack a vertex attribute, (n, width) in the layout of its buffer view: rows of a multiple of 4 bytes."""
    run = _Machine("encoder")
    stride = rows.itemsize * rows.shape[1]
    bound = run.call("meshopt_encodeVertexBufferBound", len(rows), stride)
    out, source = run.room(bound), run.put(rows)
    size = run.call("meshopt_encodeVertexBufferLevel", out, bound, source, len(rows), stride, 2, 0)
    return run.take(out, size, np.uint8).tobytes()


def encode_triangles(faces: Integers) -> bytes:
    """Pack faces (m, 3); their order and the first corner of each may change."""
    run = _Machine("encoder")
    run.call("meshopt_encodeIndexVersion", 1)
    bound = run.call("meshopt_encodeIndexBufferBound", faces.size, int(faces.max()) + 1)
    out, source = run.room(bound), run.put(faces.astype("<u4"))
    size = run.call("meshopt_encodeIndexBuffer", out, bound, source, faces.size)
    return run.take(out, size, np.uint8).tobytes()


def order_for_packing(faces: Integers, vertices: int) -> tuple[Integers, Integers]:
    """Faces (m, 3) over vertices put in the order of their use, and that order: the old number of each new vertex."""
    run = _Machine("encoder")
    source = run.put(faces.astype("<u4"))
    run.call("meshopt_optimizeVertexCache", source, source, faces.size, vertices)
    ordered = run.take(source, faces.size, "<u4").astype(np.intp)
    used, first = np.unique(ordered, return_index=True)
    order = used[np.argsort(first)]
    numbers = np.zeros(vertices, np.intp)
    numbers[order] = np.arange(len(order))
    return numbers[ordered].reshape(-1, 3), order


def decode(data: bytes | memoryview, count: int, stride: int, mode: str, kind: str = "NONE") -> bytes:
    """Unpack a compressed buffer view of `count` rows of `stride` bytes; raise ValueError for damaged data."""
    if count < 0 or not 0 < stride <= 256 or count * stride > MAX_BYTES // 2:
        raise ValueError("a compressed part of an impossible size")
    run = _Machine("decoder")
    rows = (count + 3) // 4 * 4
    out, source = run.room(rows * stride), run.put(np.frombuffer(data, np.uint8))
    if run.call(f"meshopt_decode{DECODERS[mode]}", out, count, stride, source, len(data)):
        raise ValueError("damaged meshopt data")
    if kind != "NONE":
        run.call(f"meshopt_decodeFilter{FILTERS[kind]}", out, rows, stride)
    return run.take(out, count * stride, np.uint8).tobytes()
