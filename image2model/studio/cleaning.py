"""Removing files and telling what that frees."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from ..batches import disk

Freed = disk.Use


def remove_files(paths: Iterable[Path], *, dry_run: bool = False) -> Freed:
    """Remove files and whole folders; return what that frees: nothing for a file that has another name elsewhere.

    What is gone already does not matter; a symbolic link is removed itself, never what it points at.
    """
    freed = Freed()
    for path in paths:
        _count(freed, path)
        if dry_run:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return freed


def _count(freed: Freed, path: Path) -> None:
    if path.is_symlink() or not path.exists():
        return
    if path.is_dir():
        inside = disk.measure(path)
        freed.size += inside.size
        freed.files += inside.files
        freed.folders += inside.folders + 1
    else:
        freed.size += path.stat().st_size if path.stat().st_nlink == 1 else 0
        freed.files += 1
