"""Counts of wrong keys by network, in this process's memory or in the Redis that replicas share."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import inf
from time import monotonic, time
from typing import Any, Protocol

FORGET_SECONDS = 900.0
"""Seconds after which a network's wrong keys are forgotten, unless there are new ones."""
LATEST_COUNT = 100
"""Number of the latest wrong keys, of all networks, whose times are kept."""
MAX_NETWORKS = 10_000
"""Maximum number of networks that are counted; the oldest are dropped."""
REDIS_SECONDS = 0.5
"""Timeout of Redis in seconds."""


class AttemptCounts(Protocol):
    """Wrong keys of the last quarter of an hour; every method raises ConnectionError if the store is unavailable."""

    async def add(self, network: str) -> tuple[int, float]:
        """Count a wrong key; return the network's number, and the seconds spanned by the latest hundred of all.

        The span is infinite while there are fewer than a hundred.
        """

    async def lock(self, network: str, seconds: float) -> None:
        """Lock a counted network for this time, beginning now."""

    async def seconds_locked(self, network: str) -> float:
        """Seconds for which a network is still locked, or 0."""

    async def forget(self, network: str) -> None:
        """Forget a network."""

    async def total(self) -> tuple[int, int]:
        """Number of wrong keys, and number of networks they came from."""


@dataclass(slots=True)
class _Network:
    wrong: int = 0
    last: float = 0.0
    locked_until: float = 0.0


class MemoryCounts:
    """The counts in this process's memory."""

    def __init__(self) -> None:
        self._networks: dict[str, _Network] = {}
        self._latest: deque[float] = deque(maxlen=LATEST_COUNT)

    async def add(self, network: str) -> tuple[int, float]:
        """See AttemptCounts."""
        now = monotonic()
        entry = self._networks.pop(network, _Network())
        if now - entry.last > FORGET_SECONDS:
            entry = _Network()
        entry.wrong, entry.last = entry.wrong + 1, now
        self._networks[network] = entry
        if len(self._networks) > MAX_NETWORKS:
            del self._networks[next(iter(self._networks))]
        self._latest.append(now)
        return entry.wrong, now - self._latest[0] if len(self._latest) == LATEST_COUNT else inf

    async def lock(self, network: str, seconds: float) -> None:
        """See AttemptCounts."""
        self._networks[network].locked_until = monotonic() + seconds

    async def seconds_locked(self, network: str) -> float:
        """See AttemptCounts."""
        known = self._networks.get(network)
        return max(0.0, known.locked_until - monotonic()) if known else 0.0

    async def forget(self, network: str) -> None:
        """See AttemptCounts."""
        self._networks.pop(network, None)

    async def total(self) -> tuple[int, int]:
        """See AttemptCounts."""
        now = monotonic()
        counts = [entry.wrong for entry in self._networks.values() if now - entry.last <= FORGET_SECONDS]
        return sum(counts), len(counts)


class RedisCounts:
    """The counts in Redis, under keys that expire; times are of the replicas' clocks."""

    PREFIX = "image2model:wrong-keys"
    TIMES, NETWORKS = f"{PREFIX}:times", f"{PREFIX}:networks"
    """Keys of the times of the latest hundred, and of the networks by the time of their latest wrong key."""

    def __init__(self, url: str) -> None:
        from redis.asyncio import Redis  # an optional package
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        self._redis = Redis.from_url(
            url, socket_connect_timeout=REDIS_SECONDS, socket_timeout=REDIS_SECONDS, decode_responses=True,
            retry=Retry(NoBackoff(), 1),  # once, on a new connection, because a visitor waits
        )  # fmt: skip

    async def add(self, network: str) -> tuple[int, float]:
        """See AttemptCounts."""
        now, seconds = time(), int(FORGET_SECONDS)
        wrong, _, _, _, networks, _, _, hundredth, *_ = await self._run(
            ("INCR", self._count(network)),
            ("EXPIRE", self._count(network), seconds),
            ("ZADD", self.NETWORKS, now, network),
            ("ZREMRANGEBYSCORE", self.NETWORKS, 0, now - FORGET_SECONDS),
            ("ZCARD", self.NETWORKS),
            ("LPUSH", self.TIMES, now),
            ("LTRIM", self.TIMES, 0, LATEST_COUNT - 1),
            ("LINDEX", self.TIMES, LATEST_COUNT - 1),
            ("EXPIRE", self.NETWORKS, seconds),
            ("EXPIRE", self.TIMES, seconds),
        )
        if networks > MAX_NETWORKS:
            await self._remove_oldest(networks - MAX_NETWORKS)
        return wrong, now - float(hundredth) if hundredth else inf

    async def lock(self, network: str, seconds: float) -> None:
        """See AttemptCounts."""
        await self._run(("SET", self._lock(network), 1, "PX", int(1000 * seconds)))

    async def seconds_locked(self, network: str) -> float:
        """See AttemptCounts."""
        (milliseconds,) = await self._run(("PTTL", self._lock(network)))
        return max(0.0, float(milliseconds) / 1000)

    async def forget(self, network: str) -> None:
        """See AttemptCounts."""
        await self._run(("DEL", self._count(network), self._lock(network)), ("ZREM", self.NETWORKS, network))

    async def total(self) -> tuple[int, int]:
        """See AttemptCounts."""
        (networks,) = await self._run(("ZRANGEBYSCORE", self.NETWORKS, time() - FORGET_SECONDS, "+inf"))
        if not networks:
            return 0, 0
        (counts,) = await self._run(("MGET", *map(self._count, networks)))
        return sum(int(count or 0) for count in counts), len(networks)

    async def _remove_oldest(self, number: int) -> None:
        (oldest,) = await self._run(("ZPOPMIN", self.NETWORKS, number))
        await self._run(*(("DEL", self._count(network), self._lock(network)) for network, _ in oldest))

    async def _run(self, *commands: tuple[str | float, ...]) -> list[Any]:
        """The answers to commands that Redis runs as one transaction; raises ConnectionError."""
        from redis.exceptions import RedisError

        try:
            async with self._redis.pipeline() as pipe:
                for command in commands:
                    pipe.execute_command(*command)
                return await pipe.execute()
        except RedisError as error:
            raise ConnectionError(type(error).__name__) from error

    def _count(self, network: str) -> str:
        return f"{self.PREFIX}:count:{network}"

    def _lock(self, network: str) -> str:
        return f"{self.PREFIX}:lock:{network}"
