"""Changes stored by other processes, received through PostgreSQL's LISTEN."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from sqlalchemy import Connection, func, make_url, select

if TYPE_CHECKING:
    from ..notifications import ChangeNotifier

log = logging.getLogger(__name__)

CHANNEL = "image2model_batches"
FREE_JOBS_TOPIC = "free jobs"
"""Topic that is announced, in place of a batch's id, when there are jobs without a holder."""
BREAKERS_TOPIC = "breakers"
"""Announced when a circuit breaker has changed."""
RECONNECT_SECONDS = 1.0


def notify(connection: Connection, batch_id: str) -> None:
    """Notify every listening process, when this transaction is committed, that a batch has changed.

    SQLite needs no notification: all watchers of its database are in one process.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_notify(CHANNEL, batch_id)))


def can_listen(url: str) -> bool:
    """True if the database at `url` can announce changes."""
    return make_url(url).get_backend_name() == "postgresql"


async def listen(url: str, changes: ChangeNotifier) -> None:
    """Wake this process's watchers at every change that is announced, until cancelled.

    After a lost connection all of them are woken, because announcements were missed.
    """
    from psycopg import AsyncConnection, OperationalError  # an optional package

    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    while True:
        try:
            async with await AsyncConnection.connect(address, autocommit=True) as connection:
                await connection.execute(f"LISTEN {CHANNEL}")
                changes.notify_all()
                async for notification in connection.notifies():
                    changes.notify(notification.payload)
        except OperationalError as error:
            log.warning("lost the connection for changes of other processes, reconnecting: %s", type(error).__name__)
        await asyncio.sleep(RECONNECT_SECONDS)
