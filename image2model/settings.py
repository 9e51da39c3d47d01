"""Every setting once: name, type, default, help; from the environment or `.env`."""

from __future__ import annotations

import os
import re
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from .errors import ErrorCode, SettingsError

ON_A_SPACE = bool(os.environ.get("SPACE_ID"))

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
ORIGIN = re.compile(r"https?://[a-z0-9.:\[\]-]+", re.IGNORECASE)
PUBLIC_URL = re.compile(ORIGIN.pattern + r"(/[\w.~/-]*)?", re.IGNORECASE)
LOCAL_PROXIES = "127.0.0.1 ::1"

TYPE_NAMES: dict[Any, str] = {
    int: "a whole number",
    int | None: "a whole number",
    float: "a number",
    float | None: "a number",
    Decimal: "a number",
    Decimal | None: "a number",
    bool: "`true` or `false`",
    LogLevel: "DEBUG, INFO, WARNING or ERROR",
    Path: "a folder that can be written to",
    SecretStr | None: "a secret",
}


def _data_dir() -> Path:
    return Path("/data") if ON_A_SPACE and os.access("/data", os.W_OK) else Path("data")


def _processors() -> int:
    return max(1, min(2, os.cpu_count() or 1))


class Settings(BaseSettings):
    """The settings, each read from the environment variable of its name in capitals."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True, populate_by_name=True
    )

    fal_key: SecretStr | None = Field(
        None, description="Key for fal.ai; without one only the embedded engine is available"
    )
    fal_key_id: SecretStr | None = Field(None, description="First half of a fal key that comes in two parts")
    fal_key_secret: SecretStr | None = Field(None, description="Second half of a fal key that comes in two parts")
    fal_host: str = Field(
        "", description="Address of a stand-in for fal, to try models without paying; empty: fal itself"
    )
    generator: str = Field(
        "", description="Generator that is selected by default; empty: `tripo-v2.5` with a key, otherwise `local`"
    )
    data_dir: Path = Field(
        default_factory=_data_dir,
        description="Folder for batches and the database; by default `/data` on a Space with storage, else `./data`",
    )
    database_url: str = Field(
        "",
        repr=False,  # may hold a password
        description="SQLAlchemy URL of the database; empty: SQLite in `DATA_DIR`",
    )
    asset_store: str = Field(
        "",
        description="Address of object storage for pictures and meshes, like `s3://bucket/prefix` or"
        " `hf://buckets/owner/name`; `DATA_DIR` then holds copies; empty: they lie in `DATA_DIR`",
    )
    asset_link_seconds: int = Field(
        0,
        ge=0,
        le=604_800,
        description="Seconds for which a signed link to object storage holds, to which REST redirects (307) whoever"
        " downloads a mesh or thumbnail; 0: the app sends these itself",
    )
    run_jobs: bool = Field(
        True,
        description="Whether this process runs jobs; `false` for one that leaves them to others on the same PostgreSQL,"
        " all but those on a visitor's own key, which only it knows",
    )
    lease_seconds: float = Field(
        30,
        gt=0,
        description="Seconds without a sign of life after which other processes on the same PostgreSQL take over what"
        " a process runs",
    )
    celery_broker_url: str = Field(
        "",
        repr=False,  # may hold a password
        description="Address of the Redis through which `image2model worker` processes get their work; needs a"
        " PostgreSQL in `DATABASE_URL`; empty: work is done in `WORKERS` processes of this one",
    )
    api_key: SecretStr | None = Field(
        None, description="Key that REST uploads and downloads require; unset: as open as the page"
    )
    admin_api_key: SecretStr | None = Field(
        None, description="Key for the Admin tab and the REST routes for hosts; unset: closed to keys"
    )
    admin_password: SecretStr | None = Field(
        None, description="Password for the Admin tab, as an alternative to `ADMIN_API_KEY`"
    )
    admin_users: str = Field(
        "", description="Hugging Face users, separated by spaces, who may use the Admin tab of a Space after signing in"
        " there"
    )  # fmt: skip
    app_users: SecretStr | None = Field(
        None,
        description="Who may sign in: `name:password` pairs separated by spaces, each password in plain text or as an"
        " argon2 hash; unset: page and API are open to everybody",
    )
    max_files: int = Field(25, ge=1, le=1000, description="Largest number of pictures in one batch")
    max_file_mb: int = Field(25, ge=1, le=200, description="Largest size of one picture, in MB")
    max_pixels: int = Field(
        65_000_000,  # what phones take, up to 64 megapixels, in every format; as JPEG their 200 megapixels too
        ge=10_000,
        le=500_000_000,
        description="Largest width × height of one picture, against decompression bombs; four times as much for a JPEG"
        " that is not progressive, because it is reduced while it is decoded",
    )
    workers: int = Field(
        default_factory=_processors,
        ge=1,
        le=64,
        description="Processes for the embedded engine and for meshes; by default one for each processor, at most 2",
    )
    daily_budget: Decimal | None = Field(
        None, ge=0, description="US dollars that may be spent in a day (UTC) on the host's fal key; unset: no limit"
    )
    batch_cost_limit: Decimal | None = Field(
        None, ge=0, description="US dollars that one batch may cost on the host's fal key; unset: no limit"
    )
    images_per_hour: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="Pictures that one visitor may start in an hour; views of one object count once; unset: no limit",
    )
    job_minutes: int = Field(
        30, ge=1, le=10_080, description="Minutes for which a picture is submitted again after a temporary failure;"
        " what fal has accepted is collected for as long as fal keeps it"
    )  # fmt: skip
    min_free_gb: Decimal = Field(
        Decimal(1), ge=0, description="Free disk space, in GB, below which no new batch is accepted"
    )
    uploads_per_minute: int = Field(
        10, ge=1, le=100_000, description="Uploads over REST that one address may send in a minute"
    )
    retention_hours: float | None = Field(
        None,
        gt=0,
        description="Hours after which a finished batch is deleted; unset: it is kept until somebody deletes it",
    )
    max_data_gb: Decimal | None = Field(
        None,
        gt=0,
        description="GB that all data may take, above which the oldest finished batches are deleted; unset: no limit",
    )
    keep_free_gb: Decimal | None = Field(
        None, gt=0, description="GB of the disk to keep free by deleting the oldest finished batches; unset: none"
    )
    retry_pace: float = Field(
        1.0, ge=0, le=10, description="Factor for every wait before a retry; 0, for tests: no wait"
    )
    trusted_proxies: str = Field(
        default_factory=lambda: LOCAL_PROXIES + (" 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16" if ON_A_SPACE else ""),
        description="Addresses or networks, separated by spaces, whose `X-Forwarded-*` headers are trusted;"
        f" by default `{LOCAL_PROXIES}`, and on a Space the private networks",
    )
    public_url: str = Field(
        "",
        description="Address at which visitors reach the app, like `https://example.org/models`; unset: taken from each"
        " request, which a proxy must then pass on whole",
    )
    allowed_hosts: str = Field(
        "*", description="Host names under which the app is served, separated by spaces; `*`: any"
    )
    log_level: Annotated[LogLevel, BeforeValidator(lambda level: str(level).strip().upper())] = Field(
        "INFO", description="Lowest level that is logged"
    )
    log_file_mb: int = Field(
        10,
        ge=1,
        le=1000,
        description="MB at which a log file is compressed and a new one begun; this also happens at midnight (UTC)",
    )
    log_files: int = Field(50, ge=1, le=10_000, description="Number of compressed log files of each kind to keep")
    log_days: float = Field(30, gt=0, description="Days after which a log file is deleted")
    log_personal_data: bool = Field(
        False, description="Log visitors' addresses and file names in plain text; otherwise pseudonyms and no names"
    )
    cors_origins: str = Field(
        "",
        description="Other sites whose pages may call the app from a browser: origins like `https://example.org`,"
        " separated by spaces; `*`: any, but without cookies; unset: none",
    )
    host: str = Field(
        default_factory=lambda: "0.0.0.0" if ON_A_SPACE else "127.0.0.1",  # noqa: S104  a Space is reached from outside
        validation_alias=AliasChoices("HOST", "GRADIO_SERVER_NAME"),
        description="Address to listen on (`GRADIO_SERVER_NAME` works too); by default 127.0.0.1, on a Space 0.0.0.0",
    )
    port: int = Field(
        7860,
        ge=0,
        le=65535,
        validation_alias=AliasChoices("PORT", "GRADIO_SERVER_PORT"),
        description="Port to listen on (`GRADIO_SERVER_PORT` works too)",
    )
    metrics_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Port at which `image2model scheduler`, which has no page, answers Prometheus with its own counts;"
        " 0: at none",
    )

    @field_validator("data_dir")
    @classmethod
    def _writable_folder(cls, folder: Path) -> Path:
        nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
            raise ValueError("not a folder that can be written to")
        return folder

    @field_validator("public_url")
    @classmethod
    def _address(cls, given: str) -> str:
        if given and not PUBLIC_URL.fullmatch(given):
            raise ValueError("not an address")
        return given.rstrip("/")

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, given: str) -> str:
        origins = given.replace(",", " ").split()
        if not all(origin == "*" or ORIGIN.fullmatch(origin) for origin in origins):
            raise ValueError("not origins")
        return " ".join(origins)

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        try:
            if url:
                make_url(url).get_dialect()
        except (SQLAlchemyError, ImportError):
            raise ValueError("not the URL of a database that SQLAlchemy knows") from None
        return url

    @property
    def fal_credentials(self) -> str | None:
        """The host's fal key in the form fal takes (`key`, or `id:secret`), stripped; None without one."""
        if self.fal_key:
            return self.fal_key.get_secret_value().strip() or None
        if self.fal_key_id and self.fal_key_secret:
            return f"{self.fal_key_id.get_secret_value().strip()}:{self.fal_key_secret.get_secret_value().strip()}"
        return None

    @property
    def default_generator(self) -> str:
        """The id of the generator that is chosen at first."""
        return self.generator or ("tripo-v2.5" if self.fal_credentials else "local")

    @property
    def database(self) -> str:
        """The SQLAlchemy URL in force."""
        return self.database_url or f"sqlite:///{self.data_dir.resolve() / 'image2model.db'}"


def load() -> Settings:
    """Read the settings; raise SettingsError, in one line that shows no secret, for a value that cannot be."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        name = next(name for name in Settings.model_fields if str(wrong["loc"][0]).lower() == name)
        value = "that value" if _is_secret(Settings.model_fields[name]) else repr(wrong["input"])
        raise SettingsError(
            ErrorCode.SETTING_WRONG,
            f"{' or '.join(environment_names(name))} cannot be {value}.",
            f"It takes {describe_values(name)}.",
        ) from None


def environment_names(name: str) -> list[str]:
    """The environment variables that set the field `name`, by precedence."""
    alias = Settings.model_fields[name].validation_alias
    return [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else [name.upper()]


def describe_values(name: str) -> str:
    """Accepted values of the field `name`, and its purpose, as the end of a sentence."""
    field = Settings.model_fields[name]
    return f"{value_range(field)}: {field.description}"


def value_range(field: FieldInfo) -> str:
    """The type and range of a field's values as text."""
    limits = {bound: getattr(rule, bound) for rule in field.metadata for bound in ("ge", "le") if hasattr(rule, bound)}
    span = f" from {limits['ge']:,} to {limits['le']:,}" if len(limits) == 2 else ""
    return TYPE_NAMES.get(field.annotation, "text") + span


def _is_secret(field: FieldInfo) -> bool:
    return not field.repr or SecretStr in (field.annotation, *get_args(field.annotation))


@cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return load()
