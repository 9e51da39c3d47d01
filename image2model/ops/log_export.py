"""Log lines as a download, streamed: JSON, CSV for a spreadsheet, or plain text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import orjson

from .log_search import parse_line

ExportFormat = Literal["json", "csv", "txt"]
MEDIA_TYPES: dict[ExportFormat, str] = {"json": "application/json", "csv": "text/csv", "txt": "text/plain"}
COLUMNS = ("timestamp", "level", "logger", "event", "correlation_id", "batch", "image", "request_id")
"""Columns of the CSV; all other fields of a line are in a last column `more`, as JSON."""
LINES_PER_CHUNK = 500
"""Lines that are made into one piece."""
FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r")
"""Characters at the start of a text that a spreadsheet takes for a formula."""


def export(lines: Iterable[bytes], form: ExportFormat) -> Iterator[bytes]:
    """The lines (of `log_search.matching_lines`) in a form, in pieces."""
    makers = {"json": _json, "csv": _csv, "txt": _text}
    return _in_chunks(makers[form](lines))


def _in_chunks(pieces: Iterator[str]) -> Iterator[bytes]:
    gathered: list[str] = []
    for piece in pieces:
        gathered.append(piece)
        if len(gathered) == LINES_PER_CHUNK:
            yield "".join(gathered).encode()
            gathered.clear()
    yield "".join(gathered).encode()


def _json(lines: Iterable[bytes]) -> Iterator[str]:
    """An array of the lines' objects, one a line."""
    before = "[\n"
    for line in lines:
        yield before + orjson.dumps(parse_line(line)).decode()
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def _csv(lines: Iterable[bytes]) -> Iterator[str]:
    yield _row((*COLUMNS, "more"))
    for line in lines:
        fields = parse_line(line)
        values = [fields.pop(column, "") for column in COLUMNS]
        yield _row([*values, orjson.dumps(fields).decode() if fields else ""])


def _row(values: Iterable[Any]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow([_without_formula(str(value)) for value in values])
    return text.getvalue()


def _without_formula(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA_PREFIXES) else text


def _text(lines: Iterable[bytes]) -> Iterator[str]:
    """A line for a person each: time, level, logger, what happened, and the rest as JSON."""
    for line in lines:
        fields = parse_line(line)
        first = " ".join(str(fields.pop(key)) for key in ("timestamp", "level", "logger", "event"))
        rest = f" {orjson.dumps(fields).decode()}" if fields else ""
        yield " ".join(first.splitlines()) + rest + "\n"
