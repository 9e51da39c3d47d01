"""Limits on guessing keys, counted by network: an IPv4 address, or the /64 that an IPv6 visitor can move in."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

FREE_ATTEMPTS, FREE_ATTEMPTS_UNDER_ATTACK = 10, 3
"""Wrong keys that cost a network no delay; fewer while many are tried from everywhere."""
ATTACK_THRESHOLD = 100
"""Wrong keys in a minute, from all networks, that count as an attack."""
FIRST_DELAY, LONGEST_DELAY = 15.0, 60.0
"""Seconds; the delay doubles with each wrong key, and nobody's right key waits longer than the longest."""
FORGET_SECONDS = 900.0
MAX_NETWORKS = 10_000
"""Kept in memory, the latest ones."""


@dataclass(slots=True)
class _Network:
    wrong: int = 0
    last: float = 0.0
    locked_until: float = 0.0


class KeyAttempts:
    """Wrong keys of the last quarter of an hour; times are of `time.monotonic`."""

    def __init__(self) -> None:
        self._networks: dict[str, _Network] = {}
        self._latest: deque[float] = deque(maxlen=ATTACK_THRESHOLD)

    def seconds_until_allowed(self, client: str) -> float:
        """Seconds until a key from this address is looked at again; 0 where it is at once."""
        known = self._networks.get(network_of(client))
        return max(0.0, known.locked_until - time.monotonic()) if known else 0.0

    def record_failure(self, client: str) -> None:
        """Count a wrong key."""
        now, name = time.monotonic(), network_of(client)
        one = self._networks.pop(name, _Network())
        if now - one.last > FORGET_SECONDS:
            one = _Network()
        one.wrong, one.last = one.wrong + 1, now
        self._latest.append(now)
        beyond = one.wrong - (FREE_ATTEMPTS_UNDER_ATTACK if self._under_attack(now) else FREE_ATTEMPTS)
        if beyond >= 0:
            one.locked_until = now + min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(beyond, 10))
        self._networks[name] = one
        if len(self._networks) > MAX_NETWORKS:
            del self._networks[next(iter(self._networks))]

    def record_success(self, client: str) -> None:
        """Forget the wrong keys of a network that knows the right one."""
        self._networks.pop(network_of(client), None)

    def recent(self) -> tuple[int, int]:
        """Number of wrong keys in the last quarter of an hour, and number of networks that they came from."""
        now = time.monotonic()
        seen = [one.wrong for one in self._networks.values() if now - one.last <= FORGET_SECONDS]
        return sum(seen), len(seen)

    def _under_attack(self, now: float) -> bool:
        return len(self._latest) == ATTACK_THRESHOLD and now - self._latest[0] < 60.0


def network_of(client: str) -> str:
    """The network that counts as one visitor; the text itself where it is no address."""
    try:
        address: IPv4Address | IPv6Address = ip_address(client.partition("%")[0])
    except ValueError:
        return client
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(ip_network((address, 64 if address.version == 6 else 32), strict=False))
