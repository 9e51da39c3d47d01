"""Object storage in a bucket of Hugging Face, at an address like `hf://buckets/owner/name/prefix`.

The environment has HF_TOKEN, which may write to it. The Hub knows of an object once its content is stored.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
from huggingface_hub import BucketFile, BucketFolder, HfApi
from huggingface_hub.errors import EntryNotFoundError
from huggingface_hub.utils.tqdm import disable_progress_bars

from ...atomic_files import atomic_move
from ...errors import ErrorCode, SettingsError
from .bucket import HUB_PREFIX, StoredObject, raising_unavailable

_raising_unavailable = partial(raising_unavailable, httpx.HTTPError, ConnectionError, PermissionError, RuntimeError)
"""Context that raises Unavailable for errors of the Hub and of its content storage (hf_xet)."""

SETTLING_SECONDS = 2.0
"""Seconds after which everyone who stores the same object for the first time has done so (`put_first`)."""


class HubBucket:
    """The objects below an address of Hugging Face (see `Bucket`)."""

    def __init__(self, url: str) -> None:
        """Raise SettingsError for an address without owner and name; no request is sent yet."""
        owner, _, rest = url.removeprefix(HUB_PREFIX).partition("/")
        name, _, prefix = rest.partition("/")
        if not owner or not name:
            message = "ASSET_STORE cannot be used: it is no address of a bucket."
            raise SettingsError(ErrorCode.SETTING_WRONG, message, f"It takes one like {HUB_PREFIX}owner/name.")
        disable_progress_bars()
        os.environ.setdefault("HF_XET_CLIENT_RETRY_MAX_ATTEMPTS", "2")  # else who uploads waits minutes for an answer
        self._api, self._id = HfApi(), f"{owner}/{name}"
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def upload(self, key: str, path: Path) -> None:
        """See Bucket."""
        with _raising_unavailable():
            self._api.batch_bucket_files(self._id, add=[(path, self._prefix + key)])

    def download(self, key: str, path: Path) -> bool:
        """See Bucket."""
        if (file := self._file(key)) is None:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
            whole = Path(folder) / "whole"
            with _raising_unavailable():
                self._api.download_bucket_files(self._id, [(file, whole)])
            atomic_move(whole, path)
        return True

    def find(self, key: str) -> StoredObject | None:
        """See Bucket."""
        file = self._file(key)
        return self._stored(file) if file else None

    def link(self, key: str, seconds: int) -> str | None:
        """See Bucket: the Hub signs nothing."""
        return None

    def objects(self, folder: str) -> Iterator[StoredObject]:
        """See Bucket."""
        yield from (self._stored(entry) for entry in self._entries(folder, recursive=True) if entry.type == "file")

    def folders(self, folder: str) -> list[str]:
        """See Bucket."""
        entries = self._entries(folder, recursive=False)
        return [entry.path.rpartition("/")[2] for entry in entries if entry.type == "directory"]

    def remove(self, folder: str) -> None:
        """See Bucket."""
        paths = [self._prefix + item.key for item in self.objects(folder)]
        with _raising_unavailable():
            self._api.batch_bucket_files(self._id, delete=paths)

    def put_first(self, key: str, data: bytes) -> bytes:
        """See Bucket; the Hub has no such operation, so of several writers within two seconds the last one wins."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "object"
            if not self.download(key, path):
                path.write_bytes(data)
                self.upload(key, path)
                time.sleep(SETTLING_SECONDS)
                self.download(key, path)
            return path.read_bytes()

    def _file(self, key: str) -> BucketFile | None:
        with _raising_unavailable():
            return next(iter(self._api.get_bucket_paths_info(self._id, [self._prefix + key])), None)

    def _entries(self, folder: str, *, recursive: bool) -> list[BucketFile | BucketFolder]:
        """The Hub's list of files by a path's prefix, which may include other folders of the same beginning."""
        beginning = self._prefix + (f"{folder}/" if folder else "")
        with _raising_unavailable():
            try:
                listed = list(self._api.list_bucket_tree(self._id, beginning.rstrip("/"), recursive=recursive))
            except EntryNotFoundError:
                return []
        return [entry for entry in listed if entry.path.startswith(beginning)]

    def _stored(self, file: BucketFile) -> StoredObject:
        written = file.uploaded_at or file.mtime
        modified = written.timestamp() if written else time.time()  # as new as can be, so that no rule deletes it
        return StoredObject(file.path.removeprefix(self._prefix), file.size, modified)
