"""Access to the logs over REST, by the host's settings."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from image2model.web.rest.app import create_app

API_KEY, ADMIN = "a programs' key", "the host's key"
READS = ("/logs/types", "/logs/statistics", "/logs/health", "/logs/export?format=txt")
HOST_ROUTES = (("POST", "/logs/rotate"), ("DELETE", "/logs/cleanup"))


def secrets(**given: str) -> dict[str, Any]:
    """Settings that are secret."""
    return {name: SecretStr(value) for name, value in given.items()}


@pytest.mark.parametrize(
    ("settings", "key", "status"),
    [
        ({}, "", 200),
        (secrets(api_key=API_KEY), "", 403),
        (secrets(api_key=API_KEY), API_KEY, 200),
        (secrets(admin_api_key=ADMIN), "", 403),
        (secrets(admin_api_key=ADMIN), ADMIN, 200),
        (secrets(app_users="ann:her-password"), "", 403),
    ],
)
async def test_logs_are_open_where_the_host_has_set_nothing(services, settings: dict[str, Any], key: str, status: int):
    """Reading asks for a key where there is one, or where the page asks for a password; deleting for the host's."""
    services.settings = services.settings.model_copy(update=settings)
    transport = httpx.ASGITransport(create_app(services), client=("192.0.2.1", 1))
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with httpx.AsyncClient(transport=transport, base_url="http://host/api/v1", headers=headers) as client:
        assert {(await client.get(path)).status_code for path in READS} == {status}
        of_host = {(await client.request(method, path)).status_code for method, path in HOST_ROUTES}
    assert of_host == {200 if key == ADMIN else 403}
