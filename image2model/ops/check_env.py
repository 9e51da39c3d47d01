"""`image2model check-env`: a look before the start at what the settings name, with one line for each problem."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from ipaddress import ip_network
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from ..errors import Image2ModelError, SettingsError
from ..jobs.db.connection import connect, is_usable
from ..jobs.db.leases import database_time
from ..jobs.storage.bucket import open_bucket
from ..redaction import redact
from ..services.container import open_store
from ..settings import Settings, load
from ..units import GB

if TYPE_CHECKING:
    import redis

PROBE = "check-env/probe"
"""An object that is written and removed to see whether that is allowed."""
CLOCK_SECONDS = 5.0
"""Seconds by which this machine's clock may differ from the database's, which dates leases; both date times shown."""


def main() -> None:
    """Print the problems; exit with status 1 if there are any."""
    try:
        found = list(problems(load()))
    except SettingsError as error:
        found = [str(error)]
    for line in found:
        print(line, file=sys.__stderr__)
    if found:
        raise SystemExit(1)
    print("The environment is fit for image2model.", file=sys.__stdout__)


def migrate() -> None:
    """Bring the database to the newest schema; end with one line and status 1 where that is impossible."""
    try:
        open_store(load()).close()
    except SettingsError as error:
        print(f"image2model: {error}", file=sys.__stderr__)
        raise SystemExit(1) from None


def problems(settings: Settings) -> Iterator[str]:
    """Sentences on problems with these settings; secrets are left out."""
    yield from _setting_problems(settings)
    yield from _disk_problems(settings)
    yield from _database_problems(settings)
    if settings.asset_store:
        yield from _storage_problems(settings)
    if settings.celery_broker_url:
        yield from _broker_problems(settings)


def _setting_problems(settings: Settings) -> Iterator[str]:
    """Values that each can be, and that do not do what they say."""
    for part in settings.trusted_proxies.split():
        if part != "*" and not _is_network(part):
            yield f"TRUSTED_PROXIES: {part} is neither an address nor a network."
    if not settings.fal_key and bool(settings.fal_key_id) != bool(settings.fal_key_secret):
        yield "FAL_KEY_ID and FAL_KEY_SECRET are two halves of one key: set both."
    if settings.asset_link_seconds and not settings.asset_store:
        yield "ASSET_LINK_SECONDS does nothing without ASSET_STORE."
    if not settings.run_jobs and not settings.database.startswith("postgresql"):
        yield "RUN_JOBS=false needs a PostgreSQL in DATABASE_URL: no other process can run the jobs."


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


def _disk_problems(settings: Settings) -> Iterator[str]:
    nearest = next(path for path in (settings.data_dir, *settings.data_dir.absolute().parents) if path.exists())
    free = shutil.disk_usage(nearest).free / GB
    if free < settings.min_free_gb:
        yield f"DATA_DIR: {free:.1f} GB are free, and no batch is taken below MIN_FREE_GB={settings.min_free_gb}."


def _database_problems(settings: Settings) -> Iterator[str]:
    name = "DATABASE_URL" if settings.database_url else "DATA_DIR"
    try:
        with connect(settings.database).connect() as connection:
            is_newer = not is_usable(connection)
            clock_skew = abs(database_time(connection) - time.time())
    except (SQLAlchemyError, ImportError, OSError) as error:
        reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        yield f"{name}: the database cannot be used: {redact(reason)}."
        return
    if is_newer:
        yield f"{name}: the database is of a newer version of image2model."
    if clock_skew > CLOCK_SECONDS:
        yield f"This machine's clock and the database's are {clock_skew:.0f} seconds apart."


def _storage_problems(settings: Settings) -> Iterator[str]:
    if settings.max_data_gb or settings.keep_free_gb:
        yield "MAX_DATA_GB and KEEP_FREE_GB do nothing with ASSET_STORE: set RETENTION_HOURS instead."
    try:
        bucket = open_bucket(settings.asset_store)
    except SettingsError as error:
        yield str(error)
        return
    try:
        bucket.put_first(PROBE, b"")
        bucket.remove(PROBE.partition("/")[0])
    except Image2ModelError as error:
        reason = error.__cause__ or error
        yield f"ASSET_STORE: the object storage cannot be used: {redact(str(reason)).partition(chr(10))[0]}."


def _broker_problems(settings: Settings) -> Iterator[str]:
    if missing := [name for name in ("celery", "redis") if find_spec(name) is None]:
        yield f"CELERY_BROKER_URL: {' and '.join(missing)} is missing; install image2model with its extra `cluster`."
        return
    import redis  # an optional package

    if not settings.database.startswith("postgresql"):
        yield "CELERY_BROKER_URL needs a PostgreSQL in DATABASE_URL."
    try:
        with redis.Redis.from_url(settings.celery_broker_url, socket_connect_timeout=3, socket_timeout=3) as client:
            policy = _eviction_policy(client)
    except (redis.RedisError, ValueError) as error:
        yield f"CELERY_BROKER_URL: Redis cannot be used: {redact(str(error)).rstrip('.')}."
        return
    if policy != "noeviction":
        yield f"CELERY_BROKER_URL: Redis may drop what waits there: set maxmemory-policy noeviction (it is {policy})."


def _eviction_policy(client: redis.Redis) -> str:
    """Eviction policy of Redis; the required one where a hosted Redis refuses to show its settings."""
    import redis

    client.ping()
    try:
        return str(client.config_get("maxmemory-policy").get("maxmemory-policy"))
    except redis.ResponseError:
        return "noeviction"
