"""Analysis of log files, also in parts and compressed; their export in three forms; their clean-up."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from image2model.ops import log_export, log_files, log_search
from image2model.ops.log_analysis import MAX_PATTERNS, OTHER_PATTERNS, analyse
from image2model.ops.log_search import LogFilter
from tests.support.scripted import scripted_settings

START = datetime(2026, 3, 1, tzinfo=UTC)
REQUESTS = [
    {"method": "GET", "route": "/api/v1/health", "status": 200, "duration_ms": 2.5},
    {"method": "GET", "route": "/api/v1/health", "status": 500, "duration_ms": 3.5},
    {"method": "POST", "route": "/api/v1/upload", "status": 400, "duration_ms": 6000.0},
]


def line(second: int, level: str = "info", event: str = "x", logger: str = "a", **more: object) -> bytes:
    """A line of a log, so many seconds after the start."""
    moment = f"{START + timedelta(seconds=second):%Y-%m-%dT%H:%M:%S.%fZ}"
    fields = {"timestamp": moment, "level": level, "logger": logger, "event": event, **more}
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten seconds of logs: the first five put aside and compressed, with a line that is not ours."""
    tmp_path = tmp_path / "logs"
    tmp_path.mkdir()
    old = b"".join(line(second, "info", logger="image2model.web.server") for second in range(5))
    (tmp_path / "app-20260301T000005000000Z.log.gz").write_bytes(gzip.compress(old))
    failed = [
        line(5 + number, "error", f"job {number} of 1f2e3d4c-aaaa-bbbb-cccc-0123456789ab failed in {number}.5 s",
             exception="Traceback\nValueError: x") for number in range(3)
    ]  # fmt: skip
    (tmp_path / "app.log").write_bytes(b"".join([*failed, line(8, "critical", "gone"), b"not ours\n"]))
    (tmp_path / "access.log").write_bytes(
        b"".join(line(number, event="asked", **request_fields) for number, request_fields in enumerate(REQUESTS))
    )
    return tmp_path


def test_lines_levels_errors_and_requests_are_counted(folder):
    """Errors that differ in numbers and ids are one pattern; requests are counted by route, and slow ones listed."""
    analysis = analyse(folder, LogFilter())
    assert analysis.lines == 13
    assert analysis.levels == {"DEBUG": 0, "INFO": 8, "WARNING": 0, "ERROR": 3, "CRITICAL": 1}
    assert analysis.errors == {"job # of # failed in # s (ValueError)": 3, "gone": 1}
    assert analysis.error_loggers == {"a": 4}
    assert {name: (seen.count, seen.average) for name, seen in analysis.by_endpoint().items()} == {
        "GET /api/v1/health": (2, 3.0), "POST /api/v1/upload": (1, 6000.0),
    }  # fmt: skip
    assert analysis.by_status() == {"400": 1, "500": 1}
    assert [line["endpoint"] for line in analysis.slow] == ["POST /api/v1/upload"]
    assert len(analysis.system) == 5


@pytest.mark.parametrize(("first", "last", "lines"), [(0, 20, 12), (3, 6, 3), (7, 8, 1), (9, 20, 0), (-9, 0, 0)])
def test_only_lines_of_the_time_are_counted(folder, first, last, lines):
    """The range includes its first moment and excludes its last; lines without a time are in no range."""
    wanted = LogFilter(since=START + timedelta(seconds=first), until=START + timedelta(seconds=last))
    assert analyse(folder, wanted).lines == lines


def test_a_file_of_many_blocks_loses_no_line(tmp_path, monkeypatch):
    """Lines that lie across the ends of blocks are whole, a last one without a line break too."""
    monkeypatch.setattr(log_search, "BLOCK_BYTES", 100)
    (tmp_path / "app.log").write_bytes(b"".join(line(n, event="y" * (n % 70)) for n in range(200)).rstrip(b"\n"))
    assert analyse(tmp_path, LogFilter()).lines == 200
    assert [json.loads(line)["event"] for line in log_search.matching_lines(tmp_path)] == [
        "y" * (n % 70) for n in range(200)
    ]


def test_file_compressed_after_listing_is_read(folder):
    """A log file that is compressed between listing and reading loses no line."""
    (folder / "app-20260301T000009000000Z.log").write_bytes(line(8))
    files = log_search.list_log_files(folder, ["app"])
    (folder / "app-20260301T000009000000Z.log").unlink()
    (folder / "app-20260301T000009000000Z.log.gz").write_bytes(gzip.compress(line(8)))
    assert b"".join(block for file in files for block in log_search.read_blocks(file)).count(b"\n") == 11


def test_patterns_are_bounded(tmp_path):
    """The number of error patterns is bounded, and further ones are counted together."""
    words = ("".join(chr(ord("g") + int(digit)) for digit in str(n)) for n in range(MAX_PATTERNS + 7))
    (tmp_path / "app.log").write_bytes(b"".join(line(0, "error", word) for word in words))
    errors = analyse(tmp_path, LogFilter()).errors
    assert (len(errors), errors[OTHER_PATTERNS]) == (MAX_PATTERNS + 1, 7)


def test_log_export_as_json(folder):
    """An array of all the objects, those that are not ours as events; an empty one where there is nothing."""
    entries = json.loads(b"".join(log_export.export(log_search.matching_lines(folder), "json")))
    assert len(entries) == 13
    assert "not ours" in [line["event"] for line in entries]
    assert json.loads(b"".join(log_export.export([], "json"))) == []


def test_log_export_as_csv_escapes_formulas(tmp_path):
    """The CSV escapes formulas, and fields without a column of their own are in the last one."""
    (tmp_path / "app.log").write_bytes(line(0, event='=cmd|"/C calc"!A0', batch="1f2e3d4c", odd=[1, "a,b"]))
    text = b"".join(log_export.export(log_search.matching_lines(tmp_path), "csv")).decode()
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["event"], row["batch"]) == ('\'=cmd|"/C calc"!A0', "1f2e3d4c")
    assert json.loads(row["more"]) == {"odd": [1, "a,b"]}


def test_log_export_as_text(tmp_path):
    """Each entry is one line, whatever line breaks are in it."""
    (tmp_path / "app.log").write_bytes(line(0, event="one\ntwo\u2028three", image=3))
    assert b"".join(log_export.export(log_search.matching_lines(tmp_path), "txt")).decode() == (
        '2026-03-01T00:00:00.000000Z info a one two three {"image":3}\n'
    )


def test_log_statistics_and_health(folder):
    """Files are counted by kind; a folder that cannot be written to, or one with personal data, is reported."""
    statistics = log_files.statistics(folder)
    assert (statistics["total_files"], statistics["by_type"]["app"]["file_count"]) == (3, 2)
    assert set(statistics["disk_usage"]) == {"total_gb", "used_gb", "free_gb", "usage_percent"}
    assert log_files.check_log_health(scripted_settings(folder.parent)).recommendations == []
    (folder / "app-20260301T000009000000Z.log").write_bytes(line(8))
    stale = time.time() - 9999
    os.utime(folder / "app-20260301T000009000000Z.log", (stale, stale))
    log_health = log_files.check_log_health(scripted_settings(folder.parent, log_personal_data=True))
    assert any("not compressed" in sentence for sentence in log_health.warnings)
    assert any("LOG_PERSONAL_DATA" in sentence for sentence in log_health.recommendations)
    (folder.parent / "none").mkdir()
    assert log_files.check_log_health(scripted_settings(folder.parent / "none")).status == "critical"


def test_old_files_are_removed_and_the_present_ones_stay(folder):
    """Rotated files older than the given days are removed, and the present ones stay."""
    removed = log_files.remove_older(folder, 1)
    assert (removed.names, removed.size > 0, removed.errors) == (["app-20260301T000005000000Z.log.gz"], True, [])
    assert sorted(path.name for path in folder.iterdir()) == ["access.log", "app.log"]
