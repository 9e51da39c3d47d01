"""The embedded engine: an inflated preview of a picture's subject, without key, GPU or network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pebble import ProcessExpired

from ...process_pool import Executor
from ..base import CancelOutcome, Event, Finished, Option, Queued, Running, Spec, Task
from ..providers import Provider
from . import worker
from .failure_messages import TOO_LONG, WORKER_DIED
from .inspection import WARNINGS, Inspection
from .worker import LIBRARIES, cut_out, inspect, warm_up

__all__ = ["LIBRARIES", "PROVIDER", "WARNINGS", "Inspection", "LocalGenerator", "cut_out", "inspect", "warm_up"]

TIMEOUT_SECONDS = 60.0
"""Seconds; a picture takes one or two, and a worker busy for longer than this is replaced."""
POLL_SECONDS = 0.1

SPEC = Spec(
    id="local",
    name="Inflated preview (built in)",
    strengths="A quick, rounded stand-in for one clear subject, its back a guess. Free, no key, on this computer.",
    usual_seconds=1.5,
    price=lambda params: Decimal(0),
    result_is="inflated preview",
    options=(
        Option(
            "detail",
            "Detail",
            "choice",
            "medium",
            "How fine the mesh is: about 15,000, 60,000 or 170,000 faces. Thin subjects gain from high.",
            choices=("low", "medium", "high"),
        ),
        Option(
            "thickness",
            "Thickness",
            "float",
            1.0,
            "1 makes what looks round as deep as it is wide; less is flatter, more is deeper.",
            minimum=0.2,
            maximum=2.0,
            step=0.1,
        ),
        Option(
            "relief",
            "Relief",
            "float",
            1.0,
            "How far light parts of the picture stand out from the surface and dark ones sink into it; 0 is smooth.",
            minimum=0.0,
            maximum=2.0,
            step=0.1,
        ),
        Option(
            "back",
            "Back",
            "choice",
            "automatic",
            "What the side that the picture does not show looks like. Automatic: the mirrored photo for round "
            "vessels and what is seen from its side, else soft colours.",
            choices=("automatic", "soft colours", "mirrored photo", "plain"),
        ),
        Option(
            "shape",
            "Shape",
            "choice",
            "object",
            "The picture's subject, or the whole picture as a card in relief.",
            choices=("object", "relief card"),
        ),
        Option(
            "base",
            "Base",
            "choice",
            "flat",
            "Flat: the least cut of the bottom, or the least addition to thin feet, with which it stands, if it can.",
            choices=("flat", "as it is"),
        ),
    ),
    face_limit=Option(
        "face_limit",
        "Face limit",
        "int",
        None,
        "The mesh has at most so many triangles.",
        minimum=500,
        maximum=300_000,
        step=500,
    ),
)


class LocalGenerator:
    """Makes inflated previews in the shared pool of worker processes."""

    def __init__(self, workers: Executor) -> None:
        self._workers = workers
        self._spec = replace(SPEC, max_concurrency=workers.processes)

    @property
    def spec(self) -> Spec:
        """The generator's description."""
        return self._spec

    @property
    def unavailable(self) -> str:
        """Reason why it is unavailable, in a sentence for people; empty if it is available."""
        if not worker.WEIGHTS.is_file():
            return "The weights of the built-in engine are missing; install image2model again."
        if find_spec("onnxruntime") is None:
            return "The package onnxruntime is missing; install it with pip."
        return ""

    async def run(self, task: Task) -> AsyncIterator[Event]:
        """Yield Queued until a worker is free, Running with each stage, then Finished.

        Raises GenerationFailed with code `no_subject`, `no_outline`, `image_too_small`, or, worth
        trying again, `local_timeout`, `local_worker_died`.
        """
        glb, notes = task.folder / "model.glb", task.folder / "stage.txt"
        arguments = (task.image, glb, notes, dict(task.params.options), task.params.face_limit)
        working = asyncio.ensure_future(self._workers.run(worker.generate, *arguments, seconds=TIMEOUT_SECONDS))
        try:
            async for event in _watch(working, notes):
                yield event
            await working
        except TimeoutError:
            raise TOO_LONG.error(seconds=TIMEOUT_SECONDS) from None
        except ProcessExpired:
            raise WORKER_DIED.error() from None
        finally:
            working.cancel()
            notes.unlink(missing_ok=True)
        yield Finished(glb, cost=Decimal(0))

    @property
    def key_mark(self) -> str:
        """No key is used."""
        return ""

    async def check_key(self) -> str:
        """Accept any key: none is needed."""
        return ""

    def for_key(self, key: str) -> None:
        """No key is taken."""

    async def cancel(self, remote: Mapping[str, Any]) -> CancelOutcome:
        """Do nothing: there is no provider, and cancelling `run` stops the worker."""
        return "over"

    async def find(self, intent: Mapping[str, Any]) -> None:
        """Nothing is ever submitted."""

    async def refresh(self) -> None:
        """Nothing to look up: it is free and always there."""

    async def close(self) -> None:
        """Do nothing: the pool belongs to the app."""


async def _watch(working: asyncio.Future[None], notes: Path) -> AsyncIterator[Event]:
    """Yield an event whenever the worker reports another stage, until `working` is done."""
    last: Event = Queued()
    yield last
    while not working.done():
        await asyncio.wait([working], timeout=POLL_SECONDS)
        noted = worker.read_progress(notes)
        if noted and Running(*noted) != last:
            last = Running(*noted)
            yield last


PROVIDER = Provider(lambda settings, workers: [LocalGenerator(workers)], failure_rules={})
"""The provider; none of its failures is retried automatically."""
