"""Attacks on the running app: each of them gets nowhere, and nothing is told that should not be."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, expect

from tests.browser import ADMIN_KEY, ROOT, App, drawn, opened, settled

PASSWORD = "the host's password"
INSIDE = ("root:x:0", "SQLite format", "[project]", ADMIN_KEY, PASSWORD, "Traceback", "site-packages")
"""What an answer to an attack must never hold."""
FRIEND = "https://shop.example"
pytestmark = pytest.mark.xdist_group("attacks")


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """An app of its own, because attacks use up its tries; it knows two host names and believes one proxy."""
    folder = tmp_path_factory.mktemp("target")
    app = App(folder, ADMIN_PASSWORD=PASSWORD, ALLOWED_HOSTS="127.0.0.1 models.example.org", CORS_ORIGINS=FRIEND)
    yield app.start()
    app.stop()


@pytest.fixture(scope="module")
def visitor(target: App) -> Iterator[httpx.Client]:
    """A visitor with no rights."""
    with httpx.Client(base_url=target.url, timeout=120, trust_env=False) as client:
        yield client


def raw(app: App, request: bytes) -> bytes:
    """The answer to bytes that no client would send, as they come until the connection ends or is silent."""
    port = int(app.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        return connection.recv(65536)


def asked(app: App, target: str, *headers: str) -> tuple[int, str]:
    """Status and text of a GET whose target is sent as it stands."""
    lines = [f"GET {target} HTTP/1.1", *(headers or ("Host: 127.0.0.1",)), "Connection: close", "", ""]
    answer = raw(app, "\r\n".join(lines).encode())
    return int(answer.split()[1]), answer.decode(errors="replace")


def call(visitor: httpx.Client, name: str, *data: Any) -> str:
    """All that comes of a call of a named endpoint."""
    started = visitor.post(f"/gradio_api/call/{name}", json={"data": list(data)})
    if started.status_code != 200:
        return started.text
    return visitor.get(f"/gradio_api/call/{name}/{started.json()['event_id']}").text


FILES = [
    "/etc/passwd", "../../../../etc/passwd", "..%2f..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd",
    "file:///etc/passwd", "/proc/self/environ", "//etc/passwd", "..%5c..%5cetc%5cpasswd", "{data}/image2model.db",
    "{data}/secret", "{data}/batches", "{root}/pyproject.toml", "{root}/examples/../pyproject.toml", "{root}/app.py",
]  # fmt: skip
PATHS = [
    *(f"/gradio_api/file={path}" for path in FILES), "/gradio_api/file//etc/passwd", "/file=/etc/passwd",
    "/gradio_api/file=https://example.org/x", "/gradio_api/file=http://127.0.0.1:1/",
    "/gradio_api/file/https://example.org/x", "/gradio_api/file=HTTPS://example.org/x",
    "/gradio_api/file=%68ttps://example.org/x", "/gradio_api/file=http://169.254.169.254/latest/meta-data/",
    "/gradio_api/proxy=https://example.org/x", "/batches/../../secret", "/batches/%2e%2e/1/secret",
    "/batches/..%2f..%2fsecret/1/x.glb", "/batches/x/1/..%2f..%2f..%2fsecret",
    "/batches/00000000-0000-4000-8000-000000000000/zip", "/batches/%00/zip", "/batches/*/zip",
    "/batches/'%20or%201=1--/zip", "/batches/x/99999999999999999999/input.webp", "/batches/", "/.env", "/data/secret",
    "/image2model.db", "/gradio_api/upload_progress?upload_id=../../secret", "/static/..%2f..%2f..%2froutes.py",
    "/assets/..%2f..%2froutes.py", "/theme.css/../../../etc/passwd", "/monitoring/x",
    "/gradio_api/stream/x/y/1/playlist.m3u8",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_no_path_leads_to_what_is_not_offered(target: App, path: str):
    """Paths out of the folders, into them, to other hosts and to what others own are answered with an error."""
    status, answer = asked(target, path.format(data=target.data, root=ROOT))
    assert 400 <= status < 500
    assert not any(secret in answer for secret in INSIDE)


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "127.0.0.1@evil.example", "a/b", "", "127.0.0.1, evil.example x"]
)
def test_a_strange_host_name_is_refused(target: App, host: str):
    """DNS rebinding and forged addresses end at the door."""
    assert asked(target, "/", f"Host: {host}")[0] == 400


@pytest.mark.parametrize("header", ["X-Forwarded-Host", "X-Gradio-Server"])
def test_a_forged_address_is_not_repeated(target: App, visitor: httpx.Client, header: str):
    """No answer names another host, and none is kept for the next visitor."""
    for path in ("/", "/config", "/gradio_api/info"):
        assert "evil.example" not in visitor.get(path, headers={header: "https://evil.example"}).text
        assert "evil.example" not in visitor.get(path).text


def test_the_first_host_name_is_not_kept_for_all(target: App, visitor: httpx.Client):
    """The API's description names the host that this visitor used."""
    visitor.get("/gradio_api/info", headers={"Host": "models.example.org"})
    assert "models.example.org" not in visitor.get("/gradio_api/info").text


@pytest.mark.parametrize("path", ["/", "/config", "/alive", "/gradio_api/info", "/nowhere", "/batches/x/zip"])
def test_every_answer_carries_its_headers(visitor: httpx.Client, path: str):
    """Pages, data and errors say what may be done with them."""
    headers = visitor.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "frame-ancestors" in headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/config", "/gradio_api/call/generate", "/api/v1/upload", "/gradio_api/upload"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", f"{FRIEND}.evil.example", "http://shop.example"])
def test_another_site_is_not_let_in(visitor: httpx.Client, path: str, origin: str):
    """A browser is told neither before a call nor after it that a strange site's page may have it, only a friend's."""
    wants = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    for stranger, allowed in ((origin, None), (FRIEND, FRIEND)):
        asked = visitor.options(path, headers={"Origin": stranger, **wants})
        assert asked.headers.get("access-control-allow-origin") == allowed
        assert asked.headers["x-content-type-options"] == "nosniff"
        assert visitor.get(path, headers={"Origin": stranger}).headers.get("access-control-allow-origin") == allowed


def uploaded(visitor: httpx.Client, name: str, content: bytes) -> str:
    """Where an upload was put."""
    return str(visitor.post("/gradio_api/upload", files={"files": (name, content)}).json()[0])


@pytest.mark.parametrize("name", ["x.html", "x.svg", "x.xml", "x.js"])
def test_an_uploaded_page_runs_no_script(visitor: httpx.Client, name: str):
    """Whatever a visitor puts there is served as a file in a sandbox."""
    path = uploaded(visitor, name, b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    headers = visitor.get(f"/gradio_api/file={path}").headers
    assert "sandbox" in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize("name", ["../../../evil.png", "/etc/evil.png", "..\\..\\evil.png", "a/../../evil.png"])
def test_an_upload_stays_in_its_folder(target: App, visitor: httpx.Client, name: str):
    """A file name with a path in it is only a name."""
    path = Path(uploaded(visitor, name, b"x")).resolve()
    assert path.is_relative_to(target.data.parent / "uploads")


def test_an_upload_by_address_goes_nowhere_inside(visitor: httpx.Client):
    """Every file input of the page and the API refuses addresses inside the host's network."""
    for address in ("http://127.0.0.1:1/a.png", "https://127.0.0.1/a.png", "https://169.254.169.254/a.png"):
        answer = call(
            visitor, "submit_batch", [{"path": address, "meta": {"_type": "gradio.FileData"}}], "local", None, None
        )
        assert "error" in answer
        assert "batch_id" not in answer


@pytest.mark.parametrize("path", ["/etc/passwd", "{data}/secret", "{root}/pyproject.toml", "/proc/self/environ"])
def test_a_file_of_the_host_is_no_picture_to_submit(target: App, visitor: httpx.Client, path: str):
    """A path that is no upload is refused before it is read."""
    given = {"path": path.format(data=target.data, root=ROOT), "meta": {"_type": "gradio.FileData"}}
    answer = call(visitor, "generate", given, "local", None, None)
    assert "event: error" in answer
    assert not any(secret in answer for secret in INSIDE)


def admin_functions(visitor: httpx.Client) -> list[dict[str, Any]]:
    """The functions that begin with the admin key among their inputs."""
    config = visitor.get("/config").json()
    keys = {one["id"] for one in config["components"] if one["props"].get("elem_id") == "admin-key"}
    return [one for one in config["dependencies"] if keys & set(one["inputs"])]


def test_no_admin_function_runs_without_rights(target: App, visitor: httpx.Client):
    """Each of them, called by number with no key, a wrong one and nonsense, tells and does nothing."""
    functions = admin_functions(visitor)
    assert len(functions) >= 5
    for function in functions:
        for key in ("", None, ["x"]):
            join = {
                "data": [key, *["x"] * (len(function["inputs"]) - 1)], "fn_index": function["id"],
                "session_hash": "evil",
                "event_data": {"index": [0, 0], "value": "x", "row_value": ["x"]}, "trigger_id": None,
            }  # fmt: skip
            answer = visitor.post("/gradio_api/run/predict", json=join)
            assert answer.status_code >= 400
            assert "Disk free" not in answer.text


def test_the_page_holds_no_secret(visitor: httpx.Client):
    """Hidden components are sent to everybody, and carry nothing."""
    text = visitor.get("/config").text
    assert not any(secret in text for secret in INSIDE)


def test_a_request_too_large_is_refused_unread(visitor: httpx.Client, target: App):
    """A promise of too much is refused at once, and data that is no upload has a small limit."""
    head = "POST /gradio_api/queue/join HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999\r\n\r\n"
    assert b" 413 " in raw(target, head.encode()).splitlines()[0]
    body = json.dumps({"data": ["x" * 4_100_000]}).encode()
    assert visitor.post("/gradio_api/call/batch_status", content=iter([body])).status_code in (400, 413)


def test_passwords_cannot_be_tried_for_ever(visitor: httpx.Client):
    """After ten tries in a minute the next is refused unread, whatever address the visitor claims."""
    answers = [visitor.post("/login", data={"username": "a", "password": str(n)}).status_code for n in range(12)]
    assert answers[-1] == 429
    assert 429 not in answers[:9]


@pytest.mark.browser
async def test_page_and_viewer_live_under_the_policy(target: App, chromium: Browser):
    """A picture becomes a mesh that is drawn, and the browser reports no violation of the policy."""
    context = await chromium.new_context(viewport={"width": 1440, "height": 950})
    page = await context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    await opened(page, target.url)
    await page.locator("#example-images button").first.click()
    await expect(page.locator("#generate")).to_contain_text("Make 1")
    await page.click("#generate")
    await settled(page)
    await drawn(page)
    await context.close()
    assert [text for text in said if "Content Security Policy" in text or "Content-Security-Policy" in text] == []
