"""Places of a batch's files, below the data folder.

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
    work-<attempt>-<fence>/      what is not finished

With object storage the checked pictures, their notes, meshes and thumbnails are objects of the same names there, stored
before the database tells of them; the folders then hold copies, which come when they are needed and may go at any time.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from stat import S_ISREG
from typing import Literal

from ...errors import ErrorCode, NotFound, Unavailable
from ...generators.base import Side
from ...units import DAY, GB
from ..models import Job
from .bucket import Bucket
from .disk_usage import walk_tree
from .file_leases import FileLeases

MESH_FILE, THUMBNAIL_FILE, TURNTABLE_FILE = "model.glb", "thumbnail.webp", "turntable.webp"
CACHE = "cache"
"""Prefix of the names of files in Gradio's cache (`Folders.name_of`)."""
UPLOADS = 8
"""Files that go to the object storage at the same time."""


@dataclass(frozen=True, slots=True)
class FileStatus:
    """Size of a file in bytes, and when it was written (since 1970)."""

    size: int
    modified: float


def picture_filename(side: Side = "front", kind: str = "input", ending: str = "png") -> str:
    """File name of a job's picture; each job has a front."""
    return f"{kind}.{ending}" if side == "front" else f"{kind}-{side}.{ending}"


def file_status(path: Path) -> FileStatus | None:
    """Size and age of a file on this machine; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return FileStatus(status.st_size, status.st_mtime) if S_ISREG(status.st_mode) else None


class Folders:
    """The folders below `data`, and the object storage behind them where there is one."""

    def __init__(self, data: Path, bucket: Bucket | None = None) -> None:
        self.data, self.bucket = data.resolve(), bucket
        self.batches = self.data / "batches"
        self.batches.mkdir(parents=True, exist_ok=True)
        self._leases = FileLeases()

    def batch(self, batch_id: str) -> Path:
        """The folder of one batch."""
        return self.batches / batch_id

    def job(self, job: Job) -> Path:
        """The folder of one job."""
        return self.new_job_folder(job.batch_id, job.number, job.stem)

    def mesh(self, job: Job) -> Path:
        """Path of a job's mesh, once it is whole."""
        return self.job(job) / MESH_FILE

    def new_job_folder(self, batch_id: str, number: int, stem: str = "") -> Path:
        """The folder of a job that is not stored yet, which has no stem at first."""
        return self.batch(batch_id) / (f"{number}-{stem}" if stem else f"{number}")

    def picture(self, folder: Path, side: Side = "front") -> Path:
        """The checked picture of one side in a job's folder: a JPEG or a PNG."""
        jpeg = folder / picture_filename(side, ending="jpg")
        png = jpeg.with_suffix(".png")
        return jpeg if jpeg.is_file() or (not png.is_file() and self.is_stored(jpeg)) else png

    def batch_folders(self, batch_id: str) -> list[Path]:
        """Folders with a batch's files: its own, and those published in Gradio's cache."""
        return [self.gradio_cache / batch_id, self.batch(batch_id)]

    def remove(self, batch_id: str) -> None:
        """Delete all files of a batch on this machine; missing ones do not matter."""
        for folder in self.batch_folders(batch_id):
            shutil.rmtree(folder, ignore_errors=True)

    def remove_objects(self, batch_id: str) -> None:
        """Delete all files of a batch in the object storage; raises Unavailable where that is away."""
        if self.bucket:
            self.bucket.remove(f"batches/{batch_id}")

    def is_servable_file(self, path: Path) -> bool:
        """True if this is an existing file below the data folder or Gradio's cache, symbolic links followed."""
        is_file = self.status(path) is not None
        return is_file and any(path.resolve().is_relative_to(place) for place in (self.data, self.gradio_cache))

    def status(self, path: Path) -> FileStatus | None:
        """Size and age of a file of a batch, wherever it is; None where there is none."""
        if (here := file_status(path)) or not self.bucket or not path.is_relative_to(self.batches):
            return here
        found = self.bucket.find(self._key(path))
        return FileStatus(found.size, found.modified) if found else None

    def bring(self, path: Path) -> bool:
        """Copy a file of a batch from the object storage, unless it is here; return whether it is here now."""
        if path.is_file() or not self.bucket or not path.is_relative_to(self.batches):
            return path.is_file()
        return self.bucket.download(self._key(path), path)

    def keep(self, *paths: Path) -> None:
        """Store files of batches, or of these folders, durably and where every machine can read them."""
        if not self.bucket:
            return
        files = [file for path in paths for file in (path, *path.rglob("[!.]*")) if file.is_file()]
        with ThreadPoolExecutor(UPLOADS) as threads:
            list(threads.map(self.bucket.upload, map(self._key, files), files))

    def is_stored(self, path: Path) -> bool:
        """True if the object storage has this file of a batch."""
        is_batch_file = path.is_relative_to(self.batches)
        return is_batch_file and self.bucket is not None and self.bucket.find(self._key(path)) is not None

    def link(self, path: Path, seconds: int) -> str | None:
        """A signed address of a file of a batch for so many seconds; None for 0 and where it is not in the storage."""
        return self.bucket.link(self._key(path), seconds) if self.bucket and seconds and self.is_stored(path) else None

    def name_of(self, path: Path) -> str | None:
        """The name of a path below the data folder or Gradio's cache that means the same on every machine."""
        if path.is_relative_to(self.data):
            return self._key(path)
        if path.is_relative_to(self.gradio_cache):
            return f"{CACHE}/{path.relative_to(self.gradio_cache).as_posix()}"
        return None

    def path_of(self, name: str) -> Path:
        """The path here that `name_of` has given this name."""
        place, _, rest = name.partition("/")
        return self.gradio_cache / rest if place == CACHE else self.data / name

    def _key(self, path: Path) -> str:
        return path.relative_to(self.data).as_posix()

    def require_free_space(self, gigabytes: Decimal, size: int = 0) -> None:
        """Raise Unavailable unless `gigabytes` are free on the disk once `size` bytes are written."""
        if shutil.disk_usage(self.data).free - size < gigabytes * GB:
            raise Unavailable(
                ErrorCode.DISK_FULL, "The server's disk is nearly full, so nothing new can be made.", "Try again later."
            )

    def lease(self, *paths: Path) -> AbstractContextManager[None]:
        """Lease these files while the block runs: no rule deletes them."""
        return self._leases.hold(*paths)

    def lease_while_reading(self, chunks: Iterable[bytes], *paths: Path) -> Iterator[bytes]:
        """Yield the chunks; the files are leased from the first of them to the last."""
        with self.lease(*paths):
            yield from chunks

    def is_leased(self, path: Path) -> bool:
        """True if this file, or something in this folder, is leased."""
        return self._leases.is_held(path)

    def is_in_use(self, batch_id: str) -> bool:
        """True if anything of the batch is leased."""
        return bool(self._leases) and any(self.is_leased(folder) for folder in self.batch_folders(batch_id))

    def orphans(self, known: Set[str], older_than: float = 3600) -> list[Path]:
        """Folders of unknown batches; ones younger than `older_than` seconds may belong to batches just being made."""
        unknown = (folder for folder in self.batches.iterdir() if folder.name not in known)
        return [folder for folder in unknown if _age(folder, "st_mtime") > older_than and not self.is_leased(folder)]

    def drop_copies(self, older_than: float) -> None:
        """Delete copies of what the object storage has that are unchanged for more than `older_than` seconds."""
        files = [Path(entry.path) for entry in walk_tree(self.batches)] if self.bucket else []
        for file in self.stale_files(files, older_than):
            if not file.parent.name.startswith("work-"):
                file.unlink(missing_ok=True)

    def remove_orphaned_objects(self, known: Set[str], older_than: float = 3600) -> None:
        """Remove objects of unknown batches, and of tasks of yesterday, all older than `older_than` seconds."""
        if not self.bucket:
            return
        unknown = [f"batches/{name}" for name in self.bucket.folders("batches") if name not in known]
        tasks = [f"tasks/{name}" for name in self.bucket.folders("tasks")]
        for folder, age in (*((folder, older_than) for folder in unknown), *((folder, DAY) for folder in tasks)):
            if all(item.modified < time.time() - age for item in self.bucket.objects(folder)):
                self.bucket.remove(folder)

    @property
    def gradio_cache(self) -> Path:
        """Gradio's cache of uploads and of what it hands out (its own rule, `gradio.utils.get_upload_folder`)."""
        return Path(os.environ.get("GRADIO_TEMP_DIR") or Path(tempfile.gettempdir()) / "gradio").resolve()

    def publish_to_gradio_cache(self, batch_id: str, path: Path, name: str) -> Path:
        """Put a file of a batch into Gradio's cache as `name`, as a hard link where possible, and return its path.

        Raises NotFound for anything but a file of ours.
        """
        if not (self.bring(path) and self.is_servable_file(path)):
            raise NotFound(
                ErrorCode.FILE_NOT_FOUND, "This file is no longer there.", "The batch may have been deleted."
            )
        published = self.gradio_cache / batch_id / name
        published.parent.mkdir(parents=True, exist_ok=True)
        published.unlink(missing_ok=True)
        try:
            os.link(path, published)
        except OSError:  # another file system
            shutil.copyfile(path, published)
        return published

    def write_to_gradio_cache(self, batch_id: str, name: str, chunks: Iterable[bytes]) -> Path:
        """Write a file of a batch into Gradio's cache and return its path."""
        published = self.gradio_cache / batch_id / secrets.token_hex(8) / name
        published.parent.mkdir(parents=True)
        with published.open("wb") as file:
            file.writelines(chunks)
        return published

    def stale_cache_files(self, older_than: float, uploads_older_than: float, known: Set[str]) -> list[Path]:
        """Files of Gradio's cache that are unchanged for longer than this: of the `known` batches, and uploads.

        Both are in seconds. A batch has copies of what it needs since it was submitted; nobody else deletes uploads
        that are never submitted.
        """
        cache, files = self.gradio_cache, [Path(entry.path) for entry in walk_tree(self.gradio_cache)]
        of_batches = [file for file in files if file.relative_to(cache).parts[0] in known]
        uploads = [file for file in files if file.relative_to(cache).parts[0] not in known]
        return self.stale_files(of_batches, older_than) + self.stale_files(uploads, uploads_older_than)

    def stale_files(self, paths: Iterable[Path], older_than: float) -> list[Path]:
        """Return the paths that are files, unchanged for more than `older_than` seconds and not leased."""
        files = (path for path in paths if path.is_file())
        return [file for file in files if _age(file, "st_ctime") > older_than and not self.is_leased(file)]

    def remove_empty_folders(self, older_than: float) -> None:
        """Delete folders of Gradio's cache that are empty for more than `older_than` seconds."""
        folders = (Path(entry.path) for entry in walk_tree(self.gradio_cache) if entry.is_dir())
        for folder in sorted(folders, reverse=True):
            if _age(folder, "st_mtime") > older_than:
                with contextlib.suppress(OSError):  # not empty, or gone
                    folder.rmdir()


def _age(path: Path, kind: Literal["st_mtime", "st_ctime"]) -> float:
    """Seconds since the path changed; 0 for a missing one."""
    try:
        return time.time() - float(getattr(path.lstat(), kind))
    except OSError:
        return 0.0
