"""Circuit breakers as all processes share them (`circuit_breaker`): one row for each generator that fails.

A transaction that changes a row holds PostgreSQL's lock on all of them, so of two processes only one can make the
trial. A trial ends with the lease of the process that makes it (`leases`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, insert, or_, select, update

from ...units import DAY
from .connection import lock_breakers
from .leases import database_time, living_holders
from .listener import BREAKERS_TOPIC, notify
from .schema import breakers, holders

GeneratorKey = tuple[str, str]
"""A generator's id and the mark of the key that pays: a visitor's own, or empty for the host's."""


@dataclass(frozen=True, slots=True)
class BreakerState:
    """A breaker as it is stored."""

    failures: int = 0
    """Failures in a row."""
    seconds_left: float | None = None
    """Seconds until a trial may start; None while it is closed."""
    is_tried_elsewhere: bool = False
    """True if another living process makes the trial."""


CLOSED = BreakerState()


def all_states(connection: Connection, holder: str) -> dict[GeneratorKey, BreakerState]:
    """The breakers of all generators that have failed within a day, as process `holder` sees them."""
    now = database_time(connection)
    living = set(connection.scalars(living_holders(connection))) - {holder}
    rows = connection.execute(select(breakers).where(breakers.c.at > now - DAY))
    return {(row.generator, row.key_mark): _state(row, now, living) for row in rows}


def _state(row: Row[Any], now: float, living: set[str]) -> BreakerState:
    seconds_left = None if row.open_until is None else max(0.0, row.open_until - now)
    return BreakerState(row.failures, seconds_left, row.trial in living)


def record_failure(
    connection: Connection, holder: str, account: GeneratorKey, threshold: int, cooldown: float
) -> BreakerState:
    """Count a failure; the last of `threshold` in a row opens the breaker; each further one restarts its cooldown."""
    lock_breakers(connection)
    now = database_time(connection)
    connection.execute(delete(breakers).where(breakers.c.at <= now - DAY))
    known = all_states(connection, holder).get(account, CLOSED)
    failures = known.failures + 1
    is_open = known.seconds_left is not None or failures >= threshold
    values = {"failures": failures, "at": now, "open_until": now + cooldown if is_open else None, "trial": None}
    if not connection.execute(update(breakers).where(_is(account)).values(values)).rowcount:
        connection.execute(insert(breakers).values(generator=account[0], key_mark=account[1], **values))
    notify(connection, BREAKERS_TOPIC)
    return all_states(connection, holder)[account]


def close(connection: Connection, _holder: str, account: GeneratorKey) -> BreakerState:
    """Forget the failures of a generator."""
    lock_breakers(connection)
    if connection.execute(delete(breakers).where(_is(account))).rowcount:
        notify(connection, BREAKERS_TOPIC)
    return CLOSED


def begin_trial(connection: Connection, holder: str, account: GeneratorKey) -> tuple[bool, BreakerState]:
    """Let this process make the trial, if the cooldown is over and no other makes it; return whether it may.

    Within a process the caller sees to it that a single job tries.
    """
    lock_breakers(connection)
    now = database_time(connection)
    living = living_holders(connection).where(holders.c.id != holder)
    free = or_(breakers.c.trial.is_(None), breakers.c.trial.not_in(living))
    claim = update(breakers).where(_is(account), breakers.c.open_until <= now, breakers.c.at > now - DAY, free)
    is_ours = bool(connection.execute(claim.values(trial=holder)).rowcount)
    if is_ours:
        notify(connection, BREAKERS_TOPIC)
    return is_ours, all_states(connection, holder).get(account, CLOSED)


def abandon_trial(connection: Connection, holder: str, account: GeneratorKey) -> BreakerState:
    """Leave the trial to the next job, of any process."""
    lock_breakers(connection)
    left = update(breakers).where(_is(account), breakers.c.trial == holder).values(trial=None)
    if connection.execute(left).rowcount:
        notify(connection, BREAKERS_TOPIC)
    return all_states(connection, holder).get(account, CLOSED)


def _is(account: GeneratorKey) -> ColumnElement[bool]:
    return and_(breakers.c.generator == account[0], breakers.c.key_mark == account[1])
