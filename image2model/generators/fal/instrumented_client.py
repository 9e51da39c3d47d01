"""The client through which everything goes to fal and comes from there, counted for the host."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx

from ...metrics import FAL_CALLS, FAL_SECONDS


class InstrumentedClient(httpx.AsyncClient):
    """httpx's, each request counted under the name that `operation` has for it, with its status and time."""

    def __init__(self, operation: Callable[[httpx.Request], str], **options: Any) -> None:
        super().__init__(**options)
        self._operation = operation

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """See httpx."""
        operation, began, status = self._operation(request), time.perf_counter(), "none"
        try:
            response = await super().send(request, **options)
            status = str(response.status_code)
            return response
        finally:
            FAL_CALLS.labels(operation, status).inc()
            FAL_SECONDS.labels(operation).observe(time.perf_counter() - began)


def api_operation(request: httpx.Request) -> str:
    """Purpose of a request that carries the key."""
    path = request.url.path
    if "/storage/" in path:
        return "upload"
    if path.startswith("/v1/models"):
        return "platform"
    if request.method == "POST":
        return "submit"
    if request.method == "PUT":
        return "cancel"
    return "status" if path.endswith("/status") else "result"


def storage_operation(request: httpx.Request) -> str:
    """Purpose of a request to fal's storage."""
    return "download" if request.method == "GET" else "upload"
