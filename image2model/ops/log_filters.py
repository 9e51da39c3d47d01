"""Keeps logs short and whole: one line per cause and minute, and nothing printed past them."""

from __future__ import annotations

import io
import logging
import threading
import time
from typing import TextIO

from ..errors import is_disk_full

REPEAT_SECONDS = 60.0


class OncePerMinute(logging.Filter):
    """Lets records of one cause pass once in REPEAT_SECONDS; the next one has the number `left_out`.

    A record has a cause where it was logged with one (`extra={"cause": …}`), or tells of a disk without room: a full
    disk makes hundreds of lines a minute. All others pass.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}
        self._decided = threading.local()

    def filter(self, record: logging.LogRecord) -> bool:
        """Decide once for each record, whatever number of handlers ask."""
        cause = _cause(record)
        if cause is None:
            return True
        if getattr(self._decided, "record", None) is not record:
            self._decided.record, self._decided.passes = record, self._passes(record, cause)
        return bool(self._decided.passes)

    def _passes(self, record: logging.LogRecord, cause: str) -> bool:
        key, now = (record.name, cause), time.monotonic()
        with self._lock:
            since, left_out = self._seen.get(key, (now - REPEAT_SECONDS, 0))
            passes = now - since >= REPEAT_SECONDS
            self._seen[key] = (now, 0) if passes else (since, left_out + 1)
        if passes and left_out:
            record.left_out = left_out
        return passes


def _cause(record: logging.LogRecord) -> str | None:
    error = record.exc_info[1] if record.exc_info else None
    if error and is_disk_full(error):
        return "disk_full"
    return getattr(record, "cause", None)


class PrintedLines(io.TextIOBase):
    """Stands in for stdout or stderr: what libraries print there is logged, a record a line, so that none is forged.

    What is printed while a record is being handled (by logging itself, about its own failure) goes to `stream`.
    """

    encoding = "utf-8"

    def __init__(self, stream: TextIO, logger: str, level: int) -> None:
        self._stream, self._logger, self._level = stream, logging.getLogger(logger), level
        self._local = threading.local()

    def write(self, text: str) -> int:
        """Log each whole line."""
        if getattr(self._local, "busy", False):
            return self._stream.write(text)
        *lines, self._local.rest = (getattr(self._local, "rest", "") + text).split("\n")
        for line in lines:
            self._log(line)
        return len(text)

    def flush(self) -> None:
        """Flush the stream; an unfinished line waits for its end."""
        self._stream.flush()

    def fileno(self) -> int:
        """The stream's, for what writes past Python."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """True if the stream is a terminal."""
        return self._stream.isatty()

    def writable(self) -> bool:
        """True always."""
        return True

    def _log(self, line: str) -> None:
        if line := line.strip():
            self._local.busy = True
            try:
                self._logger.log(self._level, "%s", line)
            finally:
                self._local.busy = False
