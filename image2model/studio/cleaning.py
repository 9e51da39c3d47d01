"""Removing files and telling what that frees."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..batches import disk

Freed = disk.Use


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
                for entry in disk.walk(path):
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
