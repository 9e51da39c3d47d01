"""Uploads before they are in a batch: refused before their bytes are taken, counted, and swept away."""

from __future__ import annotations

import asyncio
import time

import pytest
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from image2model.errors import LimitReached, Unavailable
from image2model.services import uploads
from image2model.web.middleware.upload_guard import UploadGuardMiddleware


def test_a_network_may_upload_so_many_batches_an_hour(services, monkeypatch: pytest.MonkeyPatch):
    """Above its limit a network is refused with a wait; others continue until the limit of all networks together."""
    batch = services.settings.max_files * services.limits.max_bytes
    for _ in range(uploads.MAX_BATCHES_PER_NETWORK):
        services.uploads.admit("192.0.2.1", batch)
    with pytest.raises(LimitReached) as refusal:
        services.uploads.admit("192.0.2.1", 1)
    assert 0 < refusal.value.retry_after <= uploads.MAX_AGE_SECONDS
    services.uploads.admit("192.0.2.2", batch)
    monkeypatch.setattr(uploads, "MAX_BATCHES_TOTAL", uploads.MAX_BATCHES_PER_NETWORK + 1)
    with pytest.raises(LimitReached):
        services.uploads.admit("192.0.2.3", 1)
    monkeypatch.setattr(uploads, "MAX_AGE_SECONDS", -1.0)
    services.uploads.admit("192.0.2.1", batch)


def test_small_uploads_are_bounded_in_number(services, monkeypatch: pytest.MonkeyPatch):
    """An upload of a byte counts for more, so that a flood of them fills no memory."""
    monkeypatch.setattr(uploads, "MIN_COUNTED_BYTES", services.settings.max_files * services.limits.max_bytes)
    for _ in range(uploads.MAX_BATCHES_PER_NETWORK):
        services.uploads.admit("192.0.2.1", 1)
    with pytest.raises(LimitReached):
        services.uploads.admit("192.0.2.1", 1)


async def test_upload_quota_counts_received_bytes(services, monkeypatch: pytest.MonkeyPatch):
    """An upload counts with its announced size while it is open, and with the bytes received once it has ended."""
    monkeypatch.setattr(uploads, "MAX_BATCHES_TOTAL", 3)
    announced = str(2 * services.settings.max_files * services.limits.max_bytes)
    begun, released = asyncio.Event(), asyncio.Event()
    statuses: list[int] = []

    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await released.wait()
        await Response(status_code=403)(scope, receive, send)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    async def upload() -> None:
        scope = {"type": "http", "method": "POST", "path": "/api/v1/upload", "client": ("192.0.2.1", 1)}
        await guard({**scope, "headers": [(b"content-length", announced.encode())]}, receive, send)

    guard = UploadGuardMiddleware(refuse, services)
    first = asyncio.create_task(upload())
    await begun.wait()
    await upload()
    released.set()
    await first
    await upload()
    assert statuses == [429, 403, 403]


def test_an_upload_that_would_fill_the_disk_is_refused(services):
    """An upload that would leave less than MIN_FREE_GB is refused as `disk_full`."""
    with pytest.raises(Unavailable) as refusal:
        services.uploads.admit("192.0.2.1", 10**18)
    assert refusal.value.code == "disk_full"


async def test_uploads_are_swept_after_an_hour(services, monkeypatch: pytest.MonkeyPatch, tmp_path):
    """The sweep deletes an old upload that was never submitted and keeps a fresh one."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    async with services.uploads.folder() as folder:
        old, fresh = folder / "old.png", folder / "fresh.png"
        for file in (old, fresh):
            file.write_bytes(b"x")
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + 3700)
        await services.retention.run()
        assert not old.exists()
        monkeypatch.setattr(time, "time", real)
        fresh.write_bytes(b"x")
        await services.retention.run()
        assert fresh.exists()
