"""The log files as files: their list, their condition, and removal of old ones."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import psutil

from ..settings import Settings
from ..units import DAY, GB, MB
from . import log_config
from .health import DISK_CRITICAL_PERCENT, DISK_WARNING_PERCENT
from .log_search import list_log_files

LARGE_TOTAL_BYTES = GB
"""Bytes of log files from which a warning is shown."""
UNCOMPRESSED_SECONDS = 3600
"""Seconds after which what was rotated should be compressed."""


@dataclass(frozen=True, slots=True)
class RemovedFiles:
    """Removed files: names, bytes, and sentences on those that could not be removed."""

    names: list[str] = field(default_factory=list)
    size: int = 0
    errors: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class LogHealth:
    """State of the log files, in sentences."""

    status: Literal["healthy", "warning", "critical"]
    issues: list[str]
    warnings: list[str]
    recommendations: list[str]


def statistics(folder: Path) -> dict[str, Any]:
    """Number, size (MB) and age (ISO 8601) of the files, by kind too, and the disk that they lie on (GB)."""
    disk = psutil.disk_usage(str(folder if folder.is_dir() else folder.parent))
    whole = _measure(folder)
    return {
        "total_files": whole.pop("file_count"),
        **whole,
        "by_type": {kind: _measure(folder, [kind]) for kind in log_config.LOG_KINDS},
        "log_directory": folder.name,
        "disk_usage": {
            "total_gb": round(disk.total / GB, 3),
            "used_gb": round(disk.used / GB, 3),
            "free_gb": round(disk.free / GB, 3),
            "usage_percent": disk.percent,
        },
    }


def _measure(folder: Path, kinds: Sequence[str] = ()) -> dict[str, Any]:
    stats = [stat for file in list_log_files(folder, kinds) if (stat := _stat(file.path))]
    ages = sorted(stat.st_mtime for stat in stats)
    return {
        "file_count": len(stats),
        "total_size_mb": round(sum(stat.st_size for stat in stats) / MB, 6),
        "oldest_file": _iso_time(ages[0]) if ages else None,
        "newest_file": _iso_time(ages[-1]) if ages else None,
    }


def check_log_health(settings: Settings) -> LogHealth:
    """Check that lines can be written, and warn of approaching problems."""
    folder = log_config.log_folder(settings)
    measured = statistics(folder)
    used = measured["disk_usage"]["usage_percent"]
    rotated = [stat for path in folder.glob("*-*.log") if (stat := _stat(path))]
    stale = [stat for stat in rotated if time.time() - stat.st_mtime > UNCOMPRESSED_SECONDS]
    issues = [
        *([] if os.access(folder, os.W_OK) else ["The log folder cannot be written to."]),
        *([f"The disk is {used:.0f} % full: soon nothing can be logged."] if used > DISK_CRITICAL_PERCENT else []),
    ]
    warnings = [
        *([f"The disk is {used:.0f} % full."] if DISK_WARNING_PERCENT < used <= DISK_CRITICAL_PERCENT else []),
        *([f"{len(stale)} old log files are not compressed."] if stale else []),
    ]
    recommendations = [
        *(["Lower LOG_FILES or LOG_DAYS, or clean up."] if measured["total_size_mb"] * MB > LARGE_TOTAL_BYTES else []),
        *(["Set LOG_LEVEL to INFO: DEBUG writes a lot."] if settings.log_level == "DEBUG" else []),
        *(["Visitors' addresses and file names are logged: turn LOG_PERSONAL_DATA off, or tell them so."]
          if settings.log_personal_data else []),
    ]  # fmt: skip
    return LogHealth("critical" if issues else "warning" if warnings else "healthy", issues, warnings, recommendations)


def rotate() -> dict[str, list[str]]:
    """Rotate the files of this process; return `rotated_files`, `skipped_files` (empty ones) and `errors`."""
    result: dict[str, list[str]] = {"rotated_files": [], "skipped_files": [], "errors": []}
    for file in log_config.log_file_handlers():
        name = f"{file.kind}.log"
        try:
            result["rotated_files" if file.rotate() else "skipped_files"].append(name)
        except OSError as error:
            result["errors"].append(f"{name}: {error.strerror}")
    return result


def remove_older(folder: Path, days: float) -> RemovedFiles:
    """Remove the files that were rotated more than `days` days ago; what is being written stays."""
    old = [
        file.path
        for file in list_log_files(folder)
        if file.rotated_at and file.rotated_at.timestamp() < time.time() - days * DAY
    ]
    return _remove(old)


def _remove(paths: Sequence[Path]) -> RemovedFiles:
    removed, size, errors = [], 0, []
    for path in paths:
        stat = _stat(path)
        try:
            path.unlink()
        except OSError as error:
            errors.append(f"{path.name}: {error.strerror}")
            continue
        removed.append(path.name)
        size += stat.st_size if stat else 0
    return RemovedFiles(removed, size, errors)


def _stat(path: Path) -> os.stat_result | None:
    """None for a file that is gone meanwhile."""
    with suppress(OSError):
        return path.stat()
    return None


def _iso_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
