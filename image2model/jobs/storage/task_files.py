"""The files of a task between machines that share no disk: its arguments' go to the worker, what it writes comes back.

Calls and outcomes travel pickled. With object storage, a path below the data folder or Gradio's cache becomes its name
there and the key of the object that holds the file. The objects below `tasks/<task id>/` are removed when the caller
has the outcome.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .bucket import Bucket
from .folders import Folders

TASKS = "tasks"
Reference = tuple[str, str]
"""The name of a file, and the key of the object that holds it; an empty one where there is no such file yet."""


class CallerFiles:
    """The files of one task where it is asked for. All methods block; without object storage they only pickle."""

    def __init__(self, folders: Folders, task_id: str) -> None:
        self._folders, self._bucket, self._place = folders, folders.bucket, f"{TASKS}/{task_id}"

    def pack(self, call: Any) -> bytes:
        """Pickle a call; files that it names are uploaded, except those that are stored already."""
        return _dump(call, self._refer)

    def open(self, outcome: bytes) -> Any:
        """Unpickle an outcome; what the worker has written is here when this returns."""
        if self._bucket:
            for item in self._bucket.objects(f"{self._place}/out"):
                name = item.key.removeprefix(f"{self._place}/out/")
                self._bucket.download(item.key, self._folders.path_of(name))
        return _load(outcome, lambda name, _: self._folders.path_of(name))

    def remove(self) -> None:
        """Remove the task's own objects."""
        if self._bucket:
            self._bucket.remove(self._place)

    def _refer(self, path: Path) -> Reference | None:
        name = self._folders.name_of(path) if self._bucket else None
        if not self._bucket or name is None:
            return None
        if self._folders.is_stored(path):
            return name, name
        if not path.is_file():
            return name, ""
        key = f"{self._place}/in/{name}"
        self._bucket.upload(key, path)
        return name, key


class WorkerFiles:
    """The files of one task in a worker, in an empty folder. Without object storage its methods only (un)pickle."""

    def __init__(self, folder: Path, bucket: Bucket | None, task_id: str) -> None:
        self._folder, self._bucket, self._place = folder, bucket, f"{TASKS}/{task_id}"
        self._given: set[Path] = set()

    def open(self, call: bytes) -> Any:
        """Unpickle a call; its files are in the folder when this returns."""
        return _load(call, self._fetch)

    def pack(self, outcome: Any) -> bytes:
        """Upload what was written to the folder, and pickle an outcome."""
        for path in self._folder.rglob("*") if self._bucket else ():
            if path.is_file() and path not in self._given and self._bucket:
                self._bucket.upload(f"{self._place}/out/{self._name_of(path)}", path)
        return _dump(outcome, self._refer)

    def _fetch(self, name: str, key: str) -> Path:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if self._bucket and key and path not in self._given and self._bucket.download(key, path):
            self._given.add(path)
        return path

    def _refer(self, path: Path) -> Reference | None:
        return (self._name_of(path), "") if path.is_relative_to(self._folder) else None

    def _name_of(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, refer: Callable[[Path], Reference | None]) -> None:
        super().__init__(file)
        self._refer = refer

    def persistent_id(self, obj: Any) -> Reference | None:
        """The reference of a path."""
        return self._refer(obj) if isinstance(obj, Path) else None


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, path_of: Callable[[str, str], Path]) -> None:
        super().__init__(file)
        self._path_of = path_of

    def persistent_load(self, pid: Reference) -> Path:
        """The path of a reference."""
        return self._path_of(*pid)


def _dump(value: Any, refer: Callable[[Path], Reference | None]) -> bytes:
    file = io.BytesIO()
    _Pickler(file, refer).dump(value)
    return file.getvalue()


def _load(data: bytes, path_of: Callable[[str, str], Path]) -> Any:
    return _Unpickler(io.BytesIO(data), path_of).load()  # our own data, see `task_executor`
