"""The use cases of finished meshes: one, or a whole batch, in another format; and whether it can be printed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import Conflict, ErrorCode, Image2ModelError, NotFound, OptionRefused
from ..jobs.records import Batch, Job
from ..jobs.storage.archive import Entry, Stream, kept_zip
from ..jobs.storage.exports import Exported, Exports
from ..jobs.storage.folders import Folders
from ..mesh.export import FORMATS, Wanted, available, check_print, wanted
from ..settings import Settings
from .previews import SHEET

OPTIONS = ("size", "unit", "measure", "up", "pivot", "face_limit", "packing", "repair")
Contents = Callable[[str], Awaitable[tuple[list[Entry], dict[str, Any]]]]


class Meshes:
    """One studio's, as `Studio.meshes`. Choices are checked by `wanted`, which raises OptionRefused."""

    def __init__(
        self,
        settings: Settings,
        folders: Folders,
        exports: Exports,
        batch: Callable[[str], Awaitable[Batch]],
        contents: Contents,
    ) -> None:
        self._settings, self._folders, self._exports = settings, folders, exports
        self._batch, self._contents = batch, contents

    def formats(self) -> list[dict[str, Any]]:
        """The formats on offer here as plain data."""
        return [
            {"id": one.id, "label": one.label, "good_for": one.good_for, "up": one.up, "unit": one.unit,
             "colour": one.colour, "printed": one.printed}
            for one in FORMATS.values()
            if available(one.id)
        ]  # fmt: skip

    def choices(self, formats: Sequence[str] | str, options: Mapping[str, Any] | None = None) -> list[Wanted]:
        """The choice for each of `formats` (a list, or text with commas), all with the same `options`.

        Options are those of `assets.export.wanted`: OPTIONS. Raises OptionRefused.
        """
        names = formats.split(",") if isinstance(formats, str) else formats
        given = dict(options or {})
        if unknown := next((name for name in given if name not in OPTIONS), None):
            raise OptionRefused(
                ErrorCode.OPTION_UNKNOWN, f"There is no option {unknown!r}.", f"Take {', '.join(OPTIONS)}."
            )
        kept = [str(name).strip().lower() for name in names if str(name).strip()] or ["glb"]
        return [_choice(name, given) for name in dict.fromkeys(kept)]

    async def export(self, batch_id: str, number: int, choice: Wanted) -> Exported:
        """One job's mesh as `choice` says, made if it is not there.

        Raises NotFound, Conflict while the job is not done, Unavailable for what cannot be made.
        """
        self._check_disk()
        return await self._exports.get(await self._job(batch_id, number), choice)

    async def print_check(
        self,
        batch_id: str,
        number: int,
        size: float | str | None = None,
        unit: str | None = None,
        measure: str | None = None,
    ) -> dict[str, Any]:
        """Whether a job's mesh can be printed (`assets.export.check_print`), and what mending would make of it.

        Raises NotFound, Conflict while the job is not done, Unavailable where it takes too long or too much.
        """
        choice = wanted("stl", size=size, unit=unit, measure=measure)
        glb = self._exports.original(await self._job(batch_id, number))
        with self._folders.reading(glb):
            return await self._exports.work(check_print, glb, choice)

    async def archive(self, batch_id: str, choices: Sequence[Wanted]) -> Stream:
        """All finished jobs as `choices` say, as a zip with a manifest; the zip is made while it is read.

        What cannot be made is left out and told in the manifest. Raises NotFound, Conflict where nothing is done.
        """
        self._check_disk()
        jobs = await self._done(batch_id)
        usual, manifest = await self._contents(batch_id)
        pairs = [(job, choice) for job in jobs for choice in choices]
        made = await asyncio.gather(*(self._tried(job, choice) for job, choice in pairs))
        entries = [Entry(one.path, one.filename) for one in made if isinstance(one, Exported)]
        entries += [entry for entry in usual if entry.name == SHEET]
        manifest["exports"] = [
            {"number": job.number, "format": choice.format.id, "filename": one.filename, **one.facts}
            for (job, choice), one in zip(pairs, made, strict=True)
            if isinstance(one, Exported)
        ]
        manifest["export_failures"] = [one for one in made if isinstance(one, dict)]
        return kept_zip(self._folders, entries, manifest)

    async def lend(self, batch_id: str, exported: Exported) -> Path:
        """An export where Gradio may hand it out."""
        return await asyncio.to_thread(self._folders.lend, batch_id, exported.path, exported.filename)

    async def lend_archive(self, batch_id: str, choices: Sequence[Wanted]) -> Path:
        """`archive` as a file where Gradio may hand it out."""
        stream = await self.archive(batch_id, choices)
        return await asyncio.to_thread(
            self._folders.write_lent, batch_id, archive_name(batch_id, choices), stream.chunks
        )

    async def lighter(self, job: Job) -> Exported | None:
        """The copy that keeps to a finished job's face limit, made again if it has gone; None where there is none."""
        limit = (job.facts or {}).get("face_limit") or {}
        if not limit.get("file"):
            return None
        made = await self._tried(job, wanted("glb", face_limit=limit["asked"]))
        return made if isinstance(made, Exported) else None

    async def _tried(self, job: Job, choice: Wanted) -> Exported | dict[str, Any]:
        """The export, or why there is none."""
        try:
            return await self._exports.get(job, choice)
        except Image2ModelError as error:
            return {"number": job.number, "name": job.name, "format": choice.format.id, "code": error.code,
                    "message": error.message}  # fmt: skip

    async def _job(self, batch_id: str, number: int) -> Job:
        found = (await self._batch(batch_id)).job(number)
        if found is None:
            raise NotFound(ErrorCode.FILE_NOT_FOUND, "There is no such mesh.", "It may have been deleted.")
        return found

    async def _done(self, batch_id: str) -> list[Job]:
        jobs = [job for job in (await self._batch(batch_id)).jobs if job.state == "done"]
        if not jobs:
            raise Conflict(ErrorCode.NOTHING_DONE, "No mesh of this batch is finished yet.", "Try later.")
        return jobs

    def _check_disk(self) -> None:
        self._folders.demand_room(self._settings.min_free_gb)


def archive_name(batch_id: str, choices: Sequence[Wanted] = ()) -> str:
    """What the zip of a batch, or of its exports in these ways, is called."""
    return "-".join(["image2model", batch_id[:8], *(choice.format.id for choice in choices)]) + ".zip"


def _choice(form: str, options: Mapping[str, Any]) -> Wanted:
    """The choice for one of several formats: packing is for the GLB among them."""
    own = {name: value for name, value in options.items() if name != "packing" or form == "glb"}
    return wanted(form, **own)
