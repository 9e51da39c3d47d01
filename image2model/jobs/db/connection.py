"""The connection to the database, and its schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, ScalarSelect, create_engine, event, func, make_url, select, text
from sqlalchemy.pool import QueuePool

from .schema import batches

PURCHASES, MIGRATIONS, BREAKERS = 0x6D6F6465, 0x6D6F6466, 0x6D6F6467
"""The numbers of PostgreSQL's advisory locks on the ledger, on the schema and on the circuit breakers."""
USABLE_SINCE = "0009"
"""The oldest schema whose version of the app can use the newest one: later migrations only add what it does not miss.

So that a rollback finds its way back; SQLite has no place for it.
"""
LOCK_SECONDS = 5.0
"""Seconds for which SQLite waits for the lock of another process; a writer tries again after that."""
IDLE_TRANSACTION_SECONDS = 5.0
"""Seconds after which PostgreSQL rolls back a stalled process's transaction, so that its locks are freed."""


def connect(url: str) -> Engine:
    """The engine for a database's URL."""
    if make_url(url).get_backend_name() != "sqlite":
        given = make_url(url).query.get("options", "")
        options = f"{given} -c idle_in_transaction_session_timeout={1000 * IDLE_TRANSACTION_SECONDS:.0f}"
        return create_engine(url, pool_pre_ping=True, connect_args={"options": options})
    path = make_url(url).database
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    lock_seconds = float(str(make_url(url).query.get("timeout", LOCK_SECONDS)))
    engine = create_engine(url, poolclass=QueuePool, connect_args={"timeout": lock_seconds, "check_same_thread": False})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """Readers beside one writer, each commit safe on disk, foreign keys honoured."""
    connection.isolation_level = None  # SQLAlchemy's own recipe: Python must not open transactions itself
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """A transaction that will write takes the lock at once, so it cannot fail half-way for want of it."""
    writes = connection.get_execution_options().get("write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def lock_batch(connection: Connection, batch_id: str | ScalarSelect[str]) -> None:
    """Let no other transaction change a batch or its jobs before this one ends. SQLite's has locked all by then.

    A change of a job locks its batch first, so that two never deadlock.
    """
    if connection.dialect.name != "sqlite":
        connection.execute(select(batches.c.id).where(batches.c.id == batch_id).with_for_update())


def lock_purchases(connection: Connection) -> None:
    """Let no other transaction read the spent sums before this one ends. SQLite's has locked all by then."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(PURCHASES)))


def lock_breakers(connection: Connection) -> None:
    """Let no other transaction change a circuit breaker before this one ends. SQLite's has locked all by then."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(BREAKERS)))


def migrate(engine: Engine, version: str = "head") -> None:
    """Bring the schema to a version, by default the newest; leave a newer one that this version can use as it is."""
    config = _migrations()
    with engine.execution_options(write=True).begin() as connection:
        if connection.dialect.name == "postgresql":  # of several processes that start at once one changes the schema
            connection.execute(select(func.pg_advisory_xact_lock(MIGRATIONS)))
            # a busy machine may pause between two steps
            connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        if not is_known(connection) and is_usable(connection):
            return
        config.attributes["connection"] = connection
        command.upgrade(config, version)
        if connection.dialect.name == "postgresql":
            connection.execute(text(f"COMMENT ON TABLE alembic_version IS '{USABLE_SINCE}'"))


def is_known(connection: Connection) -> bool:
    """True if the database is new, or of this version or one before."""
    revision = MigrationContext.configure(connection).get_current_revision()
    return revision is None or revision in _known_revisions()


def is_usable(connection: Connection) -> bool:
    """True if this version can use the schema: it knows it, or a newer version has left its `USABLE_SINCE` there."""
    if is_known(connection) or connection.dialect.name != "postgresql":
        return is_known(connection)
    return connection.scalar(text("SELECT obj_description('alembic_version'::regclass)")) in _known_revisions()


def _known_revisions() -> set[str]:
    return {script.revision for script in ScriptDirectory.from_config(_migrations()).walk_revisions()}


def _migrations() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
