"""Trust in proxies' headers about the visitor's address and scheme."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from ..public_address import client_of

GRADIO_SERVER = b"x-gradio-server"
"""Header in which Gradio's SSR proxy names a host whose pages to load; there is no such proxy here."""


class TrustedProxyMiddleware:
    """Apply forwarded headers from the proxies that the settings name; drop them from everybody else.

    `note_untrusted` is called with the address of a peer whose headers are dropped.
    """

    def __init__(self, app: ASGIApp, trusted_proxies: str, note_untrusted: Callable[[str], None]) -> None:
        self._app, self._note_untrusted = app, note_untrusted
        self._with_proxy = ProxyHeadersMiddleware(app, trusted_proxies.split())  # type: ignore[arg-type]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # The scope is changed in place, here and below: request metrics read the route that is put into it.
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name != GRADIO_SERVER]
        peer = client_of(scope)
        if peer in self._with_proxy.trusted_hosts:
            await self._with_proxy(scope, receive, send)  # type: ignore[arg-type]
            return
        kept = [pair for pair in scope["headers"] if not _is_forwarded(pair[0])]
        if len(kept) < len(scope["headers"]):
            self._note_untrusted(peer)
            scope["headers"] = kept
        await self._app(scope, receive, send)


def _is_forwarded(name: bytes) -> bool:
    return name == b"forwarded" or name.startswith(b"x-forwarded-")
