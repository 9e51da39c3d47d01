"""The app as a process of its own, for tests and benchmarks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import psutil

from .local_services import free_port

APP = Path(__file__).parents[2] / "app.py"
"""The app of this checkout."""
ADMIN_KEY = "an admin key"
SETTING_PREFIXES = (
    "FAL_", "GENERATOR", "DATABASE_URL", "API_KEY", "MAX_", "HOST", "WORKERS", "GRADIO_SERVER", "DAILY_", "BATCH_COST",
    "IMAGES_PER", "JOB_MINUTES", "MIN_FREE", "RETRY_", "UPLOADS_PER", "ADMIN_",
    "TRUSTED_", "ALLOWED_", "LOG_", "CORS_", "PUBLIC_", "RUN_JOBS", "LEASE_", "CELERY_", "ASSET_",
)  # fmt: skip
"""Prefixes of the settings that are not inherited from this process's environment."""


class AppProcess:
    """`python app.py` with a data folder and a port of its own; `start`, `stop`, `kill`, `start` again."""

    command: Sequence[str] = (sys.executable, str(APP))

    def __init__(self, folder: Path, **environment: str) -> None:
        self.data, self.cache = folder / "data", folder / "uploads"
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(SETTING_PREFIXES)}
        self.environment = inherited | {
            "DATA_DIR": str(self.data),
            "GRADIO_TEMP_DIR": str(self.cache),
            "PORT": str(port),
            "ADMIN_API_KEY": ADMIN_KEY,
            **environment,
        }
        self._folder = folder
        self.log = folder / "log"

    def start(self) -> AppProcess:
        """Return when the app answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self._folder, env=self.environment, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            self._wait()
        except BaseException:
            self.kill()  # nobody else will
            raise
        return self

    def _wait(self) -> None:
        deadline = time.monotonic() + 120
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the app did not start: {self.log.read_text()}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/alive", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> int:
        """Stop the app with SIGTERM; return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=10)

    def kill(self) -> None:
        """Kill the app, as a power cut does."""
        self.process.kill()
        self.process.wait()

    def children(self) -> list[int]:
        """The ids of the processes that the app, or one of them, has started."""
        return [child.pid for child in psutil.Process(self.process.pid).children(recursive=True)]


def wait_until_gone(processes: list[int], seconds: float = 10) -> bool:
    """Wait until all these processes have ended; False if one still runs after `seconds`."""
    deadline = time.monotonic() + seconds
    while any(Path(f"/proc/{pid}").exists() for pid in processes) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not any(Path(f"/proc/{pid}").exists() for pid in processes)
