"""The frame of the REST API on the running app: names, errors, keys, ids, documentation."""

from __future__ import annotations

import httpx
import pytest

from tests.support.browser import App


@pytest.mark.parametrize(
    "path", ["/api/v1/models/available", "/api/v1/models/available/", "/docs", "/docs/", "/api/v1/docs"]
)
def test_a_path_answers_with_and_without_a_slash(app: App, path):
    """No answer is a redirect, which would drop a body."""
    assert httpx.get(app.url + path).status_code == 200


@pytest.mark.parametrize("path", ["/openapi.json", "/api/v1/openapi.json"])
def test_the_description_has_both_names(app: App, path):
    """The OpenAPI description lists the routes under both of its addresses."""
    described = httpx.get(app.url + path).json()["paths"]
    assert {f"/api/v1/{route}" for route in ("models/available", "upload/batch", "logs/summary/daily")} <= set(
        described
    )


def test_the_documentation_comes_from_this_server_alone(app: App):
    """The page of the documentation names no other host, and what it loads is there."""
    page = httpx.get(f"{app.url}/docs").text
    assert "cdn." not in page
    assert httpx.get(f"{app.url}/api/v1/assets/swagger-ui-bundle.js").status_code == 200


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "nothing", 404), ("POST", "models/available", 405)])
def test_an_error_has_the_common_body(app: App, method, path, status):
    """Code, sentence, status and details, whatever went wrong."""
    answer = httpx.request(method, f"{app.url}/api/v1/{path}")
    assert answer.status_code == status
    body = answer.json()
    assert set(body) == {"error", "error_code", "message", "status_code", "details"}
    assert (body["error"], body["status_code"]) == (True, status)


@pytest.mark.parametrize(("given", "kept"), [("my-id.7", True), ("evil id\u00e9".encode(), False), (None, False)])
def test_each_answer_carries_a_correlation_id(app: App, given, kept):
    """The request's own where it is sane, else a new one."""
    answer = httpx.get(f"{app.url}/api/v1/nothing", headers={"X-Correlation-ID": given} if given else {})
    assert (answer.headers["x-correlation-id"] == given) is kept
    assert len(answer.headers["x-correlation-id"]) >= 7


@pytest.mark.parametrize(
    ("path", "code"), [("/api/v1/nothing", "NOT_FOUND"), ("/api/v1/status/tasks/a%0Ab/cancel", "BAD_REQUEST")]
)
def test_unknown_address_is_answered_with_the_error_body(app: App, path, code):
    """An unknown address is answered with the error body, also with a line break in its path."""
    assert httpx.post(app.url + path).json()["error_code"] == code


@pytest.mark.parametrize("host", ["my_app:7860", "a.b_c.example", "[::1]:80"])
def test_any_host_name_is_served_where_none_are_named(app: App, host):
    """Any host name is served where none is configured, also one with an underscore, as containers have."""
    assert httpx.get(f"{app.url}/api/v1/health", headers={"Host": host}).status_code == 200
