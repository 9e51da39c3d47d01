"""Rate limits by address, counted together by all replicas that share a Redis."""

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
"""Timeout of Redis in seconds."""


class RateLimits:
    """Counts by kind of limit and address; while Redis is unavailable, of this process alone."""

    def __init__(self, redis_url: str = "") -> None:
        self._own = self._used = MovingWindowRateLimiter(MemoryStorage())
        if redis_url:
            storage = RedisStorage(
                f"async+{redis_url}", wrap_exceptions=True, implementation="redispy", key_prefix="image2model",
                socket_connect_timeout=SECONDS, socket_timeout=SECONDS,
            )  # fmt: skip
            self._used = MovingWindowRateLimiter(storage)

    async def hit(self, limit: RateLimitItem, kind: str, client: str) -> bool:
        """Count a request; return False if there were too many."""
        try:
            return await self._used.hit(limit, kind, client)
        except StorageError as error:
            log.warning(
                "Redis is unavailable, each replica counts limits alone: %s", type(error.storage_error).__name__
            )
            return await self._own.hit(limit, kind, client)

    async def retry_after(self, limit: RateLimitItem, kind: str, client: str) -> float:
        """Seconds until the next request is allowed, after too many."""
        try:
            window = await self._used.get_window_stats(limit, kind, client)
        except StorageError:
            window = await self._own.get_window_stats(limit, kind, client)
        return max(1.0, window.reset_time - time.time())


@cache
def rate_limits(redis_url: str) -> RateLimits:
    """The limits of this process; `redis_url` is the Redis that replicas share, empty for a single process."""
    return RateLimits(redis_url)
