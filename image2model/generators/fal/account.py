"""One fal key at work: upload, submit once, ask, find, cancel."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
import weakref
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from ssl import SSLContext
from typing import Any

import httpx
from fal_client.auth import AuthCredentials
from fal_client.client import USER_AGENT, AsyncCDNTokenManager, AsyncClient, CDNToken, StorageSettings

from ..base import Told
from .downloads import Downloads
from .errors import (
    BAD_KEY,
    COLLECT_REFUSED,
    MODEL_GONE,
    ODD_ANSWER,
    PASSING,
    UNCONFIRMED,
    UNREACHABLE,
    error_type,
    failure_of,
)
from .hosts import FalHosts
from .instrumented_client import CountingClient, with_key, without_key
from .platform_api import Offers, find_request
from .polling import Patience

UPLOADS_AT_ONCE = 4
"""fal-client holds a picture in memory while it uploads it."""
UPLOAD_KEPT = StorageSettings(expires_in="1d")
RESULT_KEPT_SECONDS = 7 * 24 * 3600
AT_ONCE = 8
"""Questions, and downloads, in one moment: eight connections carry about a hundred calls a second to fal.

The others wait here and not in httpx, which looks through all that wait, and all connections, at every call.
"""
LIMITS = httpx.Limits(max_connections=2 * AT_ONCE)
CONNECT_SECONDS = 15
CDN_TIMEOUT = httpx.Timeout(60, connect=CONNECT_SECONDS, write=600, pool=None)
"""httpx takes a whole picture for one write, and lines can be slow."""

NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL)
REFUSES = 503
"""Whoever says it, fal or a gateway, has not taken the job; after any other 5xx without fal's error type it may be."""
URLS = ("response_url", "status_url", "cancel_url")
CANCEL_ANSWERS: Mapping[int, Told] = {202: "told", 404: "over"}


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
    """fal-client on our connection pools, for the same reason; it shows the key where that is wanted.

    Where its client carries the key, it shows it to whatever storage fal names for an upload.
    """

    def __init__(self, key: str, queue: httpx.AsyncClient, open: httpx.AsyncClient) -> None:
        super().__init__(key=key)
        self._open, self._tokens = open, _Tokens(key, queue)

    @property
    async def _client(self) -> httpx.AsyncClient:
        return self._open

    @property
    async def _token_manager(self) -> AsyncCDNTokenManager:
        return self._tokens

    @asynccontextmanager
    async def _cdn_client(self) -> AsyncIterator[httpx.AsyncClient]:
        yield self._open


class Connections:
    """The HTTP clients of one key in one event loop."""

    def __init__(self, credentials: str, patience: Patience) -> None:
        agent = {"User-Agent": USER_AGENT}
        self.queue = CountingClient(
            with_key,
            verify=_tls(),
            headers={**agent, "Authorization": f"Key {credentials}"},
            timeout=httpx.Timeout(patience.answer, connect=CONNECT_SECONDS, pool=None),
            limits=LIMITS,
        )
        self.open = CountingClient(
            without_key,
            verify=_tls(),
            headers={**agent, "Accept-Encoding": "identity"},
            timeout=CDN_TIMEOUT,
            limits=LIMITS,
        )
        self.fal = _FalClient(credentials, self.queue, self.open)
        self.uploads = asyncio.Semaphore(UPLOADS_AT_ONCE)
        self.questions = asyncio.Semaphore(AT_ONCE)
        self.watched = 0
        """Jobs whose end is waited for."""
        self.downloads = Downloads(self.open, patience, asyncio.Semaphore(AT_ONCE))

    async def close(self) -> None:
        """Close all connections."""
        await self.queue.aclose()
        await self.open.aclose()


class FalAccount:
    """A key, which may be empty, and the hosts it is for; each event loop that uses it has its own connections.

    `offers` is what fal says of its models: accounts may share it.
    """

    def __init__(
        self,
        credentials: str,
        hosts: FalHosts,
        patience: Patience | None = None,
        offers: Offers | None = None,
    ) -> None:
        self.hosts = hosts
        self.patience = patience or Patience()
        self.offers = offers or Offers()
        self._credentials = credentials.strip()
        self._by_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Connections] = weakref.WeakKeyDictionary()
        hosts.direct_fal_client()
        _tls()

    @property
    def key_mark(self) -> str:
        """Tells one key from another without giving it away; empty without a key."""
        if not self._credentials:
            return ""
        return hashlib.sha256(b"image2model's mark of a fal key:" + self._credentials.encode()).hexdigest()[:12]

    def on_key(self, key: str) -> FalAccount:
        """The same on another key; raises GenerationFailed for one that cannot be sent."""
        other = FalAccount(key, self.hosts, self.patience, self.offers)
        if not other.can_be_sent:
            raise BAD_KEY.error()
        return other

    @property
    def can_be_sent(self) -> bool:
        """Whether the key is one that a header can hold."""
        return bool(self._credentials) and self._credentials.isascii() and self._credentials.isprintable()

    @property
    def here(self) -> Connections:
        """The connections of the running event loop; raises GenerationFailed for a key that cannot be sent."""
        if not self.can_be_sent:
            raise BAD_KEY.error()
        loop = asyncio.get_running_loop()
        if loop not in self._by_loop:
            self._by_loop[loop] = Connections(self._credentials, self.patience)
        return self._by_loop[loop]

    async def upload(self, png: Path) -> str:
        """Upload a picture that fal forgets after a day; return its address, which no other picture has.

        Raises what fal-client raises, OSError where the picture cannot be read, TimeoutError, and GenerationFailed
        for an answer that names no address: a job with it would be paid for and fail.
        """
        async with self.here.uploads, asyncio.timeout(self.patience.upload):
            address: object = await self.here.fal.upload_file(png, lifecycle=UPLOAD_KEPT)
        if not isinstance(address, str) or not address.startswith(("https://", "http://")):
            raise ODD_ANSWER.error()
        return address

    async def submit(self, endpoint: str, arguments: Mapping[str, Any], model: str) -> dict[str, Any]:
        """Hand a job to fal, sending it once and once only; return what finds it again. `model` is for people.

        Raises GenerationFailed: `fal_unreachable` where it certainly did not arrive, `unconfirmed` where
        nobody can tell, `model_unavailable` for an endpoint that is no more, and else what fal answered.
        fal-client's own submit sends again after a broken connection, and fal cannot know the same job twice.
        """
        lifecycle = json.dumps({"expiration_duration_seconds": RESULT_KEPT_SECONDS})
        try:
            response = await self.here.queue.post(
                f"{self.hosts.queue}/{endpoint}",
                json=dict(arguments),
                headers={"X-Fal-Object-Lifecycle-Preference": lifecycle},
                timeout=httpx.Timeout(self.patience.submit, connect=CONNECT_SECONDS, pool=None),
            )
        except NEVER_LEFT as error:
            raise UNREACHABLE.error() from error
        except httpx.HTTPError as error:
            raise UNCONFIRMED.error() from error
        if response.status_code == 404:
            self.offers.drop(endpoint)
            raise MODEL_GONE.error(model=model)
        if response.status_code >= 500 and response.status_code != REFUSES and not error_type(response):
            raise UNCONFIRMED.error()
        if not response.is_success:
            raise failure_of(response)
        return self._remote(endpoint, response)

    def _remote(self, endpoint: str, response: httpx.Response) -> dict[str, Any]:
        try:
            answer = response.json()
            request_id = answer["request_id"]
            urls = {name: answer[name] for name in URLS}
        except Exception as error:  # whatever it is, it names no job
            raise UNCONFIRMED.error() from error
        if not isinstance(request_id, str) or not all(self.hosts.is_queue(url) for url in urls.values()):
            raise UNCONFIRMED.error()
        return self.remote(endpoint, request_id, urls, time.time())

    def remote(self, endpoint: str, request_id: str, urls: Mapping[str, str], submitted_at: float) -> dict[str, Any]:
        """What finds a job again; `submitted_at` in seconds since 1970."""
        known = {"endpoint": endpoint, "submitted_at": submitted_at, "key_mark": self.key_mark}
        return {"request_id": request_id, **urls, **known}

    async def ask(self, url: str, **parameters: str) -> httpx.Response | None:
        """Ask about a submitted job; None where no answer came.

        Raises GenerationFailed `collect_refused` where fal does not accept the key.
        """
        try:
            # httpx's own timeout begins anew with every byte
            async with self.here.questions, asyncio.timeout(4 * self.patience.answer):
                response = await self.here.queue.get(url, params=parameters)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
            return None
        if response.status_code in (401, 403):
            raise COLLECT_REFUSED.error()
        return response

    @contextmanager
    def watching(self) -> Iterator[Connections]:
        """Count a job among those that are `watched` over the connections that are given."""
        here = self.here
        here.watched += 1
        try:
            yield here
        finally:
            here.watched -= 1

    async def accepts_key(self, endpoint: str) -> bool:
        """Whether fal tells this key the price of a model, which it tells nobody else; raises whatever goes wrong."""
        async with asyncio.timeout(self.patience.answer):
            response = await self.here.queue.get(
                f"{self.hosts.api}/v1/models/pricing", params={"endpoint_id": endpoint}
            )
        return response.status_code not in (401, 403)

    async def find(self, intent: Mapping[str, Any]) -> dict[str, Any] | None:
        """The job that was submitted with this intent, where fal lists it; raises whatever goes wrong."""
        endpoint = str(intent["endpoint"])
        async with asyncio.timeout(self.patience.answer):
            request_id = await find_request(self.here.queue, self.hosts, intent)
        if request_id is None:
            return None
        base = f"{self.hosts.queue}/{'/'.join(endpoint.split('/')[:2])}/requests/{request_id}"
        urls = dict(zip(URLS, (base, f"{base}/status", f"{base}/cancel"), strict=True))
        return self.remote(endpoint, request_id, urls, float(intent["submitted_at"]))

    async def cancel(self, remote: Mapping[str, Any]) -> Told:
        """Tell fal that a job is not wanted any more; never raises."""
        url = remote.get("cancel_url")
        try:
            async with asyncio.timeout(self.patience.cancel):
                told = await self._cancel(str(url)) if self.hosts.is_queue(url) else "unknown"
        except Exception:  # out of reach: whoever asked goes on watching
            return "unknown"
        return "unknown" if told == "over" and self.is_other_key(remote) else told

    async def _cancel(self, url: str) -> Told:
        """Ask until there is an answer: telling it twice does no harm."""
        for number in range(self.patience.tries):
            await asyncio.sleep(self.patience.pause / 4 if number else 0)
            try:
                response = await self.here.queue.put(url)
            except httpx.TransportError:
                continue
            if response.status_code == 400:
                return "over" if response.json()["status"] == "ALREADY_COMPLETED" else "unknown"
            if response.status_code < 500 and response.status_code not in PASSING:
                return CANCEL_ANSWERS.get(response.status_code, "unknown")
        return "unknown"

    def is_other_key(self, remote: Mapping[str, Any]) -> bool:
        """Whether a job was sent with another key; fal may know the job all the same, if both are of one account."""
        return bool(remote.get("key_mark", self.key_mark) != self.key_mark)

    async def close(self) -> None:
        """Close the connections of the running event loop."""
        connections = self._by_loop.pop(asyncio.get_running_loop(), None)
        if connections:
            await connections.close()
