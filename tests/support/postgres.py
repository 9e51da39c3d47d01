"""A PostgreSQL server of the tests' own, on a free port of 127.0.0.1, with a new database for each test."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from pathlib import Path
from typing import Self

import psycopg

BINARIES = Path("/usr/lib/postgresql")
"""Where Debian keeps the server's programs, by version."""
SAFE_ENOUGH = {"fsync": "off", "full_page_writes": "off", "max_connections": "200"}
"""What a server may forgo whose machine never loses its power."""


def _program(name: str) -> str:
    """A program of the newest server that is installed."""
    versions = sorted(BINARIES.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return str(versions[-1])


class PostgresServer:
    """Starts with `start`, is gone without a trace after `stop`."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]

    def start(self) -> Self:
        """Make a cluster and serve it; PostgreSQL refuses to run as root, so root lets the user postgres do it."""
        if os.getuid() == 0:
            shutil.chown(self._folder, "postgres", "postgres")
        self._run("initdb", "-D", str(self._data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        options = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": "", **SAFE_ENOUGH}
        given = " ".join(f"-c {name}={value or repr('')}" for name, value in options.items())
        log = str(self._folder / "log")
        self._run("pg_ctl", "-D", str(self._data), "-w", "-t", "60", "-l", log, "-o", given, "start")
        return self

    def stop(self) -> None:
        """End the server, whoever is connected, and remove its files."""
        self._run("pg_ctl", "-D", str(self._data), "-w", "-m", "immediate", "stop")
        shutil.rmtree(self._folder, ignore_errors=True)

    def database(self) -> str:
        """The SQLAlchemy URL of a new, empty database."""
        name = f"test_{uuid.uuid4().hex}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        return self._url(name).replace("postgresql://", "postgresql+psycopg://")

    def _url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @staticmethod
    def _run(name: str, *arguments: str) -> None:
        command = [_program(name), *arguments]
        if os.getuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
