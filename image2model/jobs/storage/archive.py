"""A batch as one zip that is made while it is sent: neither in memory nor on disk is there ever a whole one.

Entries are stored, not compressed (GLB and WebP hardly shrink), so the size is known before the
first byte. A file that vanishes or changes its size on the way ends the stream with an error: the
receiver is short of the announced size and of the zip's directory, and no broken zip looks whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any

from zipstream import ZipStream

from ...errors import ErrorCode, NotFound
from ...file_names import first_unused
from .folders import Folders

BLOCK = 512 * 1024
"""Bytes sent at once: a web server takes each from another thread, which costs about as much as reading 100 kB."""
MANIFEST = "manifest.json"
UNSAFE = re.compile(r"[<>:\"|?*\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file and the name it gets in the zip; a `/` in the name makes folders."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class Stream:
    """A zip to be: its size in bytes, and its bytes, which are read from disk as they are asked for."""

    size: int
    chunks: Iterator[bytes]


def stream_zip(entries: Sequence[Entry], manifest: Mapping[str, Any]) -> Stream:
    """Return a zip of `manifest.json` and the entries, each as old as its file is.

    Names are made safe and unique. Raises NotFound when a file is missing now; the chunks raise
    FileNotFoundError or RuntimeError when one is missing or of another size by the time it is read.
    """
    stream = ZipStream(sized=True)
    stream.add(json.dumps(manifest, ensure_ascii=False, indent=2) + "\n", MANIFEST)
    for entry, name in zip(entries, zip_names([entry.name for entry in entries]), strict=True):
        if not entry.path.is_file():
            raise NotFound(ErrorCode.FILE_NOT_FOUND, f"{name} is no longer there.", "The batch may have been deleted.")
        stream.add_path(entry.path, name, recurse=False)
    return Stream(len(stream), _in_blocks(stream))


def kept_zip(folders: Folders, entries: Sequence[Entry], manifest: Mapping[str, Any]) -> Stream:
    """`stream_zip`; no rule deletes the files while it is sent."""
    stream = stream_zip(entries, manifest)
    return Stream(stream.size, folders.guarded(stream.chunks, *(entry.path for entry in entries)))


def zip_names(names: Sequence[str]) -> list[str]:
    """Return the names as relative paths that every system can unpack, unique without regard to case."""
    taken = {MANIFEST}
    return [first_unused(_numbered(_relative(name)), taken) for name in names]


def _relative(name: str) -> str:
    encodable = name.encode(errors="replace").decode()
    parts = [UNSAFE.sub("_", part).rstrip(". ") for part in re.split(r"[/\\]", encodable)]
    return "/".join(part for part in parts if part) or "file"


def _numbered(name: str) -> Iterator[str]:
    """The name itself, then with a number before its ending, from 2."""
    path = PurePosixPath(name)
    yield name
    yield from (str(path.with_stem(f"{path.stem}-{n}")) for n in count(2))


def _in_blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Join small pieces until they make a block."""
    waiting: list[bytes] = []
    for piece in pieces:
        waiting.append(piece)
        if sum(map(len, waiting)) >= BLOCK:
            yield b"".join(waiting)
            waiting.clear()
    yield b"".join(waiting)
