"""Search of every log written during the tests for every key used in them."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

SETTINGS = ("FAL_KEY", "FAL_KEY_ID", "FAL_KEY_SECRET", "API_KEY", "ADMIN_API_KEY", "ADMIN_PASSWORD", "APP_USERS")
SHORTEST = 6
"""Characters: shorter ones would be found in ordinary words."""

_keys: set[str] = set()
_logs: set[Path] = set()


def use(*keys: str) -> None:
    """Remember keys; of a pair with a colon also what is behind it."""
    parts = {part.strip() for key in keys for part in (key, key.partition(":")[2])}
    _keys.update(part for part in parts if len(part) >= SHORTEST)


def use_settings(environment: Mapping[str, str]) -> None:
    """Remember the keys and passwords in an app's environment."""
    for name in SETTINGS:
        use(*(environment.get(name, "").split() if name == "APP_USERS" else [environment.get(name, "")]))


def watch(*logs: Path) -> None:
    """Remember a log, or a folder of logs, that is or will be written."""
    _logs.update(logs)


def write_all(log: Path) -> logging.Handler:
    """Write whatever is logged in this process to a file, as it comes: it is watched."""
    handler = logging.FileHandler(log, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
    logging.getLogger().addHandler(handler)
    logging.getLogger("image2model").setLevel(logging.INFO)
    watch(log)
    return handler


def found() -> list[str]:
    """Each line of a watched log that contains a used key."""
    secrets = [key.encode() for key in _keys]
    return [
        f"{path}: {line.decode(errors='replace')[:300]}"
        for path in sorted(_files())
        for line in _bytes(path).splitlines()
        if any(secret in line for secret in secrets)
    ]


def _files() -> Iterator[Path]:
    for log in _logs:
        yield from (path for path in log.glob("*.log*") if path.is_file()) if log.is_dir() else [log]


def _bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if path.suffix == ".gz" else data
    except FileNotFoundError:  # put aside by the app, and compressed meanwhile; or never written
        return b""
