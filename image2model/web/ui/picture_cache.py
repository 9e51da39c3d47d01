"""Thumbnails and cut-outs of pictures that are not stored yet, in memory."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

K = TypeVar("K")
T = TypeVar("T")
MAX_PICTURES = 2000
"""Pictures of about 10 kB each."""


class PictureCache:
    """The newest pictures by their content's hash, which cannot be guessed."""

    def __init__(self) -> None:
        self._pictures: OrderedDict[str, bytes] = OrderedDict()
        self._thumbnails: OrderedDict[str, str] = OrderedDict()

    def put(self, webp: bytes) -> str:
        """Keep a picture; return its address, relative to the page."""
        token = hashlib.sha256(webp).hexdigest()[:32]
        keep_newest(self._pictures, token, webp)
        return f"previews/{token}.webp"

    def put_thumbnail(self, path: str, webp: bytes) -> None:
        """Keep the thumbnail of the picture file at `path`."""
        keep_newest(self._thumbnails, path, self.put(webp))

    def thumbnail(self, path: str) -> str:
        """Return the address of a file's thumbnail; empty if none is kept."""
        return self._thumbnails.get(path, "")

    async def answer(self, request: Request) -> Response:
        """Serve one of the pictures."""
        webp = self._pictures.get(request.path_params["token"])
        if webp is None:
            return Response(status_code=404)
        return Response(webp, media_type="image/webp", headers={"Cache-Control": "private, max-age=86400, immutable"})


def keep_newest(kept: OrderedDict[K, T], key: K, value: T, max_items: int = MAX_PICTURES) -> None:
    """Add a value; forget the oldest beyond `max_items`."""
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > max_items:
        kept.popitem(last=False)
