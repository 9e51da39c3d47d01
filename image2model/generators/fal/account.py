"""Calls to fal with one key: upload, submit (never sent twice), status and results, search, cancel."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from ssl import SSLContext
from typing import Any

import httpx
from fal_client.client import StorageSettings

from ..base import CancelOutcome
from .downloads import Downloads
from .errors import TRANSIENT_STATUSES, error_type, failure_from_response
from .failure_messages import (
    COLLECT_REFUSED,
    INVALID_RESPONSE,
    KEY_REFUSED,
    MODEL_UNAVAILABLE,
    UNCONFIRMED,
    UNREACHABLE,
)
from .fal_client_compat import USER_AGENT, FalUploadClient, point_fal_client_at
from .hosts import FalHosts
from .instrumented_client import InstrumentedClient, api_operation, storage_operation
from .platform_api import ModelListing, find_request
from .polling import CONNECT_SECONDS, Timeouts

MAX_CONCURRENT_UPLOADS = 4
"""fal-client holds a picture in memory while it uploads it."""
UPLOAD_LIFECYCLE = StorageSettings(expires_in="1d")
RESULT_KEPT_SECONDS = 7 * 24 * 3600
MAX_CONCURRENT_CALLS = 8
"""Status calls, and downloads, at once: eight connections carry about a hundred calls a second to fal.

The others wait for a semaphore and not in httpx, whose pool scans all waiting requests and connections at every call.
"""
LIMITS = httpx.Limits(max_connections=2 * MAX_CONCURRENT_CALLS, keepalive_expiry=2)
"""Common servers and proxies close a connection that has been idle for five seconds.

A submit over one that closes at that moment gets no answer, and nobody can tell whether it has been paid for.
"""
CDN_TIMEOUT = httpx.Timeout(60, connect=CONNECT_SECONDS, write=600, pool=None)
"""httpx takes a whole picture for one write, and lines can be slow."""

NOT_SENT_ERRORS = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)
REFUSED_STATUS = 503
"""Status of fal or a gateway for a job that was not accepted; other 5xx without an error type leave it open."""
URL_FIELDS = ("response_url", "status_url", "cancel_url")
CANCEL_OUTCOMES: Mapping[int, CancelOutcome] = {202: "accepted", 404: "over"}


@cache
def _tls() -> SSLContext:
    return httpx.create_ssl_context()


class Connections:
    """The HTTP clients of one key in one event loop."""

    def __init__(self, credentials: str, timeouts: Timeouts) -> None:
        agent = {"User-Agent": USER_AGENT}
        self.api = InstrumentedClient(
            api_operation,
            verify=_tls(),
            headers={**agent, "Authorization": f"Key {credentials}"},
            timeout=httpx.Timeout(timeouts.request, connect=CONNECT_SECONDS, pool=None),
            limits=LIMITS,
        )
        self.storage = InstrumentedClient(
            storage_operation,
            verify=_tls(),
            headers={**agent, "Accept-Encoding": "identity"},
            timeout=CDN_TIMEOUT,
            limits=LIMITS,
        )
        self.fal = FalUploadClient(credentials, self.api, self.storage)
        self.upload_slots = asyncio.Semaphore(MAX_CONCURRENT_UPLOADS)
        self.call_slots = asyncio.Semaphore(MAX_CONCURRENT_CALLS)
        self.watched_jobs = 0
        """Jobs that are being polled."""
        self.downloads = Downloads(self.storage, timeouts, asyncio.Semaphore(MAX_CONCURRENT_CALLS))

    async def close(self) -> None:
        """Close all connections."""
        await self.api.aclose()
        await self.storage.aclose()


class FalAccount:
    """A key, which may be empty, and the hosts it is for; each event loop that uses it has its own connections.

    Accounts may share a `listing` of the models on offer.
    """

    def __init__(
        self,
        credentials: str,
        hosts: FalHosts,
        timeouts: Timeouts | None = None,
        listing: ModelListing | None = None,
    ) -> None:
        self.hosts = hosts
        self.timeouts = timeouts or Timeouts()
        self.listing = listing or ModelListing()
        self._credentials = credentials.strip()
        self._by_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Connections] = weakref.WeakKeyDictionary()
        point_fal_client_at(hosts)
        _tls()

    @property
    def key_mark(self) -> str:
        """Pseudonym of the key (12 hex digits of a salted SHA-256); empty without a key."""
        if not self._credentials:
            return ""
        return hashlib.sha256(b"image2model's mark of a fal key:" + self._credentials.encode()).hexdigest()[:12]

    def for_key(self, key: str) -> FalAccount:
        """The same with another key; raises GenerationFailed `key_refused` for one no header can hold."""
        account = FalAccount(key, self.hosts, self.timeouts, self.listing)
        if not account.is_valid_header:
            raise KEY_REFUSED.error()
        return account

    @property
    def is_valid_header(self) -> bool:
        """True if an HTTP header can hold the key."""
        return bool(self._credentials) and self._credentials.isascii() and self._credentials.isprintable()

    @property
    def connections(self) -> Connections:
        """The connections of the running event loop; raises GenerationFailed for a key that cannot be sent."""
        if not self.is_valid_header:
            raise KEY_REFUSED.error()
        loop = asyncio.get_running_loop()
        if loop not in self._by_loop:
            self._by_loop[loop] = Connections(self._credentials, self.timeouts)
        return self._by_loop[loop]

    async def upload(self, png: Path) -> str:
        """Upload a picture that fal forgets after a day; return its address, which no other picture has.

        Raises what fal-client raises, OSError where the picture cannot be read, TimeoutError, and GenerationFailed
        for an answer that names no address: a job with it would be paid for and fail.
        """
        async with self.connections.upload_slots, asyncio.timeout(self.timeouts.upload):
            address: object = await self.connections.fal.upload_file(png, lifecycle=UPLOAD_LIFECYCLE)
        if not isinstance(address, str) or not address.startswith(("https://", "http://")):
            raise INVALID_RESPONSE.error()
        return address

    async def submit(self, endpoint: str, arguments: Mapping[str, Any], model: str) -> dict[str, Any]:
        """Submit a job to fal, exactly once; return the data that finds it again. `model` is a name for messages.

        Raises GenerationFailed: `fal_unreachable` where it certainly did not arrive, `unconfirmed` where
        that is unknown, `model_unavailable` for a removed endpoint, and else fal's error.
        fal-client's own submit sends again after a broken connection, and fal cannot know the same job twice.
        """
        lifecycle = json.dumps({"expiration_duration_seconds": RESULT_KEPT_SECONDS})
        try:
            response = await self.connections.api.post(
                f"{self.hosts.queue}/{endpoint}",
                json=dict(arguments),
                headers={"X-Fal-Object-Lifecycle-Preference": lifecycle},
                timeout=httpx.Timeout(self.timeouts.submit, connect=CONNECT_SECONDS, pool=None),
            )
        except NOT_SENT_ERRORS as error:
            raise UNREACHABLE.error() from error
        except httpx.HTTPError as error:
            raise UNCONFIRMED.error() from error
        if response.status_code == 404:
            self.listing.mark_unavailable(endpoint)
            raise MODEL_UNAVAILABLE.error(model=model)
        if response.status_code >= 500 and response.status_code != REFUSED_STATUS and not error_type(response):
            raise UNCONFIRMED.error()
        if not response.is_success:
            raise failure_from_response(response)
        return self._parse_submitted(endpoint, response)

    def _parse_submitted(self, endpoint: str, response: httpx.Response) -> dict[str, Any]:
        try:
            answer = response.json()
            request_id = answer["request_id"]
            urls = {name: answer[name] for name in URL_FIELDS}
        except Exception as error:  # any malformed answer
            raise UNCONFIRMED.error() from error
        if not isinstance(request_id, str) or not all(self.hosts.is_queue(url) for url in urls.values()):
            raise UNCONFIRMED.error()
        return self.job_reference(endpoint, request_id, urls, time.time())

    def job_reference(
        self, endpoint: str, request_id: str, urls: Mapping[str, str], submitted_at: float
    ) -> dict[str, Any]:
        """Data that finds a job again, as stored with it; `submitted_at` in seconds since 1970."""
        context = {"endpoint": endpoint, "submitted_at": submitted_at, "key_mark": self.key_mark}
        return {"request_id": request_id, **urls, **context}

    async def get(self, url: str, **parameters: str) -> httpx.Response | None:
        """GET a status or result URL with the key; None where no answer came.

        Raises GenerationFailed `collect_refused` where fal does not accept the key.
        """
        try:
            # httpx's own timeout restarts with every byte
            async with self.connections.call_slots, asyncio.timeout(4 * self.timeouts.request):
                response = await self.connections.api.get(url, params=parameters)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
            return None
        if response.status_code in (401, 403):
            raise COLLECT_REFUSED.error()
        return response

    @contextmanager
    def count_watched(self) -> Iterator[Connections]:
        """Count one more polled job for the duration of the block; yields the connections it is polled over."""
        connections = self.connections
        connections.watched_jobs += 1
        try:
            yield connections
        finally:
            connections.watched_jobs -= 1

    async def is_key_accepted(self, endpoint: str) -> bool:
        """True if fal accepts the key in a request for a price, which needs one; raises any error of the request."""
        address = f"{self.hosts.api}/v1/models/pricing"
        async with asyncio.timeout(self.timeouts.request):
            response = await self.connections.api.get(address, params={"endpoint_id": endpoint})
        if response.status_code in (401, 403):
            return False
        response.raise_for_status()
        return True

    async def find(self, intent: Mapping[str, Any]) -> dict[str, Any] | None:
        """Find the job of this intent in fal's request list; None where it is not; raises whatever goes wrong."""
        endpoint = str(intent["endpoint"])
        async with asyncio.timeout(self.timeouts.request):
            request_id = await find_request(self.connections.api, self.hosts, intent)
        if request_id is None:
            return None
        base = f"{self.hosts.queue}/{'/'.join(endpoint.split('/')[:2])}/requests/{request_id}"
        urls = dict(zip(URL_FIELDS, (base, f"{base}/status", f"{base}/cancel"), strict=True))
        return self.job_reference(endpoint, request_id, urls, float(intent["submitted_at"]))

    async def cancel(self, remote: Mapping[str, Any]) -> CancelOutcome:
        """Ask fal to cancel a job; never raises."""
        url = remote.get("cancel_url")
        try:
            async with asyncio.timeout(self.timeouts.cancel):
                outcome = await self._cancel(str(url)) if self.hosts.is_queue(url) else "unknown"
        except Exception:  # unreachable: the caller continues to watch the job
            return "unknown"
        return "unknown" if outcome == "over" and self.was_sent_with_other_key(remote) else outcome

    async def _cancel(self, url: str) -> CancelOutcome:
        """PUT until there is an answer: cancelling twice does no harm."""
        for number in range(self.timeouts.attempts):
            await asyncio.sleep(self.timeouts.retry_delay / 4 if number else 0)
            try:
                response = await self.connections.api.put(url)
            except httpx.TransportError:
                continue
            if response.status_code == 400:
                return "over" if response.json()["status"] == "ALREADY_COMPLETED" else "unknown"
            if response.status_code < 500 and response.status_code not in TRANSIENT_STATUSES:
                return CANCEL_OUTCOMES.get(response.status_code, "unknown")
        return "unknown"

    def was_sent_with_other_key(self, remote: Mapping[str, Any]) -> bool:
        """True if a job was sent with another key; fal finds it nevertheless if both keys belong to one account."""
        return bool(remote.get("key_mark", self.key_mark) != self.key_mark)

    async def close(self) -> None:
        """Close the connections of the running event loop."""
        connections = self._by_loop.pop(asyncio.get_running_loop(), None)
        if connections:
            await connections.close()
