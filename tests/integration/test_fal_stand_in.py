"""The stand-in itself: strict, honest about states, and scriptable. It is asked by the real fal-client."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator

import fal_client
import httpx
import pytest
import trimesh
from PIL import Image

from image2model.devtools.fal_stand_in import KEY, Fault, Script
from image2model.devtools.fal_stand_in.files import picture_box_glb
from image2model.devtools.fal_stand_in.schemas import ENDPOINTS
from image2model.generators.fal import FalHosts
from image2model.generators.fal.fal_client_compat import point_fal_client_at
from tests.support.fal_server import FalServer

TRELLIS = "fal-ai/trellis"


@pytest.fixture
def fal(stand_in: FalServer) -> FalServer:
    """The server as if just started."""
    stand_in.reset()
    point_fal_client_at(FalHosts.at(stand_in.url))
    return stand_in


@pytest.fixture
async def client(fal: FalServer) -> AsyncIterator[fal_client.AsyncClient]:
    """fal-client as it comes."""
    client = fal_client.AsyncClient(key=KEY)
    yield client
    await (await client._client).aclose()


def png() -> bytes:
    """A small picture."""
    data = io.BytesIO()
    Image.new("RGB", (8, 8), "navy").save(data, "PNG")
    return data.getvalue()


async def submit(client: fal_client.AsyncClient, **arguments: object) -> fal_client.AsyncRequestHandle:
    """A TRELLIS job for a fresh picture."""
    url = await client.upload(png(), "image/png")
    return await client.submit(TRELLIS, {"image_url": url, **arguments})


async def test_a_job_waits_runs_and_is_done(client: fal_client.AsyncClient, fal: FalServer):
    """The states come in order, with the queue position and the log's moving window."""
    now = [0.0]
    fal.clock = lambda: now[0]
    fal.script = Script(queue_seconds=1, run_seconds=2, percentages=(5, 20, 40, 60, 80))
    handle, seen = await submit(client), []
    async for status in handle.iter_events(with_logs=True, interval=0.01):
        seen.append(status)
        now[0] += 1
    kinds = [type(status).__name__ for status in seen]
    assert kinds == ["Queued", "InProgress", "InProgress", "Completed"]
    assert [log["message"] for log in seen[-1].logs] == ["progress: 40%", "progress: 60%", "progress: 80%"]
    assert (await handle.get())["model_mesh"]["url"].startswith(fal.url)


async def test_logs_are_returned_only_on_request(client: fal_client.AsyncClient, fal: FalServer):
    """As at fal, the field is there and empty otherwise."""
    handle = await submit(client)
    assert (await handle.status()).logs is None
    assert (await handle.status(with_logs=True)).logs


async def test_a_result_before_its_time_is_refused(client: fal_client.AsyncClient, fal: FalServer):
    """A result that is requested too early is answered with fal's status 400."""
    fal.script = Script(run_seconds=60)
    handle = await submit(client)
    async with httpx.AsyncClient(headers={"Authorization": f"Key {KEY}"}) as http:
        answer = await http.get(handle.response_url)
    assert (answer.status_code, answer.json()) == (400, {"detail": "Request is still in progress"})


async def test_jobs_beyond_the_limit_wait_in_line(client: fal_client.AsyncClient, fal: FalServer):
    """With a limit of two jobs the third starts when the first ends, and a cancelled job frees its place."""
    fal.concurrency = 2
    fal.script = Script(run_seconds=60)
    handles = [await submit(client) for _ in range(4)]
    statuses = [await handle.status() for handle in handles]
    assert [type(status).__name__ for status in statuses] == ["InProgress"] * 2 + ["Queued"] * 2
    assert [status.position for status in statuses[2:]] == [0, 1]
    await handles[2].cancel()
    assert (await handles[3].status()).position == 0


async def test_cancel_answers_as_fal_does(client: fal_client.AsyncClient, fal: FalServer):
    """Accepted once, then too late; the result is a 499; a ignores_cancel job goes on."""
    now = [0.0]
    fal.clock = lambda: now[0]
    fal.scripts.extend([Script(run_seconds=60), Script(run_seconds=60, ignores_cancel=True)])
    handle, ignores_cancel = await submit(client), await submit(client)
    await handle.cancel()
    with pytest.raises(fal_client.FalClientHTTPError) as late:
        await handle.cancel()
    with pytest.raises(fal_client.FalClientHTTPError) as gone:
        await handle.get()
    await ignores_cancel.cancel()
    now[0] += 60
    assert (late.value.status_code, gone.value.status_code, gone.value.error_type) == (400, 499, "client_cancelled")
    assert "model_mesh" in await ignores_cancel.get()


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"texture_size": "1024"}, "literal_error"),
        ({"texture_size": 1000}, "literal_error"),
        ({"mesh_simplify": 0.5}, "greater_than_equal"),
        ({"mesh_simplify": 1}, "less_than_equal"),
        ({"seed": True}, "int_type"),
        ({"seed": 1.5}, "int_type"),
        ({"image_url": 7}, "url_type"),
        ({"face_limit": 5}, "extra_forbidden"),
        ({"image_url": "https://example.com/x.png"}, "file_download_error"),
    ],
)
async def test_arguments_that_do_not_fit_fail_the_job(
    client: fal_client.AsyncClient, arguments: dict[str, object], kind: str
):
    """The submit is taken, as at fal; the job is COMPLETED and its result a 422 that says why."""
    handle = await submit(client, **arguments)
    with pytest.raises(fal_client.FalClientHTTPError) as caught:
        await handle.get()
    assert caught.value.status_code == 422
    assert caught.value.message[0]["type"] == kind


@pytest.mark.parametrize(("data", "kind"), [(b"text", "image_load_error"), (b"", "file_download_error")])
async def test_unreadable_pictures_are_refused(client: fal_client.AsyncClient, data: bytes, kind: str):
    """Bytes that are no picture fail the job."""
    handle = await client.submit(TRELLIS, {"image_url": await client.upload(data, "image/png")})
    with pytest.raises(fal_client.FalClientHTTPError) as caught:
        await handle.get()
    assert caught.value.message[0]["type"] == kind


async def test_every_endpoint_requires_the_right_key(fal: FalServer):
    """The queue, the tokens and the prices want the key, the CDN its token."""
    async with httpx.AsyncClient(base_url=fal.url, headers={"Authorization": "Key wrong"}) as http:
        answers = [
            await http.post(f"/{TRELLIS}", json={}),
            await http.get(f"/{TRELLIS}/requests/x/status"),
            await http.put(f"/{TRELLIS}/requests/x/cancel"),
            await http.post("/storage/auth/token?storage_type=fal-cdn-v3"),
            await http.post("/files/upload", content=png()),
            await http.get("/v1/models/pricing"),
        ]
    assert [answer.status_code for answer in answers] == [401] * 6


async def test_a_key_shown_to_the_cdn_is_reported(fal: FalServer):
    """The stand-in reports a key that is sent with a download."""
    async with httpx.AsyncClient(base_url=fal.url, headers={"Authorization": f"Key {KEY}"}) as http:
        await http.get("/files/x")
    assert fal.leaks == ["download"]


async def test_models_and_prices_are_listed(fal: FalServer):
    """Models and prices have the form of fal's platform API."""
    fal.prices[TRELLIS] = 0.05
    async with httpx.AsyncClient(base_url=fal.url, headers={"Authorization": f"Key {KEY}"}) as http:
        prices = (await http.get("/v1/models/pricing", params={"endpoint_id": f"{TRELLIS},no/such"})).json()["prices"]
        models = (await http.get("/v1/models")).json()["models"]
    assert prices == [{"endpoint_id": TRELLIS, "unit_price": 0.05, "unit": "units", "currency": "USD"}]
    assert {model["endpoint_id"] for model in models} == set(ENDPOINTS)


async def test_fal_client_s_own_submit_pays_twice_after_a_broken_connection(
    client: fal_client.AsyncClient, fal: FalServer
):
    """The trap for whose sake ours posts by itself: one call, two jobs."""
    url = await client.upload(png(), "image/png")
    fal.faults["submit"].append(Fault("drop_after"))
    await client.submit(TRELLIS, {"image_url": url})
    assert len(fal.jobs) == 2


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "truncate"])
async def test_faults_break_the_connection(fal: FalServer, kind: str):
    """A fault breaks the connection of one call; the next call is answered."""
    fal.files["x"] = ("text/plain", b"x" * 100_000)
    fal.faults["download"].append(Fault(kind))
    async with httpx.AsyncClient(base_url=fal.url) as http:
        with pytest.raises(httpx.TransportError):
            await http.get("/files/x")
        assert len((await http.get("/files/x")).content) == 100_000


async def test_a_hanging_call_never_answers(fal: FalServer):
    """A hanging call ends only by the caller's timeout."""
    fal.faults["models"].append(Fault("hang", seconds=0.2))
    async with httpx.AsyncClient(base_url=fal.url) as http:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await http.get("/v1/models")


def test_results_are_real_meshes_wrapped_in_the_picture():
    """A closed box of twelve triangles that carries the picture as its texture."""
    mesh = trimesh.load(io.BytesIO(picture_box_glb(png())), file_type="glb", force="mesh")
    assert mesh.faces.shape == (12, 3)
    assert mesh.visual.material.baseColorTexture.size == (8, 8)
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    assert mesh.is_watertight
