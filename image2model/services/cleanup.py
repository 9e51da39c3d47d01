"""Looking at what lies on disk, deciding what may go, removing it and telling what that frees."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..jobs.storage import disk_usage, retention
from ..jobs.storage.folders import Folders

Freed = disk_usage.Use
WORTH = 20
"""A look at the disk that took a second counts for so many, so that looking takes a small part of the time."""
FREELY = retention.HOUR
"""Seconds after which nobody misses what can be made again, where room is needed."""


class Tally:
    """Adds up what removing files frees; one that has several names counts when the last of them goes."""

    def __init__(self) -> None:
        self._names: Counter[tuple[int, int]] = Counter()

    def add(self, paths: Iterable[Path]) -> Freed:
        """What removing these files and folders frees, after all that were added before; missing ones free nothing.

        A symbolic link is not followed and not counted.
        """
        freed = Freed()
        for path in paths:
            if path.is_dir() and not path.is_symlink():
                freed.folders += 1
                for entry in disk_usage.walk(path):
                    if entry.is_dir():
                        freed.folders += 1
                    else:
                        self._add_file(freed, entry)
            elif path.is_file() and not path.is_symlink():
                self._add_file(freed, path)
        return freed

    def _add_file(self, freed: Freed, path: os.PathLike[str]) -> None:
        try:
            status = os.lstat(path)
        except OSError:  # gone meanwhile
            return
        name = (status.st_dev, status.st_ino)
        self._names[name] += 1
        freed.files += 1
        freed.size += status.st_size if self._names[name] == status.st_nlink else 0


def remove_files(paths: Sequence[Path]) -> Freed:
    """Remove files and whole folders; return what that frees (`Tally`).

    What is gone already does not matter; a symbolic link is removed itself, never what it points at.
    """
    freed = Tally().add(paths)
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return freed


class Surveys:
    """What lies in the data folder and in Gradio's cache, looked at anew when the last look is old (`WORTH`)."""

    def __init__(self, folders: Folders) -> None:
        self._folders, self._looking = folders, asyncio.Lock()
        self._last: tuple[disk_usage.Survey, disk_usage.Use, float] | None = None
        self._fresh_until = 0.0

    async def __call__(self) -> tuple[disk_usage.Survey, disk_usage.Use, float]:
        """The data folder, the cache, and when they were looked at (since 1970)."""
        async with self._looking:
            if self._last is None or time.monotonic() > self._fresh_until:
                began = time.monotonic()
                self._last = await asyncio.to_thread(self._look)
                self._fresh_until = time.monotonic() + WORTH * (time.monotonic() - began)
            return self._last

    def forget(self) -> None:
        """Look anew next time: something was removed."""
        self._last = None

    def _look(self) -> tuple[disk_usage.Survey, disk_usage.Use, float]:
        return disk_usage.survey(self._folders.data), disk_usage.measure(self._folders.cache), time.time()


@dataclass(frozen=True, slots=True)
class Plan:
    """What goes: batches, and by its kind what nobody owns or what can be made again."""

    going: Sequence[retention.Doomed]
    loose: Mapping[str, Sequence[Path]]
    items: Sequence[dict[str, Any]]
    """Both, as the host is told of them (`Host.cleanup`)."""
    stays: Sequence[dict[str, Any]]
    """Batches whose time is over, too, and why they stay."""


def plan(folders: Folders, rows: Iterable[Any], known: Set[str], rules: retention.Rules, stale: float) -> Plan:
    """Decide what goes by these rules; what can be made again is spared for `stale` seconds.

    `rows` are of all batches (`search.endings`), `known` their ids.
    """
    found, now = disk_usage.survey(folders.data), time.time()
    used = 0 if rules.max_bytes is None else Tally().add([folders.data, folders.cache]).size
    free = shutil.disk_usage(folders.data).free
    if retention.too_much(rules, used, free):
        stale = min(stale, FREELY)  # what can be made again goes before what cannot
    loose = {
        "orphan": folders.orphans(known),
        "export": folders.stale(found.exports, stale),
        "cache": folders.stale_cache(stale, min(stale, FREELY), known),
    }
    spare = Tally().add(path for paths in loose.values() for path in paths).size
    held = [_held(folders, row, found.batches.get(row.id, disk_usage.Use())) for row in rows]
    going = retention.doomed(held, rules, now, used - spare, free + spare)
    gone = {folder for one in going for folder in folders.all_of(one.held.batch_id)}
    loose = {kind: [path for path in paths if gone.isdisjoint(path.parents)] for kind, paths in loose.items()}
    stays = [] if rules.hours is None else retention.spared(held, rules.hours, now)
    return Plan(going, loose, _items(folders, going, loose), [{**_told(one), "reason": one.stays} for one in stays])


def _held(folders: Folders, row: Any, use: disk_usage.Use) -> retention.Held:
    in_use = folders.is_in_use(row.id)
    return retention.Held(row.id, row.ended, row.pinned, use.size, use.files, in_use, row.name or "", row.images)


def _items(
    folders: Folders, going: Sequence[retention.Doomed], loose: Mapping[str, Sequence[Path]]
) -> list[dict[str, Any]]:
    tally = Tally()
    batches = [
        {**_told(one.held), "reason": one.reason, **asdict(tally.add(folders.all_of(one.held.batch_id)))}
        for one in going
    ]
    others = [
        {"kind": kind, "name": f"{len(paths)} of them", "reason": "nobody's", **asdict(tally.add(paths))}
        for kind, paths in loose.items()
        if paths
    ]
    return [*batches, *others]


def _told(one: retention.Held) -> dict[str, Any]:
    return {
        "kind": "batch", "name": one.batch_id, "title": one.title, "images": one.images, "ended": one.ended,
        "size": one.size,
    }  # fmt: skip
