"""The use cases: check, submit, watch, cancel, retry, collect, delete.

The page, REST and the generated API call this and nothing below it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from ..atomic_files import installation_secret
from ..errors import ErrorCode, NotAllowed, NotFound, OptionRefused, SettingsError, Unavailable
from ..generators import local
from ..generators.base import Choice, Generator, Spec
from ..generators.providers import all_generators
from ..images import ImageChecker, ImageLimits
from ..jobs import ledger
from ..jobs.db.async_store import Desk
from ..jobs.db.listener import can_listen, listen
from ..jobs.db.store import Store, new_id
from ..jobs.execution import Shop
from ..jobs.notifications import Changes
from ..jobs.records import ENDED_BADLY, RETRIED_TOGETHER, Batch, Job, NewBatch, NewJob
from ..jobs.retry_policy import Policy, collect_first_codes
from ..jobs.scheduler import JobScheduler
from ..jobs.storage.archive import Entry, Stream, kept_zip
from ..jobs.storage.exports import ExportStore
from ..jobs.storage.folders import Folders
from ..jobs.views import BatchView
from ..mesh import report
from ..process_pool import Workers
from ..redaction import pseudonym, redact
from ..settings import Settings
from .admin import Host
from .exports import ExportService, archive_name
from .intake import Kept, Picture, keep_pictures
from .key_attempts import KeyAttempts
from .picture_checks import Inputs
from .previews import CONTACT_SHEET_FILE, TURNTABLE_FILE, PreviewService
from .requests import ANYBODY, Caller, SubmitRequest
from .results import Served, manifest, offered, pictures_again
from .uploads import Uploads
from .view_builder import Viewing
from .watching import Watching

log = logging.getLogger(__name__)

SWEEP_EVERY = 900.0
REFRESH_EVERY = 900.0
FOUND_IDS = 2000
"""Ids kept in memory, which many ask for while they watch."""


class Studio:
    """All of image2model behind one object; `start` it in the event loop that will use it.

    A pool of `workers` that is given is shared with others and stays open when the studio closes.
    """

    def __init__(
        self, settings: Settings, generators: Sequence[Generator] | None = None, workers: Workers | None = None
    ) -> None:
        self.settings = settings
        self.limits = ImageLimits(settings.max_file_mb * 1_000_000, settings.max_pixels)
        self.folders = Folders(settings.data_dir)
        self.workers = workers or Workers(settings.workers, local.warm_up, report.warm_up)
        self._shares_workers = workers is not None
        chosen = generators if generators is not None else all_generators(settings, self.workers)
        self.generators: dict[str, Generator] = {generator.spec.id: generator for generator in chosen}
        if settings.default_generator not in self.generators:
            self._close_workers()
            raise SettingsError(
                ErrorCode.SETTING_WRONG,
                f"GENERATOR={settings.default_generator!r}: there is no such generator.",
                f"GENERATOR takes one of {', '.join(self.generators)}.",
            )
        self.secret = installation_secret(self.folders.data)
        try:
            self._store = open_store(settings)
        except SettingsError:
            self._close_workers()
            raise
        self._changes = Changes()
        self._desk = Desk(self._store, self._changes)
        self._found_ids: dict[tuple[tuple[str, str], ...], str] = {}
        self._watching = Watching(self._changes, self.view)
        policy = Policy(60.0 * settings.job_minutes, settings.retry_pace)
        exports = ExportStore(self.folders, self.workers)
        self._runner = JobScheduler(Shop(self._desk, self.folders, self.workers, policy, exports), self.generators)
        self.exports = ExportService(settings, self.folders, exports, self.batch, self.contents)
        """What is done with finished meshes."""
        self._money = ledger.Limits(settings.daily_budget, settings.batch_cost_limit, settings.images_per_hour)
        self._view = Viewing(settings, self.generators)
        self.key_attempts = KeyAttempts()
        """Wrong keys, in the Admin tab and over REST."""
        self.host = Host(
            settings, self.generators, self.folders, self._desk, self._runner, self._view, self.key_attempts
        )
        """What only the host may do: whoever calls it checks that it is the host."""
        image_checker = ImageChecker(self.limits, self.workers)
        self.uploads = Uploads(settings, self.folders, image_checker)
        self.inputs = Inputs(self.folders, self.workers, image_checker)
        """What is known of pictures before they are worked."""
        self.previews = PreviewService(self.folders, self.workers)
        """Ways to look at a mesh, each made when it is asked for."""
        self._chores: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Go on with what an earlier process left unfinished, and begin to keep disk and prices in order."""
        if count := await self._runner.start():
            log.info("going on with %d unfinished jobs", count)
        chores = [self._keep_swept(), self._keep_fresh()]
        if can_listen(self.settings.database):
            chores.append(listen(self.settings.database, self._changes))
        self._chores = [asyncio.create_task(chore) for chore in chores]

    async def close(self) -> None:
        """Stop; what is unfinished goes on at the next start."""
        for chore in self._chores:
            chore.cancel()
        await self._runner.close()
        for generator in self.generators.values():
            await generator.close()
        await asyncio.to_thread(self._close_workers)
        self._store.close()

    def _close_workers(self) -> None:
        if not self._shares_workers:
            self.workers.close()

    def generator(self, name: str | None = None) -> Generator:
        """The generator of this id, by default the one the settings choose; raises NotFound."""
        wanted = name or self.settings.default_generator
        if wanted not in self.generators:
            raise NotFound(
                ErrorCode.GENERATOR_UNKNOWN,
                f"There is no generator called {wanted!r:.80}.",
                f"Choose one of {', '.join(self.generators)}.",
            )
        return self.generators[wanted]

    def for_key(self, name: str | None, key: str) -> Generator:
        """The generator of this id on a visitor's own key, or the host's for an empty one or where none is taken.

        Raises NotFound, and GenerationFailed for what cannot be a key.
        """
        chosen = self.generator(name)
        return (self._runner.for_key(chosen.spec.id, key) if key.strip() else None) or chosen

    def notice(self, name: str) -> str:
        """What a person should know of a generator before starting: empty unless it has failed lately."""
        chosen = self.generator(name)
        if not self._runner.breaker(chosen.spec.id).is_blocking:
            return ""
        return f"{chosen.spec.name} has failed several times just now. New pictures wait until it is well again."

    async def submit(self, request: SubmitRequest, caller: Caller = ANYBODY) -> Batch:
        """Check the pictures, store a batch and start it; pictures that cannot be used become its refusals.

        Raises NotFound for an unknown generator, Unavailable for one that cannot be used or a disk that is full,
        OptionRefused for options or a number of pictures out of range, LimitReached, ImageRefused when no picture can
        be used, and PicturesRefused when one cannot and the request is for all or nothing.
        """
        generator = self.for_key(request.generator, caller.key)
        choice = generator.spec.check(request.options, request.face_limit)
        self._check_order(generator, request.pictures)
        batch_id = new_id()
        try:
            kept, refusals = await keep_pictures(
                self.folders, self.uploads.checker, batch_id, request.pictures, request.all_or_nothing
            )
            batch = await self._desk.call(
                self._store.create,
                NewBatch(
                    batch_id, generator.spec.id, choice.options, choice.face_limit, request.cut_out,
                    [_new_job(image, generator.spec, choice) for image in kept], refusals, caller.visitor,
                    caller.correlation_id,
                ),
                self._buyer(caller, generator),
                self._money,
            )  # fmt: skip
        except BaseException:
            self.folders.remove(batch_id)
            raise
        self._runner.add(batch, generator=generator)
        about = {"batch": batch_id[:8], "generator": batch.generator, "client": caller.client}
        log.info("a batch of %d begins", len(batch.jobs), extra={**about, "correlation_id": caller.correlation_id})
        return batch

    def _check_order(self, chosen: Generator, pictures: Sequence[Picture]) -> None:
        """Raise what `submit` raises for a generator, a number of pictures, their sides or a disk that will not do."""
        if chosen.unavailable:
            raise Unavailable(ErrorCode.GENERATOR_UNAVAILABLE, chosen.unavailable)
        self.check_count(sum(len(picture.all) for picture in pictures))
        for picture in pictures:
            chosen.spec.check_sides(picture.all)
        self.folders.demand_room(self.settings.min_free_gb)

    def _buyer(self, caller: Caller, generator: Generator, otherwise: str = "") -> ledger.Buyer:
        """Who pays for what a caller asks for; `otherwise` stands for an address that is not known."""
        client = pseudonym(
            self.secret, caller.client or caller.visitor or otherwise
        )  # the address itself is not stored
        return ledger.Buyer(client, generator.key_mark if caller.key.strip() else "")

    def check_count(self, count: int) -> None:
        """Raise OptionRefused for no pictures, or for more than one batch takes."""
        most = self.settings.max_files
        if count == 0:
            raise OptionRefused(ErrorCode.NO_IMAGES, "There is no picture to work on.", "Add at least one.")
        if count > most:
            raise OptionRefused(
                ErrorCode.TOO_MANY_IMAGES,
                f"These are too many files: {count}. One batch takes up to {most}.",
                "Split them into several batches.",
            )

    async def batch(self, batch_id: str) -> Batch:
        """The batch; raises NotFound."""
        return await self._desk.call(self._store.batch, batch_id)

    async def find(self, **ids: str) -> Batch:
        """The batch with this `task_id`, `work_id` or (a job's) `job_id`; raises NotFound."""
        return await self.batch(await self.find_id(**ids))

    async def find_id(self, **ids: str) -> str:
        """The id of that batch, which may have been deleted since; raises NotFound."""
        key = tuple(ids.items())
        if key not in self._found_ids:
            self._found_ids[key] = await self._desk.call(self._store.find, **ids)
            if len(self._found_ids) > FOUND_IDS:
                del self._found_ids[next(iter(self._found_ids))]
        return self._found_ids[key]

    async def view(self, batch_id: str) -> BatchView:
        """The batch as it is shown; raises NotFound."""
        batch = await self.batch(batch_id)
        waits = any(job.state == "new" for job in batch.jobs)
        ahead = await self._desk.call(self._store.waiting_before, batch) if waits else 0
        return self._view(batch, ahead)

    async def attempts(self, batch_id: str, at: int) -> dict[str, int]:
        """At which try each job of a batch was after change `at`, by its id; one that is not told, at its first."""
        return await self._desk.call(self._store.attempts, batch_id, at)

    def watch(self, batch_id: str) -> AsyncIterator[BatchView]:
        """Yield the batch's view now and at each change, until it is finished; raises NotFound."""
        return self._watching.watch(batch_id)

    async def library(self, visitor: str | None, limit: int = 50, offset: int = 0) -> list[BatchView]:
        """Views of the newest batches of one visitor; of everybody where `visitor` is None."""
        found = await self._desk.call(self._store.list_batches, visitor, limit, offset)
        return [self._view(batch) for batch in found]

    async def cancel(self, batch_id: str) -> BatchView:
        """Stop what is not finished; raises NotFound. Return the view after it."""
        await self._runner.cancel(await self.batch(batch_id))
        return await self.view(batch_id)

    async def retry(self, batch_id: str, numbers: Sequence[int] | None = None, caller: Caller = ANYBODY) -> BatchView:
        """Work again what failed or was cancelled; raises NotFound, Unavailable, LimitReached, NotAllowed.

        By default all of it, except what may be paid for already (unconfirmed): that only by its number.
        """
        batch = await self.batch(batch_id)
        states = ENDED_BADLY if numbers else RETRIED_TOGETHER
        chosen = [job for job in batch.jobs if job.state in states and (not numbers or job.number in numbers)]
        payer = self._payer(batch, chosen, caller.key)
        fresh = await self._desk.call(
            self._store.press, batch_id, numbers, states, collect_first_codes(),
            found=await self._find(batch, chosen), buyer=self._buyer(caller, payer, batch.visitor),
            keeps_payer=not caller.key.strip(), limits=self._money,
        )  # fmt: skip
        self._runner.add(batch, fresh, payer)
        again = {"batch": batch_id[:8], "images": [job.number for job in fresh], "client": caller.client}
        log.info("a person has %d worked again", len(fresh), extra=again)
        self._changes.notify(batch_id)
        return await self.view(batch_id)

    def _payer(self, batch: Batch, jobs: Sequence[Job], key: str) -> Generator:
        """What jobs are run on anew: the key that is given, or for each the one that it had."""
        if not key.strip() and not all(self._runner.generator_of(batch, job) for job in jobs if job.key_mark):
            raise Unavailable(
                ErrorCode.KEY_NEEDED, "This was started with a visitor's own fal key.", "Paste that key and try again."
            )
        payer = self.for_key(batch.generator, key)
        if payer.unavailable and not all(job.key_mark for job in jobs):
            raise Unavailable(ErrorCode.GENERATOR_UNAVAILABLE, payer.unavailable)
        return payer

    async def _find(self, batch: Batch, jobs: Sequence[Job]) -> dict[str, Mapping[str, Any]]:
        """What submits without an answer have become at the far side, by the job's id."""
        found: dict[str, Mapping[str, Any]] = {}
        for job in jobs:
            generator = self._runner.generator_of(batch, job)
            asks = generator if job.state == "unconfirmed" and job.intent else None
            if asks and (remote := await asks.find(job.intent or {})):
                found[job.id] = remote
        return found

    async def give_key(self, batch_id: str, key: str) -> BatchView:
        """Go on with jobs that wait for the visitor's own key; raises NotFound, NotAllowed for another key."""
        batch = await self.batch(batch_id)
        keyed = self.for_key(batch.generator, key)
        waiting = [job for job in batch.jobs if job.waiting and job.waiting.code == ErrorCode.KEY_NEEDED]
        ours = [job for job in waiting if job.key_mark == keyed.key_mark]
        if waiting and not ours:
            raise NotAllowed(
                ErrorCode.OTHER_KEY, "This is not the key that these pictures were started with.", "Paste that one."
            )
        self._runner.add(batch, ours, keyed)
        return await self.view(batch_id)

    async def needs_key(self, batch_id: str) -> bool:
        """Whether jobs of the batch wait for the key that they were started with; raises NotFound."""
        batch = await self.batch(batch_id)
        return any(job.waiting and job.waiting.code == ErrorCode.KEY_NEEDED for job in batch.jobs)

    async def delete(self, batch_id: str) -> None:
        """Stop the batch and delete it with all its files; raises NotFound."""
        await self.host.delete(batch_id, force=True)

    async def file(self, batch_id: str, number: int, name: str) -> Served:
        """A file of a job by the name it is offered under; raises NotFound."""
        job = (await self.batch(batch_id)).job(number)
        if job and job.state == "done" and name == TURNTABLE_FILE:
            return Served(await self.previews.turntable(job), "image/webp", f"{job.stem}-turntable.webp")
        if job:
            served = offered(job, self.folders.job(job)).get(name)
            if served and self.folders.holds(served.path):
                return served
        raise NotFound(
            ErrorCode.FILE_NOT_FOUND, "There is no such file.", "It may not be ready yet, or have been deleted."
        )

    async def archive(self, batch_id: str) -> Stream:
        """The batch as a zip, made while it is read; raises NotFound."""
        return kept_zip(self.folders, *await self.contents(batch_id))

    async def lend(self, batch_id: str, number: int, name: str) -> Path:
        """A file of a job (see `file`) where Gradio may hand it out; raises NotFound."""
        served = await self.file(batch_id, number, name)
        return await asyncio.to_thread(self.folders.lend, batch_id, served.path, f"{number}/{name}")

    async def lend_look(self, batch_id: str, number: int, look: str) -> Path:
        """A mesh in one of `seeing.LOOKS`, where Gradio may hand it out; raises as `file` and `seeing.turntable` do.

        Each look has an address of its own, so that a viewer sees that it is another file.
        """
        job = (await self.batch(batch_id)).job(number)
        if job is None or job.state != "done":
            raise NotFound(ErrorCode.FILE_NOT_FOUND, "There is no such mesh.")
        path = await self.previews.mesh_as(job, look)
        return await asyncio.to_thread(self.folders.lend, batch_id, path, f"{number}/{look}/{job.stem}.glb")

    async def lend_pictures(self, batch_id: str, number: int) -> list[Path]:
        """The pictures of a job, where Gradio may take them in again, named so that they belong together.

        Raises NotFound.
        """
        job = (await self.batch(batch_id)).job(number)
        if job is None:
            raise NotFound(ErrorCode.FILE_NOT_FOUND, "There is no such picture.")
        return [
            await asyncio.to_thread(self.folders.lend, batch_id, path, f"{number}/{name}")
            for path, name in pictures_again(job, self.folders.job(job)).items()
        ]

    async def lend_archive(self, batch_id: str) -> Path:
        """The batch's zip as a file where Gradio may hand it out; raises NotFound."""
        stream = await self.archive(batch_id)
        return await asyncio.to_thread(self.folders.write_lent, batch_id, archive_name(batch_id), stream.chunks)

    async def contents(self, batch_id: str) -> tuple[list[Entry], dict[str, Any]]:
        """What the batch's zip holds, and its manifest; raises NotFound."""
        batch = await self.batch(batch_id)
        entries = [entry for job in batch.jobs if job.state == "done" for entry in await self._entries(job)]
        if sheet := await self.previews.contact_sheet(batch):
            entries.append(Entry(sheet, CONTACT_SHEET_FILE))
        return entries, manifest(self._view(batch))

    async def _entries(self, job: Job) -> list[Entry]:
        glb = self.folders.mesh(job)
        wanted = [(glb, f"{job.stem}.glb"), (glb.with_name("thumbnail.webp"), f"thumbnails/{job.stem}.webp")]
        if lighter := await self.exports.face_limited_copy(job):
            wanted.append((lighter.path, lighter.filename))
        return [Entry(path, name) for path, name in wanted if self.folders.holds(path)]

    async def _keep_swept(self) -> None:
        while True:
            try:
                await self.host.keep()
            except (OSError, Unavailable) as error:
                log.warning("could not sweep: %r", error)
            await asyncio.sleep(SWEEP_EVERY)

    async def _keep_fresh(self) -> None:
        """Let each generator look up its prices; how often it really asks is its own to decide."""
        while True:
            for generator in self.generators.values():
                await generator.refresh()
            await asyncio.sleep(REFRESH_EVERY)


def _new_job(kept: Kept, spec: Spec, choice: Choice) -> NewJob:
    """A job for pictures that were kept, at its price."""
    return NewJob(kept.name, kept.stem, spec.price(replace(choice, multiview=bool(kept.sides))), kept.sides)


def open_store(settings: Settings) -> Store:
    """Open the database and bring its schema up to date; raise SettingsError, in one line, where that is impossible."""
    try:
        return Store(settings.database)
    except (SQLAlchemyError, CommandError, OSError, ImportError) as error:
        log.debug("the database cannot be opened", exc_info=True)
        reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0].rstrip(".")
        name = "DATABASE_URL" if settings.database_url else "The database in DATA_DIR"
        raise SettingsError(
            ErrorCode.SETTING_WRONG,
            f"{name} cannot be used: {redact(reason)}.",
            "It takes the URL of a database that answers and that this version can read.",
        ) from error
