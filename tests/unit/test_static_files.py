"""The page's scripts and styles are compressed once for each encoding, and encodings are never mixed up."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from image2model.web import static_files
from image2model.web.ui.assets import version

SCRIPT = "let many = 'many';" * 100


@pytest.fixture
def asked() -> list[str]:
    """The paths that the application itself was asked for."""
    return []


@pytest.fixture
def client(asked: list[str]) -> Iterator[TestClient]:
    """A client of the page's own files, and of one of Gradio's."""

    def asset(request: Request) -> PlainTextResponse:
        asked.append(request.url.path)
        if "br" in request.headers["Accept-Encoding"]:
            return PlainTextResponse("as Gradio does it", headers={"Content-Encoding": "x-br"})
        status = 404 if "missing" in request.url.path else 200
        return PlainTextResponse(SCRIPT, status, {"X-Request": request.headers.get("X-Request", "")})

    routes = [Mount("/assets", routes=[Route("/{path:path}", asset)]), static_files.static_files()]
    gzip = {"Accept-Encoding": "gzip"}
    with TestClient(
        Starlette(routes=routes, middleware=[Middleware(static_files.CompressedPages)]), headers=gzip
    ) as client:
        yield client


def test_a_script_is_read_and_compressed_once(client: TestClient, asked: list[str]):
    """The second visitor gets the same bytes and headers as the first, without the work."""
    first, second = client.get("/assets/a-1.js"), client.get("/assets/a-1.js")
    assert asked == ["/assets/a-1.js"]
    assert first.text == second.text == SCRIPT
    assert dict(first.headers) == dict(second.headers)
    assert second.headers["Content-Encoding"] == "gzip"
    assert second.headers["Cache-Control"] == static_files.IMMUTABLE


def test_each_gets_an_encoding_that_it_reads(client: TestClient, asked: list[str]):
    """A response compressed with Brotli is not sent to a client that reads gzip alone, nor the other way round."""
    brotli = {"Accept-Encoding": "gzip, br"}
    for _ in range(2):
        assert client.get("/assets/a-1.js", headers=brotli).headers["Content-Encoding"] == "x-br"
        assert client.get("/assets/a-1.js").headers["Content-Encoding"] == "gzip"
    assert len(asked) == 2


@pytest.mark.parametrize("headers", [{"Accept-Encoding": "identity"}, {"Range": "bytes=0-3"}, {"If-None-Match": "x"}])
def test_range_and_other_encodings_are_served_from_the_file(
    client: TestClient, asked: list[str], headers: dict[str, str]
):
    """Without compression, in part or only if it has changed: what is kept answers none of these."""
    client.get("/assets/a-1.js")
    answer: httpx.Response = client.get("/assets/a-1.js", headers=headers)
    assert answer.status_code == 200
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        (f"/page/{version()}/js/main.js", True),
        ("/assets/index-B_1.js", True),
        ("/page/old/js/main.js", False),
        ("/assets/./a.js", False),
        ("/assets//a.js", False),
        ("/assets/b/../a.js", False),
        ("/config", False),
    ],
)
def test_only_canonical_paths_are_cached(path: str, kept: bool):
    """Nobody fills the memory with other addresses of a file, or with those of older versions."""
    scope = {"type": "http", "path": path, "method": "GET", "headers": [(b"accept-encoding", b"gzip, br")]}
    assert static_files._wants_whole_file(scope) is kept


def test_missing_files_are_not_cached(client: TestClient, asked: list[str]):
    """A file that is not there is no file that is kept."""
    assert [client.get("/assets/missing.js").status_code for _ in range(2)] == [404, 404]
    assert len(asked) == 2


def test_the_pages_own_files_stand_at_this_versions_address(client: TestClient):
    """The page's own files are compressed and cached for ever; an unknown file is answered 404."""
    for _ in range(2):
        answer = client.get(f"/page/{version()}/js/main.js")
        assert answer.status_code == 200
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.headers["Cache-Control"] == static_files.IMMUTABLE
    assert client.get(f"/page/{version()}/js/none.js").status_code == 404
