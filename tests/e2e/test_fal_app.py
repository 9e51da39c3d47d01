"""The whole app with fal's models behind it: the stand-in takes the place of fal, the app runs as a host runs it."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file

from image2model.devtools.fal_stand_in import KEY, Fault, Script
from image2model.generators.fal.catalogue import FAL_MODELS
from tests.support.browser import ROOT, App
from tests.support.fal_server import FalServer
from tests.support.waiting import wait_until

PICTURES = sorted((ROOT / "examples").glob("*.jpg"))[:5]


@pytest.fixture(scope="module")
def stand_in() -> Iterator[FalServer]:
    """The stand-in, whose jobs take two seconds."""
    with FalServer(Script(run_seconds=2)) as server:
        yield server


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, stand_in: FalServer) -> Iterator[App]:
    """The app with a key, pointed at the stand-in."""
    folder = tmp_path_factory.mktemp("fal_app")
    app = App(folder, FAL_KEY=KEY, FAL_HOST=stand_in.url, RETRY_PACE="0.1", LOG_LEVEL="DEBUG").start()
    yield app
    assert app.stop() == 0


def submit(app: App, request_id: str = "") -> str:
    """A batch of all the examples on the default generator, which with a key is Tripo v2.5; returns its id."""
    images = [handle_file(picture) for picture in PICTURES]
    client = Client(app.url, verbose=False, headers={"X-Correlation-ID": request_id})
    return client.predict(images=images, api_name="/submit_batch")["batch_id"]


def last_view(app: App, batch_id: str) -> dict:
    """The batch when it is finished."""
    *_, view = Client(app.url, verbose=False).submit(batch_id=batch_id, api_name="/watch_batch")
    return view


def test_killed_app_collects_its_submissions_and_submits_nothing_twice(app, fal):
    """After kill -9 in mid-batch and a new start every picture is done and fal saw each of them once."""
    batch_id = submit(app)
    wait_until(lambda: fal.calls["status"] >= len(PICTURES))
    app.kill()
    app.start()
    view = last_view(app, batch_id)
    assert (view["state"], view["counts"]["done"]) == ("done", len(PICTURES))
    assert len(fal.jobs) == fal.calls["submit"] == len(PICTURES)
    assert {job.endpoint for job in fal.jobs.values()} == {"tripo3d/tripo/v2.5/image-to-3d"}
    assert view["cost"] == {"estimate": 1.5, "spent": 1.5, "uncertain": 0, "currency": "USD"}
    assert [job["filename"] for job in view["jobs"]] == [f"{picture.stem}.glb" for picture in PICTURES]
    assert fal.leaks == []


def test_a_killed_app_collects_objects_of_several_sides_and_pays_once_for_each(app, fal):
    """Six pictures of two objects are two jobs; after kill -9 both are done, with two submits and six uploads."""
    names = ["cup_front.jpg", "cup_back.jpg", "cup-left.jpg", "Cat.jpg", "cat (back).jpg", "cat right view.jpg"]
    for name in names:
        shutil.copy(PICTURES[0], app.data.parent / name)
    images = [handle_file(app.data.parent / name) for name in names]
    client = Client(app.url, verbose=False)
    batch = client.predict(images=images, options={"sides": "by_name"}, api_name="/submit_batch")
    wait_until(lambda: fal.calls["status"] >= 2)
    app.kill()
    app.start()
    view = last_view(app, batch["batch_id"])
    sides = [(job["filename"], [side["side"] for side in job["sides"]]) for job in view["jobs"]]
    assert sides == [("cup.glb", ["front", "back", "left"]), ("Cat.glb", ["front", "back", "right"])]
    assert (view["state"], view["cost"]["spent"]) == ("done", 0.6)
    assert (fal.calls["submit"], fal.calls["upload"], len(fal.paid)) == (2, 6, 2)
    assert {job.endpoint for job in fal.jobs.values()} == {"tripo3d/tripo/v2.5/multiview-to-3d"}


def test_programs_of_both_apis_send_several_sides_as_one_job(app, fal):
    """/generate_from_sides gives one mesh of three pictures; a REST upload by names takes two pictures as one file."""
    picture = handle_file(PICTURES[0])
    client = Client(app.url, verbose=False)
    mesh, facts = client.predict(front=picture, back=picture, right=picture, generator="rodin",
                                 api_name="/generate_from_sides")  # fmt: skip
    assert (Path(mesh).read_bytes()[:4], facts["cost"]) == (b"glTF", 0.4)
    assert len(fal.job().arguments["input_image_urls"]) == 3
    files = [("files", (name, PICTURES[0].read_bytes(), "image/jpeg")) for name in ("a_back.jpg", "a.jpg", "b.jpg")]
    answer = httpx.post(f"{app.url}/api/v1/upload", files=files, data={"model": "meshy-v6", "sides": "by_name"})
    body = answer.json()
    assert [(file["filename"], file["sides"]) for file in body["uploaded_files"]] == [
        ("a.jpg", [{"side": "back", "filename": "a_back.jpg"}]), ("b.jpg", []),
    ]  # fmt: skip
    assert body["total_files"] == 2
    assert last_view(app, body["batch_id"])["counts"]["done"] == 2
    assert len(fal.paid) == 3
    refused = httpx.post(f"{app.url}/api/v1/upload", files=files, data={"model": "triposr", "sides": "by_name"})
    assert (refused.status_code, refused.json()["error_code"]) == (422, "sides_not_taken")


def test_stopped_app_resumes_its_batch(app, fal):
    """SIGTERM ends the app within ten seconds, also with an open stream; the next start collects the submitted jobs."""
    batch_id = submit(app)
    wait_until(lambda: fal.calls["status"] >= len(PICTURES))
    call = f"{app.url}/gradio_api/call/watch_batch"
    event = httpx.post(call, json={"data": [batch_id]}).json()["event_id"]
    with httpx.stream("GET", f"{call}/{event}", timeout=60) as watching:
        next(watching.iter_lines())
        assert app.stop() == 0
    app.start()
    assert last_view(app, batch_id)["state"] == "done"
    assert len(fal.jobs) == len(PICTURES)


def test_every_model_of_the_catalogue_makes_the_same_pictures_at_its_price(app, fal):
    """Each generator turns the five photographs into five meshes with the reported facts, at the estimated price."""
    fal.script = Script(queue_seconds=0.2, run_seconds=0.8)
    client = Client(app.url, verbose=False)
    for model in FAL_MODELS:
        fal.jobs.clear()
        images = [handle_file(picture) for picture in PICTURES]
        batch = client.predict(images=images, generator=model.spec.id, api_name="/submit_batch")
        views = list(client.submit(batch_id=batch["batch_id"], api_name="/watch_batch"))
        assert [job.get("error") for job in views[-1]["jobs"] if job["state"] != "done"] == []
        price = float(model.spec.price(model.spec.check(None, None)))
        assert batch["cost"]["estimate"] == pytest.approx(price * len(PICTURES))
        assert views[-1]["cost"]["spent"] == pytest.approx(price * len(PICTURES))
        assert {job.endpoint for job in fal.jobs.values()} == {model.endpoint}
        assert len(fal.jobs) == len(PICTURES)
        progress = [view["progress"] for view in views]
        assert progress == sorted(progress)
        assert all(job["facts"]["faces"] == 12 for job in views[-1]["jobs"])


IDS = ("from-gradio", "from-rest")


@pytest.fixture(scope="module")
def worked(app: App, stand_in: FalServer) -> tuple[App, FalServer]:
    """The app, having worked a batch from Gradio's API and one from REST, each with its own request id."""
    stand_in.reset()
    last_view(app, submit(app, IDS[0]))
    files = [("files", (path.name, path.read_bytes(), "image/jpeg")) for path in PICTURES]
    answer = httpx.post(f"{app.url}/api/v1/upload", files=files, headers={"X-Correlation-ID": IDS[1]})
    assert (answer.status_code, answer.headers["x-correlation-id"]) == (200, IDS[1])
    last_view(app, answer.json()["batch_id"])
    return app, stand_in


def test_one_id_leads_from_a_request_through_its_jobs_to_fals_own(worked):
    """The log has the request, each state of each job and fal's request ids under the request's correlation id."""
    app, fal = worked
    lines = [json.loads(line) for path in sorted((app.data / "logs").glob("*.log")) for line in path.open()]
    request_ids = set()
    for secret_id in IDS:
        own_lines = [line for line in lines if line.get("correlation_id") == secret_id]
        assert {"image2model.access", "image2model.services.container", "image2model.jobs.db.async_store"} <= {
            line["logger"] for line in own_lines
        }
        for number in range(1, len(PICTURES) + 1):
            states = [line for line in own_lines if line.get("image") == number and "state" in line]
            assert [states[0]["state"], states[-1]["state"]] == ["uploading", "done"]
            assert len({line["batch"] for line in states}) == 1
            request_ids.add(states[-1]["request_id"])
    assert request_ids == set(fal.jobs)


def test_the_key_is_in_no_log_and_no_file(worked):
    """After some batches neither the log nor the data folder holds the key."""
    app, _ = worked
    assert KEY not in app.log.read_text()
    holding = [path for path in app.data.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert holding == []


def test_logs_hold_no_batch_id(worked):
    """The log has only the first characters of a batch's id, and no job's or task's, since a whole id grants access."""
    app, _ = worked
    with closing(sqlite3.connect(app.data / "image2model.db")) as database:
        rows = database.execute(
            "SELECT batches.id, task_id, work_id, jobs.id FROM batches JOIN jobs ON batches.id = batch_id"
        ).fetchall()
    log = app.log.read_text()
    assert rows[0][0][:8] in log
    assert [secret_id for row in rows for secret_id in row if secret_id in log] == []


def test_app_killed_during_submit_looks_the_job_up_before_paying_again(app, fal):
    """A kill while the submits hang leaves unconfirmed jobs; nothing is sent again by itself."""
    fal.faults["submit"].extend([Fault("hang", seconds=30)] * len(PICTURES))
    batch_id = submit(app)
    wait_until(lambda: fal.calls["submit"] == len(PICTURES))
    app.kill()
    app.start()
    view = last_view(app, batch_id)
    assert view["counts"]["unconfirmed"] == len(PICTURES)
    assert fal.calls["submit"] == len(PICTURES)
    assert all("may cost again" in job["error"]["hint"] for job in view["jobs"])
