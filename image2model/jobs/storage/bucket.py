"""Object storage, where the files of batches are kept if the machines of a cluster share no disk.

`object_bucket` speaks S3 and its like, `hub_bucket` to Hugging Face. Address and credentials are read from the
environment under the names that are usual for each.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ...atomic_files import atomic_write, installation_secret
from ...errors import ErrorCode, SettingsError, Unavailable

log = logging.getLogger(__name__)

HUB_PREFIX = "hf://buckets/"
"""Beginning of the addresses of Hugging Face's buckets."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object: its key, its size in bytes, and when it was written (since 1970)."""

    key: str
    size: int
    modified: float


class Bucket(Protocol):
    """The objects below an address like `s3://bucket/prefix`; each is there as a whole or not at all.

    Every method blocks, and raises Unavailable where the storage cannot be used.
    """

    def upload(self, key: str, path: Path) -> None:
        """Store a file atomically: until this returns, readers find all of it or the earlier object."""

    def download(self, key: str, path: Path) -> bool:
        """Copy an object to `path`, which appears when it is whole; return False where there is no such object."""

    def find(self, key: str) -> StoredObject | None:
        """Size and time of an object; None where there is none."""

    def link(self, key: str, seconds: int) -> str | None:
        """A signed address from which anyone can download an object for so many seconds; None without signing."""

    def objects(self, folder: str) -> Iterator[StoredObject]:
        """Every object below `folder`."""

    def folders(self, folder: str) -> list[str]:
        """The names of the folders that lie in `folder`."""

    def remove(self, folder: str) -> None:
        """Remove all objects below `folder`."""

    def put_first(self, key: str, data: bytes) -> bytes:
        """Store `data` unless the object exists already; return what is stored."""


def open_bucket(url: str) -> Bucket:
    """The storage at an ASSET_STORE; raises SettingsError for an invalid address. No request is sent yet."""
    if url.startswith(HUB_PREFIX):
        from .hub_bucket import HubBucket

        return HubBucket(url)
    from .object_bucket import ObjectBucket

    return ObjectBucket(url)


@contextlib.contextmanager
def raising_unavailable(*errors: type[Exception]) -> Iterator[None]:
    """Raise Unavailable for these errors of a storage's client, and log what they say."""
    try:
        yield
    except errors as error:
        log.error("the object storage cannot be used: %s", str(error).partition("\n")[0], extra={"cause": "storage"})
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
