"""Limits that replicas share: they count together, and go on alone while Redis is away."""

from __future__ import annotations

import pytest
from limits import parse

from image2model.services import attempt_counts
from image2model.services.key_attempts import FIRST_DELAY, FREE_ATTEMPTS, KeyAttempts
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
    first, other = RateLimits(redis_server.url), RateLimits(redis_server.url)
    assert [await replica.hit(LIMIT, "uploads", "a") for replica in (first, other, first, other)] == [True] * 3 + [
        False
    ]
    assert 1 <= await other.retry_after(LIMIT, "uploads", "a") <= 60
    assert [await first.hit(LIMIT, kind, client) for kind, client in (("uploads", "b"), ("sign-ins", "a"))] == [
        True
    ] * 2
    redis_server.halt()
    assert [await other.hit(LIMIT, "uploads", "a") for _ in range(4)] == [True] * 3 + [False]
    assert 1 <= await other.retry_after(LIMIT, "uploads", "a") <= 60
    redis_server.start()
    assert await first.hit(LIMIT, "uploads", "c")


async def test_replicas_count_wrong_keys_together_and_alone_while_redis_is_away(redis_server, monkeypatch):
    """A network waits at every replica, until it knows the right key at one; without Redis each counts its own."""
    monkeypatch.setattr(attempt_counts, "LATEST_COUNT", 2 * FREE_ATTEMPTS)
    monkeypatch.setattr(attempt_counts, "MAX_NETWORKS", 3)
    first, other = KeyAttempts(redis_server.url), KeyAttempts(redis_server.url)
    for number, replica in enumerate((first, other) * (FREE_ATTEMPTS // 2)):
        assert await other.seconds_until_allowed("192.0.2.1") == 0
        await replica.record_failure("192.0.2.1", b"%d" % number)
    assert FIRST_DELAY - 5 < await first.seconds_until_allowed("192.0.2.1") <= FIRST_DELAY
    assert await other.recent() == (FREE_ATTEMPTS, 1)
    await other.record_success("192.0.2.1")
    assert (await first.seconds_until_allowed("192.0.2.1"), await first.recent()) == (0, (0, 0))
    for number in range(FREE_ATTEMPTS):  # the second ten within a minute: an attack
        await first.record_failure(f"192.0.2.{number // 2}", b"%d" % number)
    assert await other.seconds_until_allowed("192.0.2.4") == 0
    await other.record_failure("192.0.2.4", b"another")
    assert await first.seconds_until_allowed("192.0.2.4") > 0
    assert await first.recent() == (7, 3)
    redis_server.halt()
    assert (await first.seconds_until_allowed("192.0.2.4"), await first.recent()) == (0, (0, 0))
    for number in range(FREE_ATTEMPTS):
        await first.record_failure("192.0.2.4", b"alone %d" % number)
    assert await first.seconds_until_allowed("192.0.2.4") > 0
