"""Write what is generated from the settings: the table in README.md, and .env.example.

`--check` writes nothing and fails when either is out of date.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from image2model.settings import Settings, accepts, variables  # noqa: E402  the package is not installed

START, END = "<!-- settings -->", "<!-- /settings -->"


def default(name: str) -> str:
    """The default of the field `name`, as it would be written; empty where there is none or the machine decides."""
    field = Settings.model_fields[name]
    return "" if field.default_factory or field.default is None else str(field.default)


def cells(name: str) -> list[str]:
    """One row of the table."""
    field, value = Settings.model_fields[name], default(name)
    return [f"`{variables(name)[0]}`", str(field.description), accepts(field), f"`{value}`" if value else ""]


def settings_table() -> str:
    """The settings as a Markdown table."""
    rows = [f"| {' | '.join(cells(name))} |" for name in Settings.model_fields]
    return "\n".join(["| Setting | What it is | Takes | Default |", "| --- | --- | --- | --- |", *rows])


def env_example() -> str:
    """The settings as a `.env` file in which each line is a comment."""
    head = "# Copy this file to .env and take the # from the lines you change.\n"
    return head + "".join(
        f"\n# {field.description}. Takes {accepts(field)}.\n# {variables(name)[0]}={default(name)}\n"
        for name, field in Settings.model_fields.items()
    )


def with_table(readme: str) -> str:
    """Return `readme` with the present table between its markers; raise ValueError where they are missing."""
    before, rest = readme.split(START)
    _, after = rest.split(END)
    return f"{before}{START}\n{settings_table()}\n{END}{after}"


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Write both files, or with `--check` name the one that is out of date; return the exit status."""
    readme, example = root / "README.md", root / ".env.example"
    wanted = {readme: with_table(readme.read_text()), example: env_example()}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if "--check" in arguments:
            print(f"{path.name} is out of date: run scripts/docs", file=sys.stderr)
        else:
            path.write_text(wanted[path])
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
