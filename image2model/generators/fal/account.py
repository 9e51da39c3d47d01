"""One fal key at work: upload, submit once, ask, collect, cancel."""

from __future__ import annotations

import asyncio
import json
import time
import weakref
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from ssl import SSLContext
from typing import Any

import httpx
from fal_client.auth import AuthCredentials
from fal_client.client import (
    USER_AGENT,
    AsyncCDNTokenManager,
    AsyncClient,
    AsyncRequestHandle,
    CDNToken,
    StorageSettings,
)

from ..catalogue import FalModel
from .failures import BAD_KEY, MODEL_GONE, UNCONFIRMED, UNREACHABLE, WRONG_PLACE, failure_of
from .hosts import FalHosts
from .results import Downloads

UPLOADS_AT_ONCE = 4
"""fal-client holds a picture in memory while it uploads it."""
UPLOAD_KEPT = StorageSettings(expires_in="1d")
RESULT_KEPT_SECONDS = 7 * 24 * 3600
CANCEL_SECONDS = 5
LIMITS = httpx.Limits(max_connections=8)
"""httpx looks at every connection at every call; eight carry about a hundred calls a second to fal."""
QUEUE_TIMEOUT = httpx.Timeout(120, connect=15, pool=None)
CDN_TIMEOUT = httpx.Timeout(60, connect=15, write=600, pool=None)
"""httpx takes a whole picture for one write, and lines can be slow."""

NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL)
GATEWAY_STATUSES = (502, 504)
URLS = ("response_url", "status_url", "cancel_url")


@cache
def _tls() -> SSLContext:
    return httpx.create_ssl_context()


class _Tokens(AsyncCDNTokenManager):
    """fal-client's upload tokens, fetched over connections that are there already.

    fal-client opens a client for each; reading the CA file for it stalls the event loop for up to 0.1 s.
    """

    def __init__(self, key: str, queue: httpx.AsyncClient) -> None:
        super().__init__(AuthCredentials("Key", key))
        self._queue = queue

    async def _refresh_token(self) -> CDNToken:
        response = await self._queue.post(self._url, headers=self._headers, json={})
        response.raise_for_status()
        told = response.json()
        expiry = datetime.fromisoformat(told["expires_at"])
        return CDNToken(told["token"], told["token_type"], told["base_url"], expiry)


class _FalClient(AsyncClient):
    """fal-client on our connection pools, for the same reason."""

    def __init__(self, key: str, queue: httpx.AsyncClient, cdn: httpx.AsyncClient) -> None:
        super().__init__(key=key)
        self._queue, self._cdn, self._tokens = queue, cdn, _Tokens(key, queue)

    @property
    async def _client(self) -> httpx.AsyncClient:
        return self._queue

    @property
    async def _token_manager(self) -> AsyncCDNTokenManager:
        return self._tokens

    @asynccontextmanager
    async def _cdn_client(self) -> AsyncIterator[httpx.AsyncClient]:
        yield self._cdn


class Connections:
    """The HTTP clients of one key in one event loop."""

    def __init__(self, credentials: str, hosts: FalHosts) -> None:
        agent = {"User-Agent": USER_AGENT}
        self.queue = httpx.AsyncClient(
            verify=_tls(),
            headers={**agent, "Authorization": f"Key {credentials}"},
            timeout=QUEUE_TIMEOUT,
            limits=LIMITS,
        )
        self.open = httpx.AsyncClient(
            verify=_tls(), headers={**agent, "Accept-Encoding": "identity"}, timeout=CDN_TIMEOUT, limits=LIMITS
        )
        self.fal = _FalClient(credentials, self.queue, self.open)
        self.uploads = asyncio.Semaphore(UPLOADS_AT_ONCE)
        self.downloads = Downloads(self.open, hosts)

    async def close(self) -> None:
        """Close all connections."""
        await self.queue.aclose()
        await self.open.aclose()


class FalAccount:
    """A key and the hosts it is for; connections are kept for each event loop that uses it."""

    def __init__(self, credentials: str, hosts: FalHosts) -> None:
        self.hosts = hosts
        self._credentials = credentials.strip()
        self._by_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Connections] = weakref.WeakKeyDictionary()
        hosts.direct_fal_client()
        _tls()

    @property
    def here(self) -> Connections:
        """The connections of the running event loop; raises GenerationFailed for a key that cannot be sent."""
        if not (self._credentials.isascii() and self._credentials.isprintable()):
            raise BAD_KEY.error()
        loop = asyncio.get_running_loop()
        if loop not in self._by_loop:
            self._by_loop[loop] = Connections(self._credentials, self.hosts)
        return self._by_loop[loop]

    async def upload(self, png: Path) -> str:
        """Upload a picture that fal forgets after a day; return its address. Raises what fal-client raises."""
        async with self.here.uploads:
            return await self.here.fal.upload_file(png, lifecycle=UPLOAD_KEPT)

    async def submit(self, model: FalModel, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Hand a job to fal, sending it once and once only; return what finds it again.

        Raises GenerationFailed: `fal_unreachable` where it certainly did not arrive, `unconfirmed` where
        nobody can tell, `model_unavailable` for an endpoint that is no more, and else what fal answered.
        fal-client's own submit sends again after a broken connection, and fal cannot know the same job twice.
        """
        lifecycle = json.dumps({"expiration_duration_seconds": RESULT_KEPT_SECONDS})
        try:
            response = await self.here.queue.post(
                f"{self.hosts.queue}/{model.endpoint}",
                json=dict(arguments),
                headers={"X-Fal-Object-Lifecycle-Preference": lifecycle},
            )
        except NEVER_LEFT as error:
            raise UNREACHABLE.error() from error
        except httpx.HTTPError as error:
            raise UNCONFIRMED.error() from error
        if response.status_code == 404:
            raise MODEL_GONE.error(model=model.spec.name)
        if response.status_code in GATEWAY_STATUSES and "x-fal-request-id" not in response.headers:
            raise UNCONFIRMED.error()
        if not response.is_success:
            raise failure_of(response)
        return self._remote(model.endpoint, response)

    def _remote(self, endpoint: str, response: httpx.Response) -> dict[str, Any]:
        try:
            answer = response.json()
            request_id = answer["request_id"]
            urls = {name: answer[name] for name in URLS}
        except Exception as error:  # whatever it is, it names no job
            raise UNCONFIRMED.error() from error
        if not isinstance(request_id, str) or not all(self.hosts.is_queue(url) for url in urls.values()):
            raise UNCONFIRMED.error()
        return {"request_id": request_id, **urls, "endpoint": endpoint, "submitted_at": time.time()}

    def handle(self, remote: Mapping[str, Any]) -> AsyncRequestHandle:
        """fal-client's handle of a submitted job; raises GenerationFailed where it is not at our queue host."""
        urls = {name: str(remote.get(name)) for name in URLS}
        if not all(self.hosts.is_queue(url) for url in urls.values()):
            raise WRONG_PLACE.error()
        return AsyncRequestHandle(request_id=str(remote.get("request_id")), client=self.here.queue, **urls)

    async def cancel(self, remote: Mapping[str, Any]) -> None:
        """Tell fal that a job is not wanted any more, best-effort; never raises."""
        try:
            async with asyncio.timeout(CANCEL_SECONDS):
                await self.handle(remote).cancel()
        except Exception:  # over already, never there, or out of reach: nothing to be done
            return

    async def close(self) -> None:
        """Close the connections of the running event loop."""
        connections = self._by_loop.pop(asyncio.get_running_loop(), None)
        if connections:
            await connections.close()
