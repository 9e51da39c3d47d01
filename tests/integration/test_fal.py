"""fal's generators against the stand-in, over real HTTP and through the real fal-client."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from image2model.devtools.fal_stand_in import Fault, Script
from image2model.devtools.fal_stand_in.files import picture_crc
from image2model.errors import GenerationFailed
from image2model.generators.base import Downloading, Finished, Queued, Running, Submitted, Uploading
from image2model.generators.fal import FalHosts, fal_generators
from image2model.generators.fal.account import Connections
from image2model.generators.fal.polling import Timeouts
from tests.support.fal_helpers import MODELS, fal_generator, gltf, names, run, submitted, task
from tests.support.fal_server import FalServer
from tests.support.pictures import encoded, photo
from tests.support.waiting import wait_until_async


async def failure_from_response(fal: FalServer, folder: Path, **hosts: str) -> GenerationFailed:
    """The failure of one job."""
    generator = fal_generator(fal, **hosts)
    with pytest.raises(GenerationFailed) as caught:
        await run(generator, task(folder, generator))
    return caught.value


@pytest.mark.parametrize("model", MODELS)
async def test_every_model_turns_a_picture_into_its_own_mesh(fal: FalServer, tmp_path: Path, model: str):
    """Each entry of the catalogue goes from the picture to a whole GLB made of that very picture."""
    generator = fal_generator(fal, model)
    work = task(tmp_path, generator)
    events = await run(generator, work)
    end = events[-1]
    assert isinstance(events[0], Uploading)
    assert isinstance(end, Finished)
    assert end.glb == tmp_path / "model.glb"
    assert gltf(end.glb)["asset"]["extras"]["picture"] == picture_crc(work.image.read_bytes())
    assert fal.job().endpoint == MODELS[model].endpoint
    assert fal.job().errors == []
    assert fal.leaks == []
    assert not (tmp_path / "model.glb.part").exists()


@pytest.mark.parametrize("model", [name for name, model in MODELS.items() if model.spec.face_limit])
async def test_the_face_limit_arrives_under_the_endpoint_s_name(fal: FalServer, tmp_path: Path, model: str):
    """A limit that was chosen is sent, and fal finds nothing wrong with it."""
    generator = fal_generator(fal, model)
    await run(generator, task(tmp_path, generator, faces=int(generator.spec.face_limit.minimum)))
    assert fal.job().arguments[generator.spec.face_limit.name] == generator.spec.face_limit.minimum
    assert fal.job().errors == []


async def test_concurrent_pictures_get_their_own_meshes(fal: FalServer, tmp_path: Path):
    """Jobs of a batch are in flight together and are not mixed up."""
    fal.script = Script(run_seconds=0.05)
    generator = fal_generator(fal)
    tasks = [task(tmp_path / str(n), generator, colour=f"#0000{n:02x}") for n in range(12)]

    async def work(number: int) -> None:
        events = [event async for event in generator.run(tasks[number])]
        assert isinstance(events[-1], Finished)
        picture = gltf(events[-1].glb)["asset"]["extras"]["picture"]
        assert picture == picture_crc(tasks[number].image.read_bytes())

    await asyncio.gather(*(work(number) for number in range(12)))
    await generator.close()
    assert len(fal.jobs) == 12
    assert fal.calls["submit"] == 12
    assert fal.calls["token"] == 1


async def test_the_picture_is_uploaded_as_png_that_expires(fal: FalServer, tmp_path: Path):
    """Alpha survives, and fal forgets the picture after a day and the result after a week."""
    generator = fal_generator(fal)
    await run(generator, task(tmp_path, generator))
    (upload,) = fal.uploads
    assert upload["content-type"] == "image/png"
    assert json.loads(upload["x-fal-object-lifecycle"]) == {"expiration_duration_seconds": 24 * 3600}
    kept = json.loads(fal.job().headers["x-fal-object-lifecycle-preference"])
    assert kept == {"expiration_duration_seconds": 7 * 24 * 3600}


async def test_request_id_is_reported_before_the_first_status_call(fal: FalServer, tmp_path: Path):
    """Submitted carries the id and the three addresses, and nothing was asked before it was stored."""
    generator = fal_generator(fal)
    remote = await submitted(generator, task(tmp_path, generator))
    await generator.close()
    assert fal.calls["status"] == 0
    base = f"{fal.url}/tripo3d/tripo/requests/{fal.job().id}"
    assert {name: value for name, value in remote.items() if name != "submitted_at"} == {
        "key_mark": generator.key_mark,
        "request_id": fal.job().id,
        "response_url": base,
        "status_url": f"{base}/status",
        "cancel_url": f"{base}/cancel",
        "endpoint": "tripo3d/tripo/v2.5/image-to-3d",
    }
    assert json.loads(json.dumps(remote)) == remote


async def test_a_connection_that_was_idle_for_seconds_carries_no_submit():
    """Requests in a row share a connection; after two idle seconds, in which fal may close it, a new one is opened."""
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        with suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        address = "http://{}:{}/".format(*server.sockets[0].getsockname())
        client = Connections("key", Timeouts())
        await client.api.post(address)
        await client.api.post(address)
        assert connections == 1
        await asyncio.sleep(2.1)
        await client.api.post(address)
        assert connections == 2
        await client.close()


async def test_a_submitted_job_is_picked_up_and_not_submitted_again(fal: FalServer, tmp_path: Path):
    """A new process continues a submitted job from its stored `remote`, without an upload and without a second job."""
    first = fal_generator(fal)
    work = task(tmp_path, first)
    remote = await submitted(first, work)
    await first.close()
    events = await run(second := fal_generator(fal), replace(work, remote=remote))
    assert isinstance(events[-1], Finished)
    assert not any(isinstance(event, Uploading | Submitted) for event in events)
    assert (fal.calls["submit"], fal.calls["upload"], second.spec.id) == (1, 1, "tripo-v2.5")


@pytest.mark.parametrize(
    "fault",
    [
        Fault("drop_before"),
        Fault("drop_after"),
        Fault("hang", seconds=2),
        *(Fault("answer_after", status, "<html>nginx</html>") for status in (500, 502, 504)),
    ],
)
async def test_unanswered_submit_is_sent_once_and_ends_unconfirmed(fal: FalServer, tmp_path: Path, fault: Fault):
    """A job that fal may have taken is not sent again, as that could be paid twice."""
    fal.faults["submit"].append(fault)
    failure = await failure_from_response(fal, tmp_path)
    assert (failure.code, failure.retryable) == ("unconfirmed", False)
    assert "cost" in failure.hint
    assert fal.calls["submit"] == 1


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b'{"request_id": 7}', b"<html>"])
async def test_an_acceptance_that_names_no_job_is_unconfirmed(fal: FalServer, tmp_path: Path, body: bytes):
    """fal said yes, but to what? Nobody can collect it."""
    fal.faults["submit"].append(Fault("answer", 200, body))
    assert (await failure_from_response(fal, tmp_path)).code == "unconfirmed"


async def test_a_submit_that_cannot_connect_may_be_tried_again(fal: FalServer, tmp_path: Path):
    """Nothing was sent, so nothing can be paid: the failure says so."""
    failure = await failure_from_response(fal, tmp_path, queue="http://127.0.0.1:9")
    assert (failure.code, failure.retryable) == ("fal_unreachable", True)
    assert len(fal.jobs) == 0


async def test_key_is_sent_to_the_queue_host_only(fal: FalServer, tmp_path: Path):
    """Addresses in an answer that lie elsewhere are not followed."""
    elsewhere = dict.fromkeys(("response_url", "status_url", "cancel_url"), "http://127.0.0.1:9/steal")
    fal.faults["submit"].append(Fault("answer", 200, {"request_id": "r", **elsewhere}))
    assert (await failure_from_response(fal, tmp_path)).code == "unconfirmed"
    generator = fal_generator(fal)
    with pytest.raises(GenerationFailed) as caught:
        await run(generator, task(tmp_path, generator, remote={"request_id": "r", **elsewhere}))
    assert caught.value.code == "job_elsewhere"
    await generator.cancel({"request_id": "r", **elsewhere})
    assert fal.calls["cancel"] == 0


async def test_the_cdn_never_sees_the_key(fal: FalServer, tmp_path: Path):
    """Uploads carry the short-lived token and downloads nothing."""
    generator = fal_generator(fal)
    await run(generator, task(tmp_path, generator))
    assert (fal.calls["upload"], fal.calls["download"], fal.leaks) == (1, 1, [])


async def test_a_key_with_white_space_around_it_works(fal: FalServer, tmp_path: Path):
    """A line break copied along with the key does no harm."""
    generator = fal_generator(fal, key=" test-key\n")
    assert isinstance((await run(generator, task(tmp_path, generator)))[-1], Finished)


@pytest.mark.parametrize("key", ["kéy", "two\nlines", "a\x00b"])
async def test_a_key_that_cannot_be_one_is_called_that(fal: FalServer, tmp_path: Path, key: str):
    """A malformed key is refused as `key_refused` without any call."""
    generator = fal_generator(fal, key=key)
    with pytest.raises(GenerationFailed) as caught:
        await run(generator, task(tmp_path, generator))
    assert (caught.value.code, fal.calls.total()) == ("key_refused", 0)


async def test_upload_falls_back_to_storage_when_the_cdn_is_down(fal: FalServer, tmp_path: Path):
    """fal-client falls back to fal's older storage, with the same expiry."""
    fal.faults["upload"].append(Fault("answer", 500, "<html>no</html>"))
    generator = fal_generator(fal)
    assert isinstance((await run(generator, task(tmp_path, generator)))[-1], Finished)
    assert (fal.calls["initiate"], fal.calls["put"], fal.leaks) == (1, 1, [])


async def test_events_have_queue_position_percentage_and_end(fal: FalServer, tmp_path: Path):
    """People see where they stand, and progress that only grows."""
    now = [0.0]
    fal.clock = lambda: now[0]
    fal.script = Script(queue_seconds=4, run_seconds=10, percentages=(10, 40, 70))
    generator, seen = fal_generator(fal), []
    async for event in generator.run(task(tmp_path, generator)):
        seen.append(event)
        now[0] += 4 * isinstance(event, Queued | Running)
    await generator.close()
    assert [event for event in seen if isinstance(event, Queued | Running)] == [
        Queued(0),
        Running(0.1, "progress: 10%"),
        Running(0.4, "progress: 40%"),
        Running(0.7, "progress: 70%"),
    ]
    assert [type(event) for event in seen[-2:]] == [Downloading, Finished]


async def test_a_jpeg_is_uploaded_as_one(fal: FalServer, tmp_path: Path):
    """A JPEG is uploaded to fal with the content type image/jpeg."""
    generator = fal_generator(fal)
    given = task(tmp_path, generator)
    jpeg = given.image.with_suffix(".jpg")
    jpeg.write_bytes(encoded(photo(), "JPEG"))
    await run(generator, replace(given, image=jpeg))
    assert {kind for kind, data in fal.files.values() if data == jpeg.read_bytes()} == {"image/jpeg"}


async def test_nothing_but_the_mesh_is_downloaded(fal: FalServer, tmp_path: Path):
    """The model's own picture of it, which nothing shows, is left where it is."""
    generator = fal_generator(fal)
    events = await run(generator, task(tmp_path, generator))
    assert events[-1].glb.exists()
    assert fal.calls["download"] == 1
    assert names(tmp_path) == ["input.png", "model.glb"]


async def test_cancel_is_sent_to_fal_and_returns_its_outcome(fal: FalServer, tmp_path: Path):
    """A job that is waiting is taken back; one that is over, unknown or out of reach is no error."""
    fal.script = Script(queue_seconds=60)
    generator = fal_generator(fal)
    remote = await submitted(generator, task(tmp_path, generator))
    assert await generator.cancel(remote) == "accepted"
    assert fal.job().cancelled is not None
    assert await generator.cancel(remote) == "over"
    assert await generator.cancel({**remote, "cancel_url": f"{fal.url}/tripo3d/tripo/requests/none/cancel"}) == "over"
    assert await generator.cancel({}) == "unknown"
    with pytest.raises(GenerationFailed) as caught:
        await run(generator, task(tmp_path, generator, remote=remote))
    assert caught.value.code == "cancelled_at_fal"
    assert fal.paid == []


@pytest.mark.parametrize(
    ("faults", "outcome"),
    [
        ([Fault("answer", 502, "<html>")], "accepted"),
        ([Fault("answer", 502, "<html>")] * 3, "unknown"),
        ([Fault("answer", 400, {"detail": "what?"})], "unknown"),
        ([Fault("answer", 401, {"detail": "invalid key credentials"})], "unknown"),
        ([Fault("drop_before")], "accepted"),
        ([Fault("drop_before")] * 3, "unknown"),
        ([Fault("hang", seconds=2)], "unknown"),
    ],
)
async def test_a_cancel_that_may_not_have_arrived_is_not_called_one(
    fal: FalServer, tmp_path: Path, faults: list[Fault], outcome: str
):
    """Only fal's own answer decides a cancel; gateway errors and broken connections are retried at once."""
    fal.script = Script(queue_seconds=60)
    generator = fal_generator(fal)
    remote = await submitted(generator, task(tmp_path, generator))
    fal.faults["cancel"].extend(faults)
    assert await generator.cancel(remote) == outcome
    await generator.close()


async def test_stopping_the_task_leaves_the_job_at_fal(fal: FalServer, tmp_path: Path):
    """A process that ends must find its jobs again: only a person's cancel reaches fal."""
    fal.script = Script(run_seconds=60)
    generator = fal_generator(fal)
    submitted = asyncio.Event()

    async def work() -> None:
        async for event in generator.run(task(tmp_path, generator)):
            if isinstance(event, Running):
                submitted.set()

    job = asyncio.create_task(work())
    await submitted.wait()
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    await generator.close()
    assert (fal.calls["cancel"], fal.job().cancelled) == (0, None)


async def stopped_while_submitting(fal: FalServer, folder: Path, keep: bool) -> list[Submitted]:
    """Cancel a job while its submit waits for the answer; `keep`: whether Submitted is still read."""
    fal.script = Script(run_seconds=60)
    fal.faults["submit"].append(Fault("slow", seconds=0.3))
    generator, seen = fal_generator(fal), list[Submitted]()

    async def work() -> None:
        async with aclosing(generator.run(task(folder, generator))) as events:
            async for event in events:
                if isinstance(event, Submitted):
                    seen.append(event)
                    if not keep:
                        return

    job = asyncio.create_task(work())
    await wait_until_async(lambda: fal.calls["submit"])
    job.cancel()
    await asyncio.wait([job])
    assert job.cancelled() is keep
    await generator.close()
    return seen


async def test_a_process_that_stops_while_submitting_still_learns_of_the_job(fal: FalServer, tmp_path: Path):
    """The request id is reported before the stopped task ends, and the job is not cancelled."""
    (submitted,) = await stopped_while_submitting(fal, tmp_path, keep=True)
    assert submitted.remote["request_id"] == fal.job().id
    assert fal.job().cancelled is None


async def test_job_cancelled_during_submit_is_cancelled_at_fal(fal: FalServer, tmp_path: Path):
    """A job cancelled during its submit is cancelled at fal."""
    await stopped_while_submitting(fal, tmp_path, keep=False)
    assert fal.job().cancelled is not None


async def test_stopping_while_a_submit_fails_just_stops(fal: FalServer, tmp_path: Path):
    """Stopping during a submit that fails raises CancelledError and leaves no job."""
    fal.faults["submit"].append(Fault("hang", seconds=0.2))
    generator = fal_generator(fal)
    job = asyncio.create_task(run(generator, task(tmp_path, generator)))
    await wait_until_async(lambda: fal.calls["submit"])
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    assert len(fal.jobs) == 0


async def test_a_model_that_fal_dropped_is_unavailable_from_then_on(fal: FalServer, tmp_path: Path):
    """A 404 at the submit is no crash: the model says that it is gone, the others stay."""
    del fal.endpoints[MODELS["trellis"].endpoint]
    generator = fal_generator(fal, "trellis")
    assert generator.unavailable == ""
    with pytest.raises(GenerationFailed) as caught:
        await run(generator, task(tmp_path, generator))
    assert (caught.value.code, caught.value.message) == ("model_unavailable", "fal no longer offers TRELLIS.")
    assert generator.unavailable == "fal no longer offers TRELLIS."
    assert fal_generator(fal).unavailable == ""


async def test_models_without_a_key_say_how_to_get_one(tmp_path: Path):
    """Models without a key are listed as unavailable with a hint, and fail with `no_key` without any call."""
    models = fal_generators(" ", FalHosts())
    assert len(models) == len(MODELS)
    assert all("fal.ai/dashboard/keys" in model.unavailable for model in models)
    with pytest.raises(GenerationFailed) as caught:
        await run(models[0], task(tmp_path, models[0]))
    assert caught.value.code == "no_key"
    await models[0].cancel({})


async def test_two_event_loops_can_use_one_account(fal: FalServer, tmp_path: Path):
    """HTTP connections belong to a loop; an account keeps a set for each."""
    generator = fal_generator(fal)
    work = task(tmp_path / "a", generator)
    await asyncio.to_thread(lambda: asyncio.run(run(generator, work)))
    assert isinstance((await run(generator, task(tmp_path / "b", generator)))[-1], Finished)


@pytest.mark.parametrize("host", ["fal.media", "v3.fal.media", "v3b.fal.media", "v4.fal.media"])
def test_results_lie_in_fal_s_own_domain(host: str):
    """Results are accepted from any machine in fal's domain, over https only."""
    assert FalHosts().is_result(f"https://{host}/files/b/x.glb")
    assert not FalHosts().is_result(f"http://{host}/files/b/x.glb")
    assert not FalHosts().is_result(f"https://{host}.evil.com/x.glb")


def test_hosts_default_to_fal_and_a_stand_in_has_one_address():
    """An empty FAL_HOST means fal; another one moves every host there."""
    assert FalHosts.at("") == FalHosts()
    assert FalHosts().is_queue("https://queue.fal.run/a/b/requests/1")
    there = FalHosts.at("http://127.0.0.1:9911/")
    assert (there.queue, there.results) == ("http://127.0.0.1:9911", ("http://127.0.0.1:9911",))
    assert there.api == "http://127.0.0.1:9911"


@pytest.mark.parametrize(
    "url",
    [
        "http://queue.fal.run/x", "https://queue.fal.run.evil.com/x", "https://queue.fal.run@evil.com/x",
        "https://evil.com/queue.fal.run", "https://queue.fal.run:8443/x", "https://key@queue.fal.run/x",
        "https://evil.com\\@queue.fal.run/", "https://evilfal.media/x.glb",
        "//queue.fal.run/x", "https://queue.fal.run:x/", "", None, 7,
    ],
)  # fmt: skip
def test_hosts_resembling_the_queue_host_are_not_trusted(url: object):
    """The key goes to exactly one origin."""
    assert not FalHosts().is_queue(url)
    assert not FalHosts().is_result(url)
