"""The address at which the page was opened, where a proxy does not pass all of it on."""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

ORIGIN = re.compile(r"(https?)://((\[[0-9a-f:.]+\]|[\w.-]+)(?::\d{1,5})?)", re.IGNORECASE | re.ASCII)
"""Scheme, host with port, and host alone of an `Origin`."""
HOST_HEADERS = (b"host", b"x-forwarded-host")


class PageAddressMiddleware:
    """Take port and scheme from `Origin` where the request's host is that of the page that sends it.

    Proxies drop the port (nginx: `Host $host`) or cannot tell the scheme, because they are not trusted. Gradio makes
    the addresses of pictures from both. A host that has a port is taken at its word.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        if origin := ORIGIN.fullmatch(headers.get("origin", "")):
            scheme, address, name = origin.groups()
            if headers.get("host", "").lower() in (address.lower(), name.lower()):
                scope["scheme"] = scheme.lower()
                scope["headers"] = [
                    (header, _with_port(header, value, address, name)) for header, value in scope["headers"]
                ]
        await self._app(scope, receive, send)


def _with_port(header: bytes, value: bytes, address: str, name: str) -> bytes:
    """The header's value, with the port where it names the host alone."""
    is_name = header in HOST_HEADERS and value.decode("latin-1").lower() == name.lower()
    return address.encode("ascii") if is_name else value
