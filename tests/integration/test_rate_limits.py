"""Limits that replicas share: they count together, and go on alone while Redis is away."""

from __future__ import annotations

import pytest
from limits import parse

from image2model.web.rate_limits import RateLimits
from tests.support.redis import RedisServer

LIMIT = parse("3 per minute")


@pytest.fixture
def redis_server():
    """A Redis of the test's own."""
    server = RedisServer().start()
    yield server
    server.stop()


async def test_replicas_count_together_and_alone_while_redis_is_away(redis_server):
    """Three are left over all replicas, for each address and kind; without Redis a replica still has an end."""
    one, other = RateLimits(redis_server.url), RateLimits(redis_server.url)
    assert [await replica.hit(LIMIT, "uploads", "a") for replica in (one, other, one, other)] == [True] * 3 + [False]
    assert 1 <= await other.retry_after(LIMIT, "uploads", "a") <= 60
    assert [await one.hit(LIMIT, kind, client) for kind, client in (("uploads", "b"), ("sign-ins", "a"))] == [True] * 2
    redis_server.halt()
    assert [await other.hit(LIMIT, "uploads", "a") for _ in range(4)] == [True] * 3 + [False]
    assert 1 <= await other.retry_after(LIMIT, "uploads", "a") <= 60
    redis_server.start()
    assert await one.hit(LIMIT, "uploads", "c")
