"""What lies on disk, by kind; symbolic links are neither followed nor counted."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["uploads", "results", "exports", "logs", "database", "other"]
DAY = 86400.0
KINDS: tuple[Kind, ...] = ("uploads", "results", "exports", "logs", "database", "other")


@dataclass(slots=True)
class Use:
    """What something takes on disk."""

    size: int = 0
    """Bytes."""
    files: int = 0
    folders: int = 0


@dataclass(frozen=True, slots=True)
class Item:
    """A file. `path` is relative to the data folder, `size` in bytes, `modified` in seconds since 1970."""

    path: str
    size: int
    modified: float


def walk(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Every file and folder below `folder`; what vanishes meanwhile is left out."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.is_symlink():
            continue
        yield entry
        if entry.is_dir():
            yield from walk(Path(entry.path))


def measure(folder: Path) -> Use:
    """What a folder takes."""
    use = Use()
    for entry in walk(folder):
        _add(use, entry)
    return use


def by_kind(data: Path) -> dict[Kind, Use]:
    """What each kind of file takes in the data folder."""
    uses, skip = {kind: Use() for kind in KINDS}, len(str(data)) + 1
    for entry in walk(data):
        _add(uses[kind_of(entry.path[skip:])], entry)
    return uses


def by_day(data: Path, days: int, now: float) -> list[int]:
    """How many bytes of what lies in the data folder were written on each of the last days (UTC), today last.

    A file counts on the day of its last change, so the database stands under today.
    """
    sizes = [0] * days
    for entry in walk(data):
        if entry.is_file() and (status := _status(entry)):
            past = int(now // DAY - status.st_mtime // DAY)
            if 0 <= past < days:
                sizes[-1 - past] += status.st_size
    return sizes


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


def newest(data: Path, kind: Kind, limit: int) -> tuple[list[Item], Use]:
    """The newest files of a kind, and what all of that kind take."""
    total, skip = Use(), len(str(data)) + 1

    def items() -> Iterator[Item]:
        for entry in walk(data):
            relative = entry.path[skip:]
            if entry.is_file() and kind_of(relative) == kind and (status := _status(entry)):
                _add(total, entry)
                yield Item(relative, status.st_size, status.st_mtime)

    return heapq.nlargest(limit, items(), key=lambda item: item.modified), total


def _add(use: Use, entry: os.DirEntry[str]) -> None:
    if entry.is_dir():
        use.folders += 1
    elif status := _status(entry):
        use.files += 1
        use.size += status.st_size


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat(follow_symlinks=False)
    except OSError:
        return None
