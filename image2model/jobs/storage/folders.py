"""Where the files of a batch lie, below the data folder.

batches/<batch id>/<job number>-<stem>/
    input.jpg        the checked picture; input.png where it is transparent, or came as a PNG that needed no change
    input.webp       its thumbnail
    notes.json       codes of what a person should know of it, where there is something
    cutout.png       its subject alone, where that is what is sent
    input-back.jpg, input-back.webp, cutout-back.png    the same of another side of the object
    model.glb        the generator's own bytes, under this name only when whole
    thumbnail.webp   the rendered mesh
    turntable.webp   the mesh turning, once somebody has asked for it
    plain.glb, wireframe.glb    how the viewer shows its shape, likewise
    work-<try>/      what is not finished
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Set
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path
from typing import Literal

from ...errors import ErrorCode, NotFound, Unavailable
from ...generators.base import Side
from ..records import Job
from .disk_usage import walk
from .file_leases import FileLeases

MESH = "model.glb"


def picture_name(side: Side = "front", kind: str = "input", ending: str = "png") -> str:
    """What the file of a job's picture is called; the front is the one that each job has."""
    return f"{kind}.{ending}" if side == "front" else f"{kind}-{side}.{ending}"


def stored_picture(folder: Path, side: Side = "front") -> Path:
    """The checked picture of one side in a job's folder: a JPEG or a PNG."""
    jpeg = folder / picture_name(side, ending="jpg")
    return jpeg if jpeg.exists() else jpeg.with_suffix(".png")


class Folders:
    """The folders below `data`."""

    def __init__(self, data: Path) -> None:
        self.data = data.resolve()
        self.batches = self.data / "batches"
        self.batches.mkdir(parents=True, exist_ok=True)
        self._readers = FileLeases()

    def batch(self, batch_id: str) -> Path:
        """The folder of one batch."""
        return self.batches / batch_id

    def job(self, job: Job) -> Path:
        """The folder of one job."""
        return self.place(job.batch_id, job.number, job.stem)

    def mesh(self, job: Job) -> Path:
        """Where a job's mesh lies, once it is whole."""
        return self.job(job) / MESH

    def place(self, batch_id: str, number: int, stem: str = "") -> Path:
        """The folder of a job that is not stored yet, at first without a stem."""
        return self.batch(batch_id) / (f"{number}-{stem}" if stem else f"{number}")

    def all_of(self, batch_id: str) -> list[Path]:
        """Where the files of a batch lie: what was lent of them, and their own folder."""
        return [self.cache / batch_id, self.batch(batch_id)]

    def remove(self, batch_id: str) -> None:
        """Delete a batch's files and what was lent of them; missing ones do not matter."""
        for folder in self.all_of(batch_id):
            shutil.rmtree(folder, ignore_errors=True)

    def holds(self, path: Path) -> bool:
        """Whether this is a file of ours: one that is there, and no symbolic link that leads elsewhere."""
        return path.is_file() and any(path.resolve().is_relative_to(place) for place in (self.data, self.cache))

    def demand_room(self, gigabytes: Decimal, size: int = 0) -> None:
        """Raise Unavailable where less than so many GB would be free on the disk once `size` bytes are written."""
        if shutil.disk_usage(self.data).free - size < gigabytes * 1_000_000_000:
            raise Unavailable(
                ErrorCode.DISK_FULL, "The server's disk is nearly full, so nothing new can be made.", "Try again later."
            )

    def reading(self, *paths: Path) -> AbstractContextManager[None]:
        """Keep every rule from deleting these files while the block runs."""
        return self._readers.reading(*paths)

    def guarded(self, chunks: Iterable[bytes], *paths: Path) -> Iterator[bytes]:
        """The chunks; these files are kept from the first of them to the last."""
        with self.reading(*paths):
            yield from chunks

    def is_read(self, path: Path) -> bool:
        """Whether this file, or something in this folder, is being read or sent at the moment."""
        return self._readers.read(path)

    def is_in_use(self, batch_id: str) -> bool:
        """Whether anything of the batch is being read or sent at the moment."""
        return bool(self._readers) and any(self.is_read(folder) for folder in self.all_of(batch_id))

    def orphans(self, known: Set[str], older_than: float = 3600) -> list[Path]:
        """Batch folders that no row owns; ones younger than `older_than` seconds may be on their way in."""
        strange = (folder for folder in self.batches.iterdir() if folder.name not in known)
        return [folder for folder in strange if _age(folder, "st_mtime") > older_than and not self.is_read(folder)]

    @property
    def cache(self) -> Path:
        """Gradio's cache of uploads and of what it hands out (its own rule, `gradio.utils.get_upload_folder`)."""
        return Path(os.environ.get("GRADIO_TEMP_DIR") or Path(tempfile.gettempdir()) / "gradio").resolve()

    def lend(self, batch_id: str, path: Path, name: str) -> Path:
        """A file of a batch under `name` in Gradio's cache: linked where that can be, so nothing is copied.

        Raises NotFound for what is no file of ours.
        """
        if not self.holds(path):
            raise NotFound(
                ErrorCode.FILE_NOT_FOUND, "This file is no longer there.", "The batch may have been deleted."
            )
        lent = self.cache / batch_id / name
        lent.parent.mkdir(parents=True, exist_ok=True)
        lent.unlink(missing_ok=True)
        try:
            os.link(path, lent)
        except OSError:  # another file system
            shutil.copyfile(path, lent)
        return lent

    def write_lent(self, batch_id: str, name: str, chunks: Iterable[bytes]) -> Path:
        """Write a file of a batch into Gradio's cache."""
        lent = self.cache / batch_id / secrets.token_hex(8) / name
        lent.parent.mkdir(parents=True)
        with lent.open("wb") as file:
            file.writelines(chunks)
        return lent

    def stale_cache(self, older_than: float, uploads_older_than: float, known: Set[str]) -> list[Path]:
        """What lies in Gradio's cache for longer than this: files of the `known` batches, and uploads (in seconds).

        Whatever a batch needs was copied when it was submitted; uploads that nobody submits stay for ever otherwise.
        """
        cache, files = self.cache, [Path(entry.path) for entry in walk(self.cache)]
        of_batches = [file for file in files if file.relative_to(cache).parts[0] in known]
        uploads = [file for file in files if file.relative_to(cache).parts[0] not in known]
        return self.stale(of_batches, older_than) + self.stale(uploads, uploads_older_than)

    def stale(self, paths: Iterable[Path], older_than: float) -> list[Path]:
        """Those of them that are files, are older than `older_than` seconds and not being read."""
        files = (path for path in paths if path.is_file())
        return [file for file in files if _age(file, "st_ctime") > older_than and not self.is_read(file)]

    def drop_empty(self, older_than: float) -> None:
        """Delete folders of Gradio's cache that are empty for more than `older_than` seconds."""
        for folder in sorted((Path(entry.path) for entry in walk(self.cache) if entry.is_dir()), reverse=True):
            if _age(folder, "st_mtime") > older_than:
                with contextlib.suppress(OSError):  # not empty, or gone
                    folder.rmdir()


def _age(path: Path, kind: Literal["st_mtime", "st_ctime"]) -> float:
    """Seconds since the path changed; none for one that is gone."""
    try:
        return time.time() - float(getattr(path.lstat(), kind))
    except OSError:
        return 0.0
