"""The zip of a batch over real HTTP: first byte, speed, memory of the server, and what other visitors feel.

    python -m benchmarks.zip_stream

A server in a process of its own sends 25 sparse files as one zip: streamed by us, and, as the yardstick, built
in memory with zipfile and sent whole. "Ping" is the slowest answer that another visitor got in the meantime.
The product's limits: first byte 100 ms whatever the size, 64 MB of extra memory for 2 GB.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from image2model.jobs.storage.archive import ZipEntry, stream_zip

FILES, SIZES_MB, PORT = 25, (50, 500, 2000), 9932
ADDRESS = f"http://127.0.0.1:{PORT}"


def serve(folder: Path) -> None:
    """Serve the zip of `folder` both ways."""
    entries = [ZipEntry(path, path.name) for path in sorted(folder.iterdir())]

    async def streamed(_request: Request) -> Response:
        stream = stream_zip(entries, {"files": FILES})
        return StreamingResponse(stream.chunks, headers={"Content-Length": str(stream.size)})

    def in_memory(_request: Request) -> Response:
        whole = io.BytesIO()
        with zipfile.ZipFile(whole, "w") as archive:
            for entry in entries:
                archive.write(entry.path, entry.name)
        return Response(whole.getvalue())

    def status(_request: Request) -> Response:
        return PlainTextResponse(Path("/proc/self/status").read_text())

    routes = [Route("/streamed", streamed), Route("/in-memory", in_memory), Route("/status", status)]
    uvicorn.run(Starlette(routes=routes), port=PORT, log_level="warning")


@contextmanager
def server(folder: Path) -> Iterator[None]:
    """A new server process that answers."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.zip_stream", str(folder)])
    try:
        for _ in range(200):
            try:
                httpx.get(f"{ADDRESS}/status")
                break
            except httpx.ConnectError:
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


def memory(field: str) -> float:
    """The server's memory now (VmRSS) or at most so far (VmHWM), in MB."""
    lines = httpx.get(f"{ADDRESS}/status").text.splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def ping(pings: list[float], done: threading.Event) -> None:
    """Ask something small again and again, as another visitor would."""
    with httpx.Client(timeout=120) as client:
        client.get(f"{ADDRESS}/status")
        while not done.wait(0.02):
            start = time.perf_counter()
            client.get(f"{ADDRESS}/status")
            pings.append(time.perf_counter() - start)


def download(client: httpx.Client, way: str) -> tuple[float, float, int]:
    """Seconds to the first byte of the body, seconds in all, bytes."""
    start = time.perf_counter()
    with client.stream("GET", f"{ADDRESS}/{way}") as answer:
        pieces = answer.iter_raw()
        received = len(next(pieces))
        first = time.perf_counter() - start
        received += sum(map(len, pieces))
    return first, time.perf_counter() - start, received


def measure(folder: Path, way: str) -> str:
    """One row: first byte (ms), speed (MB/s), extra memory (MB), slowest ping (ms)."""
    pings: list[float] = []
    done = threading.Event()
    visitor = threading.Thread(target=ping, args=(pings, done))
    with server(folder), httpx.Client(timeout=120) as client:
        client.get(f"{ADDRESS}/status")
        before = memory("VmRSS")
        visitor.start()
        first, whole, received = download(client, way)
        done.set()
        visitor.join()
        extra = memory("VmHWM") - before
    return f"{first * 1e3:9.1f} {received / whole / 1e6:9.0f} {extra:9.0f} {max(pings, default=0) * 1e3:9.0f}"


def main() -> None:
    """Measure every size both ways."""
    print(f"{'batch':>8} {'way':>10} {'first ms':>9} {'MB/s':>9} {'extra MB':>9} {'ping ms':>9}")
    for size in SIZES_MB:
        with tempfile.TemporaryDirectory() as folder:
            for number in range(FILES):
                with (Path(folder) / f"{number:02}.glb").open("wb") as file:
                    file.truncate(size * 1_000_000 // FILES)
            for way in ("streamed", "in-memory"):
                print(f"{size:>5} MB {way:>10} {measure(Path(folder), way)}", flush=True)


if __name__ == "__main__":
    serve(Path(sys.argv[1])) if len(sys.argv) > 1 else main()
