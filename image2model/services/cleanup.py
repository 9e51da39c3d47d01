"""Clean-up of the disk: survey, plan, removal, and the space that it frees."""

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

from ..jobs.storage import disk_usage, retention_rules
from ..jobs.storage.folders import Folders
from ..units import HOUR

Freed = disk_usage.Usage
SURVEY_COST_FACTOR = 20
"""A survey stays valid for its duration times this factor, so that surveys take a small part of the time."""
REUSE_GRACE_SECONDS = HOUR
"""Seconds after which files that can be made again are deleted if space is needed."""


class FreedCounter:
    """Sums up the space that removing files frees; a file with several hard links counts with the last of them."""

    def __init__(self) -> None:
        self._names: Counter[tuple[int, int]] = Counter()

    def add(self, paths: Iterable[Path]) -> Freed:
        """Space that removing these files and folders frees, after those added before; missing ones free nothing.

        A symbolic link is not followed and not counted.
        """
        freed = Freed()
        for path in paths:
            if path.is_dir() and not path.is_symlink():
                freed.folders += 1
                for entry in disk_usage.walk_tree(path):
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
        except OSError:  # deleted meanwhile
            return
        name = (status.st_dev, status.st_ino)
        self._names[name] += 1
        freed.files += 1
        freed.size += status.st_size if self._names[name] == status.st_nlink else 0


def remove_files(paths: Sequence[Path]) -> Freed:
    """Remove files and whole folders; return what that frees.

    Missing files are ignored; a symbolic link is removed itself, never its target.
    """
    freed = FreedCounter().add(paths)
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return freed


class SurveyCache:
    """Cached surveys of the data folder and of Gradio's cache; see SURVEY_COST_FACTOR."""

    def __init__(self, folders: Folders) -> None:
        self._folders, self._lock = folders, asyncio.Lock()
        self._last: tuple[disk_usage.Survey, disk_usage.Usage, float] | None = None
        self._fresh_until = 0.0

    async def __call__(self) -> tuple[disk_usage.Survey, disk_usage.Usage, float]:
        """The data folder, the cache, and when they were surveyed (since 1970)."""
        async with self._lock:
            if self._last is None or time.monotonic() > self._fresh_until:
                began = time.monotonic()
                self._last = await asyncio.to_thread(self._survey)
                self._fresh_until = time.monotonic() + SURVEY_COST_FACTOR * (time.monotonic() - began)
            return self._last

    def invalidate(self) -> None:
        """Survey again next time, because something was removed."""
        self._last = None

    def _survey(self) -> tuple[disk_usage.Survey, disk_usage.Usage, float]:
        return (
            disk_usage.survey_data(self._folders.data),
            disk_usage.measure_folder(self._folders.gradio_cache),
            time.time(),
        )


@dataclass(frozen=True, slots=True)
class CleanupPlan:
    """Plan of a deletion: batches, and by kind the files that are orphaned or can be made again."""

    evictions: Sequence[retention_rules.Eviction]
    unowned: Mapping[str, Sequence[Path]]
    items: Sequence[dict[str, Any]]
    """Both, as `RetentionService.cleanup` reports them."""
    retained: Sequence[dict[str, Any]]
    """Batches that are as old, or unfinished, and the reason why they are kept."""


def plan_cleanup(
    folders: Folders, rows: Iterable[Any], known: Set[str], rules: retention_rules.RetentionRules, stale: float
) -> CleanupPlan:
    """Plan a deletion by these rules; files that can be made again are kept for `stale` seconds.

    `rows` are of all batches (`queries.batch_end_times`), `known` their ids.
    """
    survey, now = disk_usage.survey_data(folders.data), time.time()
    used = 0 if rules.max_bytes is None else FreedCounter().add([folders.data, folders.gradio_cache]).size
    free = shutil.disk_usage(folders.data).free
    if retention_rules.exceeded_space_rule(rules, used, free):
        stale = min(stale, REUSE_GRACE_SECONDS)  # files that can be made again are deleted before batches
    unowned = {
        "orphan": folders.orphans(known),
        "export": folders.stale_files(survey.exports, stale),
        "cache": folders.stale_cache_files(stale, min(stale, REUSE_GRACE_SECONDS), known),
    }
    unowned_size = FreedCounter().add(path for paths in unowned.values() for path in paths).size
    candidates = [_candidate(folders, row, survey.batches.get(row.id, disk_usage.Usage())) for row in rows]
    evictions = retention_rules.plan_evictions(candidates, rules, now, used - unowned_size, free + unowned_size)
    evicted = {folder for eviction in evictions for folder in folders.batch_folders(eviction.candidate.batch_id)}
    unowned = {kind: [path for path in paths if evicted.isdisjoint(path.parents)] for kind, paths in unowned.items()}
    retained = [] if rules.hours is None else retention_rules.retained(candidates, rules.hours, now)
    return CleanupPlan(
        evictions, unowned, _items(folders, evictions, unowned),
        [{**_describe(candidate), "reason": candidate.retain_reason} for candidate in retained],
    )  # fmt: skip


def _candidate(folders: Folders, row: Any, use: disk_usage.Usage) -> retention_rules.RetentionCandidate:
    in_use = folders.is_in_use(row.id)
    return retention_rules.RetentionCandidate(
        row.id, row.ended, row.pinned, use.size, use.files, in_use, row.name or "", row.images
    )


def _items(
    folders: Folders, evictions: Sequence[retention_rules.Eviction], unowned: Mapping[str, Sequence[Path]]
) -> list[dict[str, Any]]:
    counter = FreedCounter()
    batches = [
        {
            **_describe(eviction.candidate),
            "reason": eviction.reason,
            **asdict(counter.add(folders.batch_folders(eviction.candidate.batch_id))),
        }
        for eviction in evictions
    ]
    others = [
        {"kind": kind, "name": f"{len(paths)} of them", "reason": "nobody's", **asdict(counter.add(paths))}
        for kind, paths in unowned.items()
        if paths
    ]
    return [*batches, *others]


def _describe(candidate: retention_rules.RetentionCandidate) -> dict[str, Any]:
    return {
        "kind": "batch", "name": candidate.batch_id, "title": candidate.title, "images": candidate.images,
        "ended": candidate.ended, "size": candidate.size,
    }  # fmt: skip
