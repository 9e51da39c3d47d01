"""`image2model backup FOLDER` and `image2model restore FOLDER`: batches, with their files, to a folder and back.

    FOLDER/database.dump     of PostgreSQL, by pg_dump; or database.sqlite
    FOLDER/assets/           the installation's secret and the files of batches, under their names in DATA_DIR

The database goes first: it tells of no file that is not stored by then. What can be made again is left out.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from sqlalchemy import inspect, make_url

from ..errors import ErrorCode, Image2ModelError, SettingsError
from ..jobs.db.connection import connect
from ..jobs.db.leases import living_holders
from ..jobs.db.schema import holders
from ..jobs.storage.bucket import open_bucket
from ..jobs.storage.disk_usage import kind_of, walk_tree
from ..settings import Settings, load

ASSETS, SECRET = "assets", "secret"
BACKED_UP_KINDS = ("uploads", "results")
"""The kinds of files that are backed up (`disk_usage.kind_of`)."""


def main(command: str, folder: Path) -> None:
    """Back up, or restore; what is impossible ends it with one line and status 1."""
    try:
        settings = load()
        count = {"backup": back_up, "restore": restore}[command](settings, folder)
    except (Image2ModelError, OSError, subprocess.CalledProcessError) as error:
        print(f"image2model {command}: {error}", file=sys.__stderr__)
        raise SystemExit(1) from None
    print(f"{command}: the database and {count} files, {folder}", file=sys.__stdout__)


def back_up(settings: Settings, folder: Path) -> int:
    """Write a backup to a new folder, while the app runs; return how many files of batches it has."""
    folder.mkdir(parents=True)
    if _is_postgresql(settings):
        _run_postgres("pg_dump", settings, "--format=custom", "--no-owner", f"--file={folder / 'database.dump'}")
    else:
        target = sqlite3.connect(folder / "database.sqlite")
        with closing(sqlite3.connect(_sqlite_path(settings))) as source, closing(target):
            source.backup(target)
    assets = folder / ASSETS
    if settings.asset_store:
        bucket = open_bucket(settings.asset_store)
        bucket.download(SECRET, assets / SECRET)
        return sum(bucket.download(item.key, assets / item.key) for item in bucket.objects("batches"))
    data = settings.data_dir.resolve()
    _copy(data / SECRET, assets / SECRET)
    return sum(_copy(data / name, assets / name) for name in _files(data))


def restore(settings: Settings, folder: Path) -> int:
    """Put a backup in the place of what the database has, and its files to the others; return how many files.

    Raises SettingsError while a process uses the database, and for a backup of another kind of database.
    """
    dump = folder / ("database.dump" if _is_postgresql(settings) else "database.sqlite")
    if not dump.is_file():
        raise SettingsError(ErrorCode.SETTING_WRONG, f"{dump} is missing.", "Name the folder of a backup.")
    _require_nobody(settings)
    assets = folder / ASSETS
    names = [path.relative_to(assets).as_posix() for path in assets.rglob("*") if path.is_file()]
    if settings.asset_store:
        bucket = open_bucket(settings.asset_store)
        for name in names:
            bucket.upload(name, assets / name)
    else:
        for name in names:
            _copy(assets / name, settings.data_dir.resolve() / name)
    if _is_postgresql(settings):
        options = ("--clean", "--if-exists", "--no-owner", "--single-transaction", "--exit-on-error")
        _run_postgres("pg_restore", settings, *options, str(dump))
    else:
        with closing(sqlite3.connect(dump)) as source, closing(sqlite3.connect(_sqlite_path(settings))) as target:
            source.backup(target)
    return sum(name != SECRET for name in names)


def _require_nobody(settings: Settings) -> None:
    """Raise SettingsError while processes hold jobs or work on tasks."""
    with connect(settings.database).connect() as connection:
        is_new = not inspect(connection).has_table(holders.name)
        if not is_new and (names := connection.scalars(living_holders(connection)).all()):
            message = f"Processes that use the database: {len(names)}."
            raise SettingsError(ErrorCode.SETTING_WRONG, message, "Stop the app, and wait for LEASE_SECONDS.")


def _files(data: Path) -> Iterator[str]:
    """The names of the files of batches that cannot be made again."""
    for entry in walk_tree(data / "batches"):
        name = Path(entry.path).relative_to(data)
        is_finished = not any(part.startswith((".", "work-")) for part in name.parts)
        if entry.is_file() and is_finished and kind_of(str(name)) in BACKED_UP_KINDS:
            yield name.as_posix()


def _copy(source: Path, target: Path) -> bool:
    """Copy a file; False where it was deleted meanwhile."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copy2(source, target)
    except FileNotFoundError:
        return False
    return True


def _is_postgresql(settings: Settings) -> bool:
    return make_url(settings.database).get_backend_name() == "postgresql"


def _sqlite_path(settings: Settings) -> str:
    return make_url(settings.database).database or ""


def _address(settings: Settings) -> str:
    """The database's address as PostgreSQL's programs take it, without its password."""
    url = make_url(settings.database).set(drivername="postgresql", password=None)
    return url.render_as_string(hide_password=False)


def _run_postgres(program: str, settings: Settings, *arguments: str) -> None:
    password = make_url(settings.database).password
    environment = {**os.environ, **({"PGPASSWORD": str(password)} if password else {})}
    command = [program, f"--dbname={_address(settings)}", *arguments]
    subprocess.run(command, check=True, env=environment)  # noqa: S603  arguments are our own
