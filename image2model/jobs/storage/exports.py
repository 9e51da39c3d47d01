"""The other formats, sizes and face counts of finished jobs: made when asked for, once, and kept beside the mesh.

exports/<stem>-<choice>.<ending>        the file, under a name made from the choice
exports/<stem>-<choice>.<ending>.json   what is known of it
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
from ...mesh.export import Wanted, export
from ...process_pool import Workers, bounded
from ..records import Job
from ..single_flight import Once
from .folders import Folders

log = logging.getLogger(__name__)
T = TypeVar("T")

SECONDS = 300
KEPT = 24
"""Exports that one job keeps; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A file made of a mesh, and what is known of it (`assets.export.make.Made`)."""

    path: Path
    filename: str
    media_type: str
    facts: dict[str, Any]


class Exports:
    """Makes each export once, however often it is asked for at the same time."""

    def __init__(self, folders: Folders, workers: Workers) -> None:
        self._folders, self._workers = folders, workers
        self._once = Once[dict[str, Any]]()

    async def get(self, job: Job, choice: Wanted) -> Exported:
        """The job's mesh as `choice` says, made if it is not there.

        Raises Conflict while the job is not done, NotFound for a mesh that is gone, GenerationFailed for one that
        nobody could open, Unavailable for what cannot be made.
        """
        glb = path = self.original(job)
        filename, facts = choice.filename(job.stem), dict(job.facts or {})
        with self._folders.reading(glb):
            if not choice.changes_nothing:
                path = glb.parent / "exports" / filename
                facts = await self._facts(glb, choice, path, job.stem)
            if not self._folders.holds(path):
                raise _gone()
        return Exported(path, filename, choice.format.media_type, facts)

    def original(self, job: Job) -> Path:
        """The mesh as it was delivered; raises Conflict while the job is not done, NotFound where it is gone."""
        if job.state != "done":
            raise Conflict(ErrorCode.NOT_DONE, f"{job.name} is not finished.", "Try again once it is.")
        glb = self._folders.mesh(job)
        if not self._folders.holds(glb):
            raise _gone()
        return glb

    async def _facts(self, glb: Path, choice: Wanted, path: Path, stem: str) -> dict[str, Any]:
        known = path.with_name(path.name + ".json")
        if await asyncio.to_thread(path.is_file) and await asyncio.to_thread(known.is_file):
            found: dict[str, Any] = json.loads(await asyncio.to_thread(known.read_bytes))
            return found
        return await self._once(path, lambda: self._made(glb, choice, path, stem))

    async def _made(self, glb: Path, choice: Wanted, path: Path, stem: str) -> dict[str, Any]:
        facts = await self.work(export, glb, choice, path, stem)
        await asyncio.to_thread(self._prune, path.parent)
        return facts

    async def work(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run mesh work in a worker, its accidents told as errors for people."""
        try:
            return await self._workers.run(bounded, function, *arguments, seconds=SECONDS)
        except TimeoutError:
            raise Unavailable(
                ErrorCode.EXPORT_TOO_LONG, "This takes too long for this mesh.", "Set a face limit."
            ) from None
        except (MemoryError, ProcessExpired):
            raise Unavailable(
                ErrorCode.EXPORT_TOO_LARGE, "This takes too much memory for this mesh.", "Set a face limit."
            ) from None
        except FileNotFoundError:
            raise _gone() from None
        except Image2ModelError:
            raise
        except Exception as error:  # meshes come from elsewhere, and hold whatever they hold
            log.exception("mesh work failed", extra={"work": function.__name__})
            raise Unavailable(
                ErrorCode.EXPORT_FAILED,
                "Something in this mesh cannot be worked with here.",
                "Take the mesh as it was delivered.",
            ) from error

    def _prune(self, folder: Path) -> None:
        """Delete the oldest exports beyond KEPT, each with its facts, but none that is being sent."""
        files = [file for file in folder.glob("[!.]*") if file.suffix != ".json"]
        for old in sorted(files, key=lambda file: file.stat().st_mtime)[:-KEPT]:
            if not self._folders.is_read(old):
                old.unlink(missing_ok=True)
                old.with_name(old.name + ".json").unlink(missing_ok=True)


def _gone() -> NotFound:
    return NotFound(ErrorCode.FILE_NOT_FOUND, "There is no such file.", "It may have been deleted.")
