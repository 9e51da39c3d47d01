"""Limits on guessing keys, counted by network: an IPv4 address, or the /64 that an IPv6 visitor can move in."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TypeVar

from .attempt_counts import AttemptCounts, MemoryCounts, RedisCounts

log = logging.getLogger(__name__)
T = TypeVar("T")

FREE_ATTEMPTS, FREE_ATTEMPTS_UNDER_ATTACK = 10, 3
"""Wrong keys without a delay for a network, ordinarily and during an attack from many networks."""
ATTACK_SECONDS = 60.0
"""The latest hundred wrong keys (`attempt_counts.LATEST_COUNT`) count as an attack if they came within this time."""
FIRST_DELAY, LONGEST_DELAY = 15.0, 60.0
"""Seconds; the delay doubles with each wrong key. A correct key never waits longer than the longest."""
MAX_REFUSED = 10_000
"""Number of the latest wrong keys that are recognised when repeated."""


class KeyAttempts:
    """Delays after wrong keys, which replicas that share the Redis at `redis_url` count together.

    Without Redis, or while it is unavailable, each process counts alone.
    """

    def __init__(self, redis_url: str = "") -> None:
        self._own: AttemptCounts = MemoryCounts()
        self._counts = RedisCounts(redis_url) if redis_url else self._own
        self._refused: dict[bytes, None] = {}
        """Digests of wrong keys, each with the network that tried it."""

    async def seconds_until_allowed(self, client: str) -> float:
        """Seconds until the next key from this address is checked, or 0."""
        return await self._ask(lambda counts: counts.seconds_locked(network_of(client)))

    async def record_failure(self, client: str, key: bytes) -> None:
        """Count a wrong key, unless this network has sent the same one before.

        Repeating is not guessing: a program that keeps sending an old key must not lock out its neighbours.
        """
        network = network_of(client)
        if not self._is_repeated(network, key):
            await self._ask(lambda counts: _count_and_lock(counts, network))

    def _is_repeated(self, network: str, key: bytes) -> bool:
        digest = hashlib.sha256(b"%s %s" % (network.encode(), key)).digest()
        known = digest in self._refused
        self._refused.pop(digest, None)
        self._refused[digest] = None
        if len(self._refused) > MAX_REFUSED:
            del self._refused[next(iter(self._refused))]
        return known

    async def record_success(self, client: str) -> None:
        """Forget the wrong keys of a network that knows the right one."""
        await self._ask(lambda counts: counts.forget(network_of(client)))

    async def recent(self) -> tuple[int, int]:
        """Number of wrong keys in the last quarter of an hour, and number of networks they came from."""
        return await self._ask(lambda counts: counts.total())

    async def _ask(self, question: Callable[[AttemptCounts], Awaitable[T]]) -> T:
        try:
            return await question(self._counts)
        except ConnectionError as error:
            log.warning("Redis is unavailable, each replica counts wrong keys alone: %s", error)
            return await question(self._own)


async def _count_and_lock(counts: AttemptCounts, network: str) -> None:
    wrong, seconds = await counts.add(network)
    beyond = wrong - (FREE_ATTEMPTS_UNDER_ATTACK if seconds < ATTACK_SECONDS else FREE_ATTEMPTS)
    if beyond >= 0:
        await counts.lock(network, min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(beyond, 10)))


def network_of(client: str) -> str:
    """The network that counts as one visitor; `client` itself if it is not an address."""
    try:
        address: IPv4Address | IPv6Address = ip_address(client.partition("%")[0])
    except ValueError:
        return client
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(ip_network((address, 64 if address.version == 6 else 32), strict=False))
