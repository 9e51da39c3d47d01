"""Leases of files that are being read or sent by this process: no rule deletes these files."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path


class FileLeases:
    """Counts the leases of each path; usable from several threads, because streams are read in threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: Counter[Path] = Counter()

    @contextlib.contextmanager
    def hold(self, *paths: Path) -> Iterator[None]:
        """Lease these files, or all of a folder, while the block runs."""
        with self._lock:
            self._held.update(paths)
        try:
            yield
        finally:
            with self._lock:
                self._held.subtract(paths)
                self._held += Counter()  # drops zero counts

    def __bool__(self) -> bool:
        """True if anything is leased."""
        return bool(self._held)

    def is_held(self, path: Path) -> bool:
        """True if the file, something in the folder, or a folder around it is leased."""
        with self._lock:
            held = tuple(self._held)
        return any(leased == path or path in leased.parents or leased in path.parents for leased in held)
