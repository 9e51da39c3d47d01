"""A batch as a streamed zip: it is never complete in memory or on disk.

Entries are stored, not compressed (GLB and WebP hardly shrink), so the size is known before the first byte. Each
entry's size and checksum stand before it, so that a reader needs no directory to unpack the stream (Java's
ZipInputStream, older macOS). A file that vanishes or changes on the way ends the stream with an error: the receiver is
short of the announced size and of the zip's directory, and no broken zip looks whole.
"""

from __future__ import annotations

import json
import re
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any
from zipfile import ZipFile, ZipInfo

from ...errors import ErrorCode, NotFound
from ...file_names import first_unused
from .folders import FileStatus, Folders, file_status

BLOCK = 512 * 1024
"""Bytes sent at once: a web server takes each from another thread, which costs about as much as reading 100 kB."""
MANIFEST = "manifest.json"
OLDEST = (1980, 1, 1, 0, 0, 0)
"""Time that a zip can name."""
FILE_MODE = 0o100644
"""Permissions of unpacked files: everybody may read them."""
UNSAFE_CHARACTERS = re.compile(r"[<>:\"|?*\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """A file and the name it gets in the zip; a `/` in the name makes folders."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class ZipStream:
    """A zip to be: its size in bytes, and its bytes, which are read from disk as they are asked for."""

    size: int
    chunks: Iterator[bytes]


def stream_zip(
    entries: Sequence[ZipEntry],
    manifest: Mapping[str, Any],
    status_of: Callable[[Path], FileStatus | None] = file_status,
    bring: Callable[[Path], object] = Path.exists,
) -> ZipStream:
    """Return a zip of `manifest.json` and the entries, each as old as its file is.

    Names are made safe and unique. A file that is elsewhere is brought when it is its turn. Raises NotFound when a
    file is missing now; the chunks raise FileNotFoundError or RuntimeError when one is missing or of another size by
    the time it is read.
    """
    text = (json.dumps(manifest, ensure_ascii=False, indent=2) + "\n").encode()
    first = ZipInfo(MANIFEST, time.localtime()[:6])
    _describe(first, len(text), zlib.crc32(text))
    infos = []
    for entry, name in zip(entries, zip_names([entry.name for entry in entries]), strict=True):
        status = status_of(entry.path)
        if not status:
            raise NotFound(ErrorCode.FILE_NOT_FOUND, f"{name} is no longer there.", "The batch may have been deleted.")
        info = ZipInfo(name, max(time.localtime(status.modified)[:6], OLDEST))
        _describe(info, status.size, 0)
        infos.append(info)
    end = 0
    for info in (first, *infos):
        info.header_offset = end
        end += len(info.FileHeader()) + info.file_size
    size = end + len(_directory([first, *infos], end))
    return ZipStream(size, _in_blocks(_chunks(first, text, infos, _brought(entries, bring))))


def _describe(info: ZipInfo, size: int, crc: int) -> None:
    """Fill in what a local header says of a stored file that everybody may read."""
    info.file_size = info.compress_size = size
    info.CRC = crc
    info.external_attr = FILE_MODE << 16


def _brought(entries: Sequence[ZipEntry], bring: Callable[[Path], object]) -> Iterator[Path]:
    """The paths of the entries, each brought just before it is read."""
    for entry in entries:
        bring(entry.path)
        yield entry.path


def _chunks(first: ZipInfo, text: bytes, infos: Sequence[ZipInfo], paths: Iterable[Path]) -> Iterator[bytes]:
    """The bytes of a zip; each file is read for its checksum, which goes before it, and again for its content."""
    yield first.FileHeader() + text
    for info, path in zip(infos, paths, strict=True):
        for block in _read(path, info.file_size):
            info.CRC = zlib.crc32(block, info.CRC)
        yield info.FileHeader()
        sent = 0
        for block in _read(path, info.file_size):
            sent = zlib.crc32(block, sent)
            yield block
        if sent != info.CRC:
            raise RuntimeError(f"{info.filename} was changed while it was sent")
    last = infos[-1] if infos else first
    yield _directory([first, *infos], last.header_offset + len(last.FileHeader()) + last.file_size)


def _read(path: Path, size: int) -> Iterator[bytes]:
    """The blocks of a file; raise RuntimeError where they are not `size` bytes."""
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            size -= len(block)
            if size < 0:
                break
            yield block
    if size:
        raise RuntimeError(f"{path.name} has another size than before")


class _DirectoryWriter:
    """The end of a zip as `ZipFile` writes it behind the files; like a stream, it cannot be sought."""

    def __init__(self, start: int) -> None:
        self.data, self._start = bytearray(), start

    def write(self, data: bytes) -> int:
        """Append to the bytes of the directory."""
        self.data += data
        return len(data)

    def tell(self) -> int:
        """The position in the whole zip."""
        return self._start + len(self.data)

    def flush(self) -> None:
        """Do nothing: there is no buffer."""


def _directory(infos: Sequence[ZipInfo], start: int) -> bytes:
    """The central directory of files that end at `start`, as the standard library writes it."""
    tail = _DirectoryWriter(start)
    with ZipFile(tail, "w") as archive:  # type: ignore[call-overload]  # it seeks only where it can
        archive.filelist += infos
        archive.comment = b""  # which also says that there is something to write
    return bytes(tail.data)


def leased_zip(folders: Folders, entries: Sequence[ZipEntry], manifest: Mapping[str, Any]) -> ZipStream:
    """`stream_zip`; no rule deletes the files while it is sent."""
    stream = stream_zip(entries, manifest, folders.status, folders.bring)
    return ZipStream(stream.size, folders.lease_while_reading(stream.chunks, *(entry.path for entry in entries)))


def zip_names(names: Sequence[str]) -> list[str]:
    """Return the names as relative paths that every system can unpack, unique without regard to case."""
    taken = {MANIFEST}
    return [first_unused(_numbered(_relative(name)), taken) for name in names]


def _relative(name: str) -> str:
    encodable = name.encode(errors="replace").decode()
    parts = [UNSAFE_CHARACTERS.sub("_", part).rstrip(". ") for part in re.split(r"[/\\]", encodable)]
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
