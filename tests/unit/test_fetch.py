"""Pictures from the web: what is let in, over real HTTP on loopback, and what is not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from safehttpx import AsyncSecureTransport

from image2model.errors import ImageRefused
from image2model.images.fetch import fetch_image, public_transport


class Site(BaseHTTPRequestHandler):
    """A small web site with pictures, redirects and a file without an end."""

    def do_GET(self) -> None:
        """Answer by path."""
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to"))
            self.end_headers()
        elif self.path == "/loop":
            self.send_response(302)
            self.send_header("Location", "/loop")
            self.end_headers()
        elif self.path == "/gone.png":
            self.send_error(404)
        else:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"x" * (2000 if "large" in self.path else 100))

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The site's address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


async def anywhere(url: str) -> httpx.AsyncBaseTransport:
    """A transport that goes to loopback too."""
    return httpx.AsyncHTTPTransport()


@pytest.mark.parametrize("path", ["/a%20chair.png", "/to/to/a%20chair.png"])
async def test_a_picture_is_fetched_under_its_own_name(site, tmp_path: Path, path):
    """Bytes and name arrive, also over redirects."""
    name = await fetch_image(site + path, tmp_path / "x", 1000, anywhere)
    assert (name, (tmp_path / "x").read_bytes()) == ("a chair.png", b"x" * 100)


@pytest.mark.parametrize(
    ("path", "code"),
    [("/large.png", "file_too_large"), ("/gone.png", "url_unreachable"), ("/loop", "url_unreachable")],
)
async def test_unusable_downloads_are_refused_with_their_reason(site, tmp_path: Path, path, code):
    """Too large downloads, missing files and endless redirects each have their own code."""
    with pytest.raises(ImageRefused) as caught:
        await fetch_image(site + path, tmp_path / "x", 1000, anywhere)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/a.png", "https://localhost/a.png", "https://[::1]/a.png", "https://10.0.0.1/a.png",
        "https://169.254.169.254/latest/meta-data", "https://192.168.1.1/a.png", "https://[::ffff:127.0.0.1]/a.png",
        "https://0.0.0.0/a.png", "http://example.org/a.png", "file:///etc/passwd", "https://user:word@example.org/a.png",
        "https:///a.png", "ftp://example.org/a.png", "gopher://127.0.0.1:25/_HELO", "dict://127.0.0.1:11211/stat",
        "data:image/png;base64,AAAA", "//127.0.0.1/a.png", "https://2130706433/a.png", "https://0x7f000001/a.png",
        "https://0177.0.0.1/a.png", "https://127.1/a.png", "https://[::ffff:7f00:1]/a.png", "https://[::]/a.png",
        "https://[fe80::1]/a.png", "https://[fd00::1]/a.png", "https://224.0.0.1/a.png", "https://100.100.100.200/a.png",
        "https://0/a.png", "https://172.16.0.1/a.png", "https://localhost./a.png", "https://127.0.0.1.:443/a.png",
        f"https://{'a' * 300}.example/a.png",
    ],
)  # fmt: skip
async def test_addresses_of_private_networks_are_never_requested(url):
    """Private, loopback and link-local addresses, other schemes and names with passwords are refused."""
    with pytest.raises(ImageRefused) as caught:
        await public_transport(url)
    assert caught.value.code == "url_refused"


async def test_a_name_that_changes_gains_nothing(monkeypatch: pytest.MonkeyPatch):
    """The checked address is requested, whatever the name resolves to a moment later."""
    answers = iter(["8.8.4.4", "127.0.0.1"])

    def looked_up(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), 0))]

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    transport = await public_transport("https://rebinding.example/a.png")
    assert isinstance(transport, AsyncSecureTransport)
    assert transport.verified_ip == "8.8.4.4"
    assert next(answers) == "127.0.0.1"  # it was not asked again


async def test_a_redirect_is_checked_like_the_first_address(site, tmp_path: Path):
    """A public address that leads inside is refused at the second step."""

    async def first_only(url: str) -> httpx.AsyncBaseTransport:
        return await (anywhere(url) if "/to/" in url else public_transport(url))

    with pytest.raises(ImageRefused) as caught:
        await fetch_image(f"{site}/to/inside.png", tmp_path / "x", 1000, first_only)
    assert caught.value.code == "url_refused"
