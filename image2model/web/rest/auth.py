"""Who may call what: `Authorization: Bearer <key>` against API_KEY and ADMIN_API_KEY.

Use as a dependency of a router or route: `dependencies=[Depends(admin)]`.
"""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from ...errors import NotAllowed
from .common import StudioDep

BEARER = HTTPBearer(auto_error=False, description="`API_KEY`, or `ADMIN_API_KEY`, which opens everything")
Given = Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]


def user(studio: StudioDep, given: Given) -> None:
    """Whoever may upload and download: everybody where nothing is locked, else with API_KEY or ADMIN_API_KEY."""
    settings = studio.settings
    if settings.api_key or settings.app_users:  # who locks the page does not want a back door
        _demand(given, "Invalid API key", settings.api_key, settings.admin_api_key)


def log_reader(studio: StudioDep, given: Given) -> None:
    """Whoever may read logs: with API_KEY or ADMIN_API_KEY; nobody where neither is set."""
    _demand(given, "Invalid API key", studio.settings.api_key, studio.settings.admin_api_key)


def admin(studio: StudioDep, given: Given) -> None:
    """The host: with ADMIN_API_KEY; nobody where it is unset."""
    _demand(given, "Invalid admin API key", studio.settings.admin_api_key)


def _demand(given: HTTPAuthorizationCredentials | None, wrong: str, *keys: SecretStr | None) -> None:
    if given is None:
        raise NotAllowed("not_authenticated", "Not authenticated")
    shown = given.credentials.encode()
    fits = [hmac.compare_digest(shown, key.get_secret_value().encode()) for key in keys if key]
    if not any(fits):
        raise NotAllowed("invalid_key", wrong)


uploader = reader = user
