"""Logs: one JSON object a line, of our own records and of libraries', to stdout and to files in the data folder.

Keys of every line, in this order: `timestamp` (UTC, microseconds), `level`, `logger`, `event`; then, where they are
known, `correlation_id` (one for a request and all jobs it began), `batch` (the beginning of its id: the whole id is
the right to read it), `image` (a job's number in its batch), `request_id` (fal's own) and whatever else a record has.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO, cast

import orjson
import structlog
from structlog.typing import EventDict, Processor

from ..atomic_files import installation_secret
from ..errors import ErrorCode, SettingsError
from ..redaction import pseudonym, redact, register_secrets
from ..settings import Settings
from ..units import MB
from .log_filters import OncePerMinute, PrintedLines
from .log_rotation import RotatingFile, RotationPolicy

ACCESS_LOGGER = "image2model.access"
"""The logger of requests, which have a log file of their own."""
LOG_KINDS = ("app", "access")
"""The kinds of log files: events of the app, and requests."""
NOISY_LOGGERS = ("httpx", "httpx2", "httpcore", "httpcore2", "alembic", "sse_starlette", "PIL")
"""Loggers of libraries that tell, whatever LOG_LEVEL is, warnings alone: what they tell else are addresses of results,
which are keys, the events of streams with ids and file names, and what cameras wrote into pictures."""
LEADING_KEYS = ("timestamp", "level", "logger", "event")
MAX_TEXT = 16_000
"""Characters of one text in a record."""
BATCH_ID = re.compile(r"(batches/[0-9a-f]{8})-[0-9a-f-]{27}")
FILE_NAME_PATTERNS = (
    (re.compile(r"(batches/[0-9a-f-]{8,36}/\d+-)[^/\"'\n]+"), r"\1…"),
    (re.compile(r"(/[0-9a-f]{32,64}/)[^/\"'\n]+"), r"\1…"),  # Gradio's cache of uploads
)
"""Paths that contain a visitor's file names."""


def log_folder(settings: Settings) -> Path:
    """Folder of the log files."""
    return settings.data_dir.resolve() / "logs"


def configure(settings: Settings) -> None:
    """Send all records of this process to stdout and to the files, in one format; redact the host's secrets.

    Raises SettingsError where DATA_DIR, into which this is the first to write, cannot be used.
    """
    register_host_secrets(settings)
    policy = RotationPolicy(settings.log_file_mb * MB, settings.log_files, settings.log_days)
    try:
        line_formatter = make_formatter(settings)
        app, access = (RotatingFile(log_folder(settings), kind, policy) for kind in LOG_KINDS)
    except OSError as error:
        raise SettingsError(
            ErrorCode.SETTING_WRONG,
            f"DATA_DIR={str(settings.data_dir)!r} cannot be used: {error.strerror}.",
            "It takes a folder that can be written to, on a disk with room.",
        ) from None
    app.addFilter(lambda record: record.name != ACCESS_LOGGER)
    access.addFilter(lambda record: record.name == ACCESS_LOGGER)
    root = logging.getLogger()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    once_per_minute = OncePerMinute()
    for handler in (logging.StreamHandler(sys.stdout), app, access):
        handler.addFilter(once_per_minute)
        handler.setFormatter(line_formatter)
        root.addHandler(handler)
    root.setLevel(settings.log_level)
    for name in NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    traceback.print_exc = _log_handler_exception
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda args: _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def log_prints() -> None:
    """Log, from now on, what anything in this process prints: text from outside may have forged lines in it."""
    sys.stdout = cast(TextIO, PrintedLines(sys.stdout, "stdout", logging.INFO))
    sys.stderr = cast(TextIO, PrintedLines(sys.stderr, "stderr", logging.WARNING))


def log_file_handlers() -> list[RotatingFile]:
    """The handlers of the files that this process writes."""
    return [handler for handler in logging.getLogger().handlers if isinstance(handler, RotatingFile)]


def register_host_secrets(settings: Settings) -> None:
    """Redact all secrets of the settings."""
    given = (settings.fal_key, settings.fal_key_id, settings.fal_key_secret, settings.api_key)
    keys = (*given, settings.admin_api_key, settings.admin_password)
    register_secrets(settings.fal_credentials, *(key.get_secret_value().strip() for key in keys if key))
    users = settings.app_users.get_secret_value().split() if settings.app_users else []
    register_secrets(*(user.partition(":")[2] for user in users))
    register_secrets(*re.findall(r"://[^/@]*:([^/@]+)@", settings.database_url))


def make_formatter(settings: Settings) -> logging.Formatter:
    """The formatter of all handlers; secrets are redacted here, also in lines of libraries."""
    secret = installation_secret(settings.data_dir)
    private: list[Processor] = [] if settings.log_personal_data else [_PseudonymizeVisitors(secret)]
    return _CachingFormatter(
        foreign_pre_chain=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            _add_timestamp,
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            *private,
            _render_json,
        ],
    )


class _CachingFormatter(structlog.stdlib.ProcessorFormatter):
    """Formats each record once for all its handlers."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging."""
        line = record.__dict__.get("_line") or super().format(record)
        record.__dict__["_line"] = line
        return str(line)


class _PseudonymizeVisitors:
    """Leaves out visitors' file names and replaces addresses by the pseudonym that the ledger uses too."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def __call__(self, _logger: Any, _method: str, event: EventDict) -> EventDict:
        event.pop("picture", None)
        if client := event.pop("client", None):
            event["client"] = pseudonym(self._secret, str(client))
        return {key: _map_texts(value, _without_file_names) for key, value in event.items()}


def _add_timestamp(_logger: Any, _method: str, event: EventDict) -> EventDict:
    record: logging.LogRecord = event["_record"]
    event["timestamp"] = f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    return event


def _render_json(_logger: Any, _method: str, event: EventDict) -> str:
    """Render any record as a line of JSON."""
    ordered = {key: event.pop(key, "") for key in LEADING_KEYS}
    line = {**ordered, **{str(key): _map_texts(value, _redacted) for key, value in event.items()}}
    line["event"] = _redacted(str(line["event"]))
    return orjson.dumps(line).decode()


def _map_texts(value: Any, change: Any) -> Any:
    """Convert a value to what JSON can hold, with `change` applied to each text in it."""
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 2**53):
        return value
    if isinstance(value, Mapping):
        return {change(str(key)): _map_texts(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_map_texts(item, change) for item in value]
    return change(str(value))


def _redacted(text: str) -> str:
    return BATCH_ID.sub(r"\1", redact(text[:MAX_TEXT])).encode("utf-8", "replace").decode()


def _without_file_names(text: str) -> str:
    for pattern, replacement in FILE_NAME_PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def _log_handler_exception(*_: Any, **__: Any) -> None:
    """Stands in for `traceback.print_exc`, which Gradio calls, past all logging, for what a handler did not expect."""
    logging.getLogger("gradio").error("a handler failed", exc_info=True)


def _log_uncaught(kind: Any, error: Any, trace: Any) -> None:
    if not issubclass(kind, KeyboardInterrupt | SystemExit):
        logging.getLogger("image2model").critical("uncaught", exc_info=(kind, error, trace))
