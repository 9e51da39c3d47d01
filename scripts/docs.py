"""Write what is generated: the tables, programs and diagrams in README.md and docs/, and .env.example.

`--check` writes nothing and fails when one of these files is out of date.
"""

from __future__ import annotations

import sys
import textwrap
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from diagrams import job_states, layers, rooms, summary  # noqa: E402  beside this file

from image2model.generators.base import Spec  # noqa: E402  the package is not installed
from image2model.generators.fal.catalogue import FAL_MODELS  # noqa: E402  the package is not installed
from image2model.settings import Settings, environment_names, value_range  # noqa: E402

SNIPPETS = ROOT / "image2model" / "web" / "ui" / "snippets"
LANGUAGES = {".py": "python", ".mjs": "js", ".sh": "bash"}


def default(name: str) -> str:
    """The default of the field `name`, as it would be written; empty where there is none or the machine decides."""
    field = Settings.model_fields[name]
    if field.default_factory or field.default is None:
        return ""
    return str(field.default).lower() if isinstance(field.default, bool) else str(field.default)


def cells(name: str) -> list[str]:
    """One row of the table."""
    field, value = Settings.model_fields[name], default(name)
    return [
        f"`{environment_names(name)[0]}`",
        str(field.description),
        value_range(field),
        f"`{value}`" if value else "",
    ]


def settings_table() -> str:
    """The settings as a Markdown table."""
    rows = [f"| {' | '.join(cells(name))} |" for name in Settings.model_fields]
    return "\n".join(["| Setting | What it is | Takes | Default |", "| --- | --- | --- | --- |", *rows])


def env_example() -> str:
    """The settings as a `.env` file in which each line is a comment."""
    head = "# Copy this file to .env and take the # from the lines you change.\n"
    return head + "".join(
        f"\n# {field.description}. Takes {value_range(field)}.\n# {environment_names(name)[0]}={default(name)}\n"
        for name, field in Settings.model_fields.items()
    )


def views(spec: Spec) -> str:
    """Number of views of one object that a model takes, and the price that more than one adds."""
    choice = spec.check(None, None)
    more = spec.price(replace(choice, multiview=True)) - spec.price(choice)
    gaps = ", no gaps" if spec.sides_positional else ""
    return f"{max(1, len(spec.sides))}{gaps}{f' (+${more:.2f})' if more else ''}"


def generators_table() -> str:
    """fal's models as a Markdown table: id, what it is good at, price of one image, views taken, face option."""
    rows = []
    for model in FAL_MODELS:
        spec = model.spec
        price = spec.price(spec.check(None, None))
        faces = spec.face_limit.accepted_values() if spec.face_limit else "–"
        rows.append(f"| `{spec.id}` | {spec.name} | {spec.strengths} | ${price:.3f} | {views(spec)} | {faces} |")
    return "\n".join(["| Id | Name | Good at | Price, as preset | Views | Face limit |", f"|{' --- |' * 6}", *rows])


def offer() -> str:
    """fal's models and the range of their prices, in a sentence."""
    specs = [model.spec for model in FAL_MODELS]
    prices = [spec.price(spec.check(None, None)) for spec in specs]
    names = textwrap.fill(f"{', '.join(spec.name for spec in specs)}.", 120)
    return f"{len(specs)} models from ${min(prices):.2f} to ${max(prices):.2f} a picture, as preset:\n{names}"


def program(name: str) -> str:
    """One program of the API tab as a code block."""
    path = SNIPPETS / name
    return f"```{LANGUAGES[path.suffix]}\n{path.read_text()}```"


def programs() -> str:
    """All programs of the API tab, each below its name."""
    names = [f"{style}{ending}" for style in ("one-picture", "batch") for ending in LANGUAGES]
    return "\n\n".join(f"### {name}\n\n{program(name)}" for name in names)


def rooms_table() -> str:
    """The modules and packages of image2model with the first line of their docstrings, highest layer first."""
    package = ROOT / "image2model"
    files = []
    for name in [name for names in layers(ROOT) for name in names]:
        inner = sorted(package.glob(f"{name}/*/__init__.py"))
        files += [path for path in (package / f"{name}.py", package / name / "__init__.py", *inner) if path.exists()]
    rows = []
    for path in files:
        place = path.relative_to(package)
        shown = f"{place.parent}/" if path.name == "__init__.py" else place
        rows.append(f"| `{shown}` | {summary(path)} |")
    return "\n".join(["| Below `image2model/` | What is there |", "| --- | --- |", *rows])


SECTIONS = {
    "settings": settings_table,
    "generators": generators_table,
    "offer": offer,
    "programs": programs,
    "rooms": rooms_table,
    "one-picture.py": lambda: program("one-picture.py"),
    "one-picture.mjs": lambda: program("one-picture.mjs"),
}


def with_sections(page: str) -> str:
    """Return `page` with the present text between the markers of each section that it has."""
    for name, text in SECTIONS.items():
        start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        if start in page:
            before, rest = page.split(start)
            page = f"{before}{start}\n{text()}\n{end}{rest.split(end)[1]}"
    return page


def generated(root: Path) -> dict[Path, str]:
    """Each file that is generated, or has generated parts, with its present text."""
    pages = [root / "README.md", *sorted((root / "docs").glob("*.md"))]
    return {page: with_sections(page.read_text()) for page in pages} | {
        root / "docs" / "rooms.svg": rooms(ROOT),
        root / "docs" / "job-states.svg": job_states(),
        root / ".env.example": env_example(),
    }


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Write these files, or with `--check` name those that are out of date; return the exit status."""
    wanted = generated(root)
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if "--check" in arguments:
            print(f"{path.relative_to(root)} is out of date: run scripts/docs", file=sys.stderr)
        else:
            path.write_text(wanted[path])
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
