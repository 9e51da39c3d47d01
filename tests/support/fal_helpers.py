"""Helpers for tests of fal's generators: a picture, a generator on the stand-in, one job from start to end."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from image2model.devtools.fal_stand_in import KEY
from image2model.errors import GenerationFailed
from image2model.generators.base import Event, Side, Submitted, Task
from image2model.generators.fal import FalAccount, FalGenerator, FalHosts, Timeouts
from image2model.generators.fal.catalogue import FAL_MODELS
from tests.support.fal_server import FalServer

MODELS = {model.spec.id: model for model in FAL_MODELS}


QUICK = Timeouts(submit=0.5, request=0.5, upload=2.0, cancel=0.5, chunk=0.3, download=2.0, retry_delay=0.01)
"""For tests: hardly any waiting."""


def no_delay(elapsed: float, expected: float, _crowd: int) -> float:
    """A polling policy for tests: hardly any waiting."""
    return 0.01


def fal_generator(server: FalServer, model: str = "tripo-v2.5", *, key: str = KEY, **hosts: Any) -> FalGenerator:
    """One model of the catalogue on the stand-in; `hosts` replaces single hosts."""
    fal_hosts = FalHosts.at(server.url)
    fal_hosts = FalHosts(**{name: hosts.get(name, getattr(fal_hosts, name)) for name in FalHosts.__slots__})
    return FalGenerator(MODELS[model], FalAccount(key, fal_hosts, QUICK), no_delay)


def task(
    folder: Path,
    generator: FalGenerator,
    options: dict[str, Any] | None = None,
    faces: int | None = None,
    remote: Mapping[str, Any] | None = None,
    colour: str = "teal",
    sides: Sequence[Side] = (),
) -> Task:
    """A task for a small picture of one colour, and sides each of another, in its own folder."""
    folder.mkdir(parents=True, exist_ok=True)
    image = folder / "input.png"
    Image.new("RGBA", (32, 24), colour).save(image)
    others = {side: folder / f"{side}.png" for side in sides}
    for number, path in enumerate(others.values(), 1):
        Image.new("RGBA", (32, 24), (40 * number, 0, 0)).save(path)
    return Task(image, folder, generator.spec.check(options, faces), remote, others)


async def run(generator: FalGenerator, task: Task) -> list[Event]:
    """All events of one job; the connections are closed whatever happens."""
    try:
        return [event async for event in generator.run(task)]
    finally:
        await generator.close()


async def submitted(generator: FalGenerator, task: Task) -> Mapping[str, Any]:
    """Remote job of a task that was submitted and then left alone."""
    async with aclosing(generator.run(task)) as events:
        async for event in events:
            if isinstance(event, Submitted):
                return event.remote
    raise AssertionError("nothing was submitted")


async def failure(generator: FalGenerator, task: Task) -> GenerationFailed:
    """The failure of one job; no sentence of it may contain the key or an address."""
    with pytest.raises(GenerationFailed) as caught:
        await run(generator, task)
    message = str(caught.value)
    assert message
    assert KEY not in message
    assert "http" not in message
    return caught.value


def names(folder: Path) -> list[str]:
    """Names of the files in a folder."""
    return sorted(path.name for path in folder.iterdir())


def gltf(path: Path) -> dict[str, Any]:
    """The JSON chunk of a GLB."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    document: dict[str, Any] = json.loads(data[20 : 20 + length])
    return document
