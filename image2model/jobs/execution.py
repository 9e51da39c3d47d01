"""One job's way from its picture to its mesh, through as many tries as the policy gives it."""

from __future__ import annotations

import asyncio
import errno
import logging
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pebble import ProcessExpired

from ..atomic_files import atomic_move
from ..errors import ErrorCode, GenerationFailed, Image2ModelError, NotFound
from ..generators.base import Choice, Event, Finished, Generator, Queued, Running, Side, Submitted, Task
from ..generators.failures import DISK_FULL, INTERNAL_ERROR, NO_RESULT, UNCONFIRMED
from ..generators.local import cut_out
from ..generators.providers import rules_of
from ..mesh.export import parse_options
from ..mesh.report import write_report
from ..metrics import RETRIES
from ..process_pool import Workers, with_memory_limit
from .circuit_breaker import CircuitBreaker
from .db.async_store import Desk, tell_logs
from .progress import STAGES, news, tells_more
from .records import Batch, Job, JobState, Wait, failure_of
from .retry_policy import Policy
from .storage.exports import ExportStore
from .storage.folders import MESH, Folders, picture_name, stored_picture

log = logging.getLogger(__name__)

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
FACES_OVER = 1.05
"""A mesh this much over the face limit is let pass: generators' own limits are never exact."""
LOOK_AFTER = (0.0, 3.0, 15.0)
"""Seconds before each look at the far side for a submit that got no answer: it may be listed a little later."""


@dataclass(frozen=True, slots=True)
class Shop:
    """What every job is worked with."""

    desk: Desk
    folders: Folders
    workers: Workers
    policy: Policy
    exports: ExportStore


class Work:
    """Works one job with its generator until it is over; each step is stored before the next is taken."""

    def __init__(
        self,
        shop: Shop,
        batch: Batch,
        job: Job,
        generator: Generator,
        breaker: CircuitBreaker,
        slot: AbstractAsyncContextManager[Any],
    ) -> None:
        self._desk, self._folders, self._workers, self._policy = shop.desk, shop.folders, shop.workers, shop.policy
        self._exports = shop.exports
        self._batch, self.job, self._generator, self._breaker, self._slot = batch, job, generator, breaker, slot
        self._trial = False
        self._failures = 0
        """Failed tries in a row."""

    async def run(self) -> None:
        """Try until the job is over; being cancelled leaves it as it stands."""
        try:
            while await self._try():
                pass
        finally:
            self._leave_trial()

    async def _try(self) -> bool:
        """Make one try; return whether there is another."""
        tell_logs(self.job)
        try:
            if self.job.waiting:
                await self._policy.sleep_until(self.job.waiting.until)
            async with self._slot:
                await self._generate()
        except Image2ModelError as error:
            return await self._after(error)
        except OSError as error:
            if error.errno in NO_ROOM:
                log.error("a try failed: there is no room on the disk of DATA_DIR", extra={"cause": "disk_full"})
                return await self._after(DISK_FULL.error())
            log.exception("a try failed")
            return await self._after(INTERNAL_ERROR.error())
        except Exception:
            log.exception("a try failed unexpectedly")
            return await self._after(INTERNAL_ERROR.error())
        return False

    async def _generate(self) -> None:
        """Follow the generator's events to the end, each stored before the next is asked for."""
        folder = self._folders.job(self.job)
        whole = self._folders.mesh(self.job)
        if await asyncio.to_thread(whole.exists):  # a process died between this and the job's last step
            await self._finish(Finished(whole))
            return
        if self.job.remote is None:
            if self.job.state in ("submitting", "cancelling"):  # it died before the answer was stored
                raise UNCONFIRMED.error()
            await self._pass_breaker()
        elif self.job.state == "cancelling":
            await self._generator.cancel(self.job.remote)
        work = folder / f"work-{self.job.attempt}"
        await asyncio.to_thread(work.mkdir, parents=True, exist_ok=True)
        choice = Choice(self._batch.options, self._batch.face_limit, bool(self.job.sides))
        sides: dict[Side, Path] = {other.side: await self._sent(folder, other.side) for other in self.job.sides}
        task = Task(await self._sent(folder), work, choice, self.job.remote, sides)
        async with aclosing(self._generator.run(task)) as events:  # type: ignore[type-var]  # all are async generators
            if not await self._follow(events):
                return
        self._breaker.succeeded()

    async def _sent(self, folder: Path, side: Side = "front") -> Path:
        """The picture that goes to the generator; one whose subject is not found goes as it is."""
        picture, cut = stored_picture(folder, side), folder / picture_name(side, "cutout")
        if not self._batch.cut_out or self.job.remote is not None:
            return picture
        try:
            if not await asyncio.to_thread(cut.exists):
                await self._workers.run(cut_out, picture, cut)
        except GenerationFailed:
            return picture
        return cut

    async def _follow(self, events: AsyncIterator[Event]) -> bool:
        """Store what is told; return whether it came to its end, and raise where it stopped without one."""
        told: dict[str, Any] = {}
        async for event in events:
            if isinstance(event, Finished):
                self._breaker.succeeded()
                await self._finish(event)
                return True
            if isinstance(event, Queued | Running):
                self._failures = 0
            fresh = news(event)
            if not tells_more(fresh, told):
                continue
            told = fresh
            moved = await self._desk.move(self.job, **fresh)
            if moved:
                self.job = moved
            elif not await self._still_wanted():
                return False
            if isinstance(event, Submitted):
                tell_logs(self.job)
                if self.job.state == "cancelling":
                    await self._generator.cancel(event.remote)
        raise NO_RESULT.error(generator=self._generator.spec.name)

    async def _pass_breaker(self) -> None:
        """Wait, and say so, while the generator is known to fail; the one job that tries it first goes ahead."""
        if self._breaker.is_blocking:
            words = f"{self._generator.spec.name} has failed several times; waiting until it is well again"
            await self._wait(Wait(ErrorCode.GENERATOR_RESTING, words, time.time() + self._breaker.seconds_left))
        self._trial = await self._breaker.admit()

    async def _finish(self, end: Finished) -> None:
        """Put the mesh in its place, look at it, and only then call the job done.

        Whatever cannot be found out about it, the mesh is there and may have been paid for.
        """
        folder = self._folders.job(self.job)
        await asyncio.to_thread(_settle, end, folder)
        await self._desk.move(self.job, "finishing", progress=STAGES["finishing"][0], message="")
        facts = await self._examined()
        facts |= await self._limited(facts)
        await asyncio.to_thread(_tidy, folder)
        cost = end.cost if end.cost is not None else self.job.price
        await self._desk.move(self.job, "done", facts=facts, cost=cost, message="")

    async def _limited(self, facts: dict[str, Any]) -> dict[str, Any]:
        """Keep to the face limit that was asked for: a mesh with more faces gets a lighter copy beside it."""
        asked, faces = self._batch.face_limit, facts.get("faces")
        if not asked or not faces:
            return {}
        if faces <= asked * FACES_OVER:
            return {"face_limit": {"asked": asked, "obtained": faces, "file": None}}
        try:
            made = await self._exports.get(replace(self.job, state="done"), parse_options("glb", face_limit=asked))
        except Image2ModelError as error:
            return {"warnings": [*facts["warnings"], f"The face limit was not kept: {error.message}"]}
        return {"face_limit": {"asked": asked, "obtained": made.facts["faces"], "file": made.filename}}

    async def _examined(self) -> dict[str, Any]:
        """The facts of the mesh, or a warning that says why there are none."""
        try:
            glb = self._folders.mesh(self.job)
            return await self._workers.run(with_memory_limit, write_report, glb, glb.with_name("thumbnail.webp"))
        except GenerationFailed as error:
            return {"warnings": [error.message]}
        except TimeoutError:
            reason = "examining this mesh takes too long"
        except (MemoryError, ProcessExpired):
            reason = "examining this mesh takes too much memory"
        except Exception:
            log.exception("no facts of a mesh")
            reason = "this mesh could not be examined"
        log.warning("no facts of a mesh: %s", reason)
        return {"warnings": [f"Facts unavailable: {reason}. Its file is whole and can be downloaded."]}

    async def _after(self, error: Image2ModelError) -> bool:
        """Decide what comes after a failed try; return whether there is another."""
        if not await self._still_wanted():
            return False
        self._tell_breaker(error)
        if error.code == ErrorCode.UNCONFIRMED:
            return await self._look_for_it(error)
        stopping = self.job.state == "cancelling"
        remote, kept_until = self.job.remote, None
        self._failures += 1
        if remote is not None:
            submitted_at = float(remote.get("submitted_at") or self.job.pressed_at)
            kept_until = submitted_at + self._generator.spec.result_kept_seconds
        wait = self._policy.wait_before_next(error, self.job.tries, self._failures, self.job.pressed_at, kept_until)
        collects = remote if self._policy.collects(error) else None
        if wait is None or (stopping and not collects):
            await self._end(error, stopping)
            return False
        deadline = None if collects else self.job.pressed_at + self._policy.deadline
        until = Wait(error.code, error.message, time.time() + wait, deadline)
        RETRIES.labels("collecting" if collects else "itself").inc()
        return self._goes_on(await self._desk.change(self._desk.store.defer, self.job, until, collects))

    async def _end(self, error: Image2ModelError, stopping: bool) -> None:
        if stopping:
            await self._desk.move(self.job, "cancelled", message="")
            return
        state: JobState = "unconfirmed" if error.code == ErrorCode.UNCONFIRMED else "failed"
        await self._desk.move(self.job, state, failure=asdict(failure_of(error)), message="")

    async def _look_for_it(self, error: Image2ModelError) -> bool:
        """Ask the far side for a submit that got no answer, to collect it; without one the job stays unconfirmed."""
        for pause in LOOK_AFTER if self.job.intent else ():
            await self._wait(Wait(ErrorCode.ASKING, "Asking the generator whether it has taken this picture"))
            await asyncio.sleep(pause * self._policy.pace)
            if found := await self._generator.find(self.job.intent or {}):
                return self._goes_on(await self._desk.change(self._desk.store.defer, self.job, None, found))
        await self._end(error, stopping=False)
        return False

    def _tell_breaker(self, error: Image2ModelError) -> None:
        if rules_of(error.code).kind == "generator":
            self._breaker.failed()
        elif self.job.remote is not None and not error.retryable:  # it judged the picture, so it works
            self._breaker.succeeded()
        else:
            self._leave_trial()
        self._trial = False

    def _leave_trial(self) -> None:
        if self._trial:
            self._breaker.abandoned()
            self._trial = False

    def _goes_on(self, job: Job | None) -> bool:
        """Go on with the job as it was stored; None: somebody else has ended it."""
        self.job = job or self.job
        return job is not None

    async def _wait(self, waiting: Wait) -> None:
        self.job = await self._desk.change(self._desk.store.wait, self.job, waiting) or self.job

    async def _still_wanted(self) -> bool:
        """Whether this try still counts: not cancelled, deleted or begun anew, only told something out of order."""
        try:
            now = await self._desk.surely(self._desk.store.job, self.job.id)
        except NotFound:
            return False
        if now.attempt != self.job.attempt or now.finished:
            return False
        self.job = now
        return True


def _settle(end: Finished, folder: Path) -> None:
    """Give the mesh its final name."""
    atomic_move(end.glb, folder / MESH)


def _tidy(folder: Path) -> None:
    """Leave a thumbnail, for a mesh that could not be drawn its picture's, and nothing unfinished."""
    thumbnail = folder / "thumbnail.webp"
    if not thumbnail.exists():
        shutil.copyfile(folder / "input.webp", thumbnail)
    for work in folder.glob("work-*"):
        shutil.rmtree(work, ignore_errors=True)
