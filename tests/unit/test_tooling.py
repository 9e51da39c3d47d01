"""Generated files and the lock agree with their sources."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from image2model.settings import Settings, environment_names

REPOSITORY = Path(__file__).parents[2]


def requirements(name: str) -> list[Requirement]:
    """The requirements in the file `name`."""
    lines = [line.partition("#")[0].strip() for line in (REPOSITORY / name).read_text().splitlines()]
    return [Requirement(line) for line in lines if line]


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_lock_holds_a_version_in_every_range(name: str) -> None:
    """Each package that is asked for is locked at a version its range allows; if not: run scripts/lock."""
    locked = {canonicalize_name(line.name): line.specifier for line in requirements("requirements.lock")}
    outside = []
    for wanted in requirements(name):
        exact = [pin.version for pin in locked.get(canonicalize_name(wanted.name), [])]
        if not any(wanted.specifier.contains(version) for version in exact):
            outside.append(f"{wanted} (locked: {exact})")
    assert outside == []


def test_space_takes_the_locked_gradio() -> None:
    """README.md gives a Space the tested version of Gradio."""
    given = re.search(r"^sdk_version: (.+)$", (REPOSITORY / "README.md").read_text(), re.M)
    [locked] = [line.specifier for line in requirements("requirements.lock") if line.name == "gradio"]
    assert given
    assert locked == f"=={given[1]}"


@pytest.fixture
def docs(tmp_path: Path) -> Callable[..., int]:
    """`scripts/docs.py` on a README and a page of our own in an empty folder."""
    (tmp_path / "README.md").write_text("Nothing here is generated.\n")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "settings.md").write_text("before\n<!-- settings -->\nstale\n<!-- /settings -->\nafter\n")
    module: dict[str, Any] = runpy.run_path(str(REPOSITORY / "scripts" / "docs.py"))
    return lambda *arguments: module["main"](list(arguments), tmp_path)


def test_docs_check_fails_until_they_are_written(docs: Callable[..., int], tmp_path: Path) -> None:
    """`--check` changes nothing and fails on drift; after a write it is content."""
    assert docs("--check") == 1
    assert "stale" in (tmp_path / "docs" / "settings.md").read_text()
    assert docs() == 0
    assert docs("--check") == 0
    (tmp_path / ".env.example").write_text("MAX_FILES=26\n")
    assert docs("--check") == 1


def test_docs_name_every_setting_and_keep_the_rest(docs: Callable[..., int], tmp_path: Path) -> None:
    """The page's table and .env.example have each setting; what stands around the table stays."""
    docs()
    page, example = (tmp_path / "docs" / "settings.md").read_text(), (tmp_path / ".env.example").read_text()
    names = [environment_names(name)[0] for name in Settings.model_fields]
    assert [name for name in names if f"| `{name}` |" not in page or f"# {name}=" not in example] == []
    assert page.startswith("before\n<!-- settings -->\n|")
    assert page.endswith("|\n<!-- /settings -->\nafter\n")
    assert "stale" not in page


def test_env_example_equals_the_defaults(tmp_path: Path, docs: Callable[..., int]) -> None:
    """Every line of .env.example, with its # taken away, is accepted and means the default."""
    docs()
    lines = (tmp_path / ".env.example").read_text().splitlines()
    chosen = tmp_path / "all.env"
    chosen.write_text("\n".join(line.removeprefix("# ") for line in lines if "=" in line))
    assert Settings(_env_file=chosen) == Settings(_env_file=None)
