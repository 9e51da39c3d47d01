"""Where the files of a batch lie, below the data folder.

batches/<batch id>/<job number>-<stem>/
    input.png        the checked picture
    input.webp       its thumbnail
    cutout.png       its subject alone, where that is what is sent
    input-back.png, input-back.webp, cutout-back.png    the same of another side of the object
    model.glb        the generator's own bytes, under this name only when whole
    thumbnail.webp   the rendered mesh
    preview.*        the generator's own picture of the mesh, where it makes one
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
from collections import Counter
from collections.abc import Iterable, Iterator, Set
from pathlib import Path

from ..generators.base import Side
from .records import Job


def picture_name(side: Side = "front", kind: str = "input", ending: str = "png") -> str:
    """What the file of a job's picture is called; the front is the one that each job has."""
    return f"{kind}.{ending}" if side == "front" else f"{kind}-{side}.{ending}"


class Folders:
    """The folders below `data`."""

    def __init__(self, data: Path) -> None:
        self.data = data.resolve()
        self.batches = self.data / "batches"
        self.batches.mkdir(parents=True, exist_ok=True)
        self._readers: Counter[str] = Counter()

    def batch(self, batch_id: str) -> Path:
        """The folder of one batch."""
        return self.batches / batch_id

    def job(self, job: Job) -> Path:
        """The folder of one job."""
        return self.place(job.batch_id, job.number, job.stem)

    def place(self, batch_id: str, number: int, stem: str = "") -> Path:
        """The folder of a job that is not stored yet, at first without a stem."""
        return self.batch(batch_id) / (f"{number}-{stem}" if stem else f"{number}")

    def remove(self, batch_id: str) -> None:
        """Delete a batch's files and what was lent of them; missing ones do not matter."""
        shutil.rmtree(self.batch(batch_id), ignore_errors=True)
        shutil.rmtree(self.cache / batch_id, ignore_errors=True)

    @contextlib.contextmanager
    def reading(self, batch_id: str) -> Iterator[None]:
        """Keep retention from deleting the batch while the block runs."""
        self._readers[batch_id] += 1
        try:
            yield
        finally:
            self._readers[batch_id] -= 1
            self._readers += Counter()

    def is_read(self, batch_id: str) -> bool:
        """Whether the batch is being read at the moment."""
        return self._readers[batch_id] > 0

    def orphans(self, known: Set[str], older_than: float = 3600) -> list[Path]:
        """Batch folders that no row owns; ones younger than `older_than` seconds may be on their way in."""
        oldest = time.time() - older_than
        strange = [folder for folder in self.batches.iterdir() if folder.name not in known]
        return [folder for folder in strange if folder.stat().st_mtime < oldest]

    def stale_exports(self, older_than: float) -> list[Path]:
        """Converted meshes older than `older_than` seconds: they can be made again from the mesh."""
        oldest = time.time() - older_than
        found = self.batches.glob("*/*/exports/*")
        return [file for file in found if file.is_file() and file.stat().st_ctime < oldest]

    @property
    def cache(self) -> Path:
        """Gradio's cache of uploads and of what it hands out (its own rule, `gradio.utils.get_upload_folder`)."""
        return Path(os.environ.get("GRADIO_TEMP_DIR") or Path(tempfile.gettempdir()) / "gradio").resolve()

    def lend(self, batch_id: str, path: Path, name: str) -> Path:
        """A file of a batch under `name` in Gradio's cache: linked where that can be, so nothing is copied."""
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

    def stale_cache(self, older_than: float) -> list[Path]:
        """What lies in Gradio's cache for more than `older_than` seconds.

        Whatever a batch needs was copied when it was submitted; aborted uploads stay for ever otherwise.
        """
        oldest = time.time() - older_than
        return [file for file in self.cache.rglob("*") if file.is_file() and file.stat().st_ctime < oldest]

    def drop_empty(self, older_than: float) -> None:
        """Delete folders of Gradio's cache that are empty for more than `older_than` seconds."""
        oldest = time.time() - older_than
        for folder in sorted((place for place in self.cache.rglob("*") if place.is_dir()), reverse=True):
            if not any(folder.iterdir()) and folder.stat().st_mtime < oldest:
                folder.rmdir()
