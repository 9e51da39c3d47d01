"""A cluster as processes of one machine: PostgreSQL, Redis, two web replicas, scheduler, two workers, beat, nginx.

    python -m image2model.devtools.cluster start|stop|restart|status [folder]
    python -m image2model.devtools.cluster backup|restore [folder] --backup FOLDER

Everything lies in the folder, by default `data/cluster`, logs included; `stop` keeps the data. Settings are taken from
the environment, as ever; those that make it a cluster are set here. With ASSET_STORE each process has a data folder of
its own, as it has on machines that share no disk.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals, signal
from string import Template
from typing import Any, Self

import psutil
from prometheus_client.multiprocess import mark_process_dead

from .local_services import PostgresServer, free_port, start_redis, wait_for_port

NGINX_TEMPLATE = Path(__file__).parents[2] / "deploy" / "nginx.conf.template"
NGINX_HEAD = """daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/logs/nginx.log;
events {{}}
http {{
access_log off;
client_body_temp_path {folder}/nginx-body; proxy_temp_path {folder}/nginx-proxy;
fastcgi_temp_path {folder}/nginx-f; uwsgi_temp_path {folder}/nginx-u; scgi_temp_path {folder}/nginx-s;
"""
START_SECONDS = 240.0
READMISSION_SECONDS = 3.0
"""Seconds after which nginx sends visitors to a replica again that had failed (its `fail_timeout`, and some)."""
SERVICES = ("redis", "nginx")
WEB_PROCESSES = ("web-1", "web-2")


class Cluster:
    """The cluster of a folder. `processes` are its process ids by name, of which each leads a group of its own."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None, workers: int = 2) -> None:
        self.folder = folder.resolve()
        self._others = ("scheduler", *(f"worker-{number}" for number in range(1, workers + 1)), "beat")
        self._environment = dict(os.environ if environment is None else environment)
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._ports: dict[str, int] = {}
        self.processes: dict[str, int] = {}
        self.url = self.database_url = ""

    def start(self) -> Self:
        """Return when all of it answers; ends what has begun where something does not."""
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o711)  # PostgreSQL has a user of its own, where this is root
        try:
            self._start()
        except BaseException:
            self._save()
            self.stop()
            raise
        return self

    @property
    def _metrics(self) -> Path:
        """Folder in which all processes count, so that each web replica reports their sums."""
        return self.folder / "metrics"

    def _start(self) -> None:
        shutil.rmtree(self._metrics, ignore_errors=True)  # counts begin anew, as they do where one process starts
        self._ports = ports = {name: free_port() for name in ("postgres", "redis", *WEB_PROCESSES, "nginx")}
        folder = self.folder / "postgres"
        folder.mkdir(exist_ok=True)
        is_new = not (folder / "data").exists()
        postgres = self.postgres.start()
        self.database_url = postgres.database("image2model") if is_new else postgres.url("image2model")
        self.run("redis")
        self._run_all()
        self.run("nginx")
        self.url = f"http://127.0.0.1:{ports['nginx']}"
        self._save()

    def _run_all(self) -> None:
        for name in (*self._others, *WEB_PROCESSES):
            self.run(name)
        self.wait_for_replicas()

    def wait_for_replicas(self) -> None:
        """Return when both web replicas answer; raises TimeoutError."""
        for name in WEB_PROCESSES:
            wait_for_port(self._ports[name], START_SECONDS)

    def run(self, name: str) -> None:
        """Start a service, or one of our own processes, called by its command and a number."""
        if name == "redis":
            self._children[name] = start_redis(self.folder, self._ports[name])
            self.processes[name] = self._children[name].pid
            return
        if name == "nginx":
            self._run_nginx(self._ports)
            return
        command = name.partition("-")[0].replace("web", "serve")
        environment = self.settings(name)
        if name in WEB_PROCESSES:
            environment |= {"PORT": str(self._ports[name]), "HOST": "127.0.0.1", "RUN_JOBS": "false"}
        self._spawn(name, [sys.executable, "-m", "image2model", command], environment)

    def settings(self, name: str) -> dict[str, str]:
        """Settings that make a process one of this cluster."""
        data = self.folder / "data" / (name if self._environment.get("ASSET_STORE") else "")
        return {
            "DATABASE_URL": self.database_url,
            "CELERY_BROKER_URL": f"redis://127.0.0.1:{self._ports['redis']}/0",
            "DATA_DIR": str(data),
            "GRADIO_TEMP_DIR": str(data / "uploads"),
            "PROMETHEUS_MULTIPROC_DIR": str(self._metrics),
        }

    def restart(self) -> None:
        """Replace our own processes one after the other, so that visitors and jobs are served all the time.

        A web replica is waited for before the next one ends; raises TimeoutError where one does not come back.
        """
        for name in self._own:
            if name == WEB_PROCESSES[-1]:
                time.sleep(READMISSION_SECONDS)
            self.end([name])
            self.run(name)
            self._save()
            if name in WEB_PROCESSES:
                wait_for_port(self._ports[name], START_SECONDS)

    @property
    def _own(self) -> list[str]:
        """The names of our own processes, those that serve visitors last."""
        return [name for name in self.processes if name not in SERVICES]

    def back_up(self, folder: Path) -> None:
        """Write all batches and their files to a new folder."""
        self._command("backup", folder)

    def restore(self, folder: Path) -> None:
        """Put a backup in the place of what is there; visitors are not served meanwhile."""
        self.end(self._own)
        try:
            self._command("restore", folder)
        finally:
            self._run_all()
            self._save()

    def _command(self, command: str, folder: Path) -> None:
        environment = {**self._environment, **self.settings("scheduler")}
        line = [sys.executable, "-m", "image2model", command, str(folder.resolve())]
        subprocess.run(line, env=environment, check=True)

    def _run_nginx(self, ports: Mapping[str, int]) -> None:
        values = {"WEB_1": f"127.0.0.1:{ports['web-1']}", "WEB_2": f"127.0.0.1:{ports['web-2']}"}
        values["LISTEN"] = f"127.0.0.1:{ports['nginx']}"
        server = Template(NGINX_TEMPLATE.read_text()).safe_substitute(values)
        config = self.folder / "nginx.conf"
        config.write_text(f"{NGINX_HEAD.format(folder=self.folder)}{server}}}\n")
        nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or "nginx"
        self._spawn("nginx", [nginx, "-e", str(self.folder / "logs" / "nginx.log"), "-c", str(config)], {})
        wait_for_port(ports["nginx"])

    def _spawn(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._metrics.mkdir(exist_ok=True)
        if name in self.processes:
            mark_process_dead(self.processes[name], str(self._metrics))  # type: ignore[no-untyped-call]
        with (self.folder / "logs" / f"{name}.out").open("ab") as log:
            self._children[name] = subprocess.Popen(
                command, env={**self._environment, **environment}, stdout=log, stderr=log, start_new_session=True
            )
        self.processes[name] = self._children[name].pid

    def _save(self) -> None:
        state = {"url": self.url, "database_url": self.database_url, "ports": self._ports, "processes": self.processes}
        (self.folder / "cluster.json").write_text(json.dumps(state))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The cluster that was started in a folder."""
        cluster = cls(folder)
        saved: dict[str, Any] = json.loads((folder / "cluster.json").read_text())
        cluster.url, cluster.database_url = saved["url"], saved["database_url"]
        cluster._ports, cluster.processes = saved["ports"], saved["processes"]
        return cluster

    def kill(self, name: str) -> None:
        """End one process and its children as a power cut does."""
        self.signal(name, SIGKILL)
        if child := self._children.get(name):
            child.wait()

    def stop(self) -> None:
        """End everything, the services last; what is unfinished goes on at the next start."""
        self.end(list(reversed(self.processes)))
        self.postgres.stop()

    def end(self, names: Sequence[str]) -> None:
        """End some of the processes: what they are at is finished, or goes on in another."""
        for name in names:
            self.signal(name, SIGTERM)
        until = time.monotonic() + 30
        while any(self.is_alive(name) for name in names) and time.monotonic() < until:
            time.sleep(0.1)
        for name in names:
            self.signal(name, SIGKILL)

    def is_alive(self, name: str) -> bool:
        """True if a process runs."""
        if child := self._children.get(name):
            return child.poll() is None
        with contextlib.suppress(psutil.NoSuchProcess):
            return bool(psutil.Process(self.processes[name]).status() != psutil.STATUS_ZOMBIE)
        return False

    def signal(self, name: str, number: Signals) -> None:
        """Send a signal to a process and its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.processes[name], number)

    @property
    def postgres(self) -> PostgresServer:
        """The database's server, which is not among `processes`."""
        return PostgresServer(self.folder / "postgres", self._ports["postgres"])

    @property
    def postgres_pid(self) -> int:
        """The process id of PostgreSQL, which runs detached."""
        return int((self.folder / "postgres" / "data" / "postmaster.pid").read_text().partition("\n")[0])

    def status(self) -> dict[str, str]:
        """State of each process by name, and of the page (`page`)."""
        states = {name: "runs" if self.is_alive(name) else "is gone" for name in self.processes}
        try:
            with urllib.request.urlopen(f"{self.url}/alive", timeout=10) as answer:
                return {**states, "page": f"answers with {answer.status} at {self.url}"}
        except OSError as error:
            return {**states, "page": f"does not answer at {self.url}: {error}"}


def exit_on_sigterm() -> None:
    """Raise SystemExit at SIGTERM, so that a program that is terminated stops the cluster it has started."""
    signal(SIGTERM, lambda number, _: sys.exit(128 + number))


def main(arguments: Sequence[str] | None = None) -> None:
    """Start, stop, restart or look at the cluster of a folder; back it up and restore it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("command", choices=("start", "stop", "restart", "status", "backup", "restore"))
    parser.add_argument("folder", nargs="?", type=Path, default=Path("data/cluster"))
    parser.add_argument("--backup", type=Path, help="folder of the backup")
    given = parser.parse_args(arguments)
    if (given.command in ("backup", "restore")) != bool(given.backup):
        parser.error("`backup` and `restore` take --backup FOLDER, other commands none")
    if given.command == "start":
        print(f"image2model is at {Cluster(given.folder).start().url}")
    elif given.command == "stop":
        Cluster.load(given.folder).stop()
    elif given.command == "restart":
        Cluster.load(given.folder).restart()
    elif given.command == "backup":
        Cluster.load(given.folder).back_up(given.backup)
    elif given.command == "restore":
        Cluster.load(given.folder).restore(given.backup)
    else:
        for name, state in Cluster.load(given.folder).status().items():
            print(f"{name:<10} {state}")


if __name__ == "__main__":
    main()
