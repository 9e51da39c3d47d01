"""Exports of finished jobs: made on request, once, and kept beside the mesh.

exports/<stem>-<options>.<extension>        the file, named after its options
exports/<stem>-<options>.<extension>.json   its `ExportReport`
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pebble import ProcessExpired

from ...errors import Conflict, ErrorCode, Image2ModelError, NotFound, Unavailable
from ...mesh.export import ExportOptions, export
from ...process_pool import Executor, with_memory_limit
from ..models import Job
from ..single_flight import SingleFlight
from .folders import Folders

log = logging.getLogger(__name__)
T = TypeVar("T")

TIMEOUT_SECONDS = 300
MAX_EXPORTS = 24
"""Exports kept per job; the oldest are deleted first."""


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """An exported file and its facts (`mesh.export.exporter.ExportReport`)."""

    path: Path
    filename: str
    media_type: str
    facts: dict[str, Any]


class ExportStore:
    """Exports of all jobs; simultaneous requests for one share the work."""

    def __init__(self, folders: Folders, workers: Executor) -> None:
        self._folders, self._workers = folders, workers
        self._single_flight = SingleFlight[dict[str, Any]]()

    async def get(self, job: Job, options: ExportOptions) -> ExportedFile:
        """The job's mesh as `options` say, exported if it is not there.

        Raises Conflict while the job is not done, NotFound for a deleted mesh, GenerationFailed for one that cannot be
        opened, Unavailable for what cannot be exported.
        """
        glb = path = await self.bring_original(job)
        filename, facts = options.filename(job.stem), dict(job.facts or {})
        with self._folders.lease(glb):
            if not options.is_original:
                path = glb.parent / "exports" / filename
                facts = await self._facts(glb, options, path, job.stem)
            if not self._folders.is_servable_file(path):
                raise _file_not_found()
        return ExportedFile(path, filename, options.format.media_type, facts)

    async def bring_original(self, job: Job) -> Path:
        """The mesh as delivered, on this machine.

        Raises Conflict while the job is not done, NotFound where it was deleted.
        """
        if job.state != "done":
            raise Conflict(ErrorCode.NOT_DONE, f"{job.name} is not finished.", "Try again once it is.")
        glb = self._folders.mesh(job)
        is_here = await asyncio.to_thread(self._folders.bring, glb)
        if not (is_here and self._folders.is_servable_file(glb)):
            raise _file_not_found()
        return glb

    async def _facts(self, glb: Path, options: ExportOptions, path: Path, stem: str) -> dict[str, Any]:
        report_path = path.with_name(path.name + ".json")
        if await asyncio.to_thread(path.is_file) and await asyncio.to_thread(report_path.is_file):
            report: dict[str, Any] = json.loads(await asyncio.to_thread(report_path.read_bytes))
            return report
        return await self._single_flight(path, lambda: self._export(glb, options, path, stem))

    async def _export(self, glb: Path, options: ExportOptions, path: Path, stem: str) -> dict[str, Any]:
        facts = await self.run(export, glb, options, path, stem)
        await asyncio.to_thread(self._prune, path.parent)
        return facts

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run `function` in a worker, its failures turned into errors for people."""
        try:
            return await self._workers.run(with_memory_limit, function, *arguments, seconds=TIMEOUT_SECONDS)
        except TimeoutError:
            raise Unavailable(
                ErrorCode.EXPORT_TOO_LONG, "This takes too long for this mesh.", "Set a face limit."
            ) from None
        except (MemoryError, ProcessExpired):
            raise Unavailable(
                ErrorCode.EXPORT_TOO_LARGE, "This takes too much memory for this mesh.", "Set a face limit."
            ) from None
        except FileNotFoundError:
            raise _file_not_found() from None
        except Image2ModelError:
            raise
        except Exception as error:  # meshes are untrusted
            log.exception("mesh work failed", extra={"work": function.__name__})
            raise Unavailable(
                ErrorCode.EXPORT_FAILED,
                "Something in this mesh cannot be worked with here.",
                "Take the mesh as it was delivered.",
            ) from error

    def _prune(self, folder: Path) -> None:
        """Delete the oldest exports beyond MAX_EXPORTS with their reports, except files being sent."""
        files = [file for file in folder.glob("[!.]*") if file.suffix != ".json"]
        for old in sorted(files, key=lambda file: file.stat().st_mtime)[:-MAX_EXPORTS]:
            if not self._folders.is_leased(old):
                old.unlink(missing_ok=True)
                old.with_name(old.name + ".json").unlink(missing_ok=True)


def _file_not_found() -> NotFound:
    return NotFound(ErrorCode.FILE_NOT_FOUND, "There is no such file.", "It may have been deleted.")
