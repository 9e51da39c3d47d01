"""Checks of a request's host name, and of the site whose page sends it."""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ...errors import ErrorCode
from ..rest.errors import error_response

WILDCARD = "*"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
"""Methods without side effects."""
HOST_PATTERN = re.compile(r"[A-Za-z0-9._-]+(?::\d{1,5})?|\[[0-9A-Fa-f:.]+\](?::\d{1,5})?")
UNKNOWN_HOST = error_response(
    400, ErrorCode.HOST_UNKNOWN, "This host name is not served here. ALLOWED_HOSTS has those that are."
)
OTHER_SITE = error_response(
    403, ErrorCode.OTHER_SITE, "Only pages of CORS_ORIGINS may send something here. Use this app's own."
)


class TrustedHostMiddleware:
    """Refuse requests for a host name that the settings do not allow (status 400, `host_unknown`)."""

    def __init__(self, app: ASGIApp, allowed_hosts: str) -> None:
        self._app, self._allowed = app, allowed_hosts.lower().split()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        known = scope["type"] != "http" or self._are_known(Headers(scope=scope))
        await (self._app if known else UNKNOWN_HOST)(scope, receive, send)

    def _are_known(self, headers: Headers) -> bool:
        hosts = headers.getlist("host")
        forwarded = [value.split(",")[0].strip() for value in headers.getlist("x-forwarded-host")]
        return bool(hosts) and all(map(self._is_known, hosts + forwarded))

    def _is_known(self, host: str) -> bool:
        name = re.sub(r":\d+$", "", host.lower())
        return bool(HOST_PATTERN.fullmatch(host)) and (WILDCARD in self._allowed or name in self._allowed)


class CrossSiteMiddleware:
    """Refuse requests of other sites' pages and forms, unless their origin is allowed (403, `other_site`)."""

    def __init__(self, app: ASGIApp, allowed_origins: str) -> None:
        self._app, self._allowed = app, allowed_origins.split()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        changes = scope["type"] == "http" and scope["method"] not in SAFE_METHODS
        refused = changes and self._is_cross_site(Headers(scope=scope))
        await (OTHER_SITE if refused else self._app)(scope, receive, send)

    def _is_cross_site(self, headers: Headers) -> bool:
        """True if a browser says that another site's page sends the request.

        Browsers say so in Sec-Fetch-Site, where the connection can be trusted, else by Origin; programs send neither.
        """
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if WILDCARD in self._allowed or origin in self._allowed:
            return False
        if site:
            return site not in ("same-origin", "none")
        hosts = (headers.get("host"), headers.get("x-forwarded-host"))
        return origin is not None and origin.rpartition("//")[2] not in hosts
