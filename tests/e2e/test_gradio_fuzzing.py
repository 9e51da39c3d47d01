"""Nonsense of every kind at Gradio's routes: each request is answered, with a code and a sentence where it is refused.

What is made up at random is in `test_fuzzing`.
"""

from __future__ import annotations

import json
import re

import httpx
import pytest

from benchmarks.fuzz import CODED
from tests.support.attacks import call, raw
from tests.support.browser import App


@pytest.mark.parametrize("route", ["run/list_generators", "call/list_generators", "call/v2/generate", "queue/join"])
@pytest.mark.parametrize("body", ["NaN", '{"data": NaN}', '{"data": 5}', "", "[" * 10_000, '{"data": "\\ud800"}'])
def test_bodies_that_are_no_request(visitor: httpx.Client, route: str, body: str):
    """A malformed body is refused with a code and a sentence that does not repeat the body."""
    answer = visitor.post(f"/gradio_api/{route}", content=body, headers={"Content-Type": "application/json"})
    assert 400 <= answer.status_code < 500
    assert CODED.fullmatch(answer.json()["detail"])
    assert "NaN" not in answer.text


@pytest.mark.parametrize("name", ["batch_status", "export", "print_check", "turntable", "download_batch"])
@pytest.mark.parametrize("value", [None, [], {}, float("nan"), 1e308, "\0", "x" * 5000, True])
def test_values_of_a_wrong_kind_are_named(visitor: httpx.Client, name: str, value: object):
    """An endpoint that gets nonsense ends with an error that has a code and a sentence."""
    started = visitor.post(
        f"/gradio_api/call/{name}", content=json.dumps({"data": [value] * 4}),
        headers={"Content-Type": "application/json"},
    )  # fmt: skip
    if started.status_code == 200:
        body = visitor.get(f"/gradio_api/call/{name}/{started.json()['event_id']}").text
        assert re.search(r'event: error\ndata: .*"[a-z_]+: [^"]+"', body), body
    else:
        assert CODED.fullmatch(started.json()["detail"])


def test_too_few_values_are_refused(visitor: httpx.Client):
    """A call without its arguments is answered with `input_unreadable`, where Gradio alone sends an empty error."""
    assert "input_unreadable: " in call(visitor, "export")


CLOSED = [
    "/monitoring", "/monitoring/summary", "/gradio_api/dev/reload", "/gradio_api/component_server",
    "/gradio_api/custom_component/0/client/component/..%0A%7B%22level%22:%22critical%22%7D", "/gradio_api/runs",
    "/gradio_api/run-history/records", "/gradio_api/profiling/traces", "/gradio_api/vibe-code",
    "/gradio_api/process_recording", "/gradio_api/stream/x/0/1/playlist.m3u8", "/gradio_api/deep_link",
]  # fmt: skip


@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_unused_gradio_routes_are_closed(target: App, visitor: httpx.Client, method: str, path: str):
    """Gradio's other routes answer 404, and what is in their address gets into no log."""
    before = target.log.stat().st_size
    answer = visitor.request(method, path)
    assert (answer.status_code, answer.json()["error_code"]) == (404, "endpoint_unknown")
    lines = target.log.read_bytes()[before:].decode().splitlines()
    assert not [line for line in lines if json.loads(line)["level"] == "critical"]


@pytest.mark.parametrize("value", ["\0", "\x01", "1" * 400, "-1", "²"])
def test_an_event_id_that_is_none(target: App, value: str):
    """Any value of Last-Event-ID is answered with 200 or 400."""
    path = "/api/v1/status/tasks/00000000-0000-4000-8000-000000000000/stream"
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nLast-Event-ID: {value}\r\nConnection: close\r\n\r\n"
    answer = raw(target, request.encode("utf-8"))
    assert int(answer.split()[1]) in (200, 400)
