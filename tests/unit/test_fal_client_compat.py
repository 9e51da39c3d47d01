"""fal-client's private names that uploads depend on: each is still there, and still used by fal-client itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

import fal_client.client
import httpx
import pytest

from image2model.generators.fal import FalHosts
from image2model.generators.fal.fal_client_compat import FalUploadClient, point_fal_client_at

HOSTS = FalHosts(
    queue="https://queue.example", run="https://run.example", rest="https://rest.example", cdn="https://cdn.example"
)
TOKEN = {"token": "t", "token_type": "Bearer", "base_url": "https://cdn.example", "expires_at": "2100-01-01T00:00:00Z"}


@pytest.fixture(autouse=True)
def _own_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave fal-client's globals as they were."""
    for name in ("MAX_ATTEMPTS", "QUEUE_URL_FORMAT", "RUN_URL_FORMAT", "REST_URL", "CDN_URL"):
        monkeypatch.setattr(fal_client.client, name, getattr(fal_client.client, name))
    point_fal_client_at(HOSTS)


def pool(seen: list[httpx.Request], answer: Callable[[httpx.Request], httpx.Response], **headers: str):
    """An HTTP client that remembers what is sent with it."""

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answer(request)

    return httpx.AsyncClient(transport=httpx.MockTransport(handle), headers=headers)


async def upload(folder: Path, cdn_status: int = 200) -> tuple[str, list[httpx.Request], list[httpx.Request]]:
    """Upload a file; return its address and what was sent with the key's pool and with the other."""

    def storage(request: httpx.Request) -> httpx.Response:
        if request.url.host == "cdn.example":
            return httpx.Response(cdn_status, json={"access_url": "https://cdn.example/a.png"})
        urls = {"file_url": "https://elsewhere.example/a.png", "upload_url": "https://elsewhere.example/put"}
        return httpx.Response(200, json=urls)

    for_key: list[httpx.Request] = []
    without: list[httpx.Request] = []
    api = pool(for_key, lambda _: httpx.Response(200, json=TOKEN), Authorization="Key k")
    client = FalUploadClient("k", api, pool(without, storage))
    path = folder / "a.png"
    path.write_bytes(b"png")
    return await client.upload_file(path), for_key, without


async def test_tokens_and_uploads_go_over_the_pools_that_are_given(tmp_path: Path):
    """`_token_manager`, `_refresh_token` and `_cdn_client`: one token over the key's pool, the file over the other."""
    address, for_key, without = await upload(tmp_path)
    assert address == "https://cdn.example/a.png"
    assert [str(request.url).partition("?")[0] for request in for_key] == ["https://rest.example/storage/auth/token"]
    assert [str(request.url) for request in without] == ["https://cdn.example/files/upload"]
    assert without[0].headers["authorization"] == "Bearer t"


async def test_fallback_upload_sends_no_key_to_the_storage_host(tmp_path: Path):
    """`_client`: the upload goes where fal says, and only fal itself sees the key on the way."""
    address, _, without = await upload(tmp_path, cdn_status=400)
    assert address == "https://elsewhere.example/a.png"
    assert [request.url.host for request in without][-2:] == ["rest.example", "elsewhere.example"]
    assert [request.headers.get("authorization") for request in without][-2:] == ["Key k", None]


def test_fal_client_has_the_private_names():
    """The private names of fal-client that are overridden or read exist with the expected kind."""
    client, manager = fal_client.client.AsyncClient, fal_client.client.AsyncCDNTokenManager
    assert inspect.iscoroutinefunction(inspect.getattr_static(client, "_client").func)
    assert inspect.iscoroutinefunction(inspect.getattr_static(client, "_token_manager").func)
    assert inspect.isasyncgenfunction(inspect.unwrap(client._cdn_client))
    assert inspect.iscoroutinefunction(manager._refresh_token)
    assert {"_url", "_headers"} <= vars(manager(fal_client.auth.AuthCredentials("Key", "k"))).keys()
    fields = ["token", "token_type", "base_upload_url", "expires_at"]
    assert list(inspect.signature(fal_client.client.CDNToken).parameters) == fields


async def test_fal_client_globals_hold_host_and_retries():
    """Addresses and attempts are read at each call, not at the import."""
    asked: list[httpx.Request] = []

    class Client(fal_client.AsyncClient):
        @property
        async def _client(self) -> httpx.AsyncClient:
            return pool(asked, lambda _: httpx.Response(429))

    with pytest.raises(fal_client.client.FalClientHTTPError):
        await Client(key="k").submit("owner/model", {})
    assert [str(request.url) for request in asked] == ["https://queue.example/owner/model"] * 2
