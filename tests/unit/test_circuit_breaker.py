"""The breaker opens for the generator's faults, lets a single trial through, and closes when that succeeds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from image2model.jobs.circuit_breaker import CircuitBreaker, CircuitBreakers
from image2model.jobs.db import leases
from image2model.jobs.db.async_store import AsyncStore
from image2model.jobs.db.store import Store
from image2model.jobs.notifications import ChangeNotifier

ACCOUNT = ("trellis", "")
COOLDOWN = 0.1


class Process(NamedTuple):
    """The breakers as one of several processes on a database knows them."""

    store: AsyncStore
    breakers: CircuitBreakers

    @property
    def breaker(self) -> CircuitBreaker:
        """The breaker of the only generator."""
        return self.breakers.of(ACCOUNT)


@pytest.fixture
async def processes(database_url: str) -> AsyncIterator[list[Process]]:
    """Two living processes, whose changes the other hears of when it loads them."""
    made = []
    for _ in range(2):
        store = AsyncStore(Store(database_url), ChangeNotifier())
        await store.run_as_holder(leases.renew, 60.0)
        made.append(Process(store, CircuitBreakers(store, COOLDOWN, lambda name: float)))
    yield made
    for process in made:
        process.store.close()
        process.store.store.close()


@pytest.fixture
def breaker(processes: list[Process]) -> CircuitBreaker:
    """The breaker in a process that is alone."""
    return processes[0].breaker


async def fail(*breakers: CircuitBreaker) -> None:
    """Let a job fail at each in turn."""
    for breaker in breakers:
        await breaker.record_failure()


async def test_it_opens_at_the_third_failure_in_a_row(breaker):
    """Two failures and a success do not open it, three in a row do."""
    await fail(breaker, breaker)
    await breaker.record_success()
    await fail(breaker, breaker)
    assert breaker.state == "closed"
    await fail(breaker)
    assert (breaker.state, breaker.is_blocking) == ("open", True)


async def test_half_open_breaker_admits_one_trial(breaker):
    """After the rest one of ten jobs goes ahead; its success lets the nine follow, and none of them is a trial."""
    await fail(breaker, breaker, breaker)
    waiting = [asyncio.create_task(breaker.admit()) for _ in range(10)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    assert [task.result() for task in done] == [True]
    assert breaker.state == "half-open"
    await breaker.record_success()
    assert sorted(await asyncio.gather(*waiting)) == [False] * 9 + [True]
    assert breaker.state == "closed"


async def test_a_failed_trial_opens_it_for_another_rest(breaker):
    """One failure is enough when half-open, and the cooldown restarts."""
    await fail(breaker, breaker, breaker)
    assert await breaker.admit()
    await fail(breaker)
    assert breaker.state == "open"
    assert 0 < breaker.seconds_left <= COOLDOWN


async def test_abandoned_trial_admits_the_next(breaker):
    """A cancelled trial says nothing of the generator, be it cancelled while it asks: the next job tries."""
    await fail(breaker, breaker, breaker)
    assert await breaker.admit()
    second, third = (asyncio.create_task(breaker.admit()) for _ in range(2))
    await asyncio.sleep(0)
    await breaker.record_abandoned()
    second.cancel()
    assert await third


async def test_a_host_can_close_it(processes):
    """A reset closes the breakers of the host's key, or of visitors' keys, in every process."""
    first, other = processes
    theirs = first.breakers.of(("trellis", "mark"))
    await fail(*[first.breaker, theirs] * 3)
    await other.breakers.load()
    assert [known["own_key"] for known in other.breakers.not_closed()] == [False, True]
    for own_key in (True, False):
        await other.breakers.reset("trellis", own_key)
        await first.breakers.load()
        assert [known["own_key"] for known in first.breakers.not_closed()] == ([False] if own_key else [])


async def test_processes_count_and_rest_together(processes):
    """Failures at two processes open it for both, and the success of one closes it for both."""
    first, other = processes
    await fail(first.breaker, other.breaker, first.breaker)
    await other.breakers.load()
    assert (first.breaker.is_blocking, other.breaker.is_blocking) == (True, True)
    assert first.breaker.seconds_left == pytest.approx(other.breaker.seconds_left, abs=COOLDOWN / 2)
    await first.breaker.record_success()
    await other.breakers.load()
    assert other.breaker.state == "closed"


async def test_of_all_processes_one_tries(processes):
    """While a process tries, another waits, also if it has not heard of it; it tries when the first has died."""
    first, other = processes
    await fail(first.breaker, first.breaker, first.breaker)
    await other.breakers.load()
    assert await first.breaker.admit()
    waiting = asyncio.create_task(other.breaker.admit())
    await asyncio.sleep(2 * COOLDOWN)
    assert (waiting.done(), other.breaker.state) == (False, "half-open")
    await first.store.run_as_holder(leases.renew, -1.0)
    await other.breakers.load()
    assert await waiting
