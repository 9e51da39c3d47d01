"""The GLB container: a header, a JSON chunk and a binary chunk.

Format: https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html#binary-gltf-layout
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import Code, ErrorCode, GenerationFailed


def encode_glb(document: Mapping[str, Any], parts: Sequence[bytes]) -> bytes:
    """Encode a GLB; `parts` are the binary chunk, together a multiple of four bytes long."""
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    size = sum(map(len, parts))
    head = struct.pack("<4sIII4s", b"glTF", 2, 28 + len(text) + size, len(text), b"JSON")
    return b"".join([head, text, struct.pack("<I4s", size, b"BIN\0"), *parts])


def invalid_glb(code: Code, problem: str) -> GenerationFailed:
    """GenerationFailed for a file that cannot be opened; `what` completes "The generator's file …"."""
    return GenerationFailed(code, f"The generator's file {problem}.", "Try again, or use another generator.")


def split_glb(data: bytes) -> tuple[dict[str, Any], memoryview]:
    """JSON and binary chunk of a GLB; raise GenerationFailed: not_a_glb, glb_truncated, glb_broken."""
    if data[:4] != b"glTF":
        raise invalid_glb(ErrorCode.NOT_A_GLB, "is not a GLB" if data else "is empty")
    if len(data) < 20 or struct.unpack_from("<I", data, 8)[0] > len(data):
        raise invalid_glb(ErrorCode.GLB_TRUNCATED, "is cut short")
    version, _, length, kind = struct.unpack_from("<III4s", data, 4)
    if version != 2 or kind != b"JSON":
        raise invalid_glb(ErrorCode.NOT_A_GLB, "is not a GLB of glTF 2")
    if 20 + length > len(data):
        raise invalid_glb(ErrorCode.GLB_TRUNCATED, "is cut short")
    try:
        document = json.loads(data[20 : 20 + length])
    except (ValueError, RecursionError) as error:
        raise invalid_glb(ErrorCode.GLB_BROKEN, "has an unreadable description") from error
    if not isinstance(document, dict):
        raise invalid_glb(ErrorCode.GLB_BROKEN, "has an unreadable description")
    return document, _binary_chunk(memoryview(data)[20 + length :])


def _binary_chunk(rest: memoryview) -> memoryview:
    if len(rest) < 8:
        return memoryview(b"")
    (length,) = struct.unpack_from("<I", rest)
    if 8 + length > len(rest):
        raise invalid_glb(ErrorCode.GLB_TRUNCATED, "is cut short")
    return rest[8 : 8 + length]
