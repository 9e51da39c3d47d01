"""PostgreSQL and Redis as plain processes on free ports of 127.0.0.1, for tests and for `scripts/cluster`."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from typing import Self

POSTGRES_ROOT = Path("/usr/lib/postgresql")
"""Debian's folder of the server's programs, by version."""
UNSAFE_FAST_OPTIONS = {"fsync": "off", "full_page_writes": "off", "max_connections": "200"}
"""Options for tests: faster, and unsafe if the machine loses power."""


def free_port() -> int:
    """A free port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def wait_for_port(port: int, seconds: float = 60) -> None:
    """Return once a server listens on a port; raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while socket.socket().connect_ex(("127.0.0.1", port)):
        if time.monotonic() > deadline:
            raise TimeoutError(f"nobody listens on port {port}")
        time.sleep(0.05)


def _program(name: str) -> str:
    """A program of the newest server that is installed."""
    versions = sorted(POSTGRES_ROOT.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return str(versions[-1])


class PostgresServer:
    """A server in a folder of its own: `start`, `stop`, which keeps its data, and `remove`."""

    def __init__(self, folder: Path | None = None, port: int | None = None) -> None:
        self.folder = folder or Path(tempfile.mkdtemp(prefix="postgres-"))
        self.port = port or free_port()

    def start(self) -> Self:
        """Make a cluster, where there is none, and serve it; as root PostgreSQL runs as the user postgres."""
        if os.getuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        if not self._data.exists():
            self._run("initdb", "-D", str(self._data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            **UNSAFE_FAST_OPTIONS,
        }
        given = " ".join(f"-c {name}={value or repr('')}" for name, value in options.items())
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", str(self._data), "-w", "-t", "60", "-l", log, "-o", given, "start")
        return self

    def stop(self) -> None:
        """End the server, also with open connections."""
        self._run("pg_ctl", "-D", str(self._data), "-w", "-m", "immediate", "stop")

    def remove(self) -> None:
        """End the server and remove its files."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def database(self, name: str = "") -> str:
        """The SQLAlchemy URL of a new, empty database."""
        import psycopg  # an optional package

        name = name or f"test_{uuid.uuid4().hex}"
        with psycopg.connect(self.url("postgres").replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0'.encode())
        return self.url(name)

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @staticmethod
    def _run(name: str, *arguments: str) -> None:
        command = [_program(name), *arguments]
        if os.getuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


def start_redis(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """A Redis as Celery needs it: nothing is evicted, and a new start has what the last one had."""
    command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)]
    process = subprocess.Popen(
        [*command, "--appendonly", "yes", "--maxmemory-policy", "noeviction"],
        stdout=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    wait_for_port(port)
    return process
