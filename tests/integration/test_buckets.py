"""Each kind of object storage does the same: S3 at moto's server, Hugging Face's buckets at a stand-in for the Hub."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from image2model.errors import SettingsError, Unavailable
from image2model.jobs.storage import hub_bucket
from image2model.jobs.storage.bucket import Bucket, open_bucket, shared_secret
from tests.support.hub import Hub
from tests.support.s3 import S3Server


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Iterator[Hub]:
    """A Hub with an empty bucket."""
    server = Hub(tmp_path / "hub").start()
    server.contents.mkdir()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.url)
    monkeypatch.setattr(hub_bucket, "SETTLING_SECONDS", 0)
    yield server
    server.stop()


@pytest.fixture
def s3(monkeypatch) -> Iterator[S3Server]:
    """An S3 with an empty bucket."""
    server = S3Server().start()
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    yield server
    server.stop()


@pytest.fixture(params=["s3", "hub"])
def bucket(request, tmp_path) -> Bucket:
    """A place of the test's own in a bucket of each kind."""
    return open_bucket(f"{request.getfixturevalue(request.param).store}/{tmp_path.name}")


def test_files_come_back_as_they_were_stored(bucket, tmp_path):
    """A file is found with its size and time, comes back byte for byte, and gives way to the next; others are None."""
    path, copy = tmp_path / "mesh", tmp_path / "folder" / "copy"
    for content in (b"glTF" * 50_000, b"shorter", b""):
        path.write_bytes(content)
        bucket.upload("batches/a/1-cat/model.glb", path)
        assert bucket.download("batches/a/1-cat/model.glb", copy)
        assert copy.read_bytes() == content
    found = bucket.find("batches/a/1-cat/model.glb")
    assert found
    assert (found.key, found.size, abs(found.modified - time.time()) < 60) == ("batches/a/1-cat/model.glb", 0, True)
    assert bucket.find("batches/a/1-cat/model") is None
    assert not bucket.download("batches/a", copy)
    assert [left.name for left in copy.parent.iterdir()] == ["copy"]


def test_folders_are_listed_and_removed(bucket, tmp_path):
    """Objects and folders are listed below a folder, not below one whose name begins likewise; so they are removed."""
    path = tmp_path / "file"
    path.write_bytes(b"x")
    keys = ["batches/a/1/model.glb", "batches/a/input.png", "batches/ab/input.png"]
    for key in keys:
        bucket.upload(key, path)
    assert sorted(found.key for found in bucket.objects("")) == keys
    assert sorted(bucket.folders("batches")) == ["a", "ab"]
    bucket.remove("batches/a")
    assert [found.key for found in bucket.objects("batches")] == keys[2:]
    bucket.remove("batches/a")
    assert bucket.folders("nothing") == []


def test_machines_share_the_first_secret(bucket, tmp_path):
    """The secret of the machine that comes first becomes that of the others."""
    folders = [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        folder.mkdir()
    first, second = (shared_secret(folder, bucket) for folder in folders)
    assert first == second == (folders[1] / "secret").read_text()


def test_a_hub_that_is_away_is_unavailable(hub, monkeypatch):
    """A missing bucket and an unreachable Hub both raise Unavailable."""
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    for _ in ("nobody's bucket", "nobody there"):
        bucket = open_bucket("hf://buckets/owner/of-nobody")
        with pytest.raises(Unavailable):
            bucket.find("x")
        with pytest.raises(Unavailable):
            list(bucket.objects("x"))
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")


@pytest.mark.parametrize("url", ["hf://buckets/", "hf://buckets/owner", "hf://buckets//name", "hf://datasets/o/n"])
def test_an_address_without_a_bucket_is_a_wrong_setting(url):
    """An address that names no bucket is reported in a sentence."""
    with pytest.raises(SettingsError, match="ASSET_STORE"):
        open_bucket(url)
