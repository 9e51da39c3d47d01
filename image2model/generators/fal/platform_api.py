"""fal's platform API: prices, models that are still offered, and the jobs that an account has sent.

https://fal.ai/docs/platform-apis: `/v1/models`, `/v1/models/pricing` and `/v1/models/requests/by-endpoint`.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import httpx

from .hosts import FalHosts

REFRESH_SECONDS = 6 * 3600
RETRY_SECONDS = 600
GONE_SECONDS = 3600
"""A model reported gone at a submit may be back, until fal's list decides."""
CLOCK_SKEW_SECONDS = 3600
"""Clocks differ: jobs are sought from so long before they were sent."""
PAGE_SIZE, MAX_PAGES = 100, 20
MAX_UNITS = Decimal(10_000)
REQUEST_ID = re.compile(r"[\w-]{1,100}")
PER_RUN_UNITS = frozenset(
    [
        "generation",
        "generations",
        "image",
        "images",
        "model",
        "models",
        "request",
        "requests",
        "run",
        "runs",
        "unit",
        "units",
        "mesh",
        "meshes",
        "object",
        "objects",
        "call",
        "calls",
        "asset",
        "assets",
    ]
)
"""Units of which a run takes one at least."""


class ModelListing:
    """fal's list of its models, looked up now and then and kept in memory."""

    def __init__(self) -> None:
        self._prices: Mapping[str, tuple[Decimal, str]] = {}
        self._deprecated: frozenset[str] = frozenset()
        self._unavailable_until: dict[str, float] = {}
        self._next = 0.0

    def unit_price(self, endpoint: str) -> Decimal | None:
        """US dollars for one billable unit of the endpoint; None where fal lists no price."""
        price, _ = self._prices.get(endpoint, (None, ""))
        return price

    def minimum_price(self, endpoint: str) -> Decimal:
        """US dollars that a run costs at least, by fal's price list."""
        price, unit = self._prices.get(endpoint, (Decimal(0), ""))
        return price if unit in PER_RUN_UNITS else Decimal(0)

    def cost(self, endpoint: str, billable_units: str | None) -> Decimal | None:
        """US dollars charged for a run, by its header X-Fal-Billable-Units; None without the header or the price."""
        price, units = self.unit_price(endpoint), _decimal(billable_units)
        return None if price is None or units is None or units > MAX_UNITS else price * units

    def mark_unavailable(self, endpoint: str) -> None:
        """Record that a submit found the endpoint gone."""
        self._unavailable_until[endpoint] = time.monotonic() + GONE_SECONDS

    def is_unavailable(self, endpoint: str) -> bool:
        """True if fal no longer offers the endpoint."""
        return endpoint in self._deprecated or time.monotonic() < self._unavailable_until.get(endpoint, 0.0)

    async def refresh(self, client: httpx.AsyncClient, hosts: FalHosts, endpoints: Iterable[str]) -> None:
        """Look everything up, unless that was done in the last hours; raises whatever goes wrong."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + RETRY_SECONDS
        endpoint_ids, address = list(endpoints), f"{hosts.api}/v1/models"
        self._update_deprecated(
            endpoint_ids, [item async for item in _pages(client, address, "models", {"endpoint_id": endpoint_ids})]
        )
        priced = {"endpoint_id": [endpoint for endpoint in endpoint_ids if endpoint not in self._deprecated]}
        self._update_prices([item async for item in _pages(client, f"{address}/pricing", "prices", priced)])
        self._next = now + REFRESH_SECONDS

    def _update_deprecated(self, endpoint_ids: list[str], models: list[Mapping[str, Any]]) -> None:
        active = {item["endpoint_id"] for item in models if item["metadata"]["status"] != "deprecated"}
        if active.intersection(endpoint_ids):  # a list without any of them is no list of what is offered
            self._deprecated = frozenset(endpoint_ids) - active
            self._unavailable_until.clear()

    def _update_prices(self, items: list[Mapping[str, Any]]) -> None:
        prices = {item["endpoint_id"]: (_decimal(item["unit_price"]), item) for item in items}
        self._prices = {
            endpoint: (price, str(item["unit"]).lower())
            for endpoint, (price, item) in prices.items()
            if price is not None and item["currency"] == "USD"
        }


async def find_request(client: httpx.AsyncClient, hosts: FalHosts, intent: Mapping[str, Any]) -> str | None:
    """The id of the request whose input holds the intent's `image_url`; raises whatever goes wrong."""
    since = datetime.fromtimestamp(intent["submitted_at"] - CLOCK_SKEW_SECONDS, UTC)
    query = {
        "endpoint_id": intent["endpoint"],
        "start": since.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "expand": "payloads",
        "limit": PAGE_SIZE,
    }
    async for item in _pages(client, f"{hosts.api}/v1/models/requests/by-endpoint", "items", query):
        if item["endpoint_id"] == intent["endpoint"] and _contains(item["json_input"], intent["image_url"]):
            return str(item["request_id"]) if REQUEST_ID.fullmatch(item["request_id"]) else None
    return None


async def _pages(
    client: httpx.AsyncClient, address: str, name: str, query: Mapping[str, Any]
) -> AsyncIterator[Mapping[str, Any]]:
    """The items of all pages of a list."""
    cursor: dict[str, str] = {}
    for _ in range(MAX_PAGES):
        response = await client.get(address, params={**query, **cursor})
        response.raise_for_status()
        body = response.json()
        for item in body[name]:
            yield item
        if not body.get("has_more"):
            return
        cursor = {"cursor": body["next_cursor"]}


def _contains(value: Any, text: str) -> bool:
    if isinstance(value, Mapping | list):
        return any(_contains(part, text) for part in (value.values() if isinstance(value, Mapping) else value))
    return bool(value == text)


def _decimal(value: object) -> Decimal | None:
    """A number that is finite and not negative."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and number >= 0 else None
