"""Settings: where they come from, what they default to, and what a wrong one says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from image2model.errors import SettingsError
from image2model.redaction import register_secrets
from image2model.services.container import open_store
from image2model.settings import Settings, environment_names, load

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting is set, and there is no .env, whatever the machine of the tests has."""
    for name in Settings.model_fields:
        for variable in environment_names(name):
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)


def in_a_new_process(code: str, **environment: str) -> str:
    """Output of `code` after the settings were imported with this environment."""
    done = subprocess.run(
        [sys.executable, "-c", f"from image2model.settings import load\n{code}"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_defaults_are_the_documented_ones() -> None:
    """By default the app listens on this machine only and takes 25 pictures of 25 MB."""
    settings = load()
    assert (settings.host, settings.port) == ("127.0.0.1", 7860)
    assert (settings.max_files, settings.max_file_mb) == (25, 25)
    assert settings.data_dir == Path("data")
    assert settings.database == f"sqlite:///{Path.cwd() / 'data' / 'image2model.db'}"


def test_environment_wins_over_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value in .env counts, and one in the environment counts more."""
    Path(".env").write_text("MAX_FILES=3\nMAX_FILE_MB=4\n")
    monkeypatch.setenv("MAX_FILES", "5")
    assert (load().max_files, load().max_file_mb) == (5, 4)


def test_empty_value_is_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """`MAX_FILES=` and `PORT=` mean the default, and leave Gradio's name for the port in force."""
    for variable in ("MAX_FILES", "PORT", "FAL_KEY"):
        monkeypatch.setenv(variable, "")
    monkeypatch.setenv("GRADIO_SERVER_PORT", "7001")
    settings = load()
    assert (settings.max_files, settings.port, settings.fal_credentials) == (25, 7001, None)


def test_gradios_own_names_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """GRADIO_SERVER_NAME and GRADIO_SERVER_PORT are heard."""
    monkeypatch.setenv("GRADIO_SERVER_NAME", "192.0.2.1")
    monkeypatch.setenv("GRADIO_SERVER_PORT", "7002")
    assert (load().host, load().port) == ("192.0.2.1", 7002)


def test_our_names_win_over_gradios(monkeypatch: pytest.MonkeyPatch) -> None:
    """HOST and PORT count before Gradio's names."""
    for variable, value in {
        "HOST": "::1",
        "GRADIO_SERVER_NAME": "192.0.2.1",
        "PORT": "1",
        "GRADIO_SERVER_PORT": "2",
    }.items():
        monkeypatch.setenv(variable, value)
    assert (load().host, load().port) == ("::1", 1)


def test_space_listens_to_the_outside() -> None:
    """With SPACE_ID set the app listens on every address, for the Space's proxy."""
    assert in_a_new_process("print(load().host)", SPACE_ID="someone/space") == "0.0.0.0"


@pytest.mark.parametrize(
    ("environment", "credentials"),
    [
        ({"FAL_KEY": " whole \n"}, "whole"),
        ({"FAL_KEY_ID": "id", "FAL_KEY_SECRET": "half"}, "id:half"),
        ({"FAL_KEY_ID": "id"}, None),
        ({"FAL_KEY": "whole", "FAL_KEY_ID": "id", "FAL_KEY_SECRET": "half"}, "whole"),
    ],
)
def test_fal_key_is_read_from_one_or_two_settings(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], credentials: str | None
) -> None:
    """A key is taken whole or as id and secret, without the blanks around it; half a key is none."""
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    assert load().fal_credentials == credentials
    assert load().default_generator == ("tripo-v2.5" if credentials else "local")


@pytest.mark.parametrize(
    ("variable", "value", "parts"),
    [
        ("MAX_FILES", "lots", ["MAX_FILES", "'lots'", "a whole number from 1 to 1,000"]),
        ("MAX_FILE_MB", "0", ["MAX_FILE_MB", "'0'", "a whole number from 1 to 200"]),
        ("MAX_PIXELS", "1e9", ["MAX_PIXELS", "'1e9'", "10,000 to 500,000,000"]),
        ("WORKERS", "-1", ["WORKERS", "'-1'", "1 to 64"]),
        ("GRADIO_SERVER_PORT", "70000", ["PORT or GRADIO_SERVER_PORT", "'70000'", "0 to 65,535"]),
        ("DATA_DIR", __file__, ["DATA_DIR", "a folder that can be written to"]),
        ("DATABASE_URL", "postgres", ["DATABASE_URL", "SQLAlchemy URL"]),
    ],
)
def test_invalid_setting_ends_with_one_line(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, parts: list[str]
) -> None:
    """The message names the setting, the value and what the setting takes, in one line."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as refused:
        load()
    message = str(refused.value)
    assert "\n" not in message
    assert [part for part in parts if part not in message] == []


def test_secrets_are_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The text of the settings and the error for a database URL contain no key and no password."""
    monkeypatch.setenv("FAL_KEY", "hidden-key")
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hidden-word@localhost/x")
    assert "hidden" not in repr(load())
    monkeypatch.setenv("DATABASE_URL", "nosuch://me:hidden-word@localhost/x")
    with pytest.raises(SettingsError) as refused:
        load()
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("sqlite:////proc/no-database-can-be-here.db", "DATABASE_URL"),
        (f"sqlite:///{__file__}", "DATABASE_URL"),
        ("postgresql+psycopg://me:hidden-word@127.0.0.1:1/nothing", "DATABASE_URL"),
    ],
    ids=["a folder that takes none", "a file that is none", "a server that does not answer"],
)
def test_unusable_database_ends_with_one_line(url: str, name: str, tmp_path: Path) -> None:
    """A server that is away, a file that is no database and a folder that takes none end as any wrong setting does."""
    settings = Settings(data_dir=tmp_path, database_url=url, _env_file=None)
    register_secrets("hidden-word")
    with pytest.raises(SettingsError) as refused:
        open_store(settings)
    message = str(refused.value)
    assert message.startswith(f"{name} cannot be used: ")
    assert "\n" not in message
    assert "hidden" not in message
