"""The analysis of 1 GB of log lines, of which three quarters are compressed: processor time, and memory at most.

    python -m benchmarks.log_analysis [MB]

Lines are made by the formatter of the app. The baseline, in the same run, reads and unpacks the same files and counts
their line breaks; the yardstick beside it parses each line as JSON. Each is a process of its own, so that its peak
memory is its own; "above" is what it takes more than a process that has only imported the same.
The product's limits: memory above 64 MB however much there is; fast enough to wait for, some ten seconds a gigabyte.
"""

from __future__ import annotations

import gzip
import json
import logging
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson

from image2model.ops import log_export, log_search
from image2model.ops.log_analysis import analyse
from image2model.ops.log_config import ACCESS_LOGGER, make_formatter
from image2model.ops.log_search import LogFilter
from image2model.settings import Settings

FILE_MB = 10
ROUTES = ("/api/v1/health", "/gradio_api/queue/join", "/batches/{batch_id}/{number}/{name}", "/alive", "none")
STATES = ("uploading", "submitting", "queued", "running", "downloading", "finishing", "done")


def lines(kind: str, data: Path) -> bytes:
    """Some 10 MB of lines as the app writes them, one in a hundred of them an error."""
    form = make_formatter(Settings(data_dir=data, _env_file=None))
    made, size, number = [], 0, 0
    while size < FILE_MB * 1_000_000:
        made.append(form.format(record(kind, number)).encode() + b"\n")
        size, number = size + len(made[-1]), number + 1
    return b"".join(made)


def record(kind: str, number: int) -> logging.LogRecord:
    """A record like those that the app logs."""
    level = logging.ERROR if number % 100 == 0 else logging.INFO
    if kind == "access":
        route, status = ROUTES[number % len(ROUTES)], 500 if level == logging.ERROR else 200
        fields = {
            "method": "GET",
            "route": route,
            "status": status,
            "duration_ms": number % 997 / 10,
            "client": "c" * 16,
        }
        values = {"name": ACCESS_LOGGER, "msg": f"GET {route} {status}", "correlation_id": str(uuid.uuid4()), **fields}
    else:
        state = STATES[number % len(STATES)]
        fields = {"batch": f"{number:08x}", "image": number % 25, "request_id": str(uuid.uuid4()), "state": state}
        values = {"name": "image2model.jobs.db.async_store", "msg": f"image {number % 25} is {state}", **fields}
    return logging.makeLogRecord({"levelno": level, "levelname": logging.getLevelName(level), **values})


def write(folder: Path, megabytes: int) -> None:
    """Fill a folder with log files; of four files three are compressed."""
    pieces = {kind: lines(kind, folder.parent) for kind in ("app", "access")}
    packed = {kind: gzip.compress(piece, 6) for kind, piece in pieces.items()}
    for number in range(megabytes // FILE_MB):
        kind = "app" if number % 2 else "access"
        stamp = f"{datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number):%Y%m%dT%H%M%S%fZ}"
        plain = number % 4 == 0
        path = folder / f"{kind}-{stamp}.log{'' if plain else '.gz'}"
        path.write_bytes(pieces[kind] if plain else packed[kind])


def nothing(_folder: Path) -> str:
    """Only what is imported."""
    return "-"


def count(folder: Path) -> str:
    """The baseline: every byte is read and unpacked, and line breaks are counted."""
    found = 0
    for file in log_search.list_log_files(folder):
        with file.open() as opened:
            while piece := opened.read(1 << 20):
                found += piece.count(b"\n")
    return f"{found:,} lines"


def parse(folder: Path) -> str:
    """The yardstick: every line is parsed."""
    return f"{sum(orjson.loads(line)['level'] == 'error' for line in log_search.matching_lines(folder)):,} errors"


def analysis(folder: Path) -> str:
    """Ours."""
    analysed = analyse(folder, LogFilter())
    return f"{analysed.lines:,} lines, {analysed.levels['ERROR']:,} errors, {analysed.total().count:,} requests"


def newest(folder: Path) -> str:
    """A page of the newest lines."""
    return f"{len(log_search.search(folder).entries)} entries"


def sought(folder: Path) -> str:
    """A text that is nowhere."""
    return f"{len(log_search.search(folder, LogFilter(text='no such word')).entries)} entries"


def taken(form: log_export.ExportFormat) -> Callable[[Path], str]:
    """All lines in a form."""
    return lambda folder: f"{sum(map(len, log_export.export(log_search.matching_lines(folder), form))) / 1e6:,.0f} MB"


WAYS: dict[str, Callable[[Path], str]] = {
    "nothing": nothing, "count": count, "analyse": analysis, "parse": parse, "newest": newest, "seek": sought,
    "export txt": taken("txt"), "export json": taken("json"),
}  # fmt: skip


def measured(way: str, folder: Path) -> dict[str, float | str]:
    """One way in a process of its own: seconds of processor time, peak memory in MB, what it found."""
    run = [sys.executable, "-m", "benchmarks.log_analysis", "--one", way, str(folder)]
    body: dict[str, float | str] = json.loads(subprocess.run(run, check=True, capture_output=True).stdout)
    return body


def one(way: str, folder: Path) -> None:
    """Run one way and tell of it as JSON."""
    began = time.process_time()
    outcome = WAYS[way](folder)
    seconds = time.process_time() - began
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))
    print(json.dumps({"seconds": seconds, "peak": peak, "found": outcome}))


def main(megabytes: int) -> None:
    """Write the files, read them in each way and print the table."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "logs"
        folder.mkdir()
        write(folder, megabytes)
        size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
        print(f"{megabytes:,} MB of lines in {len(list(folder.iterdir()))} files of {size:,.0f} MB together")
        measurements = {way: measured(way, folder) for way in WAYS}
    bare, baseline = measurements["nothing"]["peak"], measurements["count"]["seconds"]
    for way, values in measurements.items():
        seconds, peak = float(values["seconds"]), float(values["peak"])
        print(
            f"{way:12} {seconds:7.2f} s  {seconds / float(baseline):6.1f} × baseline"
            f"  {peak:5.0f} MB at most, {peak - float(bare):4.0f} above  {values['found']}"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], Path(sys.argv[3]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
