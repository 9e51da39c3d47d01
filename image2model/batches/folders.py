"""Where the files of a batch lie, below the data folder.

batches/<batch id>/<job number>-<stem>/
    input.png        the checked picture
    input.webp       its thumbnail
    model.glb        the generator's own bytes, under this name only when whole
    thumbnail.webp   the rendered mesh
    preview.*        the generator's own picture of the mesh, where it makes one
    work-<try>/      what is not finished
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Set
from pathlib import Path

from .records import Job


class Folders:
    """The folders below `data`."""

    def __init__(self, data: Path) -> None:
        self.data = data.resolve()
        self.batches = self.data / "batches"
        self.batches.mkdir(parents=True, exist_ok=True)

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
        """Delete a batch's files; missing ones do not matter."""
        shutil.rmtree(self.batch(batch_id), ignore_errors=True)

    def sweep(self, known: Set[str], older_than: float = 3600) -> int:
        """Delete batch folders that no row owns; ones younger than `older_than` seconds may be on their way in."""
        oldest = time.time() - older_than
        orphans = [
            folder for folder in self.batches.iterdir() if folder.name not in known and folder.stat().st_mtime < oldest
        ]
        for folder in orphans:
            shutil.rmtree(folder, ignore_errors=True)
        return len(orphans)


def sweep_uploads(cache: Path, older_than: float) -> int:
    """Delete files of Gradio's upload cache that are older than `older_than` seconds, and what they leave empty.

    Whatever a batch needs was copied when it was submitted; aborted uploads stay for ever otherwise.
    """
    oldest = time.time() - older_than
    stale = [file for file in cache.rglob("*") if file.is_file() and file.stat().st_mtime < oldest]
    for file in stale:
        file.unlink(missing_ok=True)
    for folder in sorted((place for place in cache.rglob("*") if place.is_dir()), reverse=True):
        if not any(folder.iterdir()) and folder.stat().st_mtime < oldest:
            folder.rmdir()
    return len(stale)
