"""Every setting once: name, type, default, help; from the environment or `.env`."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from .errors import SettingsError

ON_A_SPACE = bool(os.environ.get("SPACE_ID"))


def _data_dir() -> Path:
    return Path("/data") if ON_A_SPACE and os.access("/data", os.W_OK) else Path("data")


def _processors() -> int:
    return max(1, min(2, os.cpu_count() or 1))


class Settings(BaseSettings):
    """The settings, each read from the environment variable of its name in capitals."""

    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True, populate_by_name=True
    )

    fal_key: SecretStr | None = Field(None, description="Key for fal.ai; without one only the local engine works")
    fal_key_id: SecretStr | None = Field(None, description="First half of a fal key that comes in two")
    fal_key_secret: SecretStr | None = Field(None, description="Second half of a fal key that comes in two")
    generator: str = Field("", description="Generator chosen at first; empty: `tripo-v2.5` with a key, else `local`")
    data_dir: Path = Field(
        default_factory=_data_dir,
        description="Folder for batches and the database; `/data` on a Space with storage, else `./data`",
    )
    database_url: str = Field("", description="SQLAlchemy URL of the database; empty: SQLite in `DATA_DIR`")
    api_key: SecretStr | None = Field(None, description="Key that REST uploads and downloads ask for")
    admin_api_key: SecretStr | None = Field(None, description="Key for the admin tab; unset: the tab stays closed")
    max_files: int = Field(25, ge=1, le=1000, description="Images in one batch")
    max_file_mb: int = Field(10, ge=1, le=200, description="Size of one image, in MB")
    max_pixels: int = Field(
        50_000_000, ge=10_000, le=500_000_000, description="Width × height of one image, against decompression bombs"
    )
    workers: int = Field(
        default_factory=_processors,
        ge=1,
        le=64,
        description="Processes for the local engine and for mesh work; 1 or 2, by the processors there are",
    )
    host: str = Field(
        default_factory=lambda: "0.0.0.0" if ON_A_SPACE else "127.0.0.1",  # noqa: S104  a Space is reached from outside
        validation_alias=AliasChoices("HOST", "GRADIO_SERVER_NAME"),
        description="Address to listen on (`GRADIO_SERVER_NAME` counts too); 127.0.0.1, on a Space 0.0.0.0",
    )
    port: int = Field(
        7860,
        ge=0,
        le=65535,
        validation_alias=AliasChoices("PORT", "GRADIO_SERVER_PORT"),
        description="Port to listen on (`GRADIO_SERVER_PORT` counts too)",
    )

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
    """Read the settings; raise SettingsError, in one line, for a value that cannot be."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).upper()
        raise SettingsError("setting_wrong", f"{name}={first['input']!r}: {first['msg']}.", takes(name)) from None


def takes(name: str) -> str:
    """What the setting called `name` accepts, in one sentence."""
    field = next(
        (field for key, field in Settings.model_fields.items() if name in (key.upper(), *_aliases(field))), None
    )
    return f"{name} takes: {field.description}." if field else ""


def _aliases(field: object) -> list[object]:
    alias = getattr(field, "validation_alias", None)
    return list(alias.choices) if isinstance(alias, AliasChoices) else []


@cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return load()
