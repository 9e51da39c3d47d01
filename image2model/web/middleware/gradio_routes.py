"""Guards on Gradio's own routes."""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from ...errors import ErrorCode
from ..gradio_compat import forget_api_info, is_unknown_session
from ..rest.errors import error_response
from .body_limits import ObservedSend

PROXY_ROUTES = re.compile(r"/gradio_api/(?:file[=/]\s*[a-z][a-z0-9+.-]*:|proxy=)", re.IGNORECASE)
"""Gradio's proxies for other hosts' addresses, without a limit of size: nothing here needs them."""
BLOCKED_ROUTES = re.compile(
    r"/(monitoring|gradio_api/(dev|component_server|custom_component|profiling|process_recording|run-history|runs|stream"
    r"|vibe-[a-z-]+|undo-vibe|deep_link|openapi\.json|token|user))(?![a-z])"
)
"""Routes of Gradio's that nothing here needs."""
CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f]")
"""Characters of no address of Gradio's: it fails on them, in some streams only when the client has hung up."""
NOT_FOUND = error_response(404, ErrorCode.ENDPOINT_UNKNOWN, "There is nothing at this address.")
URL_REFUSED = error_response(
    403, ErrorCode.URL_REFUSED, "Addresses of other hosts are not fetched here. Upload the file itself."
)


class GradioRoutesMiddleware:
    """Close Gradio's unused routes, and end requests that it leaves open."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http" and BLOCKED_ROUTES.match(scope["path"]):
            await NOT_FOUND(scope, receive, send)
        elif scope["type"] != "http" or not scope["path"].startswith("/gradio_api/"):
            await self._app(scope, receive, send)
        elif PROXY_ROUTES.match(scope["path"]):
            await URL_REFUSED(scope, receive, send)
        elif CONTROL_CHARACTERS.search(scope["path"]):
            await NOT_FOUND(scope, receive, send)
        else:
            await self._call(scope, receive, send)

    async def _call(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = ObservedSend(send)
        if scope["path"].startswith("/gradio_api/info"):
            forget_api_info(scope)
        try:
            await self._app(scope, receive, response)
        except RuntimeError as error:
            if not response.started or not is_unknown_session(error):
                raise
            await send({"type": "http.response.body"})
