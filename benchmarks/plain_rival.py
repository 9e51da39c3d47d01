"""Ours beside the plain app (`benchmarks.plain_app`): the same pictures, through the same client, in the same run.

    python -m benchmarks.plain_rival [PAIRS]

25 pictures of 512 × 512 at the stand-in for fal over TLS, with jobs of 1.0 s and of 0 s, through gradio_client, until
the client holds 25 meshes: the plain app hands over files, ours one zip. Ours also checks, keeps, measures and draws
them. Plain, ours, plain, ours …, each pair with new pictures; the ratio is the median of the pairs' ratios. Memory is
the proportional set size (PSS) of all of an app's processes: idle before the first batch, and at the peak. Processor
time is theirs too, until the first answer and for a batch: it says the same on a machine busy with other things.
"""

from __future__ import annotations

import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import trustme
from gradio_client import Client, handle_file
from PIL import Image

from image2model.devtools.local_services import free_port

PICTURES, SIDE = 25, 512
GENERATOR = "tripo-v2.5"
JOB_SECONDS = (1.0, 0.0)
MEGABYTE = 1e6
ROOT = Path(__file__).parents[1]


class Usage:
    """Samples the memory and the processor time of a process and all below it, 10 times a second."""

    def __init__(self, pid: int) -> None:
        self._process, self.peak, self._stop = psutil.Process(pid), 0.0, threading.Event()
        self._seconds: dict[int, float] = {}
        """Processor time by process id, also of processes that have ended."""
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def now(self) -> float:
        """Proportional set size at the moment, in megabytes."""
        total = 0
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_full_info().pss
        return total / MEGABYTE

    def seconds(self) -> float:
        """Processor time so far."""
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                self._seconds[process.pid] = times.user + times.system
        return sum(self._seconds.values())

    def _processes(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]

    def _sample(self) -> None:
        while not self._stop.wait(0.1):
            self.peak = max(self.peak, self.now())
            self.seconds()

    def __enter__(self) -> Usage:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@contextlib.contextmanager
def running(module: str, *arguments: str, url: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A module as a process of its own, until it listens at `url`."""
    process = subprocess.Popen(
        [sys.executable, *arguments] if not module else [sys.executable, "-m", module, *arguments],
        cwd=ROOT, env=os.environ | environment, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        port, until = int(url.rpartition(":")[2]), time.monotonic() + 60
        while True:
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                break
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{module or arguments[0]} did not start")
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait()


def plain(client: Client, pictures: list[Path]) -> int:
    """One batch of the plain app; the number of meshes that the client holds."""
    meshes = client.predict([handle_file(picture) for picture in pictures], api_name="/make")
    return len({Path(mesh).read_bytes()[:4] and mesh for mesh in meshes})


def ours(client: Client, pictures: list[Path]) -> int:
    """One batch of ours; the number of meshes that the client holds."""
    files = [handle_file(picture) for picture in pictures]
    batch = client.predict(images=files, generator=GENERATOR, api_name="/submit_batch")["batch_id"]
    for _ in client.submit(batch_id=batch, api_name="/watch_batch"):
        pass
    archive = client.predict(batch_id=batch, api_name="/download_batch")
    with zipfile.ZipFile(archive) as meshes:
        return sum(name.endswith(".glb") for name in meshes.namelist())


def timed(
    batch: Callable[[Client, list[Path]], int], client: Client, pictures: list[Path], usage: Usage
) -> tuple[float, float]:
    """Seconds of one whole batch, and the app's processor time for it."""
    start, before = time.perf_counter(), usage.seconds()
    made = batch(client, pictures)
    seconds = time.perf_counter() - start
    assert made == PICTURES, made
    return seconds, usage.seconds() - before


def measure(job_seconds: float, folder: Path, batches: list[list[Path]]) -> None:
    """Print a row of the table for each app, and their ratio; each of `batches` makes a pair."""
    fal, first, second = (free_port() for _ in range(3))
    environment: dict[str, Any] = {"FAL_HOST": f"https://127.0.0.1:{fal}", "FAL_KEY": "test-key"}
    environment["SSL_CERT_FILE"] = str(folder / "authority.pem")
    options = ["--port", str(fal), "--queue-seconds", "0", "--run-seconds", str(job_seconds)]
    options += ["--certificate", str(folder / "server.pem")]
    data = {"DATA_DIR": str(folder / f"data-{job_seconds}"), "GENERATOR": GENERATOR, "IMAGES_PER_HOUR": ""}
    addresses = [f"http://127.0.0.1:{port}" for port in (first, second)]
    with (
        running("image2model.devtools.fal_stand_in", *options, url=environment["FAL_HOST"]),
        running("benchmarks.plain_app", url=addresses[0], PORT=str(first), **environment) as plain_process,
        running("", "app.py", url=addresses[1], PORT=str(second), **environment, **data) as our_process,
    ):
        clients = [Client(address, verbose=False) for address in addresses]
        with Usage(plain_process.pid) as their_usage, Usage(our_process.pid) as our_usage:
            start = their_usage.seconds(), our_usage.seconds()
            time.sleep(3)
            idle = their_usage.now(), our_usage.now()
            pairs = [
                (timed(plain, clients[0], pictures, their_usage), timed(ours, clients[1], pictures, our_usage))
                for pictures in batches
            ]
    for name, number, usage in (("plain", 0, their_usage), ("ours", 1, our_usage)):
        times, work = zip(*(pair[number] for pair in pairs), strict=True)
        seconds = [start[number], times[0], statistics.median(times), min(times), statistics.median(work)]
        cells = [f"{value:.2f}" for value in seconds] + [f"{idle[number]:.0f}", f"{usage.peak:.0f}"]
        print(f"| {job_seconds} s | {name} | {' | '.join(cells)} |")
    ratio, work_ratio = (statistics.median(own[kind] / plain[kind] for plain, own in pairs) for kind in (0, 1))
    start_ratio = start[1] / start[0]
    print(
        f"| {job_seconds} s | ours / plain, median of pairs "
        f"| {start_ratio:.2f} × | | {ratio:.2f} × | | {work_ratio:.2f} × | | |"
    )


def main() -> None:
    """Print the table."""
    pair_count = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "authority.pem")
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
        batches = [
            [folder / f"picture-{pair}-{number:02}.png" for number in range(PICTURES)] for pair in range(pair_count)
        ]
        for number, path in enumerate(path for batch in batches for path in batch):
            noise = [Image.effect_noise((SIDE, SIDE), 20 + number) for _ in range(3)]
            Image.merge("RGB", noise).save(path)
        columns = (
            "jobs", "app", "start, processor s", "first batch, s", "median, s", "best, s", "processor, s", "idle, MB",
            "peak, MB",
        )  # fmt: skip
        print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
        for job_seconds in JOB_SECONDS:
            measure(job_seconds, folder, batches)


if __name__ == "__main__":
    main()
