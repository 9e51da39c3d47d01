"""Use of the disk, by kind of file; symbolic links are neither followed nor counted."""

from __future__ import annotations

import heapq
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ...units import DAY

Kind = Literal["uploads", "results", "exports", "logs", "database", "other"]
BATCHES = f"batches{os.sep}"
KINDS: tuple[Kind, ...] = ("uploads", "results", "exports", "logs", "database", "other")


@dataclass(slots=True)
class Usage:
    """Space on disk."""

    size: int = 0
    """Bytes."""
    files: int = 0
    folders: int = 0

    def add(self, size: int, files: int, folders: int) -> None:
        """Count so much more."""
        self.size += size
        self.files += files
        self.folders += folders


@dataclass(slots=True)
class Survey:
    """Contents of the data folder, found in one walk."""

    kinds: dict[Kind, Usage] = field(default_factory=lambda: {kind: Usage() for kind in KINDS})
    batches: dict[str, Usage] = field(default_factory=dict)
    """Usage by the batch's id, its own folder counted."""
    days: Counter[int] = field(default_factory=Counter)
    """Bytes of the files that were last written on each day (UTC, counted since 1970)."""
    exports: list[Path] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Total size in bytes."""
        return sum(use.size for use in self.kinds.values())


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file. `path` is relative to the data folder, `size` in bytes, `modified` in seconds since 1970."""

    path: str
    size: int
    modified: float


@dataclass(frozen=True, slots=True)
class FolderItem(FileEntry):
    """A batch's folder: its files of a kind."""

    files: int


def walk_tree(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Every file and folder below `folder`, without those deleted meanwhile."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.is_symlink():
            continue
        yield entry
        if entry.is_dir():
            yield from walk_tree(Path(entry.path))


def measure_folder(folder: Path) -> Usage:
    """Space that a folder takes."""
    use = Usage()
    for entry in walk_tree(folder):
        use.add(*_usage_of(entry))
    return use


def survey_data(data: Path) -> Survey:
    """Survey the data folder."""
    found, skip = Survey(), len(str(data)) + 1
    for entry in walk_tree(data):
        path, takes = entry.path[skip:], _usage_of(entry)
        kind = kind_of(path)
        found.kinds[kind].add(*takes)
        if path.startswith(BATCHES):
            batch_id = path[len(BATCHES) :].partition(os.sep)[0]
            found.batches.setdefault(batch_id, Usage()).add(*takes)
        if not entry.is_dir() and (status := _status(entry)):
            found.days[int(status.st_mtime // DAY)] += status.st_size
            if kind == "exports":
                found.exports.append(Path(entry.path))
    return found


def kind_of(path: str) -> Kind:
    """The kind of a file by its path in the data folder (see `folders`)."""
    place, *inner = path.split(os.sep)  # noqa: PTH206  a Path of each of 100,000 files takes long
    if place == "batches":
        if "exports" in inner[2:-1]:
            return "exports"
        return "uploads" if inner and inner[-1].startswith("input") else "results"
    if place == "logs":
        return "logs"
    return "database" if ".db" in path else "other"


def newest_files(data: Path, kind: Kind, limit: int) -> tuple[list[FileEntry], Usage]:
    """The newest files of a kind, and what all of that kind take."""
    total, skip = Usage(), len(str(data)) + 1

    def items() -> Iterator[FileEntry]:
        for entry in walk_tree(data):
            relative = entry.path[skip:]
            if entry.is_file() and kind_of(relative) == kind and (status := _status(entry)):
                total.add(*_usage_of(entry))
                yield FileEntry(relative, status.st_size, status.st_mtime)

    return heapq.nlargest(limit, items(), key=lambda item: item.modified), total


def newest_folders(data: Path, kind: Kind, limit: int) -> tuple[list[FolderItem], Usage]:
    """The batch folders with the newest files of a kind, and what all files of that kind take."""
    total, uses, modified = Usage(), dict[str, Usage](), dict[str, float]()
    skip = len(str(data)) + 1
    for entry in walk_tree(data):
        path = entry.path[skip:]
        if path.startswith(BATCHES) and entry.is_file() and kind_of(path) == kind and (status := _status(entry)):
            folder = BATCHES + path[len(BATCHES) :].partition(os.sep)[0]
            modified[folder] = max(modified.get(folder, 0.0), status.st_mtime)
            for use in (uses.setdefault(folder, Usage()), total):
                use.add(status.st_size, 1, 0)
    newest = heapq.nlargest(limit, modified, key=modified.__getitem__)
    return [FolderItem(path, uses[path].size, modified[path], uses[path].files) for path in newest], total


def _usage_of(entry: os.DirEntry[str]) -> tuple[int, int, int]:
    """Bytes, files and folders of an entry."""
    if entry.is_dir():
        return 0, 0, 1
    status = _status(entry)
    return (status.st_size, 1, 0) if status else (0, 0, 0)


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    """None for a file that is gone meanwhile; asked of the system once for each entry."""
    try:
        return entry.stat(follow_symlinks=False)
    except OSError:
        return None
