"""A generator that yields scripted events, for tests and benchmarks of everything around generators."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, Self

import trimesh

from ..errors import GenerationFailed
from ..generators.base import CancelOutcome, Event, Finished, Option, Spec, Submitted, Task
from ..generators.fal.failure_messages import CANCELLED


@cache
def plain_box_glb() -> bytes:
    """A small closed GLB."""
    return bytes(trimesh.creation.box((1, 2, 3)).export(file_type="glb"))


class ScriptedGenerator:
    """Follows `script(picture's file size or name → events)`; a GenerationFailed in it is raised, a float slept."""

    def __init__(self, name: str = "scripted", *, price: str = "0.30", max_concurrency: int | None = None) -> None:
        self.spec = Spec(
            id=name, name=f"Scripted {name}", strengths="Tests.", usual_seconds=1.0,
            price=lambda params: Decimal(price),
            options=(Option("detail", "Detail", "choice", "low", choices=("low", "high")),),
            face_limit=Option("face_limit", "Faces", "int", minimum=10, maximum=1000), max_concurrency=max_concurrency,
        )  # fmt: skip
        self.unavailable = ""
        self.script: Callable[[Task], list[Event | GenerationFailed | float]] = lambda task: []
        self.runs: list[Task] = []
        self.cancelled: list[Mapping[str, Any]] = []
        self.gate: asyncio.Event | None = None
        """Event that each run waits for before its end, where one is set."""
        self.mesh = plain_box_glb()
        self.mesh_error: OSError | None = None
        """Raised instead of writing the mesh."""
        self.key_mark = ""
        self.cancel_outcome: CancelOutcome = "accepted"
        """Result of `cancel`."""
        self.find_result: Mapping[str, Any] | None = None
        """Result of `find`."""
        self.running = self.peak_running = 0

    async def run(self, task: Task) -> AsyncIterator[Event]:
        """Yield the script's events, then write the box and finish."""
        self.runs.append(task)
        self.running += 1
        self.peak_running = max(self.running, self.peak_running)
        try:
            for step in self.script(task):
                if isinstance(step, GenerationFailed):
                    raise step
                if isinstance(step, float):
                    await asyncio.sleep(step)
                elif not (isinstance(step, Submitted) and task.remote):
                    yield step
            if self.gate:
                await self._gate(task.remote or next((s.remote for s in self.script(task) if type(s) is Submitted), {}))
            if self.mesh_error:
                raise self.mesh_error
            glb = task.folder / "model.glb"
            glb.write_bytes(self.mesh)
            yield Finished(glb)
        finally:
            self.running -= 1

    async def _gate(self, remote: Mapping[str, Any]) -> None:
        """Wait for the test, or for a cancel to be obeyed."""
        while self.gate and not self.gate.is_set():
            if remote in self.cancelled and self.cancel_outcome == "accepted":
                raise CANCELLED.error()
            await asyncio.sleep(0.01)

    async def check_key(self) -> str:
        """Accept every key."""
        return ""

    def for_key(self, key: str) -> Self:
        """The same script on another key."""
        keyed = copy.copy(self)
        keyed.key_mark = f"mark-{len(key.strip())}"
        return keyed

    async def cancel(self, remote: Mapping[str, Any]) -> CancelOutcome:
        """Record the cancellation."""
        self.cancelled.append(remote)
        return self.cancel_outcome

    async def find(self, intent: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return `find_result`."""
        return self.find_result

    async def refresh(self) -> None:
        """Nothing to look up."""

    async def close(self) -> None:
        """Nothing to free."""
