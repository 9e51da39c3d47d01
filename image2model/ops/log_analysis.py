"""Statistics of log lines: levels, requests, errors by pattern; counted in one pass over the bytes.

Only errors and what the system tells of itself are parsed as JSON, so that a gigabyte takes seconds; memory is that
of one block and of what is counted, which is bounded.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any

from .log_search import LEVELS, LogFilter, files_for, parse_line, read_blocks, timestamp_bytes

SLOW_MS = 5000.0
"""Milliseconds from which on a request is slow."""
MAX_SLOW_REQUESTS = 100
"""Slow requests that are remembered, the latest."""
MAX_PATTERNS = 1000
"""Patterns and system events that are remembered; further patterns are counted as `OTHER_PATTERNS`."""
OTHER_PATTERNS = "others"
TIME = slice(14, 41)  # {"timestamp":"…","level":"…
LEVEL = slice(52, 56)
LEVEL_NAMES = {level[:4].encode(): level.upper() for level in LEVELS}
ERROR_LEVELS = frozenset({b"erro", b"crit"})
REQUEST = re.compile(rb'"method":"([^"]*","route":"[^"]*","status":\d+),"duration_ms":([\d.]+)')
REQUEST_KEY = re.compile(rb'([^"]*)","route":"([^"]*)","status":(\d+)')
SYSTEM_LOGGERS = (
    b'"logger":"image2model.web.server"', b'"logger":"image2model.services.admin"',
    b'"logger":"image2model.services.retention"',
)  # fmt: skip
"""The loggers of starts, stops and deletions."""
VARIABLE_PARTS = re.compile(r"[0-9a-f]{8,}(?:-[0-9a-f]{4,})*|\d+(?:\.\d+)?")


@dataclass(slots=True)
class RequestStats:
    """Requests of one kind: their number, and their total duration in milliseconds."""

    count: int = 0
    milliseconds: float = 0.0

    def add(self, other: RequestStats) -> None:
        """Count others among them."""
        self.count += other.count
        self.milliseconds += other.milliseconds

    @property
    def average(self) -> float:
        """Mean duration in milliseconds."""
        return self.milliseconds / self.count if self.count else 0.0


@dataclass(slots=True)
class Analysis:
    """Counts of an analysis."""

    lines: int = 0
    levels: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(LEVEL_NAMES.values(), 0)))
    requests: dict[tuple[str, str, int], RequestStats] = field(default_factory=dict)
    """Statistics by method, route and status."""
    slow: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=MAX_SLOW_REQUESTS))
    """The latest slow requests, oldest first: `endpoint`, `duration_ms`, `timestamp`."""
    errors: Counter[str] = field(default_factory=Counter)
    """Errors by pattern: the event with `#` in the place of numbers and ids, and the name of the exception."""
    error_loggers: Counter[str] = field(default_factory=Counter)
    system: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=MAX_PATTERNS))
    """The latest starts, stops and deletions, oldest first: `timestamp`, `level`, `event`."""

    def total(self, at_least: int = 0) -> RequestStats:
        """All requests that were answered with at least this status."""
        total = RequestStats()
        for (_, _, status), stats in self.requests.items():
            if status >= at_least:
                total.add(stats)
        return total

    def by_endpoint(self) -> dict[str, RequestStats]:
        """The requests of each method and route, the most frequent first."""
        sums: dict[str, RequestStats] = {}
        for (method, route, _), stats in self.requests.items():
            sums.setdefault(f"{method} {route}", RequestStats()).add(stats)
        return dict(sorted(sums.items(), key=lambda item: (-item[1].count, item[0])))

    def by_status(self) -> dict[str, int]:
        """Number of requests by error status."""
        counts: Counter[str] = Counter()
        for (_, _, status), stats in self.requests.items():
            if status >= 400:
                counts[str(status)] += stats.count
        return dict(sorted(counts.items()))


def analyse(folder: Path, log_filter: LogFilter) -> Analysis:
    """Count the lines of the filter's kinds and time; blocks while it reads."""
    analysis = Analysis()
    raw: dict[bytes, RequestStats] = {}
    for file in files_for(folder, log_filter):
        for block in read_blocks(file):
            lines = _in_time(
                block.split(b"\n")[:-1], timestamp_bytes(log_filter.since), timestamp_bytes(log_filter.until)
            )
            _count_levels(analysis, lines)
            if file.kind == "access":
                _count_requests(analysis, raw, lines)
            elif any(system in block for system in SYSTEM_LOGGERS):
                _add_system_events(analysis, lines)
    for key, stats in raw.items():
        method, route, status = REQUEST_KEY.fullmatch(key).groups()  # type: ignore[union-attr]  # as REQUEST found it
        analysis.requests[method.decode(), route.decode(), int(status)] = stats
    return analysis


def _in_time(lines: list[bytes], since: bytes, until: bytes) -> list[bytes]:
    """The lines of that time; a block whose ends are both within it is taken as it is."""
    ends = [line[TIME] for line in (lines[0], lines[-1])] if lines else []
    if all(since <= end and (not until or end < until) for end in ends):
        return lines
    return [line for line in lines if since <= line[TIME] and (not until or line[TIME] < until)]


def _count_levels(analysis: Analysis, lines: list[bytes]) -> None:
    analysis.lines += len(lines)
    levels = Counter(map(itemgetter(LEVEL), lines))
    for level, count in levels.items():
        if level in LEVEL_NAMES:
            analysis.levels[LEVEL_NAMES[level]] += count
    if not ERROR_LEVELS.isdisjoint(levels):
        _count_errors(analysis, (parse_line(line) for line in lines if line[LEVEL] in ERROR_LEVELS))


def _count_errors(analysis: Analysis, entries: Iterable[dict[str, Any]]) -> None:
    for fields in entries:
        for counts, key in ((analysis.errors, pattern(fields)), (analysis.error_loggers, str(fields["logger"]))):
            counts[key if key in counts or len(counts) < MAX_PATTERNS else OTHER_PATTERNS] += 1


def pattern(fields: dict[str, Any]) -> str:
    """An error's event with `#` in the place of numbers and ids, and the name of the exception."""
    exception = str(fields.get("exception", "")).rstrip().rpartition("\n")[2].partition(":")[0]
    return VARIABLE_PARTS.sub("#", str(fields["event"]))[:200] + (f" ({exception[:100]})" if exception else "")


def _count_requests(analysis: Analysis, raw: dict[bytes, RequestStats], lines: list[bytes]) -> None:
    slowest = 0.0
    for key, milliseconds in REQUEST.findall(b"\n".join(lines)):
        duration = float(milliseconds)
        stats = raw.get(key) or raw.setdefault(key, RequestStats())
        stats.count += 1
        stats.milliseconds += duration
        slowest = max(slowest, duration)
    if slowest >= SLOW_MS:
        analysis.slow.extend(_slow_requests(map(parse_line, lines)))


def _slow_requests(entries: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for fields in entries:
        duration = fields.get("duration_ms", 0)
        if duration >= SLOW_MS:
            endpoint = f"{fields.get('method')} {fields.get('route')}"
            yield {"endpoint": endpoint, "duration_ms": duration, "timestamp": fields["timestamp"]}


def _add_system_events(analysis: Analysis, lines: Iterable[bytes]) -> None:
    for line in lines:
        if any(system in line for system in SYSTEM_LOGGERS):
            fields = parse_line(line)
            analysis.system.append({key: fields[key] for key in ("timestamp", "level", "event")})
