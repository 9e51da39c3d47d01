"""Check that a command in the docs exists, without running it."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

from image2model.settings import Settings, environment_names
from tests.support.browser import ROOT

SETTINGS = {variable for name in Settings.model_fields for variable in environment_names(name)}
SCRIPT_VARIABLES = {"REPORT", "MARK", "URL", "CONFIRM", "FOLDER"}
"""What the Makefile hands to the scripts."""
STORAGE_VARIABLES = {
    "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_ALLOW_HTTP",
}  # fmt: skip
"""What obstore reads (https://docs.rs/object_store, `AmazonS3ConfigKey`)."""


def problems(command: str) -> list[str]:
    """Missing programs, modules and options of `command`, if entered in the project's folder."""
    return [problem for part in re.split(r"&&|\|", command) for problem in _problems(shlex.split(part, comments=True))]


def _problems(words: list[str]) -> list[str]:
    assigned = [word.split("=")[0] for word in words if re.match(r"[A-Z_]+=", word)]
    unknown = [name for name in assigned if name not in SETTINGS | SCRIPT_VARIABLES | STORAGE_VARIABLES]
    program, *arguments = [word for word in words if not re.match(r"[A-Z_]+=", word)]
    check = CHECKS.get(Path(program).name if program.startswith(".venv/") else program)
    if check is not None:
        return unknown + check(arguments)
    return unknown + ([] if os.access(ROOT / program, os.X_OK) else [program])


def _python(arguments: list[str]) -> list[str]:
    if arguments[0] != "-m":
        return [] if (ROOT / arguments[0]).exists() else [arguments[0]]
    module, *given = arguments[1:]
    if importlib.util.find_spec(module) is None:
        return [module]
    if module == "pytest":
        return [path for path in given if not (ROOT / path).exists()]
    options = [word for word in given if word.startswith("--")]
    if not options:
        return []
    parsed = subprocess.run(
        [sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [option for option in options if option not in parsed.stdout]


def _make(arguments: list[str]) -> list[str]:
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M)
    return [target for target in arguments if target not in targets]


def _pip(arguments: list[str]) -> list[str]:
    assert arguments[0] == "install"
    return [name for name in arguments[1:] if name.endswith(".txt") and not (ROOT / name).exists()]


def _image2model(arguments: list[str]) -> list[str]:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    if "image2model" not in scripts:
        return ["image2model"]
    explained = subprocess.run(
        [sys.executable, "-m", "image2model", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    command, *rest = arguments or [""]
    return [
        word for word in (command, *rest) if word == command or word.startswith("-") if word not in explained.stdout
    ]


def _export(arguments: list[str]) -> list[str]:
    return arguments  # what is set is taken out before


CHECKS = {"export": _export, "python": _python, "make": _make, "pip": _pip, "image2model": _image2model}
