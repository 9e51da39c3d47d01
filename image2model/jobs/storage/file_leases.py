"""Which files are read or sent at the moment, in this process: no rule deletes them."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path


class FileLeases:
    """Counts who reads what. Streams are read in threads, so counting is locked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read: Counter[Path] = Counter()

    @contextlib.contextmanager
    def reading(self, *paths: Path) -> Iterator[None]:
        """Keep these files, or all of a folder, while the block runs."""
        with self._lock:
            self._read.update(paths)
        try:
            yield
        finally:
            with self._lock:
                self._read.subtract(paths)
                self._read += Counter()  # leaves out those that nobody reads any more

    def __bool__(self) -> bool:
        """Whether anything is read."""
        return bool(self._read)

    def read(self, path: Path) -> bool:
        """Whether the file, something in the folder, or a folder around it is read."""
        with self._lock:
            held = tuple(self._read)
        return any(one == path or path in one.parents or one in path.parents for one in held)
