"""Limits on guessing passwords; keys: see `services.key_attempts`."""

from __future__ import annotations

from limits import parse
from starlette.types import ASGIApp, Receive, Scope, Send

from ...errors import ErrorCode
from ..public_address import client_of
from ..rate_limits import RateLimits
from ..rest.errors import error_response, retry_after_header

ATTEMPTS = parse("10 per minute")


class SignInThrottleMiddleware:
    """Refuse too many sign-ins from one address (429, `too_many_tries`); Gradio's own form knows no limit."""

    def __init__(self, app: ASGIApp, limits: RateLimits) -> None:
        self._app, self._limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        counted = (ATTEMPTS, "sign-ins", client_of(scope))
        if not _is_sign_in(scope) or await self._limits.hit(*counted):
            await self._app(scope, receive, send)
            return
        headers = retry_after_header(await self._limits.retry_after(*counted))
        refusal = error_response(
            429, ErrorCode.TOO_MANY_TRIES, "Too many tries to sign in. Wait a minute.", headers=headers
        )
        await refusal(scope, receive, send)


def _is_sign_in(scope: Scope) -> bool:
    return scope["type"] == "http" and (scope["method"], scope["path"].rstrip("/")) == ("POST", "/login")
