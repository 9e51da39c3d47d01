"""Clients of the first image2model: small pages that read its shapes, from another origin, with a key, in a browser."""

from __future__ import annotations

import asyncio
import functools
import http.server
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from image2model.devtools.app_process import ADMIN_KEY
from image2model.web.rest import result_links
from tests.e2e.test_rest_contract import ROBOT, events, post
from tests.support.browser import ROOT, App

KEY = "a rest key"
PAGES = ROOT / "tests" / "support" / "legacy_clients"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def pages() -> Iterator[str]:
    """The origin of the clients' pages."""
    handler = functools.partial(_Quiet, directory=str(PAGES))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, pages: str) -> Iterator[App]:
    """The app with API_KEY, which lets the pages' origin call it."""
    app = App(tmp_path_factory.mktemp("legacy"), API_KEY=KEY, CORS_ORIGINS=pages, GENERATOR="local").start()
    yield app
    assert app.stop() == 0


@pytest.fixture(scope="module")
def api(locked: App) -> Iterator[httpx.Client]:
    """A program with the key."""
    with httpx.Client(
        base_url=f"{locked.url}/api/v1", timeout=120, headers={"Authorization": f"Bearer {KEY}"}
    ) as client:
        yield client


@pytest.fixture(scope="module")
def done(api: httpx.Client) -> dict[str, Any]:
    """A finished batch of one."""
    batch = post(api, ("robot.jpg", ROBOT)).json()
    return {**batch, "events": events(api, batch["task_id"])}


@pytest_asyncio.fixture(loop_scope="session")
async def page(chromium: Browser) -> AsyncIterator[Page]:
    """A page of a fresh profile."""
    context = await chromium.new_context(accept_downloads=True)
    yield await context.new_page()
    await context.close()


@pytest.mark.browser
async def test_upload_progress_results_download(page: Page, pages: str, locked: App):
    """Pictures go up, progress comes by EventSource, pictures of results are shown and a plain link downloads a GLB."""
    await page.goto(f"{pages}/upload.html?api={locked.url}/api/v1&key={KEY}")
    await page.set_input_files("#files", [ROOT / "examples" / "robot.jpg", ROOT / "examples" / "mug.jpg"])
    await expect(page.locator("#status")).to_have_text("2 completed")
    assert await page.locator("#results img").evaluate_all(
        "images => Promise.all(images.map(image => image.decode().then(() => image.naturalWidth > 0)))"
    ) == [True, True]
    async with page.expect_download() as download:
        await page.locator("#results a").first.click()
    file = await download.value
    assert file.suggested_filename == "robot.glb"
    content = await asyncio.to_thread(Path(await file.path()).read_bytes)
    assert content[:4] == b"glTF"


@pytest.mark.browser
async def test_admin_cleanup_delete(page: Page, pages: str, locked: App, api: httpx.Client):
    """Job folders are listed with times in epoch seconds, and one is deleted by the path that the list has."""
    own = (await asyncio.to_thread(post, api, ("robot.jpg", ROBOT))).json()
    await asyncio.to_thread(events, api, own["task_id"])
    await page.goto(f"{pages}/admin.html?api={locked.url}/api/v1&key={ADMIN_KEY}")
    entry = page.locator(f"#folders li[data-path='batches/{own['batch_id']}'][data-directory=true]")
    await expect(entry).to_be_visible()
    await page.locator("#cleanup").click()
    await expect(page.locator("#freed")).to_contain_text("cleaned up")
    await entry.locator("button").click()
    await expect(page.locator("#freed")).to_contain_text("The batch is deleted.")
    await expect(entry).to_have_count(0)


def test_links_open_without_a_header_and_nothing_else_does(api: httpx.Client, done: dict[str, Any]):
    """A signed link opens its own file; without or with another's signature the key is asked for."""
    (file,) = api.get(f"/download/{done['job_id']}/all").json()["files"]
    plain, _, signature = file["model_url"].partition("?")
    picture = file["rendered_image"]["url"]
    assert httpx.get(file["model_url"]).content[:4] == b"glTF"
    assert httpx.get(picture).headers["content-type"] == "image/webp"
    assert file["download_url"] == file["model_url"]
    for refused in (plain, f"{plain}?signature=", f"{plain}?{signature}x", f"{picture.partition('?')[0]}?{signature}"):
        assert httpx.get(refused).status_code == 403
    assert httpx.get(f"{api.base_url}download/{done['job_id']}/all?{signature}").status_code == 403


async def test_links_expire(services, monkeypatch: pytest.MonkeyPatch):
    """A signature is valid for a day, under the key that it was made with."""
    signature = result_links._signer(services).dumps(["job", "a.glb"])
    assert result_links.is_signed(services, signature, "job", "a.glb")
    assert not result_links.is_signed(services, signature, "job", "b.glb")
    monkeypatch.setattr(result_links, "VALID_SECONDS", 0)
    await asyncio.sleep(1.1)  # signatures count whole seconds
    assert not result_links.is_signed(services, signature, "job", "a.glb")


def test_results_in_the_stream_and_the_status(api: httpx.Client, done: dict[str, Any]):
    """`result.results[]` has what the first front ends read, at the stream's end and in the status."""
    _, name, data = done["events"][-1]
    status = api.get(f"/status/tasks/{done['task_id']}/status").json()
    assert name == "task_completed"
    for result in (data["result"], status["result"]):
        (entry,) = result["results"]
        assert (entry["filename"], entry["original_filename"]) == ("robot.glb", "robot.jpg")
        assert (entry["status"], entry["error"]) == ("completed", None)
        assert httpx.get(entry["download_url"]).content[:4] == b"glTF"
        assert httpx.get(entry["rendered_image"]["url"]).headers["content-type"] == "image/webp"
        assert len(result["files"]) == 1


def test_a_failed_picture_has_a_result_without_links(api: httpx.Client):
    """A failed or cancelled picture is in `results[]` with null links."""
    batch = post(api, ("robot.jpg", ROBOT)).json()
    result = api.post(f"/status/tasks/{batch['task_id']}/cancel").json()["result"]
    (entry,) = result["results"]
    if entry["status"] == "cancelled":  # it may have been faster
        assert (entry["download_url"], entry["rendered_image"]) == (None, None)


def test_progress_has_the_old_numbers(done: dict[str, Any]):
    """Each `task_progress` has the number of pictures and how many of them are finished."""
    events = [data for _, name, data in done["events"] if name == "task_progress"]
    for data in events:
        assert (data["total"], data["total_files"]) == (1, 1)
        assert data["current"] == data["processed"] == data["files_completed"] in (0, 1)
        assert 0 <= data["file_progress"] <= 100
        assert data["files"][0]["filename"] == "robot.jpg"
    assert events


def test_stream_of_an_unknown_task_ends_with_an_error(api: httpx.Client):
    """An event comes at once, and then the end, so that no client waits for nothing."""
    received = events(api, str(uuid.uuid4()))
    assert [name for _, name, _ in received] == ["task_queued", "task_failed"]
    assert "no such task" in received[-1][2]["message"]


def test_models_and_their_params(api: httpx.Client):
    """`/models` lists what `/models/available` does; `/models/{id}/params` has the options; an upload takes both."""
    assert api.get("/models").json() == api.get("/models/available").json()
    params = api.get("/models/local/params").json()
    assert params["model_type"] == "local"
    assert "detail" in {parameter["name"] for parameter in params["params"]}
    assert api.get("/models/nothing/params").json()["error_code"] == "generator_unknown"
    refused = post(api, ("robot.jpg", ROBOT), model="", options="", params='{"detail": "huge"}', model_type="local")
    assert (refused.status_code, "detail" in refused.json()["message"].lower()) == (422, True)
    unknown = post(api, ("robot.jpg", ROBOT), model="", model_type="nothing")
    assert unknown.json()["error_code"] == "generator_unknown"


def test_the_old_admin_address_leads_to_the_tab(locked: App):
    """`GET /admin` leads to the Admin tab, below a path, too."""
    for path in ("/admin", "/admin/"):
        answer = httpx.get(f"{locked.url}{path}", follow_redirects=True)
        assert answer.url == f"{locked.url}/?tab=admin"
        assert answer.status_code == 200


@pytest.mark.parametrize("form", ["{job_id}", "{batch_id}", "batches/{batch_id}"])
def test_a_job_is_deleted_by_any_of_its_names(locked: App, api: httpx.Client, form: str):
    """A job is deleted by its job id, by its batch's id, and by the listed path of its folder."""
    batch = post(api, ("robot.jpg", ROBOT)).json()
    events(api, batch["task_id"])
    with httpx.Client(base_url=f"{locked.url}/api/v1", headers={"Authorization": f"Bearer {ADMIN_KEY}"}) as host:
        listed = host.get("/admin/list-files", params={"directory": "results"}).json()["items"]
        assert f"batches/{batch['batch_id']}" in {item["path"] for item in listed if item["is_directory"]}
        assert host.delete(f"/admin/delete-job/{form.format(**batch)}").status_code == 200
        assert host.delete(f"/admin/delete-job/{form.format(**batch)}").status_code == 404
