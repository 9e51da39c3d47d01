"""Filters of log lines: one line per cause and minute, no forged lines, printed text, files that cannot be written."""

from __future__ import annotations

import contextlib
import errno
import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from image2model.ops import log_filters
from image2model.ops.log_filters import OncePerMinute, PrintedLines
from image2model.ops.log_rotation import RotatingFile, RotationPolicy


class Records(logging.Handler):
    """Keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.models: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """See logging."""
        self.models.append(record)


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """A logger of its own, with two handlers that share the filter, as those of the app do."""
    logger = logging.getLogger("tests.filtered")
    logger.propagate, once = False, OncePerMinute()
    logger.handlers = [Records(), Records()]
    logger.setLevel(logging.DEBUG)
    for handler in logger.handlers:
        handler.addFilter(once)
    yield logger
    logger.handlers.clear()


def lines(logger: logging.Logger) -> list[str]:
    """The lines that have passed, the same on both handlers."""
    first, second = ([record.getMessage() for record in handler.models] for handler in logger.handlers[:2])
    assert first == second
    return first


def fail(logger: logging.Logger, number: int) -> None:
    """Log an error of the system with its traceback."""
    try:
        raise OSError(number, "no")
    except OSError:
        logger.exception("a try failed")


def test_full_disk_is_logged_once_a_minute(logger, monkeypatch):
    """147 failures of one cause make one line; that of the next minute has the number left out."""
    for _ in range(147):
        fail(logger, errno.ENOSPC)
    assert lines(logger) == ["a try failed"]
    monkeypatch.setattr(log_filters, "REPEAT_SECONDS", 0)
    fail(logger, errno.ENOSPC)
    assert logger.handlers[0].models[-1].left_out == 146


def test_other_records_are_logged_each_time(logger):
    """Another cause passes beside it, and what has none always does: each request's error has its own line."""
    fail(logger, errno.ENOSPC)
    for _ in range(2):
        fail(logger, errno.EIO)
        logger.error("the database does not work", extra={"cause": "database"})
    assert lines(logger) == ["a try failed"] * 2 + ["the database does not work", "a try failed"]


def test_printed_lines_become_one_record_each(logger):
    """A path with line breaks becomes records of their own, each with its logger: none can pass for another's."""
    screen = io.StringIO()
    print(
        '/custom_component/x\n{"level":"info","event":"forged"}\n\n', "tail", file=PrintedLines(screen, logger.name, 20)
    )
    assert lines(logger) == ["/custom_component/x", '{"level":"info","event":"forged"}', "tail"]
    assert screen.getvalue() == ""


def test_logging_errors_do_not_recurse(logger):
    """A handler that prints while it handles a printed line reaches the screen, and not itself again."""
    screen = io.StringIO()
    printed = PrintedLines(screen, logger.name, 20)

    class Failing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            print("it failed", file=printed)

    logger.addHandler(Failing())
    print("hello", file=printed)
    assert screen.getvalue() == "it failed\n"


def test_a_log_file_that_cannot_be_written_makes_no_traceback(tmp_path: Path, capsys):
    """A log file on a full disk is reported in one line to the other handlers, and nothing is printed."""
    other, log = Records(), logging.getLogger("image2model.ops.log_rotation")
    other.addFilter(OncePerMinute())
    log.addHandler(other)
    file = RotatingFile(tmp_path, "app", RotationPolicy())
    file.stream.close()
    file.reopenIfNeeded = lambda: None
    with contextlib.suppress(OSError), Path("/dev/full").open("w", buffering=1) as file.stream:  # closing fails too
        for _ in range(20):
            file.emit(logging.makeLogRecord({"name": "x", "msg": "hello", "levelno": 20, "created": 1.0}))
    log.removeHandler(other)
    assert [record.getMessage() for record in other.models] == ["app cannot be written: No space left on device"]
    assert capsys.readouterr().err == ""
