"""Limits on guessing passwords; keys: see `services.key_attempts`."""

from __future__ import annotations

import math

from limits import parse
from starlette.types import ASGIApp, Receive, Scope, Send

from ...errors import ErrorCode
from ..rate_limits import RateLimits
from ..rest.errors import error_response

ATTEMPTS = parse("10 per minute")


class SignInThrottleMiddleware:
    """Refuse too many sign-ins from one address (429, `too_many_tries`); Gradio's own form knows no limit."""

    def __init__(self, app: ASGIApp, limits: RateLimits) -> None:
        self._app, self._limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        counted = (ATTEMPTS, "sign-ins", scope["client"][0] if scope.get("client") else "")
        if not _is_sign_in(scope) or await self._limits.hit(*counted):
            await self._app(scope, receive, send)
            return
        headers = {"Retry-After": str(math.ceil(await self._limits.retry_after(*counted)))}
        refusal = error_response(
            429, ErrorCode.TOO_MANY_TRIES, "Too many tries to sign in. Wait a minute.", headers=headers
        )
        await refusal(scope, receive, send)


def _is_sign_in(scope: Scope) -> bool:
    return scope["type"] == "http" and (scope["method"], scope["path"].rstrip("/")) == ("POST", "/login")
