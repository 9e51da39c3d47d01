"""The use cases on a real store, a real folder and real worker processes."""

from __future__ import annotations

import asyncio
import json
import re
from decimal import Decimal

import pytest
import trimesh

from image2model.devtools.scripted_generator import plain_box_glb
from image2model.errors import GenerationFailed, ImageRefused, NotFound, OptionRefused, SettingsError, Unavailable
from image2model.generators.base import Downloading, Queued, Running, Submitted, Submitting, Uploading
from image2model.jobs.db.store import Store
from image2model.services import BatchView, Caller, Services, SubmitRequest
from image2model.settings import Settings
from image2model.web.ui import controls, facts, results
from tests.support.scripted import ScriptedGenerator, finished, picture, scripted_settings, view_when
from tests.support.waiting import wait_until_async


def all_running(view: BatchView) -> bool:
    """True if every job of a batch is at its generator."""
    return all(job.state == "running" for job in view.jobs)


async def test_pictures_become_files_named_after_them(services, uploads):
    """Each picture gives a GLB and a thumbnail under the picture's name; equal names are distinguished."""
    pictures = [picture(uploads, "chair.jpg"), picture(uploads, "chair.jpg", "blue")]
    batch = await services.submit(SubmitRequest(pictures))
    view = await finished(services, batch.id)
    assert [(job.state, job.filename) for job in view.jobs] == [("done", "chair.glb"), ("done", "chair-2.glb")]
    served = await services.file(batch.id, 2, "chair-2.glb")
    assert served.path.read_bytes() == plain_box_glb()
    assert (await services.file(batch.id, 2, "thumbnail.webp")).path.read_bytes()[8:12] == b"WEBP"
    assert [path.name for path in served.path.parent.iterdir() if path.name.startswith("work")] == []


async def test_a_batch_tells_how_long_it_took_unless_it_was_retried(services, generator, uploads):
    """The time taken is from the click to the last end; there is none while the batch runs or after a retry."""
    generator.script = lambda task: 1 / 0
    batch = await services.submit(SubmitRequest([picture(uploads, "a.png"), picture(uploads, "b.png")]))
    assert (await services.view(batch.id)).seconds_taken is None
    view = await finished(services, batch.id)
    longest = max(job.elapsed for job in view.jobs)
    assert longest <= view.seconds_taken < longest + 5
    await services.retry(batch.id)
    assert (await finished(services, batch.id)).seconds_taken is None


async def test_a_generator_on_the_page_has_the_usual_times_of_this_host(services, generator):
    """The range that was measured here, in the list and on the card of the chosen one."""
    services.usual_times = {generator.spec.id: (38.0, 83.0)}
    assert [item["time"] for item in controls.picker_value(services)["items"]] == ["40–80 s"]
    assert "40–80 s" in controls.card(services, generator, Decimal("0.3"))


@pytest.mark.parametrize(
    ("changed", "chosen"),
    [
        ({"a.seed": "7", "a.fine": False, "a.b.seed": "8", "face_limit": "900"}, ({"seed": "7", "fine": False}, "900")),
        ({"a.seed": "", "a.size": None, "face_limit": ""}, ({}, None)),
        *[(nonsense, ({}, None)) for nonsense in (None, "", "seed", 3, ["a.seed"], {})],
    ],
)
def test_the_chosen_options_are_those_of_the_chosen_generator(changed, chosen):
    """Other generators' options and empty fields are left out; what is no set of options chooses none."""
    assert controls.chosen_options(changed, "a") == chosen


async def test_a_finished_job_carries_the_facts_of_its_mesh(services, uploads):
    """Faces, size and closedness in the view are those of the box that was made, and the cost is the price."""
    batch = await services.submit(SubmitRequest([picture(uploads, "box.png")]))
    job = (await finished(services, batch.id)).jobs[0]
    assert job.facts["faces"] == 12
    assert job.facts["watertight"] is True
    assert sorted(job.facts["dimensions"]) == [1, 2, 3]
    assert job.cost == 0.3


async def test_batch_view_json_keeps_its_keys_and_their_order(services, uploads):
    """Programs that exist read these names, and what the host and the page alone decide is not among them."""
    batch = await services.submit(SubmitRequest([picture(uploads, "box.png")]))
    view = (await finished(services, batch.id)).to_dict()
    assert list(view) == [
        "batch_id", "state", "sequence", "progress", "message", "seconds_left", "counts", "generator",
        "generator_name", "result_is", "options", "face_limit", "cut_out", "created_at", "cost", "rejected", "jobs",
        "zip", "pinned", "kept_until", "kept_while_space", "retry_price", "retry_may_be_billed_twice",
    ]  # fmt: skip
    assert list(view["jobs"][0]) == [
        "id", "number", "name", "filename", "state", "progress", "message", "waiting", "queue_position", "elapsed",
        "sequence", "attempt", "own_key", "error", "facts", "cost", "picture", "whole_picture", "sides", "url",
        "thumbnail", "turntable", "action", "retry_price", "retry_may_be_billed_twice",
    ]  # fmt: skip
    assert list(view["counts"]) == ["total", "done", "failed", "cancelled", "unconfirmed"]
    assert list(view["cost"]) == ["estimate", "spent", "uncertain", "currency"]


async def test_viewer_shows_all_facts_of_a_mesh(services, generator, uploads):
    """Volume, handles, pieces, materials, textures and extensions too, and the sides of a small mesh are no noughts."""
    ring = trimesh.creation.torus(0.002, 0.0005)
    generator.mesh = trimesh.util.concatenate([ring, ring.copy().apply_translation([0.01, 0, 0])]).export(
        file_type="glb"
    )
    batch = await services.submit(SubmitRequest([picture(uploads, "rings.png")]))
    view = await finished(services, batch.id)
    shown = dict(re.findall("<dt>(.+?)</dt><dd>(.+?)</dd>", facts.facts(view, view.jobs[0], shared=False)))
    assert shown["Size"] == "0.015 × 0.005 × 0.001 m"
    assert (shown["Pieces"], shown["Handles"], shown["Volume"]) == ("2", "2", "1.95e-08 m³")
    assert not {"Texture", "Extensions"} & set(shown)


async def test_bad_pictures_are_left_out_with_their_reasons(services, uploads):
    """The good ones go on; each refused one is named with a code and a sentence."""
    bad = picture(uploads, "notes.png")
    bad.path.write_text("not a picture")
    batch = await services.submit(SubmitRequest([bad, picture(uploads, "good.png")]))
    view = await services.view(batch.id)
    assert [job.name for job in view.jobs] == ["good.png"]
    assert [(refusal.name, bool(refusal.code), bool(refusal.message)) for refusal in view.rejected] == [
        ("notes.png", True, True)
    ]


async def test_a_batch_without_a_usable_picture_leaves_nothing_behind(services, uploads):
    """A batch of refused pictures alone raises ImageRefused and leaves no row and no folder."""
    bad = picture(uploads, "notes.png")
    bad.path.write_text("not a picture")
    with pytest.raises(ImageRefused, match="None of these"):
        await services.submit(SubmitRequest([bad]))
    assert list(services.folders.batches.iterdir()) == []
    assert await services.library(None) == []


async def test_numbers_and_options_out_of_range_are_refused_kindly(services, uploads):
    """Too many or no pictures, an unknown option or generator, and a bad face limit are refused with the next step."""
    source = picture(uploads, "a.png")
    with pytest.raises(OptionRefused, match="up to 25"):
        await services.submit(SubmitRequest([source] * 26))
    with pytest.raises(OptionRefused, match="Add at least one"):
        await services.submit(SubmitRequest([]))
    with pytest.raises(OptionRefused, match="detail"):
        await services.submit(SubmitRequest([source], options={"speed": 9}))
    for faces in (5, 10**400):
        with pytest.raises(OptionRefused, match=r"^.{,150}from 10 to 1,000"):
            await services.submit(SubmitRequest([source], face_limit=faces))
    with pytest.raises(NotFound, match="scripted"):
        await services.submit(SubmitRequest([source], generator="nobody"))


async def test_an_unavailable_generator_is_refused_before_anything_is_stored(services, generator, uploads):
    """The reason reaches the person and nothing stays behind."""
    generator.unavailable = "It needs a key."
    with pytest.raises(Unavailable, match="needs a key"):
        await services.submit(SubmitRequest([picture(uploads, "a.png")]))
    assert await services.library(None) == []


async def test_failed_job_does_not_stop_the_others(services, generator, uploads):
    """A failing picture carries its reason; the rest is done; retry runs only what failed."""
    reason = GenerationFailed("no_subject", "There is no subject.", "Use a clearer picture.")
    generator.script = lambda task: [reason] if "bad" in task.image.parent.name else []
    batch = await services.submit(SubmitRequest([picture(uploads, "bad.png"), picture(uploads, "good.png")]))
    view = await finished(services, batch.id)
    assert (view.state, [job.state for job in view.jobs]) == ("partly", ["failed", "done"])
    assert view.to_dict()["jobs"][0]["error"] == {
        "code": "no_subject", "message": "There is no subject.", "hint": "Use a clearer picture.", "retryable": False,
    }  # fmt: skip
    generator.script = lambda task: []
    await services.retry(batch.id)
    view = await finished(services, batch.id)
    assert view.state == "done"
    assert len(generator.runs) == 3


async def test_a_crash_in_a_generator_is_a_failure_without_its_details(services, generator, uploads):
    """An unexpected exception becomes a friendly, retryable failure and leaks nothing."""
    generator.script = lambda task: 1 / 0
    batch = await services.submit(SubmitRequest([picture(uploads, "a.png")]))
    job = (await finished(services, batch.id)).jobs[0]
    assert (job.state, job.error.code, job.error.retryable) == ("failed", "internal_error", True)
    assert "division" not in json.dumps(job.to_dict())


async def test_cancel_stops_a_job_in_any_state(services, generator, uploads):
    """A running job is cancelled at the provider and ends when it agrees; nothing of it arrives later."""
    generator.gate = asyncio.Event()
    generator.script = lambda task: [Submitted({"request_id": task.image.parent.name}), Running()]
    batch = await services.submit(SubmitRequest([picture(uploads, "a.png"), picture(uploads, "b.png")]))
    await view_when(services, batch.id, all_running)
    view = await services.cancel(batch.id)
    assert [job.state for job in view.jobs] == ["cancelling", "cancelling"]
    assert "may still be billed" in view.jobs[0].message
    view = await finished(services, batch.id)
    assert [job.state for job in view.jobs] == ["cancelled", "cancelled"]
    generator.gate.set()
    await asyncio.sleep(0.05)
    assert (await services.view(batch.id)).state == "cancelled"
    assert sorted(remote["request_id"] for remote in generator.cancelled) == ["1-a", "2-b"]
    assert generator.running == 0


async def test_a_watcher_sees_the_stages_in_order(services, generator, uploads):
    """States never go back and progress never falls, from waiting to done."""
    generator.script = lambda task: [
        Uploading(), 0.15, Submitted({"id": 1}), Queued(2), 0.15, Running(0.1), 0.15, Running(0.6), 0.15,
        Downloading(0.5), 0.15,
    ]  # fmt: skip
    batch = await services.submit(SubmitRequest([picture(uploads, "a.png")]))
    seen = [view.jobs[0] async for view in services.watch(batch.id)]
    order = ["new", "uploading", "queued", "running", "downloading", "finishing", "done"]
    ranks = [order.index(job.state) for job in seen]
    assert ranks == sorted(ranks)
    assert {"queued", "running", "done"} <= {job.state for job in seen}
    progress = [job.progress for job in seen]
    assert progress == sorted(progress)
    assert progress[-1] == 1
    assert next(job for job in seen if job.state == "queued").message == "In the queue, 2 ahead"


async def test_a_bounded_generator_works_so_many_at_once(tmp_path, uploads, pool):
    """The others wait with an honest number of jobs ahead."""
    generator = ScriptedGenerator(max_concurrency=2)
    generator.gate = asyncio.Event()
    services = Services(scripted_settings(tmp_path / "d"), [generator], pool)
    await services.start()
    batch = await services.submit(SubmitRequest([picture(uploads, f"{n}.png") for n in range(4)]))
    view = await view_when(services, batch.id, lambda _: generator.running == 2)
    assert view.jobs[3].queue_position >= 1
    assert generator.peak_running == 2
    generator.gate.set()
    assert (await finished(services, batch.id)).state == "done"
    assert generator.peak_running == 2
    await services.close()


async def test_a_stopped_process_leaves_work_that_the_next_one_finishes(tmp_path, uploads, pool):
    """After a stop in mid-batch the next start goes on, with the stored handle and without a second submit."""
    settings = scripted_settings(tmp_path / "d")
    first = ScriptedGenerator()
    first.gate = asyncio.Event()
    first.script = lambda task: [Submitted({"request_id": "r1"}), Running()]
    services = Services(settings, [first], pool)
    await services.start()
    batch = await services.submit(SubmitRequest([picture(uploads, "a.png"), picture(uploads, "b.png")]))
    await view_when(services, batch.id, all_running)
    await services.close()
    assert first.cancelled == []

    second = ScriptedGenerator()
    second.script = lambda task: [Queued(1), 0.05, Running()]  # out of order for a job that ran before
    services = Services(settings, [second], pool)
    await services.start()
    view = await finished(services, batch.id)
    assert view.state == "done"
    assert [task.remote for task in second.runs] == [{"request_id": "r1"}] * 2
    await services.close()


async def test_a_job_that_was_handed_over_without_an_answer_is_not_sent_again(tmp_path, uploads, pool):
    """A process killed in mid-submit leaves an unconfirmed job: retry leaves it alone, its own number runs it."""
    settings = scripted_settings(tmp_path / "d")
    first = ScriptedGenerator()
    first.gate = asyncio.Event()
    first.script = lambda task: [Uploading(), Submitting()]
    services = Services(settings, [first], pool)
    await services.start()
    batch = await services.submit(SubmitRequest([picture(uploads, "a.png")]))
    await view_when(services, batch.id, lambda view: view.jobs[0].state == "submitting")
    await services.close()

    second = ScriptedGenerator()
    services = Services(settings, [second], pool)
    await services.start()
    view = await finished(services, batch.id)
    assert (view.state, view.jobs[0].state) == ("failed", "unconfirmed")
    assert "may cost again" in view.jobs[0].error.hint
    assert (await services.retry(batch.id)).state == "failed"
    assert second.runs == []
    await services.retry(batch.id, [1])
    assert (await finished(services, batch.id)).state == "done"
    await services.close()


@pytest.mark.parametrize(("code", "remote"), [("internal_error", {"id": "r1"}), ("generation_failed", None)])
async def test_retry_collects_a_result_that_is_still_at_fal(services, generator, uploads, code, remote):
    """After a fault of ours the new try has the old handle; after a failed generation it starts from nothing."""
    generator.script = lambda task: (
        [] if len(generator.runs) > 1 else [Submitted({"id": "r1"}), GenerationFailed(code, "Lost.", retryable=True)]
    )
    batch = await services.submit(SubmitRequest([picture(uploads, "a.png")]))
    assert (await finished(services, batch.id)).state == "failed"
    await services.retry(batch.id)
    assert (await finished(services, batch.id)).state == "done"
    assert [task.remote for task in generator.runs] == [None, remote]


async def test_job_with_a_stored_mesh_is_not_run_again(tmp_path, uploads, pool):
    """A process that died after the last rename and before the last row costs nothing more."""
    settings = scripted_settings(tmp_path / "d")
    generator = ScriptedGenerator()
    generator.gate = asyncio.Event()
    services = Services(settings, [generator], pool)
    await services.start()
    batch = await services.submit(SubmitRequest([picture(uploads, "a.png")]))
    await wait_until_async(lambda: generator.running)
    (services.folders.job(batch.jobs[0]) / "model.glb").write_bytes(plain_box_glb())
    await services.close()
    again = ScriptedGenerator()
    services = Services(settings, [again], pool)
    await services.start()
    assert (await finished(services, batch.id)).state == "done"
    assert again.runs == []
    await services.close()


async def test_unreadable_mesh_is_still_delivered(services, generator, uploads):
    """A mesh that cannot be read is offered for download, since it may be paid for, and its card has a warning."""
    generator.mesh = b"glTF but not really"
    batch = await services.submit(SubmitRequest([picture(uploads, "a.png")]))
    job = (await finished(services, batch.id)).jobs[0]
    assert job.state == "done"
    assert job.facts["warnings"]
    assert (await services.file(batch.id, 1, "a.glb")).path.read_bytes() == generator.mesh
    assert (await services.file(batch.id, 1, "thumbnail.webp")).path.is_file()
    view = await services.view(batch.id)
    assert 'data-state="done"' in results.board(view, shared=False)
    assert "file is cut short." in facts.facts(view, job, shared=False)


async def test_delete_removes_the_files_of_a_batch(services, generator, uploads):
    """Deleting in mid-work stops it and removes rows and files; asking for it again says so."""
    generator.gate = asyncio.Event()
    batch = await services.submit(SubmitRequest([picture(uploads, "a.png")]))
    await wait_until_async(lambda: generator.running)
    await services.delete(batch.id)
    assert not services.folders.batch(batch.id).exists()
    with pytest.raises(NotFound):
        await services.view(batch.id)


@pytest.mark.parametrize("name", ["model.glb", "stage.txt", "../1-a/input.webp", "work-1", "b.glb", ""])
async def test_only_offered_files_are_served(services, uploads, name):
    """Other names, the stored originals and paths are not found."""
    batch = await services.submit(SubmitRequest([picture(uploads, "a.png")]))
    await finished(services, batch.id)
    with pytest.raises(NotFound):
        await services.file(batch.id, 1, name)


async def test_a_picture_called_model_is_served_like_any_other(services, uploads):
    """The name under which meshes are stored is no reserved word."""
    batch = await services.submit(SubmitRequest([picture(uploads, "model.jpg")]))
    await finished(services, batch.id)
    assert (await services.file(batch.id, 1, "model.glb")).path.read_bytes() == plain_box_glb()


async def test_zip_manifest_lists_all_jobs_and_zip_holds_finished_ones(services, generator, uploads):
    """The zip's list has each mesh and thumbnail; the manifest has facts, choices and failures with reasons."""
    generator.script = lambda task: (
        [GenerationFailed("no_subject", "There is no subject.")] if "bad" in task.image.parent.name else []
    )
    batch = await services.submit(
        SubmitRequest(
            [picture(uploads, "good.png"), picture(uploads, "bad.png")], options={"detail": "high"}, face_limit=100
        )
    )
    await finished(services, batch.id)
    entries, manifest = await services.archive_contents(batch.id)
    assert [entry.name for entry in entries] == ["good.glb", "thumbnails/good.webp", "contact-sheet.webp"]
    assert (manifest["options"], manifest["face_limit"], manifest["state"]) == ({"detail": "high"}, 100, "partly")
    assert manifest["jobs"][0]["facts"]["faces"] == 12
    assert manifest["jobs"][1]["error"]["code"] == "no_subject"
    assert str(services.folders.data) not in json.dumps(manifest)


async def test_visitors_have_their_own_library(services, uploads):
    """A browser sees the batches it made, newest first, and no others."""
    source = await services.submit(SubmitRequest([picture(uploads, "a.png")]), Caller(visitor="ann"))
    await services.submit(SubmitRequest([picture(uploads, "b.png")]), Caller(visitor="bob"))
    assert [view.batch_id for view in await services.library("ann")] == [source.id]


async def test_money_spent_is_the_sum_of_finished_jobs(services, uploads):
    """The view has the estimate before the jobs are done and the amount spent afterwards."""
    batch = await services.submit(SubmitRequest([picture(uploads, f"{n}.png") for n in range(3)]))
    assert batch.estimate == Decimal("0.90")
    assert (await finished(services, batch.id)).to_dict()["cost"] == {
        "estimate": 0.9,
        "spent": 0.9,
        "uncertain": 0,
        "currency": "USD",
    }


def test_an_unknown_default_generator_stops_the_start(tmp_path):
    """GENERATOR must name a generator that exists; the error lists them."""
    with pytest.raises(SettingsError, match="GENERATOR takes one of scripted"):
        Services(Settings(data_dir=tmp_path, generator="nobody", _env_file=None), [ScriptedGenerator()])


def test_the_store_lies_in_the_data_folder(tmp_path):
    """Without DATABASE_URL the database is a file in DATA_DIR."""
    settings = Settings(data_dir=tmp_path / "here", _env_file=None)
    Store(settings.database).close()
    assert (tmp_path / "here" / "image2model.db").is_file()
