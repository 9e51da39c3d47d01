"""Functions that tests let workers call."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from image2model.errors import GenerationFailed


def double(number: int) -> int:
    """Twice the number."""
    return 2 * number


def refuse(words: str) -> None:
    """Raise an error that people are shown."""
    raise GenerationFailed("no_subject", words)


def sleep(seconds: float) -> None:
    """Take that long."""
    time.sleep(seconds)


def die(marks: Path) -> None:
    """Make a mark and kill this process."""
    (marks / str(os.getpid())).touch()
    os.kill(os.getpid(), signal.SIGKILL)


def wait_for(path: Path) -> int:
    """Wait for a file, and return the process that has waited."""
    path.with_suffix(f".{os.getpid()}").touch()
    while not path.exists():
        time.sleep(0.02)
    return os.getpid()


def join(paths: list[Path], result: Path) -> tuple[str, Path]:
    """Write what files say to another; return where the first lies, and the other's path."""
    result.parent.mkdir(exist_ok=True)
    result.write_text(" ".join(path.read_text() for path in paths))
    return str(paths[0]), result
