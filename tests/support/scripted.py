"""A scripted generator and services for it, for tests of everything around generators."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from PIL import Image

from image2model.devtools import scripted_generator
from image2model.services import BatchView, Picture, Services
from image2model.settings import Settings
from tests.support import leaks


class ScriptedGenerator(scripted_generator.ScriptedGenerator):
    """The scripted generator; a visitor's key that it is given is looked for in every log."""

    def for_key(self, key: str) -> Self:
        """The same script on another key."""
        leaks.use(key)
        return super().for_key(key)


def picture(folder: Path, name: str, colour: str = "red") -> Picture:
    """A small picture in its own file."""
    path = folder / f"{len(list(folder.iterdir()))}.upload"
    data = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(data, "PNG")
    path.write_bytes(data.getvalue())
    return Picture(path, name)


def scripted_settings(data: Path, **more: Any) -> Settings:
    """Settings for the scripted generator, which never wait before a new try."""
    return Settings(
        **{"data_dir": data, "generator": "scripted", "workers": 1, "retry_pace": 0, **more}, _env_file=None
    )


async def finished(services: Services, batch_id: str) -> BatchView:
    """The last view of a batch."""
    async with asyncio.timeout(60):
        views = [view async for view in services.watch(batch_id)]
    return views[-1]


async def view_when(services: Services, batch_id: str, predicate: Callable[[BatchView], object]) -> BatchView:
    """The first view of a batch of which something is so."""
    async with asyncio.timeout(30):
        async for view in services.watch(batch_id):
            if predicate(view):
                return view
    raise AssertionError("the batch ended before that")
