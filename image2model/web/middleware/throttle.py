"""Limits on guessing passwords; keys: see `services.key_attempts`."""

from __future__ import annotations

import math
import time

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.types import ASGIApp, Receive, Scope, Send

from ...errors import ErrorCode
from ..rest.errors import error_response

ATTEMPTS = parse("10 per minute")


class Throttle:
    """Attempts by client address: ten in a minute, then none for a while."""

    def __init__(self) -> None:
        self._window = MovingWindowRateLimiter(MemoryStorage())

    def hit(self, client: str) -> bool:
        """Count an attempt; False when there were too many."""
        return self._window.hit(ATTEMPTS, client)

    def retry_after(self, client: str) -> float:
        """Seconds until an attempt is left again, once there is none."""
        return max(1.0, self._window.get_window_stats(ATTEMPTS, client).reset_time - time.time())


class SignInThrottleMiddleware:
    """Refuse too many sign-ins from one address (429, `too_many_tries`); Gradio's own form knows no limit."""

    def __init__(self, app: ASGIApp) -> None:
        self._app, self._throttle = app, Throttle()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        client = scope["client"][0] if scope.get("client") else ""
        if not _is_sign_in(scope) or self._throttle.hit(client):
            await self._app(scope, receive, send)
            return
        headers = {"Retry-After": str(math.ceil(self._throttle.retry_after(client)))}
        refusal = error_response(
            429, ErrorCode.TOO_MANY_TRIES, "Too many tries to sign in. Wait a minute.", headers=headers
        )
        await refusal(scope, receive, send)


def _is_sign_in(scope: Scope) -> bool:
    return scope["type"] == "http" and (scope["method"], scope["path"].rstrip("/")) == ("POST", "/login")
