"""The services of the app, and the use cases of visitors: check, submit, watch, cancel, retry, collect, delete.

The page, REST and Gradio's API call this and nothing below it.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from ..errors import ErrorCode, NotFound, OptionRefused, SettingsError, Unavailable
from ..generators import local
from ..generators.base import GenerationParams, Generator, Spec
from ..generators.providers import all_generators
from ..images import ImageChecker, ImageLimits
from ..jobs import ledger
from ..jobs.db.async_store import AsyncStore
from ..jobs.db.listener import can_listen, listen
from ..jobs.db.queries import run_times
from ..jobs.db.store import Store, new_id
from ..jobs.db.submissions import Submission
from ..jobs.execution import JobContext
from ..jobs.models import Batch, Job, NewBatch, NewJob
from ..jobs.notifications import ChangeNotifier
from ..jobs.retry_policy import RetryPolicy
from ..jobs.scheduler import JobScheduler
from ..jobs.storage.archive import ZipEntry, ZipStream, leased_zip
from ..jobs.storage.bucket import open_bucket, shared_secret
from ..jobs.storage.exports import ExportStore
from ..jobs.storage.folders import THUMBNAIL_FILE, TURNTABLE_FILE, Folders
from ..jobs.task_executor import Send, TaskExecutor
from ..jobs.views import BatchView
from ..mesh import report
from ..process_pool import Executor, WorkerPool
from ..redaction import pseudonym, redact
from ..settings import Settings
from .admin import AdminService
from .cleanup import SurveyCache
from .exports import ExportService, archive_name
from .intake import Picture, StoredImage, store_pictures
from .key_attempts import KeyAttempts
from .picture_checks import PictureChecks
from .previews import CONTACT_SHEET_FILE, PreviewService
from .requests import ANONYMOUS_CALLER, Caller, SubmitRequest
from .results import ServedFile, manifest, reusable_picture_names, served_files
from .retention import RetentionService
from .retry import RetryService
from .untrusted_proxy import UntrustedProxy
from .uploads import Uploads
from .usual_times import USUAL_TIME_WINDOW, usual_times
from .view_builder import ViewBuilder
from .watching import ViewBroadcaster

log = logging.getLogger(__name__)

REFRESH_INTERVAL = 900.0
IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,200}")
MAX_CACHED_IDS = 2000
"""Maximum number of ids of batches by REST's ids, cached because every request of a watcher needs one."""


class Services:
    """All services of the app; `start` them in the event loop that will use them.

    A pool of `workers` that is passed in stays open after `close`. With `send`, which sends a task's message, work goes
    to the worker processes of a cluster.
    """

    def __init__(
        self,
        settings: Settings,
        generators: Sequence[Generator] | None = None,
        workers: Executor | None = None,
        send: Send | None = None,
    ) -> None:
        self.settings = settings
        self.limits = ImageLimits.of(settings)
        self.folders = Folders(settings.data_dir, open_bucket(settings.asset_store) if settings.asset_store else None)
        self._store = open_store(settings)
        self._notifier = ChangeNotifier()
        self._async_store = AsyncStore(self._store, self._notifier)
        self._shares_workers = workers is not None
        self.workers = workers or self._new_executor(send)
        available = generators if generators is not None else all_generators(settings, self.workers)
        self.generators: dict[str, Generator] = {generator.spec.id: generator for generator in available}
        self._require_default_generator()
        self.secret = shared_secret(self.folders.data, self.folders.bucket)
        self._batch_ids: dict[tuple[tuple[str, str], ...], str] = {}
        self._watchers = ViewBroadcaster(self._notifier, self.view)
        policy = RetryPolicy(60.0 * settings.job_minutes, settings.retry_pace)
        exports = ExportStore(self.folders, self.workers)
        self._scheduler = JobScheduler(
            JobContext(self._async_store, self.folders, self.workers, policy, exports),
            self.generators,
            settings.lease_seconds if can_listen(settings.database) else None,
            settings.run_jobs,
        )
        self.exports = ExportService(settings, self.folders, exports, self.batch, self.archive_contents)
        """Exports and print checks."""
        self._spending_limits = ledger.Limits(
            settings.daily_budget, settings.batch_cost_limit, settings.images_per_hour
        )
        self._build_view = ViewBuilder(settings, self.generators)
        self.key_attempts = KeyAttempts(settings.celery_broker_url)
        """Wrong keys, in the Admin tab and over REST."""
        self.untrusted_proxy = UntrustedProxy()
        self._retries = RetryService(
            self._async_store, self._scheduler, self.for_key, self._spending_limits, self.secret
        )
        surveys = SurveyCache(self.folders)
        self.retention = RetentionService(settings, self.folders, self._async_store, self._scheduler, surveys)
        """Deletion and clean-up; rights are the caller's to check."""
        self.admin = AdminService(
            settings, self.generators, self.folders, self._async_store, self._scheduler, self._build_view, surveys,
            self.key_attempts, self.untrusted_proxy,
        )  # fmt: skip
        """The host's use cases; rights are the caller's to check."""
        image_checker = ImageChecker(self.limits, self.workers)
        self.uploads = Uploads(settings, self.folders, image_checker)
        self.picture_checks = PictureChecks(self.folders, self.workers, image_checker)
        """Cut-outs and warnings before a batch is submitted."""
        self.previews = PreviewService(self.folders, self.workers)
        """Turntables, render modes and contact sheets."""
        self.usual_times: Mapping[str, tuple[float, float]] = {}
        """Range of seconds that most recent jobs of a generator took here, by its id."""
        self._background_tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Schedule the unfinished jobs of earlier processes and start the background tasks."""
        if count := await self._scheduler.start():
            log.info("%d unfinished jobs of earlier processes are scheduled", count)
        coroutines = [self._refresh_generators_regularly()]
        if not self.settings.celery_broker_url:  # Celery's beat does it there
            coroutines.append(self.retention.run_regularly())
        if self.settings.asset_store:
            coroutines.append(self.retention.drop_copies_regularly())
        if can_listen(self.settings.database):
            coroutines.append(listen(self.settings.database, self._notifier))
        self._background_tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]

    async def close(self) -> None:
        """Stop; unfinished jobs continue at the next start."""
        for task in self._background_tasks:
            task.cancel()
        await self._scheduler.close()
        for generator in self.generators.values():
            await generator.close()
        await asyncio.to_thread(self._close_workers)
        self._store.close()

    def _require_default_generator(self) -> None:
        """Raise SettingsError, with everything closed, if the default generator does not exist."""
        name = self.settings.default_generator
        if name in self.generators:
            return
        self._close_workers()
        self._async_store.close()
        self._store.close()
        raise SettingsError(
            ErrorCode.SETTING_WRONG,
            f"GENERATOR={name!r}: there is no such generator.",
            f"GENERATOR takes one of {', '.join(self.generators)}.",
        )

    def _new_executor(self, send: Send | None) -> Executor:
        if send:
            return TaskExecutor(self._async_store, send, self.folders)
        if self.settings.default_generator != local.SPEC.id:
            return WorkerPool(self.settings.workers, report.warm_up, preload=report.LIBRARIES)
        preload = (*report.LIBRARIES, *local.LIBRARIES)
        return WorkerPool(self.settings.workers, report.warm_up, local.warm_up, preload=preload)

    def _close_workers(self) -> None:
        if not self._shares_workers:
            self.workers.close()

    def generator(self, name: str | None = None) -> Generator:
        """The generator of this id, by default that of the settings; raises NotFound."""
        generator_id = name or self.settings.default_generator
        if generator_id not in self.generators:
            raise NotFound(
                ErrorCode.GENERATOR_UNKNOWN,
                f"There is no generator called {generator_id!r:.80}.",
                f"Choose one of {', '.join(self.generators)}.",
            )
        return self.generators[generator_id]

    def for_key(self, name: str | None, key: str) -> Generator:
        """The generator of this id on a visitor's own key; on the host's if `key` is empty or the generator takes none.

        Raises NotFound, and GenerationFailed for a malformed key.
        """
        chosen = self.generator(name)
        return (self._scheduler.for_key(chosen.spec.id, key) if key.strip() else None) or chosen

    async def check_key(self, key: str) -> str | None:
        """Return why a visitor's own key cannot be used; empty if it can, None if the provider does not say.

        Raises GenerationFailed for a malformed key.
        """
        keyed = (generator.for_key(key) for generator in self.generators.values())
        generator = next(filter(None, keyed), None)
        return await generator.check_key() if generator else ""

    def notice(self, name: str) -> str:
        """A warning for people about to submit: empty unless the generator's breaker is open."""
        chosen = self.generator(name)
        if not self._scheduler.breakers.of((chosen.spec.id, "")).is_blocking:
            return ""
        return f"{chosen.spec.name} has failed several times just now. New pictures wait until it works again."

    async def submit(self, request: SubmitRequest, caller: Caller = ANONYMOUS_CALLER) -> Batch:
        """Check the pictures, store a batch and start it; pictures that cannot be used become its refusals.

        Raises NotFound for an unknown generator, Unavailable for one that cannot be used or a disk that is full,
        OptionRefused for options or a number of pictures out of range, LimitReached, ImageRefused when no picture can
        be used, and PicturesRefused when one cannot and the request is for all or nothing.

        A request with an idempotency key that comes again within a day returns its batch and buys nothing; raises
        Conflict where the key was used with other contents, and NotFound where its batch has been deleted.
        """
        generator = self.for_key(request.generator, caller.key)
        params = generator.spec.check(request.options, request.face_limit)
        submission = await self._submission(request, caller, generator, params)
        if submission and (existing := await self._async_store.call(self._store.find_submitted, submission)):
            return existing
        self._check_submission(generator, request.pictures)
        self.workers.start()
        batch_id = new_id()
        try:
            batch = await self._store_batch(batch_id, request, caller, generator, params, submission)
        except BaseException:
            self.folders.remove(batch_id)
            raise
        if batch.id != batch_id:  # the same submission has arrived a moment earlier
            await asyncio.to_thread(self.folders.remove, batch_id)
            return batch
        self._scheduler.add(batch, generator=generator)
        log.info(
            "batch %s submitted with %d images", batch_id[:8], len(batch.jobs),
            extra={"batch": batch_id[:8], "generator": batch.generator, "client": caller.client,
                   "correlation_id": caller.correlation_id},
        )  # fmt: skip
        return batch

    async def _store_batch(
        self,
        batch_id: str,
        request: SubmitRequest,
        caller: Caller,
        generator: Generator,
        params: GenerationParams,
        submission: Submission | None,
    ) -> Batch:
        """Store the pictures and the batch; return an earlier batch where the same submission has made one."""
        images, refusals = await store_pictures(
            self.folders, self.uploads.checker, batch_id, request.pictures, request.all_or_nothing
        )
        new = NewBatch(
            batch_id, generator.spec.id, params.options, params.face_limit, request.cut_out,
            [_to_new_job(image, generator.spec, params) for image in images], refusals, caller.visitor,
            caller.correlation_id,
        )  # fmt: skip
        buyer = caller.as_buyer(generator, self.secret)
        return await self._async_store.call(self._store.create, new, buyer, self._spending_limits, submission)

    async def _submission(
        self, request: SubmitRequest, caller: Caller, generator: Generator, params: GenerationParams
    ) -> Submission | None:
        """Identity that recognises a repeated request; None for a request without a key. Raises OptionRefused."""
        key = request.idempotency_key.strip()
        if not key:
            return None
        if not IDEMPOTENCY_KEY.fullmatch(key):
            raise OptionRefused(
                ErrorCode.IDEMPOTENCY_KEY_UNREADABLE,
                "The idempotency key cannot be used.",
                "Send 1 to 200 visible ASCII characters, a new UUID, say.",
            )
        key_mark = caller.own_key_mark(generator)
        fingerprint = await asyncio.to_thread(request.fingerprint, generator.spec.id, params, key_mark)
        return Submission(pseudonym(self.secret, f"{caller.visitor or caller.client}\n{key}"), fingerprint)

    def _check_submission(self, chosen: Generator, pictures: Sequence[Picture]) -> None:
        """Raise as `submit` does for an unusable generator, number or sides of pictures, or a full disk."""
        if chosen.unavailable:
            raise Unavailable(ErrorCode.GENERATOR_UNAVAILABLE, chosen.unavailable)
        self.check_count(sum(len(picture.by_side) for picture in pictures))
        for picture in pictures:
            chosen.spec.check_sides(picture.by_side)
        self.folders.require_free_space(self.settings.min_free_gb)

    def check_count(self, count: int) -> None:
        """Raise OptionRefused for no pictures, or for more than a batch may have."""
        limit = self.settings.max_files
        if count == 0:
            raise OptionRefused(ErrorCode.NO_IMAGES, "There is no picture to work on.", "Add at least one.")
        if count > limit:
            raise OptionRefused(
                ErrorCode.TOO_MANY_IMAGES,
                f"These are too many files: {count}. One batch takes up to {limit}.",
                "Split them into several batches.",
            )

    async def batch(self, batch_id: str) -> Batch:
        """The batch; raises NotFound."""
        return await self._async_store.call(self._store.batch, batch_id)

    async def find(self, **ids: str) -> Batch:
        """The batch with this `task_id`, `legacy_job_id` or (a job's) `job_id`; raises NotFound."""
        return await self.batch(await self.find_id(**ids))

    async def find_id(self, **ids: str) -> str:
        """The id of that batch, which may have been deleted since; raises NotFound."""
        key = tuple(ids.items())
        if key not in self._batch_ids:
            self._batch_ids[key] = await self._async_store.call(self._store.find_batch_id, **ids)
            if len(self._batch_ids) > MAX_CACHED_IDS:
                del self._batch_ids[next(iter(self._batch_ids))]
        return self._batch_ids[key]

    async def view(self, batch_id: str) -> BatchView:
        """The batch as it is shown; raises NotFound."""
        batch = await self.batch(batch_id)
        waits = any(job.state == "new" for job in batch.jobs)
        ahead = await self._async_store.call(self._store.count_queued_before, batch) if waits else 0
        return self._build_view(batch, ahead)

    async def attempt_numbers_at(self, batch_id: str, at: int) -> dict[str, int]:
        """Attempt numbers of a batch's jobs as of change `at`, by the job's id; first attempts may be left out."""
        return await self._async_store.call(self._store.attempt_numbers_at, batch_id, at)

    def watch(self, batch_id: str) -> AsyncIterator[BatchView]:
        """Yield the batch's view now and at each change, until it is finished; raises NotFound."""
        return self._watchers.watch(batch_id)

    async def library(self, visitor: str | None, limit: int = 50, offset: int = 0) -> list[BatchView]:
        """Views of the newest batches of one visitor, or of all if `visitor` is None."""
        batches = await self._async_store.call(self._store.list_batches, visitor, limit, offset)
        return [self._build_view(batch) for batch in batches]

    async def cancel(self, batch_id: str) -> BatchView:
        """Cancel the unfinished jobs and return the new view; raises NotFound."""
        await self._scheduler.cancel(await self.batch(batch_id))
        return await self.view(batch_id)

    async def retry(
        self, batch_id: str, numbers: Sequence[int] | None = None, caller: Caller = ANONYMOUS_CALLER
    ) -> BatchView:
        """Retry jobs that failed or were cancelled (`RetryService.retry`); raises NotFound too."""
        await self._retries.retry(await self.batch(batch_id), numbers, caller)
        return await self.view(batch_id)

    async def recheck_unconfirmed(
        self, batch_id: str, numbers: Sequence[int], caller: Caller = ANONYMOUS_CALLER
    ) -> int:
        """Collect unconfirmed jobs found at the provider (`RetryService.recheck_unconfirmed`); raises NotFound too."""
        return await self._retries.recheck_unconfirmed(await self.batch(batch_id), numbers, caller)

    async def resume_with_key(self, batch_id: str, key: str) -> BatchView:
        """Resume jobs that wait for this key; raises NotFound, and NotAllowed for another key than theirs."""
        await self._retries.resume(await self.batch(batch_id), key)
        return await self.view(batch_id)

    async def waits_for_key(self, batch_id: str) -> bool:
        """True if jobs of the batch wait for the key that they were started with; raises NotFound."""
        batch = await self.batch(batch_id)
        return any(job.waiting and job.waiting.code == ErrorCode.KEY_NEEDED for job in batch.jobs)

    async def delete(self, batch_id: str) -> None:
        """Cancel the batch and delete it with all its files; raises NotFound."""
        await self.retention.delete(batch_id, force=True)

    async def file(self, batch_id: str, number: int, name: str) -> ServedFile:
        """A file of a job by the name it is offered under; raises NotFound."""
        job = (await self.batch(batch_id)).job(number)
        if job and job.state == "done" and name == TURNTABLE_FILE:
            return ServedFile(await self.previews.turntable(job), "image/webp", f"{job.stem}-turntable.webp")
        served = await asyncio.to_thread(self._served_file, job, name) if job else None
        if served:
            return served
        raise NotFound(
            ErrorCode.FILE_NOT_FOUND, "There is no such file.", "It may not be ready yet, or have been deleted."
        )

    async def link(self, served: ServedFile) -> str | None:
        """A signed link to a file in object storage; None unless `ASSET_LINK_SECONDS` is set and it is there."""
        return await asyncio.to_thread(self.folders.link, served.path, self.settings.asset_link_seconds)

    async def size(self, served: ServedFile) -> int:
        """Bytes of a file; raises NotFound where it was deleted meanwhile."""
        status = await asyncio.to_thread(self.folders.status, served.path)
        if status is None:
            raise NotFound(ErrorCode.FILE_NOT_FOUND, "There is no such file.", "It may have been deleted.")
        return status.size

    def _served_file(self, job: Job, name: str) -> ServedFile | None:
        served = served_files(job, self.folders).get(name)
        return served if served and self.folders.is_servable_file(served.path) else None

    async def archive(self, batch_id: str) -> ZipStream:
        """The batch as a zip that is made while it is read; raises NotFound."""
        return await asyncio.to_thread(leased_zip, self.folders, *await self.archive_contents(batch_id))

    async def publish_to_gradio_cache(self, batch_id: str, number: int, name: str) -> Path:
        """Put a file of a job (see `file`) into Gradio's cache and return its path there; raises NotFound."""
        served = await self.file(batch_id, number, name)
        return await asyncio.to_thread(self.folders.publish_to_gradio_cache, batch_id, served.path, f"{number}/{name}")

    async def publish_mesh_to_gradio_cache(self, batch_id: str, number: int, mode: str) -> Path:
        """Put a mesh in a render mode into Gradio's cache; raises as `file` and `PreviewService.mesh_in_render_mode`.

        Each mode has a path of its own, so that the viewer sees another file.
        """
        job = (await self.batch(batch_id)).job(number)
        if job is None or job.state != "done":
            raise NotFound(ErrorCode.FILE_NOT_FOUND, "There is no such mesh.")
        path = await self.previews.mesh_in_render_mode(job, mode)
        return await asyncio.to_thread(
            self.folders.publish_to_gradio_cache, batch_id, path, f"{number}/{mode}/{job.stem}.glb"
        )

    async def publish_pictures_to_gradio_cache(self, batch_id: str, number: int) -> list[Path]:
        """Put a job's pictures into Gradio's cache, to be submitted again; their names say what they show.

        Raises NotFound.
        """
        job = (await self.batch(batch_id)).job(number)
        if job is None:
            raise NotFound(ErrorCode.FILE_NOT_FOUND, "There is no such picture.")
        pictures = await asyncio.to_thread(reusable_picture_names, job, self.folders)
        return [
            await asyncio.to_thread(self.folders.publish_to_gradio_cache, batch_id, path, f"{number}/{name}")
            for path, name in pictures.items()
        ]

    async def publish_archive_to_gradio_cache(self, batch_id: str) -> Path:
        """Write the batch's zip into Gradio's cache and return its path there; raises NotFound."""
        stream = await self.archive(batch_id)
        return await asyncio.to_thread(
            self.folders.write_to_gradio_cache, batch_id, archive_name(batch_id), stream.chunks
        )

    async def archive_contents(self, batch_id: str) -> tuple[list[ZipEntry], dict[str, Any]]:
        """The files of the batch's zip, and its manifest; raises NotFound."""
        batch = await self.batch(batch_id)
        drawing = asyncio.create_task(self.previews.contact_sheet(batch))  # in a worker, in the meantime
        entries = [entry for job in batch.jobs if job.state == "done" for entry in await self._entries(job)]
        if sheet := await drawing:
            entries.append(ZipEntry(sheet, CONTACT_SHEET_FILE))
        return entries, manifest(self._build_view(batch))

    async def _entries(self, job: Job) -> list[ZipEntry]:
        glb = self.folders.mesh(job)
        files = [(glb, f"{job.stem}.glb"), (glb.with_name(THUMBNAIL_FILE), f"thumbnails/{job.stem}.webp")]
        if lighter := await self.exports.face_limited_copy(job):
            files.append((lighter.path, lighter.filename))
        exist = await asyncio.to_thread(lambda: [self.folders.is_servable_file(path) for path, _ in files])
        return [ZipEntry(*file) for file, exists in zip(files, exist, strict=True) if exists]

    async def _refresh_generators_regularly(self) -> None:
        """Let each generator refresh its prices, and update the usual times."""
        while True:
            measured = await self._async_store.read(run_times, time.time() - USUAL_TIME_WINDOW)
            self.usual_times = usual_times(measured)
            for generator in self.generators.values():
                await generator.refresh()
            await asyncio.sleep(REFRESH_INTERVAL)


def _to_new_job(image: StoredImage, spec: Spec, params: GenerationParams) -> NewJob:
    """The new job of stored pictures, with its price."""
    return NewJob(image.name, image.stem, spec.price(replace(params, multiview=bool(image.sides))), image.sides)


def open_store(settings: Settings) -> Store:
    """Open the database and bring its schema up to date; raise SettingsError, in one line, where that is impossible."""
    try:
        return Store(settings.database, runs_jobs=settings.run_jobs)
    except (SQLAlchemyError, CommandError, OSError, ImportError) as error:
        log.debug("the database cannot be opened", exc_info=True)
        reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0].rstrip(".")
        name = "DATABASE_URL" if settings.database_url else "The database in DATA_DIR"
        raise SettingsError(
            ErrorCode.SETTING_WRONG,
            f"{name} cannot be used: {redact(reason)}.",
            "It takes the URL of a database that answers and that this version can read.",
        ) from error
