"""Limits on how often an address may do something, counted by all replicas together where these share a Redis."""

from __future__ import annotations

import logging
import time
from functools import cache

from limits import RateLimitItem
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError

log = logging.getLogger(__name__)

SECONDS = 0.5
"""Seconds for which Redis is waited for."""


class RateLimits:
    """Counts by the kind of limit and the address; while Redis is away, what comes to this process alone."""

    def __init__(self, redis_url: str = "") -> None:
        self._own = self._used = MovingWindowRateLimiter(MemoryStorage())
        if redis_url:
            storage = RedisStorage(
                f"async+{redis_url}", wrap_exceptions=True, implementation="redispy", key_prefix="image2model",
                socket_connect_timeout=SECONDS, socket_timeout=SECONDS,
            )  # fmt: skip
            self._used = MovingWindowRateLimiter(storage)

    async def hit(self, limit: RateLimitItem, kind: str, client: str) -> bool:
        """Count one; False where there were too many."""
        try:
            return await self._used.hit(limit, kind, client)
        except StorageError as error:
            log.warning("Redis is away, each replica counts limits alone: %s", type(error.storage_error).__name__)
            return await self._own.hit(limit, kind, client)

    async def retry_after(self, limit: RateLimitItem, kind: str, client: str) -> float:
        """Seconds until one is left again, once there is none."""
        try:
            window = await self._used.get_window_stats(limit, kind, client)
        except StorageError:
            window = await self._own.get_window_stats(limit, kind, client)
        return max(1.0, window.reset_time - time.time())


@cache
def rate_limits(redis_url: str) -> RateLimits:
    """The limits of this process; `redis_url` is what its replicas share, empty where it is alone."""
    return RateLimits(redis_url)
