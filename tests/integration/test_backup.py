"""Backup and restore: a batch that was lost is there again with its files, on each kind of database and storage."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from image2model.__main__ import main
from image2model.devtools.scripted_generator import plain_box_glb
from image2model.jobs.db import leases
from image2model.jobs.db.store import Store
from image2model.ops import backup
from image2model.services import SubmitRequest
from tests.support.s3 import S3Server
from tests.support.scripted import finished, picture, scripted_settings


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """An ASSET_STORE."""
    with pytest.MonkeyPatch.context() as patch:
        server = S3Server().start()
        for name, value in server.environment.items():
            patch.setenv(name, value)
        yield server.store
        server.stop()


@pytest.fixture(params=["folder", "s3"])
def asset_store(request, tmp_path) -> str:
    """Address of the object storage, or none."""
    return "" if request.param == "folder" else f"{request.getfixturevalue('s3')}/{tmp_path.name}"


async def test_a_backup_brings_a_batch_back(start, uploads, database_url, asset_store, tmp_path):
    """A deleted batch is back with its mesh and picture; work files and exports are not in the backup."""
    settings = scripted_settings(tmp_path / "data", database_url=database_url, asset_store=asset_store)
    services = await start(settings=settings)
    batch = await services.submit(SubmitRequest([picture(uploads, "cat.png")]))
    await finished(services, batch.id)
    await services.exports.export(batch.id, 1, *services.exports.parse_options("stl"))
    assert backup.back_up(settings, tmp_path / "backup") == len(["input.png", "input.webp", "model.glb", "thumbnail"])
    await services.delete(batch.id)
    await services.close()
    assert backup.restore(settings, tmp_path / "backup") == 4
    services = await start(settings=settings)
    assert (await services.batch(batch.id)).jobs[0].state == "done"
    assert (await services.publish_to_gradio_cache(batch.id, 1, "cat.glb")).read_bytes() == plain_box_glb()


def test_nothing_is_restored_under_a_running_app(postgres, tmp_path, monkeypatch, capfd):
    """While a process holds a lease the command refuses, in one line, and so it does without a backup."""
    database_url = postgres.database()
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    store = Store(database_url)
    store.run_as_holder(leases.renew, 60)
    main(["backup", str(tmp_path / "backup")])
    for folder, reason in (("backup", "use the database: 1"), ("nothing", "missing")):
        with pytest.raises(SystemExit):
            main(["restore", str(tmp_path / folder)])
        assert reason in capfd.readouterr().err
    store.close()
