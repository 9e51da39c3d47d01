"""`image2model check-env`: each thing that is wrong is one line, and a fit environment has none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.util import CommandError
from sqlalchemy import text

from image2model.jobs.db.connection import connect
from image2model.jobs.db.store import Store
from image2model.ops import check_env
from image2model.settings import Settings
from tests.support.redis import RedisServer


@pytest.fixture(scope="module")
def broker() -> Iterator[RedisServer]:
    """A Redis for all tests here."""
    server = RedisServer().start()
    yield server
    server.stop()


def found(folder: Path, **settings: Any) -> list[str]:
    """The problems of settings."""
    return list(check_env.problems(Settings(data_dir=folder / "data", _env_file=None, **settings)))


def test_check_env_finds_no_problem_with_working_settings(tmp_path, database_url, broker):
    """A database that answers, new or in use, and for PostgreSQL a Redis, are enough."""
    more = {"celery_broker_url": broker.url} if database_url.startswith("postgresql") else {}
    assert found(tmp_path, database_url=database_url, **more) == []
    Store(database_url).close()
    assert found(tmp_path, database_url=database_url, **more) == []


def test_each_problem_is_a_line_without_secrets(tmp_path):
    """A database and a Redis that are away, and a full disk, are three lines, in which no password stands."""
    database = "postgresql+psycopg://me:hidden-word@127.0.0.1:9/x"
    lines = found(
        tmp_path, database_url=database, celery_broker_url="redis://:hidden-word@127.0.0.1:9/0", min_free_gb=10**9
    )
    assert [line.partition(":")[0] for line in lines] == ["DATA_DIR", "DATABASE_URL", "CELERY_BROKER_URL"]
    assert "hidden-word" not in "".join(lines)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            {"trusted_proxies": "::1 10.0.0.0/8 nginx"},
            "TRUSTED_PROXIES: nginx is neither an address nor a network.",
        ),
        ({"fal_key_secret": "half"}, "FAL_KEY_ID and FAL_KEY_SECRET are two halves of one key: set both."),
        ({"asset_link_seconds": 600}, "ASSET_LINK_SECONDS does nothing without ASSET_STORE."),
        ({"run_jobs": False}, "RUN_JOBS=false needs a PostgreSQL in DATABASE_URL: no other process can run the jobs."),
        (
            {"asset_store": "nonsense"},
            "ASSET_STORE cannot be used: it is no address of object storage. It takes one like s3://bucket/prefix.",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_settings_that_do_nothing_are_problems(tmp_path, settings, line):
    """A valid value without the expected effect is reported in one line."""
    assert found(tmp_path, **settings) == [line]


def test_a_redis_that_keeps_its_settings_secret_is_no_problem(tmp_path, postgres, broker):
    """A hosted Redis refuses CONFIG; that it answers is enough."""
    import redis

    with redis.Redis.from_url(broker.url) as client:
        client.execute_command("ACL", "SETUSER", "hosted", "on", ">word", "+@all", "-config")
    url = broker.url.replace("redis://", "redis://hosted:word@")
    assert found(tmp_path, database_url=postgres.database(), celery_broker_url=url) == []


def test_newer_database_is_a_problem(tmp_path, database_url):
    """A database of a newer version is reported before the start."""
    Store(database_url).close()
    with connect(database_url).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        if connection.dialect.name == "postgresql":
            connection.execute(text("COMMENT ON TABLE alembic_version IS '9998'"))
    with pytest.raises(CommandError):
        Store(database_url)
    (line,) = found(tmp_path, database_url=database_url)
    assert "newer version" in line


def test_a_newer_database_that_only_adds_can_be_used(tmp_path, postgres):
    """After a rollback the version before starts on the newer schema, and leaves it as it is."""
    database_url = postgres.database()
    Store(database_url).close()
    with connect(database_url).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert found(tmp_path, database_url=database_url) == []
    store = Store(database_url)
    assert store.list_batches() == []
    store.close()
    with connect(database_url).connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "9999"


def test_a_broker_needs_postgresql_and_must_not_forget(tmp_path, broker):
    """SQLite cannot be shared by workers, and a Redis that evicts loses messages."""
    import redis

    with redis.Redis.from_url(broker.url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        lines = found(tmp_path, celery_broker_url=broker.url)
        client.config_set("maxmemory-policy", "noeviction")
    assert ["PostgreSQL" in lines[0], "noeviction" in lines[1]] == [True, True]
