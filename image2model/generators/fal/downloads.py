"""Downloads of results: whole or not at all, resumed with Range requests where a connection broke."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx

from .failure_messages import DOWNLOAD_FAILED, RESULT_EXPIRED, RESULT_TOO_LARGE, RESULT_UNUSABLE
from .polling import CONNECT_SECONDS, Timeouts
from .results import GLB_MAGIC, glb_state

MAX_RESULT_BYTES = 512 * 2**20
MAX_URLS = 5
CHUNK_BYTES = 256 * 1024
PROGRESS_STEP, PROGRESS_SECONDS = 0.05, 0.5
"""Share of a file, and time, between reports: each is stored, and most files come in less."""

FetchOutcome = Literal["complete", "broken", "not_found", "not_glb"]
"""Complete; broken off; no longer there; not a GLB."""
FAILURE_BY_OUTCOME = {"broken": DOWNLOAD_FAILED, "not_found": RESULT_EXPIRED, "not_glb": RESULT_UNUSABLE}
ReportProgress = Callable[[float], object]
"""Called with the fraction received."""


class _PartialFile:
    """A partial GLB, its size so far and the ETag that its rest must have."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = self.total = 0
        """Bytes received, and the total; 0 where the server does not say."""
        self._tag = ""

    def headers(self) -> dict[str, str]:
        """Range headers for the rest, if an ETag identifies this version of the file."""
        rest = self._tag and 0 < self.size < self.total
        return {"Range": f"bytes={self.size}-", "If-Range": self._tag} if rest else {}

    def start(self, response: httpx.Response) -> bool:
        """Prepare for a response; return whether its body can be used."""
        tag = response.headers.get("etag", "")
        if response.status_code == 206:
            rest = f"bytes {self.size}-{self.total - 1}/{self.total}"
            if tag == self._tag and response.headers.get("content-range") == rest:
                return True
        self.size, self.total = 0, int(response.headers.get("content-length") or 0)
        self._tag = "" if tag.startswith("W/") else tag
        self._check_size()
        return response.status_code == 200

    def accept(self, chunk: bytes) -> bool:
        """Count a chunk; return whether the file begins with the expected bytes."""
        if self.size == 0 and not chunk.startswith(GLB_MAGIC):
            return False
        self.size += len(chunk)
        self._check_size()
        return True

    def finish(self) -> FetchOutcome:
        """Fsync a complete GLB; a truncated one of which every byte was received is `not_glb`."""
        with self.path.open("rb+") as file:
            state = glb_state(file)
            if state == "complete":
                os.fsync(file.fileno())
                return "complete"
        return "broken" if state == "truncated" and not self.total else "not_glb"

    def _check_size(self) -> None:
        if max(self.size, self.total) > MAX_RESULT_BYTES:
            raise RESULT_TOO_LARGE.error(limit=f"{MAX_RESULT_BYTES // 2**20} MB")


@dataclass(frozen=True, slots=True)
class Downloads:
    """Fetches results, without the key and without following redirects."""

    client: httpx.AsyncClient
    timeouts: Timeouts
    slots: asyncio.Semaphore
    """Limits concurrent downloads."""

    def fetch_mesh(self, urls: list[str], folder: Path) -> AsyncIterator[float | Path]:
        """Yield the fraction received, where the size is known, and at the end the path of `model.glb`.

        Raises GenerationFailed where no address holds a whole GLB of at most 512 MB, and OSError where there
        is no room for it.
        """
        return _with_progress(lambda report: self._fetch_mesh(urls, folder, report))

    async def _fetch_mesh(self, urls: list[str], folder: Path, report: ReportProgress) -> Path:
        path, outcomes = folder / "model.glb.part", set[FetchOutcome]()
        try:
            for url in urls[:MAX_URLS]:
                outcomes.add(await self._fetch_url(url, path, report))
                if "complete" in outcomes:
                    return path.replace(folder / "model.glb")
            raise next(failure for kind, failure in FAILURE_BY_OUTCOME.items() if kind in outcomes).error()
        finally:
            path.unlink(missing_ok=True)

    async def _fetch_url(self, url: str, path: Path, report: ReportProgress) -> FetchOutcome:
        """Fetch one address, in a few tries where need be; that it is wrong or gone is believed when it is so twice."""
        part, earlier = _PartialFile(path), list[FetchOutcome]()
        while True:
            async with self.slots:
                outcome = await self._request(url, part, report)
            if outcome == "complete":
                outcome = await asyncio.to_thread(part.finish)
            is_certain = outcome == "complete" or (outcome != "broken" and outcome in earlier)
            if is_certain or len(earlier) == self.timeouts.attempts - 1:
                return outcome
            earlier.append(outcome)
            await asyncio.sleep(self.timeouts.retry_delay)

    async def _request(self, url: str, part: _PartialFile, report: ReportProgress) -> FetchOutcome:
        """Request the file, or what is missing of it."""
        timeout = httpx.Timeout(self.timeouts.request, connect=CONNECT_SECONDS, pool=None)
        try:
            async with self.client.stream("GET", url, headers=part.headers(), timeout=timeout) as response:
                if response.status_code in (404, 410):
                    return "not_found"
                return await self._receive(response, part, report) if part.start(response) else "broken"
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
            return "broken"

    async def _receive(self, response: httpx.Response, part: _PartialFile, report: ReportProgress) -> FetchOutcome:
        """Write an answer's body to the part, and no further than its start where that is wrong."""
        began, reported = time.monotonic(), 0.0
        end, due = began + self.timeouts.download, began + PROGRESS_SECONDS
        chunks = response.aiter_bytes(CHUNK_BYTES)
        with part.path.open("ab" if response.status_code == 206 else "wb") as file:
            while True:
                async with asyncio.timeout(min(self.timeouts.chunk, end - time.monotonic())):
                    chunk = await anext(chunks, None)
                if chunk is None:
                    return "complete" if part.size >= part.total else "broken"
                if not part.accept(chunk):
                    return "not_glb"
                await asyncio.to_thread(file.write, chunk)
                if part.total and part.size / part.total >= reported + PROGRESS_STEP and time.monotonic() >= due:
                    reported, due = min(1.0, part.size / part.total), time.monotonic() + PROGRESS_SECONDS
                    report(reported)


async def _with_progress(work: Callable[[ReportProgress], Awaitable[Path]]) -> AsyncIterator[float | Path]:
    """Yield the fractions that `work` reports, then its result."""
    progress: asyncio.Queue[float | None] = asyncio.Queue()
    task = asyncio.ensure_future(work(progress.put_nowait))
    task.add_done_callback(lambda _: progress.put_nowait(None))
    try:
        while (fraction := await progress.get()) is not None:
            yield fraction
        yield task.result()
    finally:
        task.cancel()
        await asyncio.wait([task])
