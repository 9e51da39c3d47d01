"""Log files that are rotated by size and by day, and compressed then."""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import logging
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from logging.handlers import WatchedFileHandler
from pathlib import Path

from ..units import DAY

log = logging.getLogger(__name__)

SETTLE_SECONDS = 2.0
"""Seconds in which another process may still write to a rotated file."""


@dataclass(frozen=True, slots=True)
class RotationPolicy:
    """Greatest size of a log file in bytes; number of old ones that are kept of a kind, and for how many days."""

    max_bytes: int = 10_000_000
    max_files: int = 50
    max_days: float = 30.0


class RotatingFile(WatchedFileHandler):
    """Writes `<folder>/<kind>.log`; several processes may do so at once.

    A rotated file is called `<kind>-<UTC time>.log` and soon after `….log.gz`.
    """

    def __init__(self, folder: Path, kind: str, policy: RotationPolicy) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.kind, self.policy = folder, kind, policy
        super().__init__(folder / f"{kind}.log", encoding="utf-8")
        Path(self.baseFilename).chmod(0o600)
        self._day = _day(Path(self.baseFilename).stat().st_mtime)
        self._prune_soon()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, in a new file where the present one is full or of another day."""
        try:
            if _day(record.created) > self._day:
                self.rotate()
                self._day = _day(record.created)
            super().emit(record)
            if self._size() >= self.policy.max_bytes:
                self.rotate(self.policy.max_bytes)
        except Exception:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """Say once a minute that lines are lost, on the other handlers; logging would print a traceback for each."""
        error = sys.exception()
        if not isinstance(error, OSError):
            super().handleError(record)
        elif record.name != __name__:
            log.error("%s cannot be written: %s", self.kind, error.strerror, extra={"cause": self.kind})

    def rotate(self, min_bytes: int = 1) -> Path | None:
        """Rotate the file where it has at least `min_bytes`; return its new path."""
        assert self.lock  # noqa: S101  every handler has one
        with self.lock, _file_lock(self.folder):
            self.reopenIfNeeded()  # another process may have been quicker
            if self._size() < min_bytes:
                return None
            stamp = datetime.fromtimestamp(time.time(), UTC).strftime("%Y%m%dT%H%M%S%fZ")
            rotated = Path(self.baseFilename).rename(self.folder / f"{self.kind}-{stamp}.log")
            self.reopenIfNeeded()
            Path(self.baseFilename).chmod(0o600)
        self._prune_soon(SETTLE_SECONDS)
        return rotated

    def _size(self) -> int:
        return Path(self.baseFilename).stat().st_size

    def _prune_soon(self, pause: float = 0.0) -> None:
        threading.Thread(target=self._prune, args=(pause,), name="log files", daemon=True).start()

    def _prune(self, pause: float) -> None:
        time.sleep(pause)
        with contextlib.suppress(OSError):  # a full disk: the next time will do
            compress_and_prune(self.folder, self.kind, self.policy)


def compress_and_prune(folder: Path, kind: str, policy: RotationPolicy) -> list[Path]:
    """Compress rotated files, delete those beyond the policy; return what was deleted."""
    with _file_lock(folder, ".tidying"):
        for path in folder.glob(f"{kind}-*.log"):
            if time.time() - path.stat().st_mtime > SETTLE_SECONDS / 2:
                _compress(path)
        newest_first = sorted(folder.glob(f"{kind}-*.log*"), reverse=True)
        oldest = time.time() - policy.max_days * DAY
        excess = [
            path
            for number, path in enumerate(newest_first)
            if number >= policy.max_files or path.stat().st_mtime < oldest
        ]
        for path in excess:
            path.unlink(missing_ok=True)
        return excess


def _compress(path: Path) -> None:
    whole, part = path.with_name(f"{path.name}.gz"), path.with_name(f".{path.name}.gz")
    with path.open("rb") as plain, gzip.open(part, "wb", compresslevel=6) as packed:
        shutil.copyfileobj(plain, packed, 1 << 20)
    shutil.copystat(path, part)
    part.rename(whole)
    path.unlink()


@contextlib.contextmanager
def _file_lock(folder: Path, name: str = ".rotating") -> Iterator[None]:
    """Hold a lock against other processes and threads."""
    with (folder / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _day(moment: float) -> int:
    return int(moment // DAY)
