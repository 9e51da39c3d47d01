"""The page's own requests keep port and scheme where a proxy drops them."""

from __future__ import annotations

from typing import Any

import pytest

from image2model.web.middleware.origin_check import CrossSiteMiddleware
from image2model.web.middleware.page_address import PageAddressMiddleware


@pytest.mark.parametrize(
    ("host", "origin", "scheme", "seen"),
    [
        ("nas", "http://nas:8080", "http", "nas:8080"),
        ("nas", "https://nas:8443", "https", "nas:8443"),
        ("NAS", "http://nas:8080", "http", "nas:8080"),
        ("models.example", "https://models.example", "https", "models.example"),
        ("[::1]", "http://[::1]:8080", "http", "[::1]:8080"),
        ("nas:7860", "http://nas:8080", "http", "nas:7860"),
        ("nas", "http://evil.example:8080", "http", "nas"),
        ("nas", "http://nas.evil.example", "http", "nas"),
        ("nas", "http://nas:8080@evil.example", "http", "nas"),
        ("nas", "null", "http", "nas"),
        ("nas", "", "http", "nas"),
    ],
)
async def test_port_and_scheme_come_from_the_origin_header(host: str, origin: str, scheme: str, seen: str):
    """The port and scheme of an Origin header count only if it has the page's own host name."""
    scope = await passed(PageAddressMiddleware, host=host, origin=origin)
    assert scope is not None
    assert (scope["scheme"], dict(scope["headers"])[b"host"].decode()) == (scheme, seen)


async def test_a_forwarded_host_gets_its_port_too():
    """A trusted proxy that names the host twice without the port is completed in both."""
    scope = await passed(PageAddressMiddleware, host="nas", origin="http://nas:8080", **{"x-forwarded-host": "nas"})
    assert scope is not None
    assert dict(scope["headers"])[b"x-forwarded-host"] == b"nas:8080"


@pytest.mark.parametrize(("origin", "passes"), [("http://nas:8080", True), ("http://evil.example:8080", False)])
async def test_the_page_may_send_where_browsers_say_no_more_than_its_origin(origin: str, passes: bool):
    """Over plain HTTP in a house's network the page is not taken for another site's, and another site's is."""

    def stack(app: Any) -> Any:
        return PageAddressMiddleware(CrossSiteMiddleware(app, ""))

    assert (await passed(stack, host="nas", origin=origin) is not None) is passes


async def passed(stack: Any, **headers: str) -> dict[str, Any] | None:
    """ASGI scope of a POST behind the middleware; None where it is refused."""
    seen: list[dict[str, Any]] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope)

    async def send(_message: Any) -> None:
        pass

    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await stack(app)({"type": "http", "method": "POST", "scheme": "http", "headers": pairs}, None, send)
    return seen[0] if seen else None
