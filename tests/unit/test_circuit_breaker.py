"""The breaker: opens for the generator's faults, lets a single trial through, and closes when that is well."""

from __future__ import annotations

import asyncio

import pytest

from image2model.jobs.circuit_breaker import CircuitBreaker


class Clock:
    """A clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock of this test's own."""
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    """A breaker that rests for a hundredth of a second of real time, by a clock that stands still."""
    return CircuitBreaker(threshold=3, cooldown=0.01, clock=clock)


def test_it_opens_at_the_third_failure_in_a_row(breaker):
    """Two failures and a success do not open it, three in a row do."""
    for happens in (
        breaker.record_failure,
        breaker.record_failure,
        breaker.record_success,
        breaker.record_failure,
        breaker.record_failure,
    ):
        happens()
        assert breaker.state == "closed"
    breaker.record_failure()
    assert breaker.state == "open"
    assert breaker.is_blocking


async def test_one_trial_passes_and_the_others_wait_for_its_outcome(breaker, clock):
    """After the rest one of ten jobs goes ahead; its success lets the nine follow, and none of them is a trial."""
    for _ in range(3):
        breaker.record_failure()
    waiting = [asyncio.create_task(breaker.admit()) for _ in range(10)]
    await asyncio.sleep(0.03)
    assert not any(task.done() for task in waiting)
    clock.now += 1
    await asyncio.sleep(0.03)
    assert [task.result() for task in waiting if task.done()] == [True]
    assert breaker.state == "half-open"
    breaker.record_success()
    assert sorted(await asyncio.gather(*waiting)) == [False] * 9 + [True]
    assert breaker.state == "closed"


async def test_a_failed_trial_opens_it_for_another_rest(breaker, clock):
    """One failure is enough when half-open, and the rest begins anew."""
    for _ in range(3):
        breaker.record_failure()
    clock.now += 1
    assert await breaker.admit()
    breaker.record_failure()
    assert breaker.state == "open"
    assert breaker.seconds_left == pytest.approx(0.01)


async def test_a_trial_that_goes_away_leaves_its_place_to_the_next(breaker, clock):
    """A cancelled trial says nothing of the generator: the next job tries."""
    for _ in range(3):
        breaker.record_failure()
    clock.now += 1
    assert await breaker.admit()
    second = asyncio.create_task(breaker.admit())
    await asyncio.sleep(0)
    assert not second.done()
    breaker.record_abandoned()
    assert await second


def test_a_host_can_close_it(breaker):
    """Reset closes at once."""
    for _ in range(3):
        breaker.record_failure()
    breaker.reset()
    assert breaker.state == "closed"
