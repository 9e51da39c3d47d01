"""Each part of Gradio that is used beyond its documented interface still does what we use it for."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import gradio as gr
import pytest
from fastapi import routing
from gradio import networking, oauth
from gradio.blocks import BlocksConfig
from gradio.queueing import Queue
from gradio.route_utils import BUILD_PATH_LIB
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.testclient import TestClient

from image2model.web import gradio_compat
from image2model.web.rest.app import prepare_routes
from tests.support.waiting import wait_until

BEGUN, ENDED = threading.Event(), threading.Event()
"""Set when `endlessly` has begun, and has ended."""
HERE = "http://127.0.0.1:9/"
OWN = [Middleware(GZipMiddleware)]


async def fetch(url: str) -> str:
    """Refuse every URL, telling which."""
    raise gr.Error(f"not fetched: {url}", print_exception=False)


async def endlessly(value: float) -> AsyncIterator[float]:
    """Yield the value every hundredth of a second until the event is cancelled."""
    ENDED.clear()
    BEGUN.set()
    try:
        while True:
            yield value
            await asyncio.sleep(0.01)
    finally:
        ENDED.set()


@pytest.fixture
def demo() -> gr.Blocks:
    """A page with some endpoints."""
    with gr.Blocks() as demo:
        number, file, text = gr.Number(), gr.File(), gr.Textbox()
        gr.Button().click(lambda value: value * 2, number, number, api_name="double")
        gr.Button().click(str, file, text, api_name="name")
        gr.Button().click(endlessly, number, number, api_name="endless")
    gradio_compat.override_url_fetch(demo, fetch)
    gradio_compat.report_unreadable_values(demo)
    return demo


@pytest.fixture
def app(demo: gr.Blocks) -> Any:
    """The demo's application, built as the server does."""

    def lifespan(app: Any) -> Any:
        gradio_compat.map_gradio_errors(app)
        gradio_compat.put_middleware_first(app, OWN)
        return gradio_compat.running_queue(demo, app)

    return gradio_compat.create_app(demo, HERE, app_kwargs={"lifespan": lifespan, "middleware": OWN}, ssr_mode=False)


@pytest.fixture
def client(app: Any) -> Iterator[TestClient]:
    """A client of the application while it runs."""
    with TestClient(app) as client:
        yield client


def call(client: TestClient, name: str, value: Any) -> str:
    """The events of one call of an endpoint."""
    event_id = client.post(f"/gradio_api/call/{name}", json={"data": [value]}).json()["event_id"]
    return client.get(f"/gradio_api/call/{name}/{event_id}").text


def test_server_path_is_not_accepted_as_an_upload(client: TestClient):
    """`has_launched`: only then does Gradio look whether a file was uploaded by a visitor."""
    answer = call(client, "name", {"path": __file__, "meta": {"_type": "gradio.FileData"}})
    assert "event: error" in answer
    assert "test_gradio_compat" not in answer


def test_an_application_is_made_without_a_server(demo: gr.Blocks, app: Any, client: TestClient):
    """`create_app` opens no port and asks for no address, and the page answers."""
    assert demo.app is app
    assert demo.server is None
    assert client.get("/").status_code == 200


def test_a_session_holds_no_copy_of_the_page(demo: gr.Blocks, app: Any, client: TestClient):
    """A call and an update of a component leave nothing of the configuration in the session that each page has."""
    joined = client.post("/gradio_api/queue/join", json={"data": [4], "fn_index": 0, "session_hash": "page"})
    assert joined.status_code == 200
    assert '"data":[8]' in client.get("/gradio_api/queue/data?session_hash=page").text
    assert app.state_holder["page"].config_values == {}
    assert app.state_holder is demo.state_holder


def test_a_call_without_a_session_makes_no_copy_of_the_page(client: TestClient, monkeypatch: pytest.MonkeyPatch):
    """Such a call is answered without the configuration of every component, which takes longer than the call."""
    described: list[object] = []
    monkeypatch.setattr(BlocksConfig, "config_for_block", lambda *_: described.append(1) or {})
    answer = client.post("/gradio_api/run/double", json={"data": [4]})
    assert answer.json()["data"] == [8]
    assert described == []


def test_uploads_are_not_remembered(demo: gr.Blocks, client: TestClient):
    """The paths of uploads are kept nowhere, and an upload can be used."""
    (path,) = client.post("/gradio_api/upload", files={"files": ("a.txt", b"a")}).json()
    assert demo.upload_file_set == set()
    assert "a.txt" in call(client, "name", {"path": path, "meta": {"_type": "gradio.FileData"}})


def test_components_share_few_threads(demo: gr.Blocks, client: TestClient):
    """The threads for components' functions are limited to POOL_THREADS."""
    assert demo.limiter.total_tokens == gradio_compat.POOL_THREADS


@pytest.mark.parametrize(("name", "handed_over"), [("double", 1), ("endless", 0)])
def test_quick_steps_run_in_the_event_loop(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, name: str, handed_over: int
):
    """Only a handler that may block runs in a thread; components and session lookups run in the event loop."""
    functions, run_sync = [], anyio.to_thread.run_sync

    async def note(function: Any, *args: Any, **options: Any) -> Any:
        functions.append(function)
        return await run_sync(function, *args, **options)

    BEGUN.clear()
    monkeypatch.setattr(anyio.to_thread, "run_sync", note)
    session = {"data": [2], "session_hash": "one", "fn_index": {"double": 0, "endless": 2}[name]}
    client.post("/gradio_api/queue/join", json=session).raise_for_status()
    if name == "endless":
        assert BEGUN.wait(10)
    else:
        assert '"data":[4]' in client.get("/gradio_api/queue/data", params={"session_hash": "one"}).text
    assert len(functions) == handed_over


def test_files_are_processed_in_a_thread(client: TestClient, monkeypatch: pytest.MonkeyPatch):
    """Components that read files do not stop everybody else meanwhile."""
    threads = []
    monkeypatch.setattr(gr.File, "preprocess", lambda *_: threads.append(threading.current_thread().name))
    call(client, "name", None)
    assert "AnyIO worker thread" in threads


def test_the_routes_of_events_are_found_first(app: Any):
    """The two routes of events are the first of Gradio's router, which has sixty others."""
    (router,) = filter(None, (getattr(route, "original_router", None) for route in app.routes))
    assert {route.path for route in router.routes[:2]} == set(gradio_compat.BUSY_ROUTES)


def test_the_first_request_prepares_no_routes(client: TestClient, app: Any, monkeypatch: pytest.MonkeyPatch):
    """FastAPI has prepared Gradio's routes before the first request."""
    prepare_routes(app)
    late: list[Any] = []
    build = routing._IncludedRouter._build_effective_context
    monkeypatch.setattr(
        routing._IncludedRouter,
        "_build_effective_context",
        lambda self, route: [late.append(route), build(self, route)][1],
    )
    assert "event: complete\ndata: [42" in call(client, "double", 21)
    assert not late


def test_a_player_of_live_video_is_not_sent():
    """Every name that Gradio's scripts import of it is there, and does nothing; other scripts go as they are."""
    assets = Path(BUILD_PATH_LIB)
    (player,) = assets.glob("hls-*.js")
    importing = re.compile(r"import\{([^}]*)\}from\"\./" + re.escape(player.name))
    lists = [found[1] for script in assets.glob("*.js") for found in importing.finditer(script.read_text())]
    imported = {name.split(" as ")[0] for names in lists for name in names.split(",")}
    sent = gradio_compat.unused_script(f"/assets/{player.name}").decode()
    assert imported
    assert imported <= set(re.findall(r"unused as (\w+)", sent))
    assert len(sent) < 200
    assert gradio_compat.unused_script("/assets/hls-none.js") is None
    assert gradio_compat.unused_script("/assets/index.js") is None


@pytest.mark.parametrize(("value", "expected"), [("1", True), ("true", True), ("", False), ("0", False)])
def test_a_share_link_is_made_for_where_the_app_will_be(monkeypatch, demo: gr.Blocks, value: str, expected: bool):
    """GRADIO_SHARE makes `launch` open a tunnel to our host and port (which ends at Gradio's servers, so not here)."""
    tunnels = []
    monkeypatch.setenv("GRADIO_SHARE", value)
    monkeypatch.setattr(
        networking, "setup_tunnel", lambda **options: tunnels.append(options) or "https://share.example"
    )
    gradio_compat.create_app(demo, HERE, ssr_mode=False)
    assert [(tunnel["local_host"], tunnel["local_port"]) for tunnel in tunnels] == [("127.0.0.1", 9)] * expected
    assert demo.share_url == ("https://share.example" if expected else None)


def test_events_run_from_the_first_request_on(client: TestClient):
    """The queue runs without Gradio's own request to `/startup-events`, and that changes nothing."""
    assert "event: complete\ndata: [42" in call(client, "double", 21)
    assert client.get("/gradio_api/startup-events").json() is False
    assert "event: complete\ndata: [4" in call(client, "double", 2)


def test_closing_ends_the_queue(demo: gr.Blocks, app: Any, client: TestClient):
    """`close` sets the stop event of the streams and stops the queue."""
    gradio_compat.close(demo)
    assert app.stop_event.is_set()
    assert demo._queue.stopped


def test_gradio_cors_is_removed_and_own_middleware_runs_first(app: Any, client: TestClient):
    """Gradio's middleware lets another site read with cookies; without it the answer does not."""
    answer = client.get("/config", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers
    assert app.user_middleware[0] is OWN[0]


def test_an_unknown_endpoint_is_the_callers_mistake(client: TestClient):
    """An unknown endpoint is answered with 404 and a code, not with Gradio's 500."""
    answer = client.post("/gradio_api/call/nothing", json={"data": []})
    assert (answer.status_code, answer.json()["error_code"]) == (404, "endpoint_unknown")


def test_a_control_character_in_an_address_is_the_callers_mistake(client: TestClient):
    """An address from which Gradio cannot build its own is answered with 400 and a code."""
    answer = client.post("/gradio_api/run/%00", json={"data": [1], "fn_index": 0})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "input_unreadable")


def test_api_info_is_cached_until_it_is_cleared(app: Any, client: TestClient):
    """Gradio keeps what the first request made, with its host name."""
    client.get("/gradio_api/info")
    assert app.api_info
    gradio_compat.forget_api_info({"app": app})
    assert app.api_info is None


def test_a_stream_of_an_unknown_session_fails_as_expected(client: TestClient):
    """Gradio raises an error for an unknown session that `is_unknown_session` recognises."""
    with pytest.raises(RuntimeError) as failure:
        client.get("/gradio_api/queue/data", params={"session_hash": "nobody"})
    assert gradio_compat.is_unknown_session(failure.value)
    assert not gradio_compat.is_unknown_session(RuntimeError("another"))


def test_events_are_pending_until_they_are_answered(demo: gr.Blocks, client: TestClient):
    """A joined event is pending for its session and for no other; after its answer it is not."""
    number = next(
        function["id"] for function in client.get("/config").json()["dependencies"] if function["api_name"] == "double"
    )
    body = {"data": [1], "fn_index": number, "session_hash": "mine"}
    event_id = client.post("/gradio_api/queue/join", json=body).json()["event_id"]
    assert event_id in gradio_compat.pending_events(demo, "mine")
    assert gradio_compat.pending_events(demo, "another") == ()
    assert "process_completed" in client.get("/gradio_api/queue/data", params={"session_hash": "mine"}).text
    assert event_id not in gradio_compat.pending_events(demo, "mine")


@pytest.mark.parametrize("name", ["double", "endless"])
def test_unread_session_is_forgotten(demo: gr.Blocks, client: TestClient, monkeypatch: pytest.MonkeyPatch, name: str):
    """An event whose client never comes for its messages ends, and nothing stays of its session; another's stays."""
    kept = client.post("/gradio_api/call/double", json={"data": [1]}).json()["event_id"]
    monkeypatch.setattr(gradio_compat, "NEVER_READ_SECONDS", 0.0)
    BEGUN.clear()
    left = client.post(f"/gradio_api/call/{name}", json={"data": [1]}).json()["event_id"]
    queue, portal = demo._queue, client.portal
    assert portal
    wait_until(lambda: queue.pending_messages_per_session[left].qsize() and (name == "double" or BEGUN.is_set()))
    portal.call(gradio_compat.forget_unread, demo)
    assert [*queue.pending_messages_per_session] == [*queue.pending_event_ids_session] == [kept]
    assert name == "double" or ENDED.wait(5)
    assert "complete" in client.get(f"/gradio_api/call/double/{kept}").text


def test_a_queue_without_events_rests(client: TestClient, monkeypatch: pytest.MonkeyPatch):
    """An idle queue looks for events at most a hundred times a second."""
    looks, count_events = [], Queue.__len__

    def look(queue: Queue) -> int:
        looks.append(time.monotonic())
        return count_events(queue)

    monkeypatch.setattr(Queue, "__len__", look)
    wait_until(lambda: len(looks) > 20)
    assert looks[20] - looks[0] >= 0.2


@pytest.mark.parametrize("path", ["queue/join", "run/predict"])
def test_a_session_with_an_endless_name_is_refused(demo: gr.Blocks, app: Any, client: TestClient, path: str):
    """Gradio keeps the names of two thousand sessions, and takes megabytes for one."""
    answer = client.post(f"/gradio_api/{path}", json={"data": [4], "fn_index": 0, "session_hash": "x" * 10_000})
    assert answer.status_code >= 400
    assert not app.state_holder.session_data
    assert not demo._queue.pending_messages_per_session
    assert not demo._queue.pending_event_ids_session


def test_nothing_stays_of_a_session_that_has_read_all(
    demo: gr.Blocks, client: TestClient, monkeypatch: pytest.MonkeyPatch
):
    """Gradio notes each session for good; here it is forgotten some time after its last message was read."""
    monkeypatch.setattr(gradio_compat, "UNREAD_SECONDS", 0.0)
    assert "complete" in call(client, "double", 1)
    portal = client.portal
    assert portal
    portal.call(gradio_compat.forget_unread, demo)
    assert not demo._queue.pending_messages_per_session
    assert not demo._queue.pending_event_ids_session


def test_a_session_that_wakes_up_is_not_forgotten_before_it_reads(
    demo: gr.Blocks, client: TestClient, monkeypatch: pytest.MonkeyPatch
):
    """A page that was idle for long and joins an event gets its answer, also where the sweep comes in between."""
    monkeypatch.setattr(gradio_compat, "UNREAD_SECONDS", 0.0)
    body = {"data": [4], "fn_index": 0, "session_hash": "page"}
    for _ in range(2):
        assert client.post("/gradio_api/queue/join", json=body).status_code == 200
        portal = client.portal
        assert portal
        portal.call(gradio_compat.forget_unread, demo)
        stream = client.get("/gradio_api/queue/data", params={"session_hash": "page"}).text
        assert '"process_completed"' in stream


def test_urls_are_fetched_by_us(client: TestClient):
    """A file that is given as a URL goes through our function and never through Gradio's."""
    answer = call(client, "name", {"path": "https://x.example/a.png", "meta": {"_type": "gradio.FileData"}})
    assert "not fetched: https://x.example/a.png" in answer


def test_unreadable_values_are_reported(client: TestClient):
    """A value of the wrong type is answered with `input_unreadable`, where Gradio alone sends an empty error."""
    assert "input_unreadable: " in call(client, "name", 5)


def test_root_url_equals_that_of_gradio():
    """A forwarded host and a root path are part of it, as they are of Gradio's own addresses."""
    scope = {
        "type": "http", "scheme": "http", "path": "/m/config", "root_path": "/m", "query_string": b"",
        "server": ("127.0.0.1", 80), "headers": [(b"host", b"x"), (b"x-forwarded-host", b"models.example")],
    }  # fmt: skip
    assert gradio_compat.root_url(Request(scope)) == "http://models.example/m"


def test_no_badge_is_on_a_spaces_page(monkeypatch: pytest.MonkeyPatch):
    """On a Space Gradio's configuration names the Space, from which the page makes the badge."""
    monkeypatch.setenv("SYSTEM", "spaces")
    monkeypatch.setenv("SPACE_ID", "owner/space")
    with gr.Blocks() as demo:
        gr.Textbox()
    assert demo.get_config_file()["space_id"] == "owner/space"
    gradio_compat.remove_space_badge(demo)
    assert demo.get_config_file()["space_id"] is None


def test_sign_in_requires_a_space_with_oauth_settings(monkeypatch: pytest.MonkeyPatch):
    """Without one of the values, or outside a Space, there is no signing in."""
    for name in ("OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OAUTH_SCOPES", "OPENID_PROVIDER_URL"):
        assert not gradio_compat.can_sign_in_at_hugging_face()
        monkeypatch.setattr(oauth, name, "given")
    assert not gradio_compat.can_sign_in_at_hugging_face()
    monkeypatch.setenv("SYSTEM", "spaces")
    monkeypatch.setenv("SPACE_ID", "owner/space")
    assert gradio_compat.can_sign_in_at_hugging_face()


@pytest.mark.parametrize(("data", "value"), [({"page": 2}, 2), ({"other": 1}, None), ({}, None), (None, None)])
def test_a_field_of_an_event(data: Any, value: Any):
    """A field that the browser has not sent is None."""
    assert gradio_compat.event_field(gr.EventData(None, data), "page") == value


def test_a_file_is_sent_in_large_chunks(app: Any, client: TestClient):
    """A file of a megabyte takes four chunks and the end, not the sixteen of Starlette."""
    (path,) = client.post("/gradio_api/upload", files={"files": ("a.bin", bytes(2**20))}).json()
    sent: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(len(message.get("body", b"")))

    headers = [(b"host", b"127.0.0.1:9")]
    scope = {
        "type": "http", "method": "GET", "path": f"/gradio_api/file={path}", "root_path": "", "query_string": b"",
        "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 9), "scheme": "http",
        "http_version": "1.1", "asgi": {"version": "3.0", "spec_version": "2.4"},
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    assert sum(sent) == 2**20
    assert len(sent) <= 6


def test_gradio_is_imported_without_its_texts_for_editors():
    """The import opens none of Gradio's stubs and fills in no docstring, which took half of its time."""
    script = """
import sys
opened = []
sys.addaudithook(lambda event, values: opened.append(str(values[0])) if event == "open" else None)
import image2model.web
import gradio
print(sum(path.endswith(".pyi") for path in opened), "{{ component }}" in gradio.Button().click.__doc__)
"""
    assert subprocess.check_output([sys.executable, "-c", script], text=True).split() == ["0", "True"]
