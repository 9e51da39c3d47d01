"""Works the jobs: one asyncio task a job, each step stored before the next is taken."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from ..assets.report import report
from ..errors import GenerationFailed, Image2ModelError, NotFound
from ..files import move_whole
from ..generators.base import (
    Choice,
    Downloading,
    Event,
    Finished,
    Generator,
    Queued,
    Running,
    Submitted,
    Submitting,
    Task,
    Uploading,
)
from ..workers import Workers
from .changes import Changes
from .folders import Folders
from .records import Batch, Failure, Job, JobState
from .store import Store

log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

# How far a job has come when a stage begins, and how much of the whole the stage is.
STAGES: Mapping[JobState, tuple[float, float]] = {
    "uploading": (0.01, 0.04),
    "submitting": (0.05, 0.0),
    "queued": (0.05, 0.0),
    "running": (0.06, 0.84),
    "downloading": (0.90, 0.06),
    "finishing": (0.96, 0.04),
}


VISIBLE = 0.02
"""The step of progress that a person can see."""
UNCONFIRMED = Failure(
    "unconfirmed",
    "The generator may have taken this picture; nothing has told us.",
    "Running it again may cost again.",
)
"""A job that was handed over without an answer. It is never sent again unless a person says so."""


class Runner:
    """Works jobs in this process; what it does not finish, the next one picks up."""

    def __init__(
        self, store: Store, generators: Mapping[str, Generator], workers: Workers, folders: Folders, changes: Changes
    ) -> None:
        self._store = store
        self._generators = generators
        self._workers = workers
        self._folders = folders
        self._changes = changes
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._database = ThreadPoolExecutor(1, "database")
        self._slots: dict[str, AbstractAsyncContextManager[Any]] = {
            name: asyncio.Semaphore(generator.spec.at_once) if generator.spec.at_once else nullcontext()
            for name, generator in generators.items()
        }

    async def database(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a method of the store in the one thread in which all of this process's calls queue up."""
        return await asyncio.get_running_loop().run_in_executor(self._database, partial(function, *args, **kwargs))

    async def start(self) -> int:
        """Go on with every job that an earlier process left unfinished; return how many there are."""
        unfinished = await self.database(self._store.unfinished)
        for batch, job in unfinished:
            if job.state == "submitting":  # the process died before the answer was stored
                await self._fail(job, UNCONFIRMED)
            else:
                self._begin(batch, job)
        return len(unfinished)

    def add(self, batch: Batch, jobs: Iterable[Job] | None = None) -> None:
        """Start working these jobs of a batch, by default all of them."""
        for job in batch.jobs if jobs is None else jobs:
            self._begin(batch, job)

    async def cancel(self, batch: Batch) -> None:
        """Stop every unfinished job of a batch and tell its generator."""
        for job in batch.jobs:
            moved = await self._move(job, "cancelled", message="")
            task = self._tasks.get(job.id)
            if moved and task:
                task.cancel()
            if moved and moved.remote and (generator := self._generators.get(batch.generator)):
                await generator.cancel(moved.remote)

    async def settled(self, jobs: Iterable[Job]) -> None:
        """Wait until nobody works on these jobs any more."""
        await asyncio.gather(*(self._tasks[job.id] for job in jobs if job.id in self._tasks), return_exceptions=True)

    async def close(self) -> None:
        """Stop working at once; unfinished jobs keep their states and go on at the next start."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._database.shutdown()

    def _begin(self, batch: Batch, job: Job) -> None:
        task = asyncio.create_task(self._work(batch, job), name=f"job {job.id}")
        self._tasks[job.id] = task
        task.add_done_callback(lambda done: self._tasks.pop(job.id, None) if self._tasks.get(job.id) is done else None)

    async def _work(self, batch: Batch, job: Job) -> None:
        try:
            generator = self._generators.get(batch.generator)
            if generator is None:
                raise GenerationFailed(
                    "generator_gone", f"The generator {batch.generator} is no longer there.", "Choose another one."
                )
            async with self._slots[batch.generator]:
                await self._generate(generator, batch, job)
        except Image2ModelError as error:
            await self._fail(job, Failure(error.code, error.message, error.hint, error.retryable))
        except Exception:
            log.exception("job %s failed unexpectedly", job.id)
            await self._fail(
                job,
                Failure(
                    "internal_error", "Something went wrong on our side.", "Try this picture again.", retryable=True
                ),
            )

    async def _generate(self, generator: Generator, batch: Batch, job: Job) -> None:
        """Follow the generator's events to the end, each stored before the next is asked for."""
        folder = self._folders.job(job)
        whole = folder / "model.glb"
        if await asyncio.to_thread(whole.exists):  # a process died between this and the job's last step
            await self._finish(batch, job, Finished(whole))
            return
        work = folder / f"work-{job.attempt}"
        await asyncio.to_thread(work.mkdir, parents=True, exist_ok=True)
        task = Task(folder / "input.png", work, Choice(batch.options, batch.face_limit), job.remote)
        told: dict[str, Any] = {}
        async with aclosing(generator.run(task)) as events:  # type: ignore[type-var]
            async for event in events:
                if isinstance(event, Finished):
                    await self._finish(batch, job, event)
                    return
                news = _news(event)
                if not _tells_more(news, told):
                    continue
                told = news
                if await self._move(job, **news) is None and not await self._still_wanted(job):
                    return
        raise GenerationFailed(
            "no_result", f"{generator.spec.name} ended without a result.", "Try again.", retryable=True
        )

    async def _finish(self, batch: Batch, job: Job, end: Finished) -> None:
        """Put the mesh in its place, look at it, and only then call the job done.

        Whatever cannot be found out about it, the mesh is there and may have been paid for.
        """
        folder = self._folders.job(job)
        await asyncio.to_thread(_settle, end, folder)
        await self._move(job, "finishing", progress=STAGES["finishing"][0], message="")
        try:
            facts = await self._workers.run(report, folder / "model.glb", folder / "thumbnail.webp")
        except GenerationFailed as error:
            facts = {"warnings": [error.message]}
        except Exception as error:
            log.warning("no facts of job %s: %r", job.id, error)
            facts = {"warnings": ["This mesh could not be examined."]}
        await asyncio.to_thread(_tidy, folder)
        cost = end.cost if end.cost is not None else batch.price
        await self._move(job, "done", facts=facts, cost=cost, message="")

    async def _still_wanted(self, job: Job) -> bool:
        """Whether this try still counts: not cancelled, deleted or begun anew, only told something out of order."""
        try:
            now = await self.database(self._store.job, job.id)
        except NotFound:
            return False
        return now.attempt == job.attempt and not now.finished

    async def _fail(self, job: Job, failure: Failure) -> None:
        state: JobState = "unconfirmed" if failure.code == UNCONFIRMED.code else "failed"
        await self._move(job, state, failure=asdict(failure), message="")

    async def _move(self, job: Job, state: JobState, **fields: Any) -> Job | None:
        moved = await self.database(self._store.move, job.id, state, attempt=job.attempt, **fields)
        if moved:
            self._changes.tell(job.batch_id)
        return moved


def _news(event: Event) -> dict[str, Any]:
    """An event as a state and the columns it changes."""
    state, part, fields = _told(event)
    begins, share = STAGES[state]
    return {"state": state, "progress": round(begins + share * min(max(part or 0.0, 0.0), 1.0), 3), **fields}


def _told(event: Event) -> tuple[JobState, float | None, dict[str, Any]]:
    match event:
        case Uploading():
            return "uploading", None, {}
        case Submitting():
            return "submitting", None, {}
        case Submitted(remote):
            return "queued", None, {"remote": dict(remote)}
        case Queued(position):
            return "queued", None, {"queue_position": position}
        case Running(fraction, message):
            return "running", fraction, {"message": message}
        case Downloading(fraction):
            return "downloading", fraction, {"message": ""}
        case _:
            raise TypeError(f"not a generator's event: {event!r}")


def _settle(end: Finished, folder: Path) -> None:
    """Give the results their final names, the mesh last."""
    if end.preview:
        move_whole(end.preview, folder / f"preview{end.preview.suffix}")
    move_whole(end.glb, folder / "model.glb")


def _tidy(folder: Path) -> None:
    """Leave a thumbnail, for a mesh that could not be drawn its picture's, and nothing unfinished."""
    thumbnail = folder / "thumbnail.webp"
    if not thumbnail.exists():
        shutil.copyfile(folder / "input.webp", thumbnail)
    for work in folder.glob("work-*"):
        shutil.rmtree(work, ignore_errors=True)


def _tells_more(news: dict[str, Any], told: dict[str, Any]) -> bool:
    """Whether an event is worth a transaction: a new state, other words, or a step of progress one can see."""
    step = news["progress"] - told.get("progress", 0.0)
    return step >= VISIBLE or {**news, "progress": 0} != {**told, "progress": 0}
