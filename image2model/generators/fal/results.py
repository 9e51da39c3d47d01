"""Finding the mesh in a result, and bringing it home whole."""

from __future__ import annotations

import asyncio
import json
import os
import re
import struct
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import httpx

from .failures import (
    DOWNLOAD_BROKE,
    RESULT_ELSEWHERE,
    RESULT_GONE,
    RESULT_TOO_LARGE,
    RESULT_WRONG,
)
from .hosts import FalHosts

MESH_KEYS = ("model_mesh", "model_glb", "model_glb_pbr", "pbr_model", "model_urls", "base_model", "model_meshes")
PREVIEW_KEYS = ("rendered_image", "thumbnail", "preview")
OTHER_EXTENSION = re.compile(r"\.(obj|fbx|usdz|stl|ply|splat|zip|mtl|blend|mp4|gif|png|jpe?g|webp|json)$", re.I)
IMAGE_STARTS = {b"\x89PNG\r\n\x1a\n": ".png", b"\xff\xd8\xff": ".jpg", b"RIFF": ".webp", b"GIF8": ".gif"}

LARGEST_RESULT = 512 * 2**20
LARGEST_PREVIEW = 20 * 2**20
LARGEST_JSON_CHUNK = 64 * 2**20
MOST_TRIED = 5

Glb = Literal["whole", "cut", "other"]


def mesh_urls(result: Mapping[str, Any]) -> list[str]:
    """The addresses at which the GLB may be, likeliest first.

    Known keys come first, in order, then all others; but an address that ends in .glb comes before one
    that does not say what it is, and that before one that says it is something else.
    """
    known = [url for key in MESH_KEYS for url in _urls(result.get(key))]
    other = [url for key, value in result.items() if key not in MESH_KEYS for url in _urls(value)]
    return sorted(dict.fromkeys(known + other), key=_unlikeliness)


def preview_url(result: Mapping[str, Any]) -> str | None:
    """The address of the model's own picture of its result."""
    return next((url for key in PREVIEW_KEYS for url in _urls(result.get(key))), None)


def _urls(value: Any) -> Iterator[str]:
    """Every web address in a result's value: a string, a file ({url, …}), or any nesting of those."""
    if isinstance(value, str):
        if value.startswith(("https://", "http://")):
            yield value
    elif isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _urls(part)


def _unlikeliness(url: str) -> int:
    path = url.partition("?")[0]
    return 0 if path.lower().endswith(".glb") else 2 if OTHER_EXTENSION.search(path) else 1


@dataclass(frozen=True, slots=True)
class Downloads:
    """Fetches results from fal's hosts, without the key and without following redirects."""

    client: httpx.AsyncClient
    hosts: FalHosts

    async def mesh(self, result: Mapping[str, Any], folder: Path) -> AsyncIterator[float | Path]:
        """Yield the fraction received, where the size is known, and at the end the path of `model.glb`.

        Raises GenerationFailed where no address holds a whole GLB of at most 512 MB.
        """
        urls = mesh_urls(result)
        ours = [url for url in urls if self.hosts.is_result(url)][:MOST_TRIED]
        if not ours:
            raise (RESULT_ELSEWHERE if urls else RESULT_WRONG).error()
        part, found = folder / "model.glb.part", set[Glb]()
        try:
            for url in ours:
                async for fraction in self._fetch(url, part, LARGEST_RESULT, b"glTF"):
                    yield fraction
                found.add(await asyncio.to_thread(_keep, part))
                if "whole" in found:
                    yield part.replace(folder / "model.glb")
                    return
            raise (DOWNLOAD_BROKE if "cut" in found else RESULT_WRONG).error()
        finally:
            part.unlink(missing_ok=True)

    async def preview(self, result: Mapping[str, Any], folder: Path) -> Path | None:
        """Fetch the model's own picture into `preview.*`; None where there is none, for whatever reason."""
        url = preview_url(result)
        if url is None or not self.hosts.is_result(url):
            return None
        part = folder / "preview.part"
        try:
            async for _ in self._fetch(url, part, LARGEST_PREVIEW, b""):
                pass
            with part.open("rb") as file:
                start = file.read(16)
            extension = next((ending for first, ending in IMAGE_STARTS.items() if start.startswith(first)), None)
            return part.replace(folder / f"preview{extension}") if extension else None
        except Exception:  # a missing picture is no reason to lose a mesh
            return None
        finally:
            part.unlink(missing_ok=True)

    async def _fetch(self, url: str, part: Path, limit: int, first: bytes) -> AsyncIterator[float]:
        """Write what is at `url` to `part`, and no further than its start where that is not `first`."""
        try:
            async with self.client.stream("GET", url) as response:
                if response.status_code in (404, 410):
                    raise RESULT_GONE.error()
                if response.status_code != 200:
                    raise DOWNLOAD_BROKE.error()
                async for fraction in _write(response, part, limit, first):
                    yield fraction
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise DOWNLOAD_BROKE.error() from error


async def _write(response: httpx.Response, part: Path, limit: int, first: bytes) -> AsyncIterator[float]:
    total = int(response.headers.get("content-length") or 0)
    told, received, head = 0.0, 0, b""
    with part.open("wb") as file:
        async for chunk in response.aiter_bytes(256 * 1024):
            received += len(chunk)
            if max(received, total) > limit:
                raise RESULT_TOO_LARGE.error(limit=f"{limit // 2**20} MB")
            if len(head) < len(first):
                head += chunk[: len(first)]
                if not head.startswith(first[: len(head)]):
                    return
            file.write(chunk)
            if total and received / total >= told + 0.05:
                told = min(1.0, received / total)
                yield told


def _keep(part: Path) -> Glb:
    """Put a whole GLB safely on the disk."""
    with part.open("rb+") as file:
        state = glb_state(file)
        if state == "whole":
            os.fsync(file.fileno())
    return state


def glb_state(file: BinaryIO) -> Glb:
    """Whether a file is a whole GLB 2.0, one cut short, or something else.

    Layout: https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html#binary-gltf-layout
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    header = file.read(20)
    if len(header) < 20:
        return "cut" if header.startswith(b"glTF") else "other"
    magic, version, length, chunk_length, chunk_type = struct.unpack("<4sIII4s", header)
    if (magic, version, chunk_type) != (b"glTF", 2, b"JSON") or length < size:
        return "other"
    if length > size:
        return "cut"
    fits = chunk_length <= min(size - 20, LARGEST_JSON_CHUNK)
    return "whole" if fits and _is_gltf(file.read(chunk_length)) else "other"


def _is_gltf(chunk: bytes) -> bool:
    try:
        document = json.loads(chunk)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and "asset" in document
