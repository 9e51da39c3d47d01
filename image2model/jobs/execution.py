"""The execution of one job: attempts until it is finished, each step stored before the next one is taken."""

from __future__ import annotations

import asyncio
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
from ..errors import ErrorCode, GenerationFailed, Image2ModelError, NotFound, is_disk_full
from ..generators.base import Event, Finished, GenerationParams, Generator, Queued, Running, Side, Submitted, Task
from ..generators.failure_messages import DISK_FULL, INTERNAL_ERROR, NO_RESULT, UNCONFIRMED
from ..generators.local import cut_out
from ..generators.providers import rules_of
from ..mesh.export import parse_options
from ..mesh.report import write_report
from ..metrics import RETRIES
from ..process_pool import Executor, with_memory_limit
from .circuit_breaker import CircuitBreaker
from .db.async_store import AsyncStore, bind_log_context, retrying
from .models import Batch, Job, JobState, Wait, stored_failure
from .progress import STAGES, event_to_update, is_worth_storing
from .retry_policy import RetryPolicy
from .storage.exports import ExportStore
from .storage.folders import MESH_FILE, THUMBNAIL_FILE, Folders, picture_filename

log = logging.getLogger(__name__)

SIMPLIFIED_FACE_TOLERANCE = 1.05
"""Share of the face limit that a mesh may have before a lighter copy is made: generators' limits are never exact."""
LOOKUP_DELAYS = (0.0, 3.0, 15.0)
"""Seconds before each search at the provider for a submission without an answer: it may be listed a little later."""


@dataclass(frozen=True, slots=True)
class JobContext:
    """Services that all executions share."""

    store: AsyncStore
    folders: Folders
    workers: Executor
    policy: RetryPolicy
    exports: ExportStore


class JobExecution:
    """Runs one job on its generator until it is finished."""

    def __init__(
        self,
        context: JobContext,
        batch: Batch,
        job: Job,
        generator: Generator,
        breaker: CircuitBreaker,
        slot: AbstractAsyncContextManager[Any],
    ) -> None:
        self._store, self._policy, self._workers = context.store, context.policy, context.workers
        self._folders, self._exports = context.folders, context.exports
        self._batch, self.job, self._generator, self._breaker, self._slot = batch, job, generator, breaker, slot
        self._is_trial = False
        self._failures = 0
        """Failed attempts in a row."""

    async def run(self) -> None:
        """Attempt until the job is finished; cancelling this task leaves the job as it is stored."""
        try:
            while await self._attempt():
                pass
        finally:
            await self._abandon_trial()

    async def _attempt(self) -> bool:
        """Make one attempt; return whether there is another."""
        bind_log_context(self.job)
        try:
            if self.job.waiting:
                await self._policy.sleep_until(self.job.waiting.until)
            async with self._slot:
                await self._run_generator()
        except Image2ModelError as error:
            return await self._handle_failure(error)
        except OSError as error:
            if is_disk_full(error):
                log.error("an attempt failed: there is no room on the disk of DATA_DIR", extra={"cause": "disk_full"})
                return await self._handle_failure(DISK_FULL.error())
            log.exception("an attempt failed")
            return await self._handle_failure(INTERNAL_ERROR.error())
        except Exception:
            log.exception("an attempt failed with an unexpected error")
            return await self._handle_failure(INTERNAL_ERROR.error())
        return False

    async def _run_generator(self) -> None:
        """Run the generator to its end, or only collect what an earlier attempt has submitted."""
        folder = self._folders.job(self.job)
        mesh = self._folders.mesh(self.job)
        if await asyncio.to_thread(self._folders.bring, mesh):  # a process died between this and the job's last step
            await self._finish(Finished(mesh))
            return
        if self.job.remote is None:
            if self.job.state in ("submitting", "cancelling"):  # a process died before the answer was stored
                raise UNCONFIRMED.error()
            await self._wait_for_breaker()
        elif self.job.state == "cancelling":
            await self._generator.cancel(self.job.remote)
        work = folder / f"work-{self.job.attempt}-{self.job.fence}"  # of no process that has lost the job
        pictures = await asyncio.to_thread(self._prepare, folder, work)
        inputs = {side: await self._input_picture(folder, side, picture) for side, picture in pictures.items()}
        params = GenerationParams(self._batch.options, self._batch.face_limit, bool(self.job.sides))
        task = Task(inputs.pop("front"), work, params, self.job.remote, inputs)
        async with aclosing(self._generator.run(task)) as events:  # type: ignore[type-var]  # all are async generators
            await self._follow_events(events)

    def _prepare(self, folder: Path, work: Path) -> dict[Side, Path]:
        """Make the attempt's own folder; return the job's pictures, the front first, once they are on this machine."""
        work.mkdir(parents=True, exist_ok=True)
        pictures = {picture.side: self._folders.picture(folder, picture.side) for picture in self.job.pictures}
        for path in pictures.values():
            self._folders.bring(path)
        return pictures

    async def _input_picture(self, folder: Path, side: Side, picture: Path) -> Path:
        """The picture that goes to the generator; one whose subject is not found goes as it is."""
        if not self._batch.cut_out or self.job.remote is not None:
            return picture
        cut = folder / picture_filename(side, "cutout")
        try:
            if not await asyncio.to_thread(cut.exists):
                await self._workers.run(cut_out, picture, cut)
        except GenerationFailed:
            return picture
        return cut

    async def _follow_events(self, events: AsyncIterator[Event]) -> None:
        """Store the events in turn, until the attempt is superseded. Raises without a final event."""
        last_update: dict[str, Any] = {}
        async for event in events:
            if isinstance(event, Finished):
                await self._breaker.record_success()
                await self._finish(event)
                return
            if isinstance(event, Queued | Running):
                self._failures = 0
            update = event_to_update(event)
            if not is_worth_storing(update, last_update):
                continue
            last_update = update
            if job := await self._store.transition(self.job, **update):
                self.job = job
            elif not await self._is_current():
                return
            if isinstance(event, Submitted):
                bind_log_context(self.job)
                if self.job.state == "cancelling":
                    await self._generator.cancel(event.remote)
        raise NO_RESULT.error(generator=self._generator.spec.name)

    async def _wait_for_breaker(self) -> None:
        """Wait while the generator's breaker is open, and store that as the job's wait."""
        if self._breaker.is_blocking:
            message = f"{self._generator.spec.name} has failed several times; waiting until it works again"
            await self._store_wait(Wait(ErrorCode.GENERATOR_RESTING, message, time.time() + self._breaker.seconds_left))
        self._is_trial = await self._breaker.admit()

    async def _finish(self, result: Finished) -> None:
        """Move the mesh to its place, examine it, then store the job as done, unless another process has taken it.

        A mesh that cannot be examined is delivered all the same: it may have been paid for.
        """
        folder = self._folders.job(self.job)
        finishing = await self._store.transition(self.job, "finishing", progress=STAGES["finishing"][0], message="")
        if finishing is None and not await self._is_current():
            return
        await asyncio.to_thread(_move_mesh, result, folder)
        await self._keep(folder / MESH_FILE)
        facts = await self._mesh_facts()
        facts |= await self._apply_face_limit(facts)
        await asyncio.to_thread(self._clean_up, folder)
        await self._keep(folder / THUMBNAIL_FILE)
        cost = result.cost if result.cost is not None else self.job.price
        await self._store.transition(self.job, "done", facts=facts, cost=cost, message="")

    async def _keep(self, path: Path) -> None:
        """Copy a file to the object storage, where there is one, until that works."""
        if self._folders.bucket:
            await retrying()(asyncio.to_thread, self._folders.keep, path)

    def _clean_up(self, folder: Path) -> None:
        """Remove unfinished files; where the mesh has no thumbnail, take the picture's."""
        thumbnail, picture = folder / THUMBNAIL_FILE, folder / picture_filename(ending="webp")
        if not self._folders.bring(thumbnail) and self._folders.bring(picture):
            shutil.copyfile(picture, thumbnail)
        for work in folder.glob("work-*"):
            shutil.rmtree(work, ignore_errors=True)

    async def _apply_face_limit(self, facts: dict[str, Any]) -> dict[str, Any]:
        """Make a lighter copy of a mesh with more faces than were asked for; return the facts of that."""
        face_limit, faces = self._batch.face_limit, facts.get("faces")
        if not face_limit or not faces:
            return {}
        if faces <= face_limit * SIMPLIFIED_FACE_TOLERANCE:
            return {"face_limit": {"asked": face_limit, "obtained": faces, "file": None}}
        try:
            options = parse_options("glb", face_limit=face_limit)
            simplified = await self._exports.get(replace(self.job, state="done"), options)
        except Image2ModelError as error:
            return {"warnings": [*facts["warnings"], f"The face limit was not kept: {error.message}"]}
        return {"face_limit": {"asked": face_limit, "obtained": simplified.facts["faces"], "file": simplified.filename}}

    async def _mesh_facts(self) -> dict[str, Any]:
        """Facts of the mesh, or a warning that says why there are none."""
        try:
            glb = self._folders.mesh(self.job)
            return await self._workers.run(with_memory_limit, write_report, glb, glb.with_name(THUMBNAIL_FILE))
        except GenerationFailed as error:
            return {"warnings": [error.message]}
        except TimeoutError:
            reason = "examining this mesh takes too long"
        except (MemoryError, ProcessExpired):
            reason = "examining this mesh takes too much memory"
        except Exception:
            log.exception("the mesh could not be examined")
            reason = "this mesh could not be examined"
        log.warning("no facts of the mesh: %s", reason)
        return {"warnings": [f"Facts unavailable: {reason}. Its file is whole and can be downloaded."]}

    async def _handle_failure(self, error: Image2ModelError) -> bool:
        """Decide what follows a failed attempt; return whether there is another."""
        if not await self._is_current():
            return False
        await self._report_to_breaker(error)
        if error.code == ErrorCode.UNCONFIRMED:
            return await self._find_unconfirmed(error)
        cancelling = self.job.state == "cancelling"
        remote, kept_until = self.job.remote, None
        self._failures += 1
        if remote is not None:
            submitted_at = float(remote.get("submitted_at") or self.job.requested_at)
            kept_until = submitted_at + self._generator.spec.result_retention_seconds
        requested_at = self.job.requested_at
        wait = self._policy.wait_before_next(error, self.job.tries, self._failures, requested_at, kept_until)
        kept_remote = remote if self._policy.collects(error) else None
        if wait is None or (cancelling and not kept_remote):
            await self._store_failure(error, cancelling)
            return False
        deadline = None if kept_remote else requested_at + self._policy.deadline
        waiting = Wait(error.code, error.message, time.time() + wait, deadline)
        RETRIES.labels("collecting" if kept_remote else "itself").inc()
        return self._adopt_remote(await self._store.schedule_next_attempt(self.job, waiting, kept_remote))

    async def _store_failure(self, error: Image2ModelError, cancelling: bool) -> None:
        """Store the job as failed, unconfirmed or cancelled."""
        if cancelling:
            await self._store.transition(self.job, "cancelled", message="")
            return
        state: JobState = "unconfirmed" if error.code == ErrorCode.UNCONFIRMED else "failed"
        await self._store.transition(self.job, state, failure=asdict(stored_failure(error)), message="")

    async def _find_unconfirmed(self, error: Image2ModelError) -> bool:
        """Look for a submission without an answer at the provider; what is not found becomes `unconfirmed`."""
        for delay in LOOKUP_DELAYS if self.job.intent else ():
            await self._store_wait(Wait(ErrorCode.ASKING, "Asking the generator whether it has taken this picture"))
            await asyncio.sleep(delay * self._policy.delay_factor)
            if remote := await self._generator.find(self.job.intent or {}):
                return self._adopt_remote(await self._store.schedule_next_attempt(self.job, None, remote))
        await self._store_failure(error, cancelling=False)
        return False

    async def _report_to_breaker(self, error: Image2ModelError) -> None:
        """Count the failure for or against the generator."""
        if rules_of(error.code).kind == "generator":
            await self._breaker.record_failure()
        elif self.job.remote is not None and not error.retryable:  # it refused the picture, so it works
            await self._breaker.record_success()
        else:
            await self._abandon_trial()
        self._is_trial = False

    async def _abandon_trial(self) -> None:
        if self._is_trial:
            self._is_trial = False
            await self._breaker.record_abandoned()

    def _adopt_remote(self, job: Job | None) -> bool:
        """Continue with the job as stored; return False for None, when another process has ended it."""
        self.job = job or self.job
        return job is not None

    async def _store_wait(self, waiting: Wait) -> None:
        self.job = await self._store.set_waiting(self.job, waiting) or self.job

    async def _is_current(self) -> bool:
        """Reload the job; return whether this attempt is still its latest, ours, and unfinished."""
        try:
            stored = await self._store.call_with_retry(self._store.store.job, self.job.id)
        except NotFound:
            return False
        if (stored.attempt, stored.fence) != (self.job.attempt, self.job.fence) or stored.finished:
            return False
        self.job = stored
        return True


def _move_mesh(result: Finished, folder: Path) -> None:
    """Give the mesh its final name."""
    atomic_move(result.glb, folder / MESH_FILE)
