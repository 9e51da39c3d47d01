"""Who may call what: `Authorization: Bearer <key>` against API_KEY and ADMIN_API_KEY.

Use as a dependency of a router or route: `dependencies=[Depends(admin)]`.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from ...errors import ErrorCode, LimitReached, NotAllowed
from ...settings import Settings
from ..middleware.security import KEY_TRIES
from ..public_address import client_of
from .common import StudioDep

BEARER = HTTPBearer(auto_error=False, description="`API_KEY`, or `ADMIN_API_KEY`, which opens everything")
Given = Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]


def user(request: Request, studio: StudioDep, given: Given) -> None:
    """Whoever may upload and download: everybody where nothing is locked, else with API_KEY or ADMIN_API_KEY."""
    settings = studio.settings
    if settings.api_key or settings.app_users:  # who locks the page does not want a back door
        _demand(request, given, "Invalid API key", settings, *_keys(settings))


def log_reader(request: Request, studio: StudioDep, given: Given) -> None:
    """Whoever may read logs: with API_KEY or ADMIN_API_KEY; nobody where neither is set."""
    _demand(request, given, "Invalid API key", studio.settings, *_keys(studio.settings))


def admin(request: Request, studio: StudioDep, given: Given) -> None:
    """The host: with ADMIN_API_KEY; nobody where it is unset."""
    _demand(request, given, "Invalid admin API key", studio.settings, studio.settings.admin_api_key)


def _demand(
    request: Request,
    given: HTTPAuthorizationCredentials | None,
    wrong: str,
    settings: Settings,
    *keys: SecretStr | None,
) -> None:
    """Raise NotAllowed without one of the keys, and LimitReached after too many wrong ones, whatever then comes.

    API_KEY where only the host's opens is no guess: who has it learns nothing there.
    """
    if given is None:
        raise NotAllowed(ErrorCode.NOT_AUTHENTICATED, "Not authenticated")
    client = client_of(request)
    if not KEY_TRIES.may_try(client):
        message, hint = "These are too many tries with a wrong key.", "Wait a minute."
        raise LimitReached(ErrorCode.TOO_MANY_TRIES, message, hint, retry_after=KEY_TRIES.wait(client))
    shown = given.credentials.encode()
    if not _fits(shown, keys):
        if not _fits(shown, _keys(settings)):
            KEY_TRIES.tried(client)
        raise NotAllowed(ErrorCode.INVALID_KEY, wrong)


def _keys(settings: Settings) -> tuple[SecretStr | None, ...]:
    return settings.api_key, settings.admin_api_key


def _fits(shown: bytes, keys: Iterable[SecretStr | None]) -> bool:
    """Whether this is one of the keys, each compared in constant time."""
    return any(hmac.compare_digest(shown, key.get_secret_value().encode()) for key in keys if key)


uploader = reader = user
