"""Atomic writes: files appear under their final name only when they are complete."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterable
from pathlib import Path


def atomic_write(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Write `data`, or its chunks, to `path` so that a reader, or a restart after a crash, sees all of it or nothing.

    It is written to a hidden temporary file beside it, fsynced, then renamed.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines([data] if isinstance(data, bytes) else data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def installation_secret(data: Path) -> str:
    """Return this installation's secret, made at the first start, so that data signed in browsers stays readable."""
    path = data.resolve() / "secret"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, secrets.token_urlsafe(32).encode())
    return path.read_text()


def atomic_move(source: Path, target: Path) -> None:
    """Give a complete file its final name; it is on disk, under that name, when this returns."""
    with source.open("rb") as file:
        os.fsync(file.fileno())
    source.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
