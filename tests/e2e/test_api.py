"""The API that programs call, on the running app, with the real clients of Gradio and with curl."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from image2model.web.gradio_api import ENDPOINT_NAMES, _report_errors
from tests.support.browser import ROOT, App

EXAMPLES = ROOT / "examples"
SNIPPETS = ROOT / "image2model" / "web" / "ui" / "snippets"
ENDPOINTS = {
    "/generate": ["image", "generator", "face_limit", "options", "idempotency_key"],
    "/generate_from_sides": ["front", "back", "left", "right", "generator", "face_limit", "options", "idempotency_key"],
    "/submit_batch": ["images", "generator", "face_limit", "options", "idempotency_key"],
    "/batch_status": ["batch_id"],
    "/picture_warnings": ["batch_id"],
    "/watch_batch": ["batch_id"],
    "/cancel_batch": ["batch_id"],
    "/retry_batch": ["batch_id"],
    "/delete_batch": ["batch_id"],
    "/download_batch": ["batch_id", "formats", "export_options"],
    "/export": ["batch_id", "number", "format", "export_options"],
    "/print_check": ["batch_id", "number", "size", "measure"],
    "/turntable": ["batch_id", "number"],
    "/list_generators": [],
}
FAST = {"detail": "low"}


@pytest.fixture(scope="module")
def client(app: App) -> Client:
    """Gradio's Python client on the running app."""
    return Client(app.url, verbose=False)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """A text that calls itself a picture."""
    path = tmp_path / "notes.png"
    path.write_text("no picture")
    return path


def submit(client: Client, *pictures: Path, **more: Any) -> dict[str, Any]:
    """A new batch of local previews."""
    images = [handle_file(picture) for picture in pictures]
    return client.predict(images=images, generator="local", options=FAST, api_name="/submit_batch", **more)


def test_only_the_named_endpoints_are_shown(client):
    """The generated description lists our endpoints with their parameters and nothing else."""
    info = client.view_api(return_format="dict", print_info=False)
    named = {
        name: [parameter["parameter_name"] for parameter in it["parameters"]]
        for name, it in info["named_endpoints"].items()
    }
    assert named == ENDPOINTS
    assert sorted(named) == sorted(f"/{name}" for name in ENDPOINT_NAMES)  # which the API tab lists
    assert info["unnamed_endpoints"] == {}
    assert all(it["description"] for it in info["named_endpoints"].values())


def test_generate_gives_the_mesh_and_its_facts(client):
    """One call turns one picture into a GLB named after it, with its facts and a batch behind it."""
    job = client.submit(
        image=handle_file(EXAMPLES / "robot.jpg"), generator="local", options=FAST, api_name="/generate"
    )
    mesh, facts = job.result()
    assert Path(mesh).name == "robot.glb"
    assert Path(mesh).read_bytes()[:4] == b"glTF"
    assert facts["watertight"] is True
    assert facts["faces"] > 500
    assert client.predict(batch_id=facts["batch_id"], api_name="/batch_status")["state"] == "done"


def test_batch_is_submitted_watched_and_downloaded(client, notes):
    """Submit returns at once, watch ends when all is done, the zip has the meshes and the manifest."""
    batch = submit(client, EXAMPLES / "robot.jpg", notes, EXAMPLES / "robot.jpg")
    assert [job["filename"] for job in batch["jobs"]] == ["robot.glb", "robot-2.glb"]
    assert [(refusal["name"], refusal["code"]) for refusal in batch["rejected"]] == [("notes.png", "not_an_image")]
    assert batch["cost"]["estimate"] == 0
    assert client.predict(batch_id=batch["batch_id"], api_name="/picture_warnings") == []
    views = list(client.submit(batch_id=batch["batch_id"], api_name="/watch_batch"))
    assert views[-1]["state"] == "done"
    assert [view["progress"] for view in views] == sorted(view["progress"] for view in views)
    keys = {"name", "state", "progress", "message", "queue_position", "error", "facts", "url", "thumbnail"}
    assert keys <= set(views[-1]["jobs"][0])
    assert httpx.get(views[-1]["jobs"][1]["url"]).content[:4] == b"glTF"
    assert httpx.get(views[-1]["jobs"][1]["thumbnail"]).headers["content-type"] == "image/webp"
    moving = client.predict(batch_id=batch["batch_id"], number=2, api_name="/turntable")
    assert httpx.get(views[-1]["jobs"][1]["turntable"], timeout=60).content == Path(moving).read_bytes()
    archive = zipfile.ZipFile(client.predict(batch_id=batch["batch_id"], api_name="/download_batch"))
    assert {"robot.glb", "robot-2.glb", "manifest.json"} <= set(archive.namelist())
    assert json.loads(archive.read("manifest.json"))["rejected"][0]["name"] == "notes.png"


def test_a_request_with_a_key_is_one_batch(client):
    """Two requests with one idempotency key give the same batch; the key with other pictures is refused."""
    given = {"images": [handle_file(EXAMPLES / "mug.jpg")], "idempotency_key": "once", "api_name": "/submit_batch"}
    first, second = client.predict(**given), client.predict(**given)
    assert first["batch_id"] == second["batch_id"]
    with pytest.raises(AppError, match="idempotency_key_reused"):
        client.predict(**{**given, "images": [handle_file(EXAMPLES / "robot.jpg")]})


def test_cancel_retry_and_delete(client):
    """A cancelled batch can be worked again, and a deleted one is gone with its files."""
    batch_id = submit(client, *[EXAMPLES / "robot.jpg"] * 6)["batch_id"]
    cancelled = client.predict(batch_id=batch_id, api_name="/cancel_batch")
    assert cancelled["counts"]["cancelled"] > 0
    assert cancelled["state"] != "working"
    assert client.predict(batch_id=batch_id, api_name="/retry_batch")["state"] == "working"
    *_, last = client.submit(batch_id=batch_id, api_name="/watch_batch")
    assert last["counts"] == {"total": 6, "done": 6, "failed": 0, "cancelled": 0, "unconfirmed": 0}
    mesh = last["jobs"][0]["url"]
    assert client.predict(batch_id=batch_id, api_name="/delete_batch") == {"batch_id": batch_id, "deleted": True}
    assert httpx.get(mesh).status_code == 404
    with pytest.raises(AppError, match="batch_not_found: "):
        client.predict(batch_id=batch_id, api_name="/batch_status")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"generator": "nobody"}, "generator_unknown"),
        ({"options": {"speed": 1}}, "option_unknown"),
        ({"options": {"detail": "finest"}}, "option_out_of_range"),
        ({"face_limit": -3}, "option_out_of_range"),
        ({"images": 2, "options": {"sides": [{"front": 1, "back": 2}]}}, "sides_not_taken"),
        ({"images": 2, "options": {"sides": "what?"}}, "sides_unreadable"),
        ({"images": []}, "no_images"),
        ({"images": 26}, "too_many_images"),
        ({"images": ["https://127.0.0.1/a.png"]}, "url_refused"),
        ({"images": ["http://example.org/a.png"]}, "url_refused"),
    ],
)
def test_errors_carry_a_code_and_a_sentence(client, given, code):
    """Each wrong request says what is wrong, with a stable code first."""
    images = given.get("images", 1)
    pictures = [EXAMPLES / "robot.jpg"] * images if isinstance(images, int) else images
    request = {"images": [handle_file(picture) for picture in pictures], "generator": "local", **given}
    request["images"] = [handle_file(picture) for picture in pictures]
    with pytest.raises(AppError, match=rf"^{code}: [A-Z].*\."):
        client.predict(**request, api_name="/submit_batch")


PICTURE = handle_file(EXAMPLES / "robot.jpg")


@pytest.mark.parametrize(
    ("endpoint", "given", "code"),
    [
        ("generate", [None, "local", None, None], "no_images"),
        ("generate", ["cat.jpg", "local", None, None], "input_unreadable"),
        ("generate", [[PICTURE], "local", None, None], "input_unreadable"),
        ("generate", [PICTURE, "local", None, '{"detail": "low"}'], "options_unreadable"),
        ("generate_from_sides", [None, PICTURE, None, None, "local", None, None], "side_missing"),
        ("submit_batch", [PICTURE, "local", None, None], "input_unreadable"),
        ("submit_batch", [[PICTURE], "local", None, [1]], "options_unreadable"),
        ("export", ["a batch", None, "stl", None], "number_unreadable"),
        ("export", ["a batch", 1.5, "stl", None], "number_unreadable"),
        ("export", ["a batch", 1, "stl", "size"], "options_unreadable"),
        ("export", ["a batch", 1, ["stl"], None], "format_unknown"),
        ("print_check", ["a batch", "first", None, "longest"], "number_unreadable"),
        ("turntable", ["a batch", [1]], "number_unreadable"),
        ("download_batch", ["a batch", 5, None], "format_unknown"),
        ("download_batch", ["a batch", [["stl"]], None], "format_unknown"),
    ],
)
def test_values_of_a_wrong_type_have_an_error_code(client, endpoint, given, code):
    """A missing value and a value of the wrong type are each answered with an error code and a sentence."""
    with pytest.raises(AppError, match=rf"^{code}: .*\."):
        client.predict(*given, api_name=f"/{endpoint}")


def test_unknown_endpoint_has_an_error_code(app):
    """A wrong name in an address is answered 404 with a code, and is no failure of the app's."""
    answer = httpx.post(f"{app.url}/gradio_api/call/make", json={"data": []})
    assert (answer.status_code, answer.json()["error_code"]) == (404, "endpoint_unknown")


def test_an_upload_that_breaks_off_is_no_failure(app):
    """A client that disconnects during an upload is counted as such, and not as a server error."""
    head = "POST /gradio_api/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n"
    part = '--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n\xff\xd8'
    with socket.create_connection(("127.0.0.1", int(app.url.rpartition(":")[2]))) as sender:
        sender.sendall(f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n{part}".encode())
    counted = 'http_requests_total{method="POST",route="/gradio_api/upload",status="%d"}'
    for _ in range(100):
        answer = httpx.get(f"{app.url}/health/metrics").text
        if counted % 400 in answer:
            break
        time.sleep(0.1)
    assert counted % 400 in answer
    assert counted % 500 not in answer


async def test_unexpected_error_hides_its_reason():
    """An unexpected exception is reported with the code `internal_error` and without its own text."""

    async def fails() -> None:
        raise RuntimeError("a secret")

    with pytest.raises(gr.Error, match=r"^'internal_error: [^']*\.'$"):
        await _report_errors(fails)()


def test_lone_surrogate_is_refused(app):
    """JSON may hold half a character, which is an id of nothing and no failure of the app's."""
    call = f"{app.url}/gradio_api/call/batch_status"
    asked = httpx.post(call, content=rb'{"data": ["\ud800"]}', headers={"Content-Type": "application/json"})
    assert '"input_unreadable: ' in httpx.get(f"{call}/{asked.json()['event_id']}").text


def test_list_generators_has_prices_options_and_availability(client):
    """The whole catalogue is there, each with its price and options as data."""
    listed = {generator["id"]: generator for generator in client.predict(api_name="/list_generators")}
    assert len(listed) == 16
    assert listed["tripo-v2.5"]["price"] == 0.3
    assert listed["local"]["available"] is True
    assert (listed["local"]["sides"], listed["tripo-v2.5"]["sides"]) == ([], ["front", "left", "back", "right"])
    assert [option["name"] for option in listed["local"]["options"]][:1] == ["detail"]


def call(app: App, endpoint: str, *data: Any) -> str:
    """A raw call, as anybody can send it; returns the answering event stream."""
    made = httpx.post(f"{app.url}/gradio_api/call/{endpoint}", json={"data": data})
    return httpx.get(f"{app.url}/gradio_api/call/{endpoint}/{made.json()['event_id']}", timeout=30).text


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "/proc/self/environ", "DATA/image2model.db", "DATA/secret", "/dev/zero"]
)
def test_server_files_are_not_accepted_as_pictures(app, path):
    """A raw path outside the uploads is refused and nothing of it comes back."""
    file = {"path": path.replace("DATA", str(app.data)), "meta": {"_type": "gradio.FileData"}}
    answer = call(app, "submit_batch", [file], "local", None, None)
    assert "event: error" in answer
    assert "root:" not in answer
    assert "batch_id" not in answer


@pytest.mark.parametrize(
    "path",
    [
        "batches/nobody/zip", "batches/nobody/1/input.webp", "batches/../image2model.db", "batches/%2e%2e/secret",
        "gradio_api/file=DATA/image2model.db", "gradio_api/file=DATA/secret", "gradio_api/file=/etc/passwd",
    ],
)  # fmt: skip
def test_unknown_ids_read_no_batch(app, path):
    """Guessed ids, climbing paths and the database are not served."""
    address = f"{app.url}/{path.replace('DATA', str(app.data))}"
    with pytest.raises(urllib.error.HTTPError) as caught:  # urllib leaves the dots in the path as they are
        urllib.request.urlopen(address)
    assert caught.value.code in (403, 404)


def test_single_file_supports_ranges_and_has_its_name(client):
    """Downloads resume, carry the picture's name and are not sniffed."""
    batch = submit(client, EXAMPLES / "robot.jpg")
    *_, view = client.submit(batch_id=batch["batch_id"], api_name="/watch_batch")
    part = httpx.get(view["jobs"][0]["url"], headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"glTF")
    assert 'filename="robot.glb"' in part.headers["content-disposition"]
    assert part.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("style", ["one-picture", "batch"])
@pytest.mark.parametrize("ending", ["py", "mjs", "sh"])
def test_the_programs_that_we_show_run(app, tmp_path, style, ending, notes):
    """Each program of the API tab, README.md and docs/ runs as it stands, against the running app."""
    pictures = [EXAMPLES / "robot.jpg"] if style == "one-picture" else [EXAMPLES / "robot.jpg", notes]
    program = tmp_path / f"{style}.{ending}"
    shutil.copy(SNIPPETS / program.name, program)
    if ending == "mjs":
        (tmp_path / "node_modules").symlink_to(ROOT / "tests" / "node_modules")
    runner = {"py": sys.executable, "mjs": "node", "sh": "bash"}[ending]
    done = subprocess.run(
        [runner, program, *pictures, app.url], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "GRADIO_TEMP_DIR": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    expected = "1 of 1 done" if style == "batch" else "faces" if ending != "sh" else ""
    assert expected in done.stdout
    if ending == "sh":
        result = tmp_path / ("model.glb" if style == "one-picture" else "models.zip")
        assert result.read_bytes()[:4] == (b"glTF" if style == "one-picture" else b"PK\3\4")


@pytest.mark.e2e
def test_a_private_app_without_a_key(tmp_path):
    """With APP_USERS page and API require a sign-in, and without FAL_KEY fal's models are unavailable with a hint."""
    private = App(tmp_path, APP_USERS="ann:s3cret").start()
    try:
        assert httpx.get(f"{private.url}/config").status_code == 401
        assert httpx.post(f"{private.url}/gradio_api/call/list_generators", json={"data": []}).status_code == 401
        with pytest.raises(Exception, match=r"(?i)auth|credential|login|401"):
            Client(private.url, auth=("ann", "wrong"), verbose=False)
        signed_in = Client(private.url, auth=("ann", "s3cret"), verbose=False)
        listed = {generator["id"]: generator for generator in signed_in.predict(api_name="/list_generators")}
        assert [name for name, generator in listed.items() if generator["available"]] == ["local"]
        assert "FAL_KEY" in listed["tripo-v2.5"]["unavailable_reason"]
        with pytest.raises(AppError, match=r"generator_unavailable: .*FAL_KEY"):
            signed_in.predict([handle_file(EXAMPLES / "robot.jpg")], "trellis", None, None, api_name="/submit_batch")
    finally:
        assert private.stop() == 0
