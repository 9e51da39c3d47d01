"""Object storage, where the files of batches are kept if the machines of a cluster share no disk.

Any S3, and what else obstore speaks (`gs://`, `az://`). Address and credentials are read from the environment under the
names that are usual for each; for S3 these are AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from ...atomic_files import atomic_write, installation_secret
from ...errors import ErrorCode, SettingsError, Unavailable

log = logging.getLogger(__name__)

PATIENCE = timedelta(seconds=20)
"""Time for which a request is repeated that the storage does not answer."""
BLOCK = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object: its key, its size in bytes, and when it was written (since 1970)."""

    key: str
    size: int
    modified: float


class Bucket:
    """The objects below an address like `s3://bucket/prefix`; each is there as a whole or not at all.

    Every method blocks, and raises Unavailable where the storage cannot be used.
    """

    def __init__(self, url: str) -> None:
        """Raise SettingsError for an address that cannot be one; nobody is asked yet."""
        try:
            from obstore.exceptions import BaseError
            from obstore.store import from_url
        except ModuleNotFoundError:
            hint = "Install image2model with its extra `s3`."
            raise SettingsError(ErrorCode.SETTING_WRONG, "ASSET_STORE needs the package obstore.", hint) from None
        self._error = BaseError
        try:
            self._store = from_url(url, retry_config={"max_retries": 8, "retry_timeout": PATIENCE})
        except (BaseError, ValueError):
            message = "ASSET_STORE cannot be used: it is no address of object storage."
            raise SettingsError(ErrorCode.SETTING_WRONG, message, "It takes one like s3://bucket/prefix.") from None

    def upload(self, key: str, path: Path) -> None:
        """Store a file; who looks finds all of it or, until this returns, what was there before."""
        with self._raising_unavailable():
            self._store.put(key, path)

    def download(self, key: str, path: Path) -> bool:
        """Copy an object to `path`, which appears when it is whole; return False where there is no such object."""
        try:
            with self._raising_unavailable():
                chunks = self._store.get(key).stream(min_chunk_size=BLOCK)
                path.parent.mkdir(parents=True, exist_ok=True)
                atomic_write(path, (bytes(chunk) for chunk in chunks))
        except FileNotFoundError:
            return False
        return True

    def find(self, key: str) -> StoredObject | None:
        """Size and time of an object; None where there is none."""
        try:
            with self._raising_unavailable():
                found = self._store.head(key)
        except FileNotFoundError:
            return None
        return StoredObject(found["path"], found["size"], found["last_modified"].timestamp())

    def link(self, key: str, seconds: int) -> str | None:
        """A signed address from which anyone can download an object for so many seconds; None where nobody signs."""
        from obstore import sign
        from obstore.store import AzureStore, GCSStore, S3Store

        if not isinstance(self._store, AzureStore | GCSStore | S3Store):
            return None
        with self._raising_unavailable():
            return sign(self._store, "GET", key, timedelta(seconds=seconds))

    def objects(self, folder: str) -> Iterator[StoredObject]:
        """Every object below `folder`."""
        with self._raising_unavailable():
            for page in self._store.list(folder):
                for item in page:
                    yield StoredObject(item["path"], item["size"], item["last_modified"].timestamp())

    def folders(self, folder: str) -> list[str]:
        """The names of the folders that lie in `folder`."""
        with self._raising_unavailable():
            return [path.rpartition("/")[2] for path in self._store.list_with_delimiter(folder)["common_prefixes"]]

    def remove(self, folder: str) -> None:
        """Remove all objects below `folder`."""
        keys = [item.key for item in self.objects(folder)]
        with self._raising_unavailable():
            if keys:
                self._store.delete(keys)

    def put_first(self, key: str, data: bytes) -> bytes:
        """Store `data` unless the object exists already; return what is stored."""
        from obstore.exceptions import AlreadyExistsError

        with self._raising_unavailable():
            with contextlib.suppress(AlreadyExistsError):
                self._store.put(key, data, mode="create")
            return bytes(self._store.get(key).bytes())

    @contextlib.contextmanager
    def _raising_unavailable(self) -> Iterator[None]:
        try:
            yield
        except self._error as error:
            log.error(
                "the object storage cannot be used: %s", str(error).partition("\n")[0], extra={"cause": "storage"}
            )
            raise Unavailable(
                ErrorCode.STORAGE_UNAVAILABLE, "The files cannot be reached at the moment.", "Try again in a minute."
            ) from error


def shared_secret(data: Path, bucket: Bucket | None) -> str:
    """This installation's own secret (`installation_secret`); machines that share object storage have the same.

    Raises SettingsError where the storage cannot be used.
    """
    own = installation_secret(data)
    try:
        shared = bucket.put_first("secret", own.encode()).decode() if bucket else own
    except Unavailable as error:
        message = "ASSET_STORE: the object storage cannot be used."
        raise SettingsError(ErrorCode.SETTING_WRONG, message, "`image2model check-env` tells why.") from error
    if shared != own:
        atomic_write(data / "secret", shared.encode())
    return shared
