"""Attacks on the running app: none succeeds, and no answer contains what it should not."""

from __future__ import annotations

import contextlib
import json
import uuid
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, expect

from image2model.devtools.app_process import ADMIN_KEY
from image2model.web.middleware.slow_client import HeaderTimeoutProtocol
from tests.support.attacks import FRIEND, client_from, connect, get_as_written, raw, secrets_in, uploaded
from tests.support.browser import ROOT, App, drawn, opened, settled

FILES = [
    "/etc/passwd", "../../../../etc/passwd", "..%2f..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd",
    "file:///etc/passwd", "/proc/self/environ", "//etc/passwd", "..%5c..%5cetc%5cpasswd", "{data}/image2model.db",
    "{data}/secret", "{data}/batches", "{cache}", "{cache}/../data/secret",
    "{root}/pyproject.toml", "{root}/examples/../pyproject.toml", "{root}/app.py",
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
    "/gradio_api/stream/x/y/1/playlist.m3u8", "/gradio_api/heartbeat/x%0A%7B%22level%22:%22forged%22%7D",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_traversal_paths_reach_no_file(target: App, path: str):
    """Paths out of the folders, into them, to other hosts and to what others own are answered with an error."""
    status, answer = get_as_written(target, path.format(data=target.data, cache=target.cache, root=ROOT))
    assert 400 <= status < 500
    assert secrets_in(answer) == []


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "127.0.0.1@evil.example", "a/b", "", "127.0.0.1, evil.example x"]
)
def test_a_strange_host_name_is_refused(target: App, host: str):
    """DNS rebinding and forged addresses end at the door."""
    assert get_as_written(target, "/", f"Host: {host}")[0] == 400


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {"Host": "evil.example"}, 400),
        ("POST", {"Origin": "https://evil.example"}, 403),
        ("POST", {"Content-Length": "99999999999"}, 413),
    ],
)
def test_refusals_of_the_middleware_have_the_error_body(target: App, method, headers, status):
    """A refusal of the middleware has a code, a sentence, a hint and details, and is in the OpenAPI description."""
    lines = [f"{method} /api/v1/logs/export HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    lines += [] if "Host" in headers else ["Host: 127.0.0.1"]
    with connect(target) as connection:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        head, _, body = b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")
    refusal = json.loads(body)
    assert int(head.split()[1]) == refusal["status_code"] == status
    assert (refusal["error"], refusal["details"], refusal["message"].count(".")) == (True, {}, 2)
    described = httpx.get(f"{target.url}/openapi.json").json()["paths"]
    assert all(
        str(status) in methods[method.lower()]["responses"]
        for methods in described.values()
        if method.lower() in methods
    )


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
    """CORS headers allow pages of allowed sites only, in preflight requests and in answers."""
    wants = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    for site, allowed in ((origin, None), (FRIEND, FRIEND)):
        asked = visitor.options(path, headers={"Origin": site, **wants})
        assert asked.headers.get("access-control-allow-origin") == allowed
        assert asked.headers["x-content-type-options"] == "nosniff"
        assert visitor.get(path, headers={"Origin": site}).headers.get("access-control-allow-origin") == allowed


@pytest.mark.parametrize("name", ["x.html", "x.svg", "x.xml", "x.js"])
def test_an_uploaded_page_runs_no_script(visitor: httpx.Client, name: str):
    """An uploaded file is served in a sandbox without scripts."""
    path = uploaded(visitor, name, b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    headers = visitor.get(f"/gradio_api/file={path}").headers
    assert "sandbox" in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize("name", ["../../../evil.png", "/etc/evil.png", "..\\..\\evil.png", "a/../../evil.png"])
def test_an_upload_stays_in_its_folder(target: App, visitor: httpx.Client, name: str):
    """A file name with a path in it is only a name."""
    path = Path(uploaded(visitor, name, b"x")).resolve()
    assert path.is_relative_to(target.data.parent / "uploads")


def test_the_page_holds_no_secret(visitor: httpx.Client):
    """Hidden components are sent to everybody, and carry nothing."""
    assert secrets_in(visitor.get("/config").text) == []


def test_a_request_too_large_is_refused_unread(visitor: httpx.Client, target: App):
    """A promise of too much is refused at once, and data that is no upload has a small limit."""
    head = "POST /gradio_api/queue/join HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999\r\n\r\n"
    assert b" 413 " in raw(target, head.encode()).splitlines()[0]
    body = json.dumps({"data": ["x" * 4_100_000]}).encode()
    assert visitor.post("/gradio_api/call/batch_status", content=iter([body])).status_code in (400, 413)


@pytest.mark.parametrize("path", ["/logs/export", "/admin/cleanup", f"/status/tasks/{uuid.UUID(int=1)}/cancel/"])
@pytest.mark.parametrize("promised", [True, False])
def test_only_uploads_may_be_large(target: App, path: str, promised: bool):
    """Another body over REST may have 1 MB, whether its length is announced or not."""
    visitor = client_from(target, 4)
    for size, large in ((900_000, False), (2_000_000, True)):
        body = b'{"x": "%s"}' % (b"x" * size)
        sent = visitor.post(
            f"/api/v1{path}", content=body if promised else iter([body]),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {ADMIN_KEY}"},
        )  # fmt: skip
        if large and (promised or "cancel" not in path):  # which reads no body
            assert (sent.status_code, sent.json()["error_code"]) == (413, "request_too_large")
            assert "details" in sent.json()
        else:
            assert sent.status_code in (200, 404)


CLAIMS = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP", "CF-Connecting-IP", "X-Client-IP")
"""Headers in which a visitor may claim to come from somewhere else."""


def claims(number: int) -> dict[str, str]:
    """Another address in each of these headers."""
    return {name: f"for=10.0.0.{number}" if name == "Forwarded" else f"10.0.0.{number}" for name in CLAIMS}


def test_password_guesses_are_limited(target: App):
    """After ten tries in a minute the next is refused unread, whatever address the visitor claims to come from."""
    with client_from(target, 2) as visitor:
        answers = [
            visitor.post("/login", data={"username": "a", "password": str(n)}, headers=claims(n)) for n in range(11)
        ]
    statuses = [answer.status_code for answer in answers]
    assert (429 in statuses[:10], statuses[10]) == (False, 429)
    assert 1 <= int(answers[10].headers["retry-after"]) <= 60


def test_uploads_are_limited_per_address(target: App):
    """Nor do claims give more uploads in a minute; of a proxy that is trusted, only its own word counts."""
    with client_from(target, 3) as visitor, client_from(target, 1) as proxy:
        alone = [visitor.post("/api/v1/upload", headers=claims(n)).status_code for n in range(11)]
        behind = [
            proxy.post("/api/v1/upload", headers={"X-Forwarded-For": f"10.0.0.{n}, 203.0.113.7"}).status_code
            for n in range(11)
        ]
        other = proxy.post("/api/v1/upload", headers={"X-Forwarded-For": "203.0.113.8"}).status_code
    assert alone == behind == [400] * 10 + [429]
    assert other == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "https://other.example.org"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_a_form_of_another_site_sends_nothing(visitor: httpx.Client, headers: dict[str, str]):
    """A form that another site posts from a visitor's browser can neither upload nor sign in."""
    for path in ("/gradio_api/upload", "/api/v1/upload", "/login", "/gradio_api/queue/join"):
        assert visitor.post(path, files={"files": ("a.png", b"x")}, headers=headers).status_code == 403


def test_own_page_and_allowed_origins_may_post(visitor: httpx.Client):
    """The page, also in a frame on another site, a friend's page and a program can upload."""
    own = str(visitor.base_url).rstrip("/")
    for headers in ({"Sec-Fetch-Site": "same-origin", "Origin": own}, {"Origin": own}, {"Origin": FRIEND}, {}):
        assert visitor.post("/gradio_api/upload", files={"files": ("a.png", b"x")}, headers=headers).status_code == 200


def test_silent_clients_do_not_block_others(target: App, visitor: httpx.Client):
    """The first of hundreds of silent connections are closed, and requests are answered meanwhile."""
    with contextlib.ExitStack() as crowd:
        silent = [crowd.enter_context(connect(target)) for _ in range(HeaderTimeoutProtocol.MAX_PENDING + 50)]
        assert visitor.get("/alive").status_code == 200
        assert [connection.recv(1) for connection in silent[:40]] == [b""] * 40


def test_unknown_session_gets_an_error_without_details(target: App, visitor: httpx.Client):
    """The stream of an unknown session ends with an error event, without a traceback in the log."""
    before = target.log.stat().st_size
    answer = visitor.get("/gradio_api/queue/data", params={"session_hash": "nobody"})
    assert "session_not_found" in answer.text
    assert "error" in visitor.get("/gradio_api/call/generate/nothing").text
    assert "Traceback" not in target.log.read_text()[before:]


@pytest.mark.browser
async def test_page_and_viewer_live_under_the_policy(target: App, chromium: Browser):
    """A picture becomes a mesh that is drawn, and the browser reports no violation of the policy."""
    context = await chromium.new_context(viewport={"width": 1440, "height": 950})
    page = await context.new_page()
    console: list[str] = []
    page.on("console", lambda message: console.append(message.text))
    await opened(page, target.url)
    await page.locator("#examples button").first.click()
    await expect(page.locator("#generate")).to_contain_text("Make 1")
    await page.click("#generate")
    await settled(page)
    await drawn(page)
    await context.close()
    assert [text for text in console if "Content Security Policy" in text or "Content-Security-Policy" in text] == []
