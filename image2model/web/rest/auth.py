"""Authorization: `Bearer <key>` against API_KEY and ADMIN_API_KEY.

Use as a dependency of a router or route: `dependencies=[Depends(require_admin)]`.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from ...errors import ErrorCode, LimitReached, NotAllowed
from ...services import Services
from ...settings import Settings
from ..public_address import client_address
from .common import ServicesDep

BEARER_SCHEME = HTTPBearer(auto_error=False, description="`API_KEY`, or `ADMIN_API_KEY`, which opens everything")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER_SCHEME)]


async def require_user(request: Request, services: ServicesDep, credentials: Credentials) -> None:
    """Require API_KEY or ADMIN_API_KEY to upload and download; nothing where no key and no APP_USERS are set."""
    settings = services.settings
    if settings.api_key or settings.app_users:  # where the page requires a password, so must the API
        await _require_key(request, services, credentials, "Invalid API key", *_configured_keys(settings))


async def require_log_reader(request: Request, services: ServicesDep, credentials: Credentials) -> None:
    """Require API_KEY or ADMIN_API_KEY to read logs; nothing where neither they nor APP_USERS are set."""
    settings, keys = services.settings, _configured_keys(services.settings)
    if any(keys) or settings.app_users:
        await _require_key(request, services, credentials, "Invalid API key", *keys)


async def require_admin(request: Request, services: ServicesDep, credentials: Credentials) -> None:
    """Require ADMIN_API_KEY; refuse everybody where it is unset."""
    await _require_key(request, services, credentials, "Invalid admin API key", services.settings.admin_api_key)


async def _require_key(
    request: Request,
    services: Services,
    credentials: HTTPAuthorizationCredentials | None,
    message: str,
    *keys: SecretStr | None,
) -> None:
    """Raise NotAllowed without one of the keys, LimitReached after too many wrong ones, even with a right one.

    API_KEY in place of ADMIN_API_KEY does not count as a guess.
    """
    if credentials is None:
        raise NotAllowed(ErrorCode.NOT_AUTHENTICATED, "Not authenticated")
    client, attempts = client_address(request), services.key_attempts
    if wait := await attempts.seconds_until_allowed(client):
        too_many, hint = "These are too many tries with a wrong key.", "Wait a minute."
        raise LimitReached(ErrorCode.TOO_MANY_TRIES, too_many, hint, retry_after=wait)
    key = credentials.credentials.encode()
    if not _matches_any(key, keys):
        if not _matches_any(key, _configured_keys(services.settings)):
            await attempts.record_failure(client, key)
        raise NotAllowed(ErrorCode.INVALID_KEY, message)
    await attempts.record_success(client)


def _configured_keys(settings: Settings) -> tuple[SecretStr | None, ...]:
    return settings.api_key, settings.admin_api_key


def _matches_any(given: bytes, keys: Iterable[SecretStr | None]) -> bool:
    """True if `given` is one of the keys, each compared in constant time."""
    return any(hmac.compare_digest(given, key.get_secret_value().encode()) for key in keys if key)
