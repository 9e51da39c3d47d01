"""Machines that share no disk: files of batches go through object storage, here a real server that speaks S3."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from image2model.devtools.scripted_generator import plain_box_glb
from image2model.errors import ErrorCode, SettingsError, Unavailable
from image2model.generators.base import Submitted
from image2model.jobs import task_executor
from image2model.jobs.storage import object_bucket
from image2model.jobs.storage.bucket import open_bucket
from image2model.jobs.storage.folders import Folders
from image2model.jobs.storage.task_files import CallerFiles
from image2model.ops import check_env
from image2model.services import SubmitRequest
from image2model.settings import Settings
from image2model.web.rest.app import create_app
from tests.support import task_functions
from tests.support.s3 import S3Server
from tests.support.scripted import finished, picture, scripted_settings, view_when


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    """One server for all tests here."""
    with pytest.MonkeyPatch.context() as patch:
        server = S3Server().start()
        for name, value in server.environment.items():
            patch.setenv(name, value)
        yield server
        server.stop()


@pytest.fixture
def store(server, tmp_path) -> str:
    """An ASSET_STORE of the test's own."""
    return f"{server.store}/{tmp_path.name}"


@pytest.fixture
def machine(store, tmp_path):
    """Settings of a machine by its name: each has its own disk, all have one database and one storage."""

    def settings(name: str) -> Settings:
        return scripted_settings(tmp_path / name, database_url=f"sqlite:///{tmp_path / 'shared.db'}", asset_store=store)

    return settings


@pytest.fixture
def away(monkeypatch) -> str:
    """An ASSET_STORE that does not answer, of which that is known soon."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(object_bucket, "RETRY_TIMEOUT", timedelta(seconds=0.1))
    return "s3://models/away"


async def test_machine_serves_files_made_by_another(start, machine, uploads):
    """Mesh, pictures, thumbnail, zip, contact sheet and exports come from the storage; a deleted batch leaves it."""
    first = await start(settings=machine("one"))
    batch = await first.submit(SubmitRequest([picture(uploads, f"{name}.png") for name in ("cat", "dog")]))
    await finished(first, batch.id)
    other = await start(settings=machine("other"))
    served = await other.file(batch.id, 1, "cat.glb")
    assert (await other.size(served), served.path.exists()) == (len(plain_box_glb()), False)
    stream = await other.archive(batch.id)
    data = b"".join(await asyncio.to_thread(list, stream.chunks))
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert (len(data), archive.testzip()) == (stream.size, None)
    assert archive.read("dog.glb") == plain_box_glb()
    assert "contact-sheet.webp" in archive.namelist()
    assert (await other.exports.export(batch.id, 2, *other.exports.parse_options("stl"))).path.is_file()
    published = await other.publish_pictures_to_gradio_cache(batch.id, 1)
    assert published[0].read_bytes() == (first.folders.picture(first.folders.job(batch.jobs[0]))).read_bytes()
    assert other.secret == first.secret
    await other.delete(batch.id)
    assert [found.key for found in open_bucket(other.settings.asset_store).objects("batches")] == []


async def test_machine_collects_job_submitted_by_another(start, machine, uploads, generator):
    """A job that was taken by the provider is collected on the next machine, with the pictures of the first."""
    generator.script = lambda task: [Submitted({"request_id": "r1"})]
    generator.gate = asyncio.Event()
    first = await start(settings=machine("one"))
    batch = await first.submit(SubmitRequest([picture(uploads, "cat.png")]))
    await view_when(first, batch.id, lambda view: view.jobs[0].state == "queued")
    other = await start(settings=machine("other"))
    generator.gate.set()
    assert (await finished(other, batch.id)).state == "done"
    assert [task.remote and task.remote["request_id"] for task in generator.runs] == [None, "r1"]
    assert generator.runs[-1].image.is_relative_to(other.folders.data)


def test_the_files_of_a_task_travel(store, tmp_path):
    """A worker has the files of its call in its own folder, and what it writes is where the caller expects it."""
    bucket = open_bucket(store)
    folders = Folders(tmp_path / "data", bucket)
    stored, local, result = (folders.batch("b") / name for name in ("stored.txt", "local.txt", "made/result.txt"))
    stored.parent.mkdir()
    for path in (stored, local):
        path.write_text(path.stem)
    folders.keep(stored)
    stored.unlink()
    files = CallerFiles(folders, "task-1")
    outcome = task_executor.execute_call(files.pack((task_functions.join, ([stored, local], result))), bucket, "task-1")
    assert not result.exists()
    succeeded, (seen, returned) = files.open(outcome)
    files.remove()
    assert (succeeded, returned, result.read_text()) == (True, result, "stored local")
    assert not seen.startswith(str(folders.data))
    assert [found.key for found in bucket.objects("")] == ["batches/b/stored.txt"]


def test_unowned_objects_are_removed_and_local_copies_dropped(store, tmp_path):
    """A sweep removes objects of unknown batches; copies on this disk can be deleted and come again."""
    folders = Folders(tmp_path, open_bucket(store))
    paths = [folders.batch(name) / "1-cat" / "model.glb" for name in ("known", "unknown")]
    for path in paths:
        path.parent.mkdir(parents=True)
        path.write_bytes(b"glTF")
        folders.keep(path)
    folders.remove_orphaned_objects({"known"})
    assert folders.is_stored(paths[1])  # it is young: its batch may be just being made
    folders.remove_orphaned_objects({"known"}, older_than=-60)
    assert [folders.is_stored(path) for path in paths] == [True, False]
    folders.drop_copies(older_than=-1)
    assert not paths[0].exists()
    assert folders.bring(paths[0])
    assert paths[0].read_bytes() == b"glTF"


async def test_submit_is_refused_while_storage_is_unavailable(services, away, uploads, tmp_path):
    """A batch whose pictures cannot be stored is refused for now, and is not made; check-env says why."""
    services.folders.bucket = open_bucket(away)
    with pytest.raises(Unavailable) as caught:
        await services.submit(SubmitRequest([picture(uploads, "cat.png")]))
    assert caught.value.code == ErrorCode.STORAGE_UNAVAILABLE
    assert await services.library(None) == []
    (line,) = check_env.problems(Settings(data_dir=tmp_path, asset_store=away, _env_file=None))
    assert line.startswith("ASSET_STORE: the object storage cannot be used")


async def test_a_mesh_waits_for_the_storage(start, machine, generator, uploads, request):
    """A mesh made while the object storage is away is stored once it is back, and not made again."""
    generator.gate = asyncio.Event()
    services = await start(settings=machine("one"))
    batch = await services.submit(SubmitRequest([picture(uploads, "cat.png")]))
    await view_when(services, batch.id, lambda _: generator.runs)
    storage, services.folders.bucket = services.folders.bucket, open_bucket(request.getfixturevalue("away"))
    generator.gate.set()
    await view_when(services, batch.id, lambda view: view.jobs[0].state == "finishing")
    services.folders.bucket = storage
    assert (await finished(services, batch.id)).state == "done"
    assert (len(generator.runs), services.folders.is_stored(services.folders.mesh(batch.jobs[0]))) == (1, True)


def test_an_address_that_cannot_be_storage_is_a_wrong_setting():
    """An address that obstore does not support raises SettingsError with the setting's name."""
    with pytest.raises(SettingsError, match="ASSET_STORE"):
        open_bucket("nonsense")


def test_check_env_finds_no_problem_with_working_object_storage(store, tmp_path):
    """Check-env writes to the storage, and leaves nothing behind."""
    assert list(check_env.problems(Settings(data_dir=tmp_path, asset_store=store, _env_file=None))) == []
    assert list(open_bucket(store).objects("")) == []


async def test_downloads_are_redirected_to_links_that_end(start, machine, uploads, server, monkeypatch):
    """With ASSET_LINK_SECONDS a download leads to a link whose signature is for that time alone; HEAD is answered."""
    settings = machine("one").model_copy(update={"asset_link_seconds": 1})
    services = await start(settings=settings)
    batch = await services.submit(SubmitRequest([picture(uploads, "cat.png")]))
    await finished(services, batch.id)
    path = f"/download/{batch.legacy_job_id}/cat.glb"
    rest = httpx.AsyncClient(transport=httpx.ASGITransport(create_app(services)), base_url="http://here/api/v1")
    async with rest, httpx.AsyncClient(trust_env=False) as visitor:
        redirect = await rest.get(path)
        assert (redirect.status_code, (await rest.head(path)).status_code) == (307, 200)
        link = redirect.headers["location"]
        assert (await visitor.get(link)).content == plain_box_glb()
    signed_at = datetime.strptime(parse_qs(urlsplit(link).query)["X-Amz-Date"][0], "%Y%m%dT%H%M%S%z")
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: signed_at)
    assert [server.sign(link.partition("?")[0], seconds) == link for seconds in (1, 2)] == [True, False]
