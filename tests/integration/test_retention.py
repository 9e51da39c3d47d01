"""Retention: deletion by age, by size, for free disk space, of orphaned files; and all that is never deleted."""

from __future__ import annotations

import asyncio
import os
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trimesh
from prometheus_client import REGISTRY

from image2model.devtools.scripted_generator import plain_box_glb
from image2model.errors import Conflict, GenerationFailed, NotFound
from image2model.generators.base import Submitted
from image2model.jobs.db import queries
from image2model.jobs.storage import disk_usage, exports, folders, retention_rules
from image2model.jobs.storage.retention_rules import Eviction, RetentionCandidate, RetentionRules, plan_evictions
from image2model.process_pool import WorkerPool
from image2model.services import Services, SubmitRequest
from image2model.services.cleanup import plan_cleanup, remove_files
from image2model.web.ui.templating import kept
from tests.support.blank_views import BLANK_BATCH
from tests.support.scripted import ScriptedGenerator, finished, picture, scripted_settings

NOW, HOUR = 1_000_000.0, 3600.0


def candidate(name: str, hours_ago: float | None, **given: bool | int) -> RetentionCandidate:
    """A batch of 100 bytes that ended so many hours ago."""
    ended = None if hours_ago is None else NOW - hours_ago * HOUR
    return RetentionCandidate(name, ended, **{"pinned": False, "size": 100, "files": 3, **given})  # type: ignore[arg-type]


def reasons_by_batch(found: list[Eviction]) -> list[tuple[str, str]]:
    """The reason of each deletion, by batch."""
    return [(eviction.candidate.batch_id, eviction.reason) for eviction in found]


OLD, MIDDLE, NEW = candidate("old", 30), candidate("middle", 20), candidate("new", 1)


@pytest.mark.parametrize(
    ("batches", "rules", "used", "free", "expected"),
    [
        ([NEW, MIDDLE, OLD], RetentionRules(), 10**9, 0, []),
        ([NEW, MIDDLE, OLD], RetentionRules(hours=24), 300, 0, [("old", "age")]),
        ([NEW, MIDDLE, OLD], RetentionRules(max_bytes=250), 300, 0, [("old", "data size")]),
        ([NEW, MIDDLE, OLD], RetentionRules(max_bytes=300), 300, 0, []),
        ([NEW, MIDDLE, OLD], RetentionRules(free_bytes=150), 300, 0, [("old", "free disk"), ("middle", "free disk")]),
        (
            [NEW, MIDDLE, OLD],
            RetentionRules(hours=24, max_bytes=150),
            300,
            0,
            [("old", "age"), ("middle", "data size")],
        ),
        (
            [candidate("pinned", 30, pinned=True), NEW],
            RetentionRules(hours=24, max_bytes=1),
            200,
            0,
            [("new", "data size")],
        ),
        (
            [candidate("read", 30, in_use=True), candidate("runs", None)],
            RetentionRules(hours=1, max_bytes=1, free_bytes=9),
            200,
            0,
            [],
        ),
        (
            [candidate("bare", 2, files=0, size=0), candidate("fresh", 0.5, files=0, size=0)],
            RetentionRules(),
            0,
            0,
            [("bare", "no files")],
        ),
    ],
)
def test_eviction_deletes_the_oldest_removable_batches(batches, rules, used, free, expected):
    """Evictions go by age, then by the oldest until there is room; pinned, leased and running batches stay."""
    assert reasons_by_batch(plan_evictions(batches, rules, NOW, used, free)) == expected


@pytest.mark.parametrize(
    ("finished", "pinned", "hours", "until"),
    [([5.0, 9.0], False, 2.0, 9.0 + 2 * HOUR), ([5.0, None], False, 2.0, None), ([5.0], True, 2.0, None),
     ([5.0], False, None, None)],
)  # fmt: skip
def test_until_when_a_batch_is_kept(finished, pinned, hours, until):
    """Counted from the end of its last job; no promise while it runs, when it is pinned, or without a rule."""
    assert retention_rules.kept_until(retention_rules.batch_end(finished), pinned, hours) == until


@pytest.mark.parametrize(
    ("view", "words"),
    [
        ({"state": "done", "pinned": True}, "kept for good"),
        ({"state": "working", "kept_while_space": True}, ""),
        ({"state": "done"}, ""),
        ({"state": "done", "kept_until": 9 * HOUR}, "kept until 1 January, 09:00 UTC"),
        ({"state": "failed", "kept_while_space": True}, "kept while there is space"),
        (
            {"state": "done", "kept_until": 9 * HOUR, "kept_while_space": True},
            "kept until 1 January, 09:00 UTC and while there is space",
        ),
    ],
)
def test_page_shows_how_long_a_batch_is_kept(view, words):
    """A batch shows when the host's rules delete it; a pinned one is kept for good."""
    assert kept(replace(BLANK_BATCH, **view)) == words


@pytest.fixture
async def services(tmp_path: Path, generator: ScriptedGenerator, monkeypatch: pytest.MonkeyPatch, pool: WorkerPool):
    """Started services that keep batches for a day, and of all data 10 MB."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    settings = scripted_settings(tmp_path / "data", retention_hours=24.0, max_data_gb=0.01)
    services = Services(settings, [generator], pool)
    await services.start()
    (tmp_path / "in").mkdir()
    yield services
    await services.close()


async def finished_batch(services: Services, folder: Path, *names: str) -> str:
    """A finished batch of pictures with these names."""
    batch = await services.submit(SubmitRequest([picture(folder, name) for name in names]))
    async with asyncio.timeout(60):
        async for _ in services.watch(batch.id):
            pass
    return batch.id


async def test_dry_run_deletes_nothing_and_cleanup_deletes_the_same(services, tmp_path):
    """A dry run lists the batches and bytes of the cleanup, which deletes their rows and files and no others."""
    ids = [await finished_batch(services, tmp_path / "in", name) for name in ("a.png", "b.png", "c.png")]
    await services.admin.pin(ids[1])
    dry = await services.retention.cleanup(hours=0)
    assert sorted(item["name"] for item in dry["items"]) == sorted([ids[0], ids[2]])
    assert dry["freed_bytes"] > 0
    assert all(services.folders.batch(batch_id).exists() for batch_id in ids)
    result = await services.retention.cleanup(hours=0, dry_run=False)
    assert (result["freed_bytes"], result["files"], result["errors"]) == (dry["freed_bytes"], dry["files"], [])
    assert [services.folders.batch(batch_id).exists() for batch_id in ids] == [False, True, False]
    with pytest.raises(NotFound):
        await services.view(ids[0])
    assert (await services.view(ids[1])).pinned is True


async def test_running_or_downloaded_batch_is_not_evicted(services, generator, tmp_path):
    """A running batch is not deleted without force; a batch that is being downloaded is skipped until that ends."""
    batch_id = await finished_batch(services, tmp_path / "in", "a.png")
    stream = await services.archive(batch_id)
    next(stream.chunks)
    assert (await services.retention.cleanup(hours=0))["items"] == []
    for _ in stream.chunks:
        pass
    assert [item["name"] for item in (await services.retention.cleanup(hours=0))["items"]] == [batch_id]
    generator.gate = asyncio.Event()
    running = await services.submit(SubmitRequest([picture(tmp_path / "in", "b.png")]))
    with pytest.raises(Conflict):
        await services.retention.delete(running.id)
    assert (await services.retention.delete(running.id, force=True)).files > 0
    assert not services.folders.batch(running.id).exists()


def removed_count(kind: str, reason: str) -> float:
    """Number of files of a kind deleted so far."""
    return REGISTRY.get_sample_value("image2model_removed_total", {"kind": kind, "reason": reason}) or 0


async def test_the_host_s_rules_are_kept_by_themselves(services, tmp_path, caplog):
    """The regular run keeps young batches, deletes orphaned folders, and logs and counts each deletion."""
    caplog.set_level("INFO", "image2model")
    before = removed_count("orphan", "nobody's")
    batch_id = await finished_batch(services, tmp_path / "in", "a.png")
    until = (await services.view(batch_id)).kept_until
    assert until == pytest.approx(time.time() + 24 * HOUR, abs=60)
    orphan, upload = services.folders.batch("orphan"), services.folders.gradio_cache / "x" / "upload.png"
    orphan.mkdir()
    os.utime(orphan, (0, 0))
    upload.parent.mkdir(parents=True)
    upload.write_bytes(b"x")
    assert (await services.retention.run())["errors"] == []
    assert (orphan.exists(), upload.exists(), services.folders.batch(batch_id).exists()) == (False, True, True)
    assert "deleted 1 unreferenced files or folders (orphan)" in caplog.text
    assert removed_count("orphan", "nobody's") == before + 1


async def test_the_host_finds_batches_by_state_name_and_id(services, generator, tmp_path):
    """A page of what is wanted, newest first, and how many there are in all."""
    ids = [
        await finished_batch(services, tmp_path / "in", name) for name in ("chair.png", "table_50%.png", "armchair.png")
    ]
    assert [view.batch_id for view in (await services.admin.search(text="chair")).batches] == [ids[2], ids[0]]
    assert (await services.admin.search(oldest_first=True, limit=1)).batches[0].batch_id == ids[0]
    page = await services.admin.search(limit=1, offset=1)
    assert ([view.batch_id for view in page.batches], page.total) == ([ids[1]], 3)
    assert (await services.admin.search(text="_50%")).total == 1
    assert (await services.admin.search(text="%chair")).total == 0
    assert (await services.admin.search(text=ids[0][:8])).total == 1
    assert (await services.admin.search(state="done")).total == 3
    assert (await services.admin.search(state="failed")).total == 0
    assert (await services.admin.search(generator="nobody")).total == 0


async def test_admin_lists_disk_files_and_events(services, tmp_path):
    """Bytes by kind, the newest files with relative paths, and a curve whose sums are the jobs."""
    await finished_batch(services, tmp_path / "in", "a.png", "b.png")
    for file in (tmp_path / "data" / "batches").rglob("model.glb"):
        os.utime(file, (time.time() - 3 * 86400,) * 2)
    usage = await services.admin.disk_usage()
    assert time.time() - 60 < usage["measured_at"] <= time.time()
    assert {"uploads", "results", "exports", "logs", "database", "cache"} <= set(usage["kinds"])
    assert usage["kinds"]["uploads"]["files"] == 4
    assert usage["data_bytes"] == sum(use["size"] for kind, use in usage["kinds"].items() if kind != "cache")
    listed = await services.admin.list_files("results", limit=1)
    assert (len(listed["items"]), listed["files"]) == (1, usage["kinds"]["results"]["files"])
    assert listed["items"][0]["path"].startswith("batches/")
    curve = await services.admin.time_series(hours=2)
    assert (sum(span["jobs"] for span in curve), sum(span["failed"] for span in curve)) == (2, 0)
    assert sum(span["cost"] for span in curve) == pytest.approx(0.6)
    assert await services.admin.failure_reasons() == []
    assert (await services.admin.bytes_written_by_day(days=5))[1] == 2 * len(plain_box_glb())


async def test_failure_reasons_keep_their_message_until_retried(services, generator, uploads):
    """Codes and counts of each failure, with the sentence that the picture shows; without one after a retry."""
    generator.script = lambda task: [GenerationFailed("image_unreadable", "Unreadable.")]
    batch = await services.submit(SubmitRequest([picture(uploads, name) for name in ("a.png", "b.png")]))
    await finished(services, batch.id)
    (reason,) = await services.admin.failure_reasons()
    assert (reason["code"], reason["message"], reason["count"]) == ("image_unreadable", "Unreadable.", 2)
    generator.script = lambda task: []
    await services.retry(batch.id)
    await finished(services, batch.id)
    (reason,) = await services.admin.failure_reasons()
    assert (reason["count"], reason["message"]) == (2, None)


async def test_recent_upload_without_a_batch_is_kept(services):
    """A cleanup keeps fresh uploads, whose owner may be about to submit them."""
    upload = services.folders.gradio_cache / "x" / "upload.png"
    upload.parent.mkdir(parents=True)
    upload.write_bytes(b"12345")
    assert (await services.retention.cleanup(hours=0.0, dry_run=False))["items"] == []
    assert upload.exists()
    assert services.folders.stale_cache_files(-1, -1, set()) == [upload]


async def test_upload_that_vanishes_during_cleanup_is_ignored(services, monkeypatch):
    """Folders and files that are listed and gone a moment later are passed over, wherever the walk is."""
    uploads = [services.folders.gradio_cache / name for name in ("first", "second")]
    for upload in uploads:
        (upload / "inner").mkdir(parents=True)
        (upload / "inner" / "a.png").write_bytes(b"a picture")
    scan, gone = os.scandir, []

    def scan_and_remove(folder: Any) -> Iterator[os.DirEntry[str]]:
        entries = scan(folder)
        if not isinstance(folder, Path):  # not the walk
            return entries
        for entry in (found := list(entries)):
            if Path(entry.path) in {uploads[0], uploads[1] / "inner" / "a.png"}:
                gone.append(entry.name)
                remove_files([Path(entry.path)])
        return iter(found)

    monkeypatch.setattr(os, "scandir", scan_and_remove)
    done = await services.retention.cleanup(hours=1, dry_run=False)
    assert done["errors"] == []
    assert {"first", "a.png"} <= set(gone)


async def test_a_link_out_of_the_data_folder_is_not_followed(services, tmp_path):
    """The target of a symbolic link stays and is not counted."""
    outside = tmp_path / "treasure"
    outside.write_bytes(b"x" * 1_000_000)
    services.folders.batch("orphan").mkdir()
    (services.folders.batch("orphan") / "link").symlink_to(outside)
    os.utime(services.folders.batch("orphan"), (0, 0))
    assert (await services.retention.cleanup(dry_run=False))["freed_bytes"] == 0
    assert outside.exists()


def shift_clock(monkeypatch: pytest.MonkeyPatch, hours: float) -> None:
    """Let files look as old as they will be then."""
    monkeypatch.setattr(folders, "time", SimpleNamespace(time=lambda: time.time() + hours * HOUR))


async def test_recreatable_files_are_deleted_first(services, tmp_path, monkeypatch):
    """Exports and lent files of two hours stay, until there is too much data: then they go and the batches stay."""
    batch_id = await finished_batch(services, tmp_path / "in", "a.png")
    cached = await services.publish_archive_to_gradio_cache(batch_id)
    shift_clock(monkeypatch, hours=2)
    await services.retention.run()
    assert cached.exists()
    cached.write_bytes(b"x" * 10_000_000)
    await services.retention.run()
    assert (cached.exists(), services.folders.batch(batch_id).exists()) == (False, True)


async def test_delete_returns_the_freed_space(services, tmp_path):
    """Zips that Gradio was lent count with the batch, and a mesh that was lent under a second name counts once."""
    batch_id = await finished_batch(services, tmp_path / "in", "a.png")
    await services.publish_to_gradio_cache(batch_id, 1, "a.glb")
    alone = sum(path.stat().st_size for path in services.folders.batch(batch_id).rglob("*") if path.is_file())
    zipped = (await services.publish_archive_to_gradio_cache(batch_id)).stat().st_size
    sheet = sum(path.stat().st_size for path in services.folders.batch(batch_id).glob("contact-sheet*"))
    (dry,) = (await services.retention.cleanup(hours=0.0))["items"]
    before = removed_count("batch", "asked")
    freed = await services.retention.delete(batch_id)
    assert freed.size == dry["size"] == alone + sheet + zipped
    assert removed_count("batch", "asked") == before + 1


async def test_leased_batch_is_not_evicted(services, tmp_path):
    """The files of a deleted batch stay until they are sent, and are then removed as orphans."""
    batch_id = await finished_batch(services, tmp_path / "in", "a.png")
    folder = services.folders.batch(batch_id)
    with services.folders.lease(next(folder.glob("*/model.glb"))):
        assert (await services.retention.delete(batch_id, reason="age")).size == 0
        assert services.folders.orphans(set(), -1) == []
    assert services.folders.orphans(set(), -1) == [folder]


async def test_an_export_that_is_being_sent_stays(services, tmp_path, monkeypatch):
    """An export that is being sent is deleted neither by age nor for newer ones; once sent, by both."""
    monkeypatch.setattr(exports, "MAX_EXPORTS", 1)
    batch_id = await finished_batch(services, tmp_path / "in", "a.png")
    stl, ply, obj = services.exports.parse_options("stl,ply,obj")
    sent = (await services.exports.export(batch_id, 1, stl)).path
    with services.folders.lease(sent):
        await services.exports.export(batch_id, 1, ply)
        assert sent not in services.folders.stale_files(disk_usage.survey_data(services.folders.data).exports, -1)
    assert sent in services.folders.stale_files(disk_usage.survey_data(services.folders.data).exports, -1)
    await services.exports.export(batch_id, 1, obj)
    assert not sent.exists()


async def test_evicted_simplified_copy_is_recreated_for_the_zip(services, generator, tmp_path):
    """The face limit was asked for and paid for: the zip holds its mesh however old the batch is."""
    generator.mesh = bytes(trimesh.creation.icosphere(2).export(file_type="glb"))
    batch = await services.submit(SubmitRequest([picture(tmp_path / "in", "a.png")], face_limit=100))
    await finished(services, batch.id)
    (lighter,) = services.folders.batch(batch.id).glob("*/exports/*.glb")
    lighter.unlink()
    archive = zipfile.ZipFile(await services.publish_archive_to_gradio_cache(batch.id))
    assert lighter.name in archive.namelist()


async def test_cleanup_returns_kept_batches_with_reasons(services, generator, tmp_path):
    """Old batches that are pinned, being downloaded or running are listed with the reason; the others are deleted."""
    goes, pinned, read = [await finished_batch(services, tmp_path / "in", f"{name}.png", "x.png") for name in "abc"]
    await services.admin.pin(pinned)
    generator.gate = asyncio.Event()
    works = (await services.submit(SubmitRequest([picture(tmp_path / "in", "d.png")]))).id
    with services.folders.lease(services.folders.batch(read)):
        dry = await services.retention.cleanup(hours=0)
        result = await services.retention.cleanup(hours=0, dry_run=False)
    assert [(item["name"], item["title"], item["images"]) for item in dry["items"]] == [(goes, "a.png", 2)]
    reasons = {item["name"]: item["reason"] for item in dry["stays"]}
    assert reasons == {pinned: "is kept for good", read: "is being downloaded", works: "is being worked on"}
    assert (result["items"], result["freed_bytes"], result["stays"]) == (dry["items"], dry["freed_bytes"], dry["stays"])
    assert {item["name"] for item in (await services.retention.cleanup(hours=1.0))["stays"]} == {works}


async def test_undeletable_files_are_not_counted_as_freed(services, tmp_path):
    """A batch whose download begins after it was chosen stays, is reported as an error, and frees nothing."""
    ids = [await finished_batch(services, tmp_path / "in", f"{name}.png") for name in "ab"]
    store, free = services.admin._store.store, (await services.admin.batch_details(ids[0])).size
    going = plan_cleanup(
        services.folders, store.read(queries.batch_end_times), store.batch_ids(), RetentionRules(0), HOUR
    )
    with services.folders.lease(services.folders.batch(ids[1])):
        freed, left, errors = await services.retention._remove(going)
    assert (freed.size, left, errors) == (free, {ids[1]}, [f"{ids[1]}: This batch is being downloaded."])
    assert (await services.admin.batch_details(ids[1])).files > 0


async def test_admin_shows_details_of_a_batch(services, generator, tmp_path):
    """The details are the pictures with reasons, the provider's ids, the payments, the disk usage and the events."""
    failure = GenerationFailed("fal_refused", "fal could not use this picture.", retryable=False)
    generator.script = lambda task: [Submitted({"request_id": "id"}), *([failure] if "2-b" in str(task.folder) else [])]
    batch_id = await finished_batch(services, tmp_path / "in", "a.png", "b.png")
    seen = await services.admin.batch_details(batch_id)
    assert [job.view.error and job.view.error.code for job in seen.jobs] == [None, "fal_refused"]
    assert [paid["state"] for job in seen.jobs for paid in job.paid] == ["charged", "maybe"]
    assert [(job.request_id, job.price) for job in seen.jobs] == [("id", 0.3)] * 2
    files = [file for file in services.folders.batch(batch_id).rglob("*") if file.is_file()]
    assert (seen.size, seen.files) == (sum(file.stat().st_size for file in files), len(files))
    last = [event for event in seen.events if event["number"] == 2][-1]
    assert (last["name"], last["state"], last["code"]) == ("b.png", "failed", "fal_refused")
    assert [event["at"] for event in seen.events] == sorted(event["at"] for event in seen.events)
    with pytest.raises(NotFound):
        await services.admin.batch_details("nobody's")
