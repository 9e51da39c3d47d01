"""Use cases of finished meshes: export of one or of a batch, and the print check."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import Conflict, ErrorCode, Image2ModelError, NotFound, OptionRefused
from ..jobs.models import Batch, Job
from ..jobs.storage.archive import ZipEntry, ZipStream, leased_zip
from ..jobs.storage.exports import ExportedFile, ExportStore
from ..jobs.storage.folders import Folders
from ..mesh.export import FORMATS, ExportOptions, available, check_print, find_printer_colours, parse_options
from ..settings import Settings
from .previews import CONTACT_SHEET_FILE

OPTIONS = ("size", "unit", "measure", "up", "pivot", "face_limit", "packing", "repair", "colors")
EXPORT_FORMATS = tuple(FORMATS)
"""The ids of the formats, in the order in which they are offered."""
ContentsLoader = Callable[[str], Awaitable[tuple[list[ZipEntry], dict[str, Any]]]]


class ExportService:
    """Exports of meshes, as `Services.exports`."""

    def __init__(
        self,
        settings: Settings,
        folders: Folders,
        exports: ExportStore,
        batch: Callable[[str], Awaitable[Batch]],
        contents: ContentsLoader,
    ) -> None:
        self._settings, self._folders, self._exports = settings, folders, exports
        self._batch, self._contents = batch, contents

    def formats(self) -> list[dict[str, Any]]:
        """The available formats, as plain data."""
        keys = ("id", "label", "good_for", "up", "unit", "colour", "printed")
        return [{key: getattr(fmt, key) for key in keys} for fmt in FORMATS.values() if available(fmt.id)]

    def parse_options(
        self, formats: Sequence[str] | str, options: Mapping[str, Any] | None = None
    ) -> list[ExportOptions]:
        """Options for each of `formats` (a list, or text with commas), all with the same `options`.

        Raises OptionRefused for others than OPTIONS, and for values that do not fit.
        """
        names = formats.split(",") if isinstance(formats, str) else formats
        raw_options = dict(options or {})
        if unknown := next((name for name in raw_options if name not in OPTIONS), None):
            raise OptionRefused(
                ErrorCode.OPTION_UNKNOWN, f"There is no option {unknown!r}.", f"Take {', '.join(OPTIONS)}."
            )
        format_ids = [str(name).strip().lower() for name in names if str(name).strip()] or ["glb"]
        return [_parse_for_format(name, raw_options) for name in dict.fromkeys(format_ids)]

    async def export(self, batch_id: str, number: int, options: ExportOptions) -> ExportedFile:
        """Export one job's mesh, or reuse an earlier export.

        Raises NotFound, Conflict while the job is not done, Unavailable for what cannot be exported.
        """
        self._check_disk()
        return await self._exports.get(await self._job(batch_id, number), options)

    async def print_check(
        self,
        batch_id: str,
        number: int,
        size: float | str | None = None,
        unit: str | None = None,
        measure: str | None = None,
        repair: str | None = None,
    ) -> dict[str, Any]:
        """Print check of a job's mesh, and of what a repair would make of it (`mesh.export.check_print`).

        Raises NotFound, Conflict while the job is not done, Unavailable where it takes too long or too much memory.
        """
        options = parse_options("stl", size=size, unit=unit, measure=measure, repair=repair)
        return await self._examine(batch_id, number, check_print, options)

    async def printer_colours(
        self,
        batch_id: str,
        number: int,
        colors: float | str | None = None,
        size: float | str | None = None,
        unit: str | None = None,
        measure: str | None = None,
    ) -> dict[str, Any]:
        """The colours, 1 to 8, in which a 3MF would be printed (`mesh.export.find_printer_colours`).

        Raises NotFound, Conflict while the job is not done, Unavailable where it takes too long or too much memory.
        """
        options = parse_options("3mf", size=size, unit=unit, measure=measure, colors=colors)
        return await self._examine(batch_id, number, find_printer_colours, options)

    async def _examine(
        self,
        batch_id: str,
        number: int,
        function: Callable[[Path, ExportOptions], dict[str, Any]],
        options: ExportOptions,
    ) -> dict[str, Any]:
        """Call `function` with a job's mesh as `options` would export it."""
        glb = await self._exports.bring_original(await self._job(batch_id, number))
        with self._folders.lease(glb):
            return await self._exports.run(function, glb, options)

    async def archive(self, batch_id: str, options_list: Sequence[ExportOptions]) -> ZipStream:
        """Zip of all finished jobs' exports with a manifest, streamed while it is read.

        Failed exports are listed in the manifest. Raises NotFound, Conflict where no job is done.
        """
        self._check_disk()
        jobs = await self._finished_jobs(batch_id)
        default_entries, manifest = await self._contents(batch_id)
        pairs = [(job, options) for job in jobs for options in options_list]
        results = await asyncio.gather(*(self._export_or_failure(job, options) for job, options in pairs))
        entries = [
            ZipEntry(exported.path, exported.filename) for exported in results if isinstance(exported, ExportedFile)
        ]
        entries += [entry for entry in default_entries if entry.name == CONTACT_SHEET_FILE]
        manifest["exports"] = [
            {"number": job.number, "format": options.format.id, "filename": exported.filename, **exported.facts}
            for (job, options), exported in zip(pairs, results, strict=True)
            if isinstance(exported, ExportedFile)
        ]
        manifest["export_failures"] = [exported for exported in results if isinstance(exported, dict)]
        return await asyncio.to_thread(leased_zip, self._folders, entries, manifest)

    async def publish_to_gradio_cache(self, batch_id: str, exported: ExportedFile) -> Path:
        """Link an export into Gradio's cache."""
        return await asyncio.to_thread(
            self._folders.publish_to_gradio_cache, batch_id, exported.path, exported.filename
        )

    async def publish_archive_to_gradio_cache(self, batch_id: str, options_list: Sequence[ExportOptions]) -> Path:
        """Write `archive` into Gradio's cache."""
        stream = await self.archive(batch_id, options_list)
        return await asyncio.to_thread(
            self._folders.write_to_gradio_cache, batch_id, archive_name(batch_id, options_list), stream.chunks
        )

    async def face_limited_copy(self, job: Job) -> ExportedFile | None:
        """The copy within a finished job's face limit, exported again if deleted; None where there is none."""
        limit = (job.facts or {}).get("face_limit") or {}
        if not limit.get("file"):
            return None
        exported = await self._export_or_failure(job, parse_options("glb", face_limit=limit["asked"]))
        return exported if isinstance(exported, ExportedFile) else None

    async def _export_or_failure(self, job: Job, options: ExportOptions) -> ExportedFile | dict[str, Any]:
        """The export, or a manifest entry with the reason why it failed."""
        try:
            return await self._exports.get(job, options)
        except Image2ModelError as error:
            return {"number": job.number, "name": job.name, "format": options.format.id, "code": error.code,
                    "message": error.message}  # fmt: skip

    async def _job(self, batch_id: str, number: int) -> Job:
        job = (await self._batch(batch_id)).job(number)
        if job is None:
            raise NotFound(ErrorCode.FILE_NOT_FOUND, "There is no such mesh.", "It may have been deleted.")
        return job

    async def _finished_jobs(self, batch_id: str) -> list[Job]:
        jobs = [job for job in (await self._batch(batch_id)).jobs if job.state == "done"]
        if not jobs:
            raise Conflict(ErrorCode.NOTHING_DONE, "No mesh of this batch is finished yet.", "Try later.")
        return jobs

    def _check_disk(self) -> None:
        self._folders.require_free_space(self._settings.min_free_gb)


def archive_name(batch_id: str, options_list: Sequence[ExportOptions] = ()) -> str:
    """File name of the zip of a batch, or of its exports."""
    return "-".join(["image2model", batch_id[:8], *(options.format.id for options in options_list)]) + ".zip"


def _parse_for_format(format_id: str, options: Mapping[str, Any]) -> ExportOptions:
    """Options for one of several formats: packing applies to GLB only, colors to 3MF only."""
    only = {"packing": "glb", "colors": "3mf"}
    applicable = {name: value for name, value in options.items() if only.get(name, format_id) == format_id}
    return parse_options(format_id, **applicable)
