"""Object storage by obstore: any S3, and what else it speaks (`gs://`, `az://`).

For S3 the environment has AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

from ...atomic_files import atomic_write
from ...errors import ErrorCode, SettingsError
from .bucket import StoredObject, raising_unavailable

RETRY_TIMEOUT = timedelta(seconds=20)
"""Time for which a request is repeated that the storage does not answer."""
BLOCK = 4 * 1024 * 1024


class ObjectBucket:
    """The objects below an address like `s3://bucket/prefix` (see `Bucket`)."""

    def __init__(self, url: str) -> None:
        """Raise SettingsError for an invalid address; no request is sent yet."""
        try:
            from obstore.exceptions import BaseError
            from obstore.store import from_url
        except ModuleNotFoundError:
            hint = "Install image2model with its extra `s3`."
            raise SettingsError(ErrorCode.SETTING_WRONG, "ASSET_STORE needs the package obstore.", hint) from None
        self._raising_unavailable = partial(raising_unavailable, BaseError)
        try:
            self._store = from_url(url, retry_config={"max_retries": 8, "retry_timeout": RETRY_TIMEOUT})
        except (BaseError, ValueError):
            message = "ASSET_STORE cannot be used: it is no address of object storage."
            raise SettingsError(ErrorCode.SETTING_WRONG, message, "It takes one like s3://bucket/prefix.") from None

    def upload(self, key: str, path: Path) -> None:
        """See Bucket."""
        with self._raising_unavailable():
            self._store.put(key, path)

    def download(self, key: str, path: Path) -> bool:
        """See Bucket."""
        try:
            with self._raising_unavailable():
                chunks = self._store.get(key).stream(min_chunk_size=BLOCK)
                path.parent.mkdir(parents=True, exist_ok=True)
                atomic_write(path, (bytes(chunk) for chunk in chunks))
        except FileNotFoundError:
            return False
        return True

    def find(self, key: str) -> StoredObject | None:
        """See Bucket."""
        try:
            with self._raising_unavailable():
                found = self._store.head(key)
        except FileNotFoundError:
            return None
        return StoredObject(found["path"], found["size"], found["last_modified"].timestamp())

    def link(self, key: str, seconds: int) -> str | None:
        """See Bucket."""
        from obstore import sign
        from obstore.store import AzureStore, GCSStore, S3Store

        if not isinstance(self._store, AzureStore | GCSStore | S3Store):
            return None
        with self._raising_unavailable():
            return sign(self._store, "GET", key, timedelta(seconds=seconds))

    def objects(self, folder: str) -> Iterator[StoredObject]:
        """See Bucket."""
        with self._raising_unavailable():
            for page in self._store.list(folder):
                for item in page:
                    yield StoredObject(item["path"], item["size"], item["last_modified"].timestamp())

    def folders(self, folder: str) -> list[str]:
        """See Bucket."""
        with self._raising_unavailable():
            return [path.rpartition("/")[2] for path in self._store.list_with_delimiter(folder)["common_prefixes"]]

    def remove(self, folder: str) -> None:
        """See Bucket."""
        keys = [item.key for item in self.objects(folder)]
        with self._raising_unavailable():
            if keys:
                self._store.delete(keys)

    def put_first(self, key: str, data: bytes) -> bytes:
        """See Bucket."""
        from obstore.exceptions import AlreadyExistsError

        with self._raising_unavailable():
            with contextlib.suppress(AlreadyExistsError):
                self._store.put(key, data, mode="create")
            return bytes(self._store.get(key).bytes())
