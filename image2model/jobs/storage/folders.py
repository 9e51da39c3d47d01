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
    work-<attempt>-<fence>/      what is not finished
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
from ..models import Job
from .disk_usage import walk_tree
from .file_leases import FileLeases

MESH_FILE = "model.glb"


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
        self._leases = FileLeases()

    def batch(self, batch_id: str) -> Path:
        """The folder of one batch."""
        return self.batches / batch_id

    def job(self, job: Job) -> Path:
        """The folder of one job."""
        return self.new_job_folder(job.batch_id, job.number, job.stem)

    def mesh(self, job: Job) -> Path:
        """Where a job's mesh lies, once it is whole."""
        return self.job(job) / MESH_FILE

    def new_job_folder(self, batch_id: str, number: int, stem: str = "") -> Path:
        """The folder of a job that is not stored yet, which has no stem at first."""
        return self.batch(batch_id) / (f"{number}-{stem}" if stem else f"{number}")

    def all_folders_of(self, batch_id: str) -> list[Path]:
        """Where the files of a batch lie: its folder and what was published of it in Gradio's cache."""
        return [self.gradio_cache / batch_id, self.batch(batch_id)]

    def remove(self, batch_id: str) -> None:
        """Delete all files of a batch; missing ones do not matter."""
        for folder in self.all_folders_of(batch_id):
            shutil.rmtree(folder, ignore_errors=True)

    def is_own_file(self, path: Path) -> bool:
        """Whether this is an existing file below the data folder or Gradio's cache, symbolic links followed."""
        return path.is_file() and any(path.resolve().is_relative_to(place) for place in (self.data, self.gradio_cache))

    def require_free_space(self, gigabytes: Decimal, size: int = 0) -> None:
        """Raise Unavailable unless so many GB are free on the disk once `size` bytes are written."""
        if shutil.disk_usage(self.data).free - size < gigabytes * 1_000_000_000:
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
        """Whether this file, or something in this folder, is leased."""
        return self._leases.is_held(path)

    def is_in_use(self, batch_id: str) -> bool:
        """Whether anything of the batch is leased."""
        return bool(self._leases) and any(self.is_leased(folder) for folder in self.all_folders_of(batch_id))

    def orphans(self, known: Set[str], older_than: float = 3600) -> list[Path]:
        """Folders of unknown batches; ones younger than `older_than` seconds may belong to batches just being made."""
        unknown = (folder for folder in self.batches.iterdir() if folder.name not in known)
        return [folder for folder in unknown if _age(folder, "st_mtime") > older_than and not self.is_leased(folder)]

    @property
    def gradio_cache(self) -> Path:
        """Gradio's cache of uploads and of what it hands out (its own rule, `gradio.utils.get_upload_folder`)."""
        return Path(os.environ.get("GRADIO_TEMP_DIR") or Path(tempfile.gettempdir()) / "gradio").resolve()

    def publish_to_gradio_cache(self, batch_id: str, path: Path, name: str) -> Path:
        """Put a file of a batch into Gradio's cache as `name`, as a hard link where possible, and return its path.

        Raises NotFound for anything but a file of ours.
        """
        if not self.is_own_file(path):
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

    def stale_cache(self, older_than: float, uploads_older_than: float, known: Set[str]) -> list[Path]:
        """Files of Gradio's cache that are unchanged for longer than this: of the `known` batches, and uploads.

        Both are in seconds. A batch has copies of what it needs since it was submitted; nobody else deletes uploads
        that are never submitted.
        """
        cache, files = self.gradio_cache, [Path(entry.path) for entry in walk_tree(self.gradio_cache)]
        of_batches = [file for file in files if file.relative_to(cache).parts[0] in known]
        uploads = [file for file in files if file.relative_to(cache).parts[0] not in known]
        return self.stale_files(of_batches, older_than) + self.stale_files(uploads, uploads_older_than)

    def stale_files(self, paths: Iterable[Path], older_than: float) -> list[Path]:
        """Those of the paths that are files, unchanged for more than `older_than` seconds and not leased."""
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
