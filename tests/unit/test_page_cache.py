"""The page is rendered once for each address, and a visitor's own page is never shared."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from image2model.web.middleware import page_cache
from image2model.web.middleware.page_cache import PageCacheMiddleware


@pytest.fixture
def rendered() -> list[str]:
    """The addresses for which the application has rendered its page."""
    return []


@pytest.fixture
def client(rendered: list[str]) -> Iterator[TestClient]:
    """A client without a cookie."""

    async def page(request: Request) -> HTMLResponse:
        rendered.append(str(request.url))
        status = 503 if request.url.hostname == "busy.example" else 200
        headers = {"Set-Cookie": "a=b"} if request.url.hostname == "cookie.example" else {}
        return HTMLResponse(f"page of {request.url.hostname}", status, headers)

    middleware = [Middleware(GZipMiddleware, minimum_size=1), Middleware(PageCacheMiddleware)]
    routes = [Route("/", page), Route("/other", page)]
    with TestClient(Starlette(routes=routes, middleware=middleware)) as client:
        yield client
        client.cookies.clear()


def test_the_page_is_rendered_once(client: TestClient, rendered: list[str]):
    """The page is rendered once for all batches and tabs in the address, and again for another host."""
    answers = [client.get("/", params=given) for given in ({}, {"batch": "x"}, {"tab": "admin"})]
    assert len(rendered) == 1
    assert {(answer.text, answer.headers["content-encoding"]) for answer in answers} == {("page of testserver", "gzip")}
    assert client.get("/", headers={"Host": "b.example"}).text == "page of b.example"


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {"Cookie": "access-token=x"}),
        ("/?deep_link=x", {}),
        ("/?page=x", {}),
        ("/?batch=x&page=", {}),
        ("/other", {}),
        ("/", {"Host": "busy.example"}),
        ("/", {"Host": "cookie.example"}),
    ],
)
def test_variable_pages_are_rendered_each_time(
    client: TestClient, rendered: list[str], path: str, headers: dict[str, str]
):
    """A page with a session cookie, with Gradio's query fields or of another path is rendered for each request."""
    client.get("/")
    for _ in range(2):
        client.get(path, headers=headers)
        client.cookies.clear()
    assert len(rendered) == 3


def test_few_pages_are_kept(client: TestClient, rendered: list[str], monkeypatch: pytest.MonkeyPatch):
    """Requests with many host names fill no memory: the oldest page is dropped."""
    monkeypatch.setattr(page_cache, "MAX_PAGES", 2)
    for host in ("a.example", "b.example", "c.example", "c.example", "b.example", "a.example"):
        client.get("/", headers={"Host": host})
    assert len(rendered) == 4
