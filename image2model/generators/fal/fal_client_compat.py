"""The only place that knows fal-client's private names; `tests/unit/test_fal_client_compat.py` fails when one changes.

fal-client 1.0 opens an HTTP client of its own for each upload token and each upload, which reads the CA file anew and
stalls the event loop for up to 0.1 s; and it sends the key with every request of its shared client, also to whatever
storage fal names for an upload. Nothing public changes either.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import fal_client.client
import httpx
from fal_client.auth import AuthCredentials
from fal_client.client import USER_AGENT, AsyncCDNTokenManager, AsyncClient, CDNToken, FalClientHTTPError

from .hosts import FalHosts

__all__ = ["USER_AGENT", "FalClientHTTPError", "FalUploadClient", "point_fal_client_at"]

MAX_ATTEMPTS = 2


class _TokenManager(AsyncCDNTokenManager):
    """Fetches upload tokens over the pool that is given; fal-client's own opens a client for each."""

    def __init__(self, key: str, api: httpx.AsyncClient) -> None:
        super().__init__(AuthCredentials("Key", key))
        self._api = api

    async def _refresh_token(self) -> CDNToken:
        # `_url` and `_headers`: the token endpoint and its headers. Called when a token has expired.
        response = await self._api.post(self._url, headers=self._headers, json={})
        response.raise_for_status()
        token = response.json()
        expiry = datetime.fromisoformat(token["expires_at"])
        return CDNToken(token["token"], token["token_type"], token["base_url"], expiry)


class FalUploadClient(AsyncClient):
    """fal-client's uploads over two pools: `api` carries the key, `storage` does not."""

    def __init__(self, key: str, api: httpx.AsyncClient, storage: httpx.AsyncClient) -> None:
        super().__init__(key=key)
        self._storage, self._tokens = storage, _TokenManager(key, api)

    @property
    async def _client(self) -> httpx.AsyncClient:
        """Used for the fallback upload (initiate, then PUT to any host): it must not carry the key to that host."""
        return self._storage

    @property
    async def _token_manager(self) -> AsyncCDNTokenManager:
        """Used by upload_file for the CDN's token."""
        return self._tokens

    @asynccontextmanager
    async def _cdn_client(self) -> AsyncIterator[httpx.AsyncClient]:
        """Used for the upload to the CDN: a context manager, because fal-client closes what it opened."""
        yield self._storage


def point_fal_client_at(hosts: FalHosts) -> None:
    """Let fal-client use these hosts, and try twice where it would try ten times: waiting is up to our retry policy.

    These are globals of the whole process, which it reads at each call; its environment variables are read only at
    import, and there are none for the REST and CDN addresses.
    """
    fal_client.client.MAX_ATTEMPTS = MAX_ATTEMPTS
    fal_client.client.QUEUE_URL_FORMAT = f"{hosts.queue}/"
    fal_client.client.RUN_URL_FORMAT = f"{hosts.run}/"
    fal_client.client.REST_URL = hosts.rest
    fal_client.client.CDN_URL = hosts.cdn
