"""Wrong keys by network: delays that grow, and an end to them."""

from __future__ import annotations

import secrets

import pytest

from image2model.services import attempt_counts, key_attempts
from image2model.services.key_attempts import (
    FREE_ATTEMPTS,
    FREE_ATTEMPTS_UNDER_ATTACK,
    LONGEST_DELAY,
    KeyAttempts,
    network_of,
)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which stands still until a test moves it."""
    now = [1000.0]
    monkeypatch.setattr(attempt_counts, "monotonic", lambda: now[0])
    return now


async def wrong(attempts: KeyAttempts, client: str, times: int) -> float:
    """Try so many wrong keys, each another; return the seconds to wait then."""
    for _ in range(times):
        await attempts.record_failure(client, secrets.token_bytes())
    return await attempts.seconds_until_allowed(client)


@pytest.mark.parametrize(
    ("client", "network"),
    [("192.0.2.7", "192.0.2.7/32"), ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"), ("::ffff:192.0.2.7", "192.0.2.7/32"),
     ("fe80::1%eth0", "fe80::/64"), ("", ""), ("testclient", "testclient")],
)  # fmt: skip
def test_the_network_of_an_address(client: str, network: str):
    """IPv4 counts by address, also where IPv6 carries it, IPv6 by the /64; what is no address by itself."""
    assert network_of(client) == network


async def test_delays_grow_and_are_bounded(clock: list[float]):
    """Ten wrong keys are free; then each doubles the delay, up to a minute."""
    attempts = KeyAttempts()
    assert await wrong(attempts, "192.0.2.1", FREE_ATTEMPTS - 1) == 0
    delays = [await wrong(attempts, "192.0.2.1", 1) for _ in range(6)]
    assert delays == [15, 30, 60, 60, 60, 60]
    clock[0] += LONGEST_DELAY
    assert await attempts.seconds_until_allowed("192.0.2.1") == 0


async def test_a_neighbour_in_the_same_64_is_the_same_visitor(clock: list[float]):
    """Addresses that one IPv6 visitor can take count together; another network is not touched."""
    attempts = KeyAttempts()
    for number in range(FREE_ATTEMPTS):
        await attempts.record_failure(f"2001:db8::{number:x}", b"%d" % number)
    assert await attempts.seconds_until_allowed("2001:db8::ffff") > 0
    assert await attempts.seconds_until_allowed("2001:db8:0:1::1") == 0


async def test_a_wrong_key_that_is_repeated_is_one_guess(monkeypatch: pytest.MonkeyPatch, clock: list[float]):
    """A repeated wrong key counts once, unless it is no longer among the remembered keys."""
    attempts = KeyAttempts()
    for _ in range(2 * FREE_ATTEMPTS):
        await attempts.record_failure("192.0.2.1", b"of last year")
    assert await attempts.seconds_until_allowed("192.0.2.1") == 0
    assert await attempts.recent() == (1, 1)
    monkeypatch.setattr(key_attempts, "MAX_REFUSED", 1)
    for number in range(FREE_ATTEMPTS):
        await attempts.record_failure("192.0.2.1", b"%d" % (number % 2))
    assert await attempts.seconds_until_allowed("192.0.2.1") > 0


async def test_right_key_or_expiry_resets_the_delay(clock: list[float]):
    """After the right key, or a quarter of an hour, wrong keys cause no delay again."""
    attempts = KeyAttempts()
    await wrong(attempts, "192.0.2.1", FREE_ATTEMPTS)
    await attempts.record_success("192.0.2.1")
    assert await wrong(attempts, "192.0.2.1", FREE_ATTEMPTS - 1) == 0
    clock[0] += attempt_counts.FORGET_SECONDS + 1
    assert await wrong(attempts, "192.0.2.1", FREE_ATTEMPTS - 1) == 0


async def test_distributed_attack_lowers_the_free_attempts(clock: list[float]):
    """While a hundred wrong keys a minute come from everywhere, three cost a delay; who tries none waits for none."""
    attempts = KeyAttempts()
    for number in range(attempt_counts.LATEST_COUNT):
        await attempts.record_failure(f"192.0.2.{number}", b"wrong")
    assert await wrong(attempts, "198.51.100.1", FREE_ATTEMPTS_UNDER_ATTACK) > 0
    assert await attempts.seconds_until_allowed("198.51.100.2") == 0
    assert await attempts.recent() == (
        attempt_counts.LATEST_COUNT + FREE_ATTEMPTS_UNDER_ATTACK,
        attempt_counts.LATEST_COUNT + 1,
    )


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch, clock: list[float]):
    """The number of remembered networks is bounded, and the latest are kept."""
    monkeypatch.setattr(attempt_counts, "MAX_NETWORKS", 5)
    attempts = KeyAttempts()
    for number in range(20):
        await wrong(attempts, f"192.0.2.{number}", FREE_ATTEMPTS)
    assert (await attempts.recent())[1] == 5
    assert await attempts.seconds_until_allowed("192.0.2.19") > 0
