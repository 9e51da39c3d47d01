"""A Redis server of the tests' own."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Self

from image2model.devtools.local_services import free_port, start_redis


class RedisServer:
    """Starts with `start`, is gone without a trace after `stop`, and can be started again with what it has kept."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="redis-"))
        self._port = free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> Self:
        """Return when it answers."""
        self._process = start_redis(self._folder, self._port)
        return self

    def halt(self) -> None:
        """End the server, as a machine that is switched off; `start` brings it back."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End the server and remove its files."""
        self.halt()
        shutil.rmtree(self._folder, ignore_errors=True)
