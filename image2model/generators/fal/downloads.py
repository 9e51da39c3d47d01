"""Bringing results home: whole or not at all, going on where a broken download stopped."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx

from .errors import DOWNLOAD_BROKE, RESULT_GONE, RESULT_TOO_LARGE, RESULT_WRONG
from .polling import Patience
from .results import glb_state

IMAGE_STARTS = {b"\x89PNG\r\n\x1a\n": ".png", b"\xff\xd8\xff": ".jpg", b"RIFF": ".webp", b"GIF8": ".gif"}
LARGEST_RESULT = 512 * 2**20
LARGEST_PREVIEW = 20 * 2**20
MOST_TRIED = 5
CHUNK = 256 * 1024
STEP = 0.05
CONNECT_SECONDS = 15

Fetched = Literal["all", "broken", "gone", "other"]
"""All of it; cut off; not there (any more); something else than what was asked for."""
WORST = {"broken": DOWNLOAD_BROKE, "gone": RESULT_GONE, "other": RESULT_WRONG}
Tell = Callable[[float], object]
"""Takes the fraction received."""


class _Part:
    """A file on its way: what is here of it, and by what its rest will be known."""

    def __init__(self, path: Path, limit: int, first: bytes) -> None:
        self.path, self._limit, self._first = path, limit, first
        self.size = self.total = 0
        """Bytes here, and bytes in all; 0 where the server does not say."""
        self._tag = ""

    def headers(self) -> dict[str, str]:
        """What asks for the rest, where a part is here that can be told from another version of the file."""
        rest = self._tag and 0 < self.size < self.total
        return {"Range": f"bytes={self.size}-", "If-Range": self._tag} if rest else {}

    def begin(self, response: httpx.Response) -> bool:
        """Prepare for an answer; return whether it is of any use."""
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
        """Count what came; return whether the file begins as it should."""
        if self.size == 0 and not chunk.startswith(self._first):
            return False
        self.size += len(chunk)
        self._check_size()
        return True

    def keep(self) -> Fetched:
        """Put a whole GLB safely on the disk; one cut short although all was received is none."""
        with self.path.open("rb+") as file:
            state = glb_state(file)
            if state == "whole":
                os.fsync(file.fileno())
                return "all"
        return "broken" if state == "cut" and not self.total else "other"

    def _check_size(self) -> None:
        if max(self.size, self.total) > self._limit:
            raise RESULT_TOO_LARGE.error(limit=f"{self._limit // 2**20} MB")


@dataclass(frozen=True, slots=True)
class Downloads:
    """Fetches results, without the key and without following redirects."""

    client: httpx.AsyncClient
    patience: Patience
    turns: asyncio.Semaphore
    """How many are fetched at once."""

    def mesh(self, urls: list[str], folder: Path) -> AsyncIterator[float | Path]:
        """Yield the fraction received, where the size is known, and at the end the path of `model.glb`.

        Raises GenerationFailed where no address holds a whole GLB of at most 512 MB, and OSError where there
        is no room for it.
        """
        return _telling(lambda tell: self._mesh(urls, folder, tell))

    async def preview(self, url: str | None, folder: Path) -> Path | None:
        """Fetch the model's own picture into `preview.*`; None where there is none, for whatever reason."""
        if url is None:
            return None
        part = _Part(folder / "preview.part", LARGEST_PREVIEW, b"")
        try:
            async with self.turns, asyncio.timeout(self.patience.answer):
                await self._once(url, part, lambda _: None)
            with part.path.open("rb") as file:
                start = file.read(16)
            extension = next((ending for first, ending in IMAGE_STARTS.items() if start.startswith(first)), None)
            return part.path.replace(folder / f"preview{extension}") if extension else None
        except Exception:  # a missing picture is no reason to lose a mesh
            return None
        finally:
            part.path.unlink(missing_ok=True)

    async def _mesh(self, urls: list[str], folder: Path, tell: Tell) -> Path:
        path, found = folder / "model.glb.part", set[Fetched]()
        try:
            for url in urls[:MOST_TRIED]:
                found.add(await self._file(url, path, tell))
                if "all" in found:
                    return path.replace(folder / "model.glb")
            raise next(failure for kind, failure in WORST.items() if kind in found).error()
        finally:
            path.unlink(missing_ok=True)

    async def _file(self, url: str, path: Path, tell: Tell) -> Fetched:
        """Fetch one address, in a few tries where need be; that it is wrong or gone is believed when it is so twice."""
        part, seen = _Part(path, LARGEST_RESULT, b"glTF"), list[Fetched]()
        while True:
            async with self.turns:
                found = await self._once(url, part, tell)
            if found == "all":
                found = await asyncio.to_thread(part.keep)
            if found == "all" or (found != "broken" and found in seen) or len(seen) == self.patience.tries - 1:
                return found
            seen.append(found)
            await asyncio.sleep(self.patience.pause)

    async def _once(self, url: str, part: _Part, tell: Tell) -> Fetched:
        """Get all of the file, or what is missing of it."""
        timeout = httpx.Timeout(self.patience.answer, connect=CONNECT_SECONDS, pool=None)
        try:
            async with self.client.stream("GET", url, headers=part.headers(), timeout=timeout) as response:
                if response.status_code in (404, 410):
                    return "gone"
                return await self._take(response, part, tell) if part.begin(response) else "broken"
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
            return "broken"

    async def _take(self, response: httpx.Response, part: _Part, tell: Tell) -> Fetched:
        """Write an answer's body to the part, and no further than its start where that is wrong."""
        end, told = time.monotonic() + self.patience.download, 0.0
        chunks = response.aiter_bytes(CHUNK)
        with part.path.open("ab" if response.status_code == 206 else "wb") as file:
            while True:
                async with asyncio.timeout(min(self.patience.chunk, end - time.monotonic())):
                    chunk = await anext(chunks, None)
                if chunk is None:
                    return "all" if part.size >= part.total else "broken"
                if not part.accept(chunk):
                    return "other"
                await asyncio.to_thread(file.write, chunk)
                if part.total and part.size / part.total >= told + STEP:
                    told = min(1.0, part.size / part.total)
                    tell(told)


async def _telling(work: Callable[[Tell], Awaitable[Path]]) -> AsyncIterator[float | Path]:
    """Yield what `work` tells while it goes on, and its result at the end."""
    told: asyncio.Queue[float | None] = asyncio.Queue()
    task = asyncio.ensure_future(work(told.put_nowait))
    task.add_done_callback(lambda _: told.put_nowait(None))
    try:
        while (fraction := await told.get()) is not None:
            yield fraction
        yield task.result()
    finally:
        task.cancel()
        await asyncio.wait([task])
