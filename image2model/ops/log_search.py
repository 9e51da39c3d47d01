"""Reading the log files, compressed ones too, a line at a time: never more in memory than what is asked for."""

from __future__ import annotations

import contextlib
import gzip
import heapq
import itertools
import re
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson

LEVELS = ("debug", "info", "warning", "error", "critical")
LINE_HEAD = re.compile(rb'\{"timestamp":"([^"]{27})","level":"(\w+)"')
BLOCK_BYTES = 1 << 20
MAX_LINE_BYTES = 1_000_000
"""Bytes of one line; the rest of a longer one is left out."""
FILE_NAME = re.compile(r"(?P<kind>[a-z]+)(?:-(?P<rotated_at>\d{8}T\d{12}Z))?\.log(?:\.gz)?")
EMPTY_ENTRY = {"timestamp": "", "level": "info", "logger": "", "event": ""}
"""A line that is not ours."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file of a kind; `rotated_at` is None for the current file."""

    path: Path
    kind: str
    rotated_at: datetime | None

    def open(self) -> BinaryIO:
        """The file as plain bytes, also where it has been compressed since it was found."""
        packed = self.path if self.path.suffix == ".gz" else self.path.with_name(f"{self.path.name}.gz")
        if self.path != packed:
            with contextlib.suppress(FileNotFoundError):
                return self.path.open("rb", buffering=0)
        return cast(BinaryIO, gzip.open(packed))


@dataclass(frozen=True, slots=True)
class LogFilter:
    """A filter of lines: of these kinds (none: all), this level or above, with this text in any case, in this time."""

    kinds: Sequence[str] = ()
    level: str = ""
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class LogPage:
    """Some entries, newest first, and whether there are older ones."""

    entries: list[dict[str, Any]]
    more: bool


def search(folder: Path, log_filter: LogFilter | None = None, limit: int = 100, offset: int = 0) -> LogPage:
    """The newest entries that are wanted, newest first, after leaving out `offset` of them.

    Each has `timestamp` (ISO 8601, UTC), `level` (lower case), `logger`, `event`, and whatever else was logged
    (`ops.log_config`). To page without a shift by what is logged meanwhile, give every page the same
    `log_filter.until`. Blocks while it reads; memory is that of `offset + limit` lines.
    """
    lines = newest_lines(folder, log_filter, offset + limit + 1)[offset:]
    return LogPage([parse_line(line) for line in lines[:limit]], len(lines) > limit)


def newest_lines(folder: Path, log_filter: LogFilter | None = None, limit: int = 100) -> list[bytes]:
    """The newest lines that are wanted, newest first, each with its line break. Blocks while it reads."""
    log_filter = log_filter or LogFilter()
    per_kind = [_newest_first(files, log_filter, limit) for files in _by_kind(folder, log_filter).values()]
    return list(itertools.islice(heapq.merge(*per_kind, key=_line_time, reverse=True), limit))


def matching_lines(folder: Path, log_filter: LogFilter | None = None) -> Iterator[bytes]:
    """Every line that is wanted, oldest first, each with its line break; read while it is taken, for a download."""
    log_filter = log_filter or LogFilter()
    per_kind = [_oldest_first(files, log_filter) for files in _by_kind(folder, log_filter).values()]
    return heapq.merge(*per_kind, key=_line_time) if len(per_kind) != 1 else per_kind[0]


def parse_line(line: bytes) -> dict[str, Any]:
    """A line as an entry; one that is not ours as an event without anything else."""
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError:
        entry = None
    if not isinstance(entry, dict):
        return {**EMPTY_ENTRY, "event": line.decode("utf-8", "replace").rstrip("\n")}
    return {**EMPTY_ENTRY, **entry}


def list_log_files(folder: Path, kinds: Sequence[str] = ()) -> list[LogFile]:
    """The files of these kinds, oldest first; one that is being compressed is named once."""
    by_name: dict[str, LogFile] = {}
    for path in sorted(folder.glob("*.log*")):  # x.log comes before x.log.gz, which is the whole one
        name = FILE_NAME.fullmatch(path.name)
        if name and (not kinds or name["kind"] in kinds):
            by_name[path.name.removesuffix(".gz")] = LogFile(path, name["kind"], _parse_time(name["rotated_at"]))
    return sorted(by_name.values(), key=lambda file: (file.rotated_at is None, file.path.name))


def files_for(folder: Path, log_filter: LogFilter) -> list[LogFile]:
    """The files in which wanted lines may be, oldest first: without those that were rotated before their time."""
    files = list_log_files(folder, log_filter.kinds)
    return [file for file in files if not (log_filter.since and file.rotated_at and file.rotated_at < log_filter.since)]


def _by_kind(folder: Path, log_filter: LogFilter) -> dict[str, list[LogFile]]:
    by_kind: dict[str, list[LogFile]] = {}
    for file in files_for(folder, log_filter):
        by_kind.setdefault(file.kind, []).append(file)
    return by_kind


def _newest_first(files: Sequence[LogFile], log_filter: LogFilter, limit: int) -> Iterator[bytes]:
    for file in reversed(files):
        lines = deque(_oldest_first([file], log_filter), maxlen=limit)
        while lines:
            limit -= 1
            yield lines.pop()
        if limit <= 0:
            return


def _oldest_first(files: Sequence[LogFile], log_filter: LogFilter) -> Iterator[bytes]:
    levels = (
        {level.encode() for level in LEVELS[LEVELS.index(log_filter.level.lower()) :]} if log_filter.level else None
    )
    text = orjson.dumps(log_filter.text)[1:-1].lower()
    since, until = timestamp_bytes(log_filter.since), timestamp_bytes(log_filter.until)
    for block in (block for file in files for block in read_blocks(file)):
        if text and text not in block.lower():  # most blocks are judged as a whole, hundreds of times as fast
            continue
        for line in block.splitlines(keepends=True):
            head = LINE_HEAD.match(line)
            if text and text not in line.lower():
                continue
            if levels is not None and (head[2] if head else b"info") not in levels:
                continue
            if since and (not head or head[1] < since):
                continue
            if until and head and head[1] >= until:
                break
            yield line


def read_blocks(file: LogFile) -> Iterator[bytes]:
    """A file in pieces of about a megabyte that hold whole lines; of one that is broken what can be read of it."""
    rest = b""
    try:
        with file.open() as opened:
            while chunk := opened.read(BLOCK_BYTES):
                complete, line_break, remainder = chunk.rpartition(b"\n")
                if line_break:
                    yield rest + complete + line_break
                    rest = remainder
                elif len(rest) < MAX_LINE_BYTES:
                    rest += chunk
    except (OSError, EOFError, zlib.error):  # removed, or cut short, meanwhile
        pass
    if rest:
        yield rest + b"\n"


def timestamp_bytes(moment: datetime | None) -> bytes:
    """A moment as lines have it, so that both compare as bytes; empty for none."""
    return (
        f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z".encode() if moment else b""
    )


def _line_time(line: bytes) -> bytes:
    head = LINE_HEAD.match(line)
    return head[1] if head else b""


def _parse_time(name: str | None) -> datetime | None:
    return datetime.strptime(name, "%Y%m%dT%H%M%S%fZ").replace(tzinfo=UTC) if name else None
