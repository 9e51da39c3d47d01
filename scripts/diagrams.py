"""The two diagrams of docs/architecture.md as SVG, drawn from the import rules and from the states of a job."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterable
from html import escape
from pathlib import Path

from image2model.jobs.models import UNFINISHED

WIDTH, ROW, GAP = 960, 60, 26
STYLE = """
    text { font: 15px system-ui, sans-serif; text-anchor: middle; fill: #1c2430 }
    .small { font-size: 12.5px; fill: #5a6675 }
    rect { fill: #f3f5f9; stroke: #9aa6b8; rx: 8px }
    .good { fill: #e0f3e4; stroke: #4f9d62 }
    .bad { fill: #fbe9e4; stroke: #c9765b }
    path { fill: none; stroke: #7c899c; stroke-width: 1.5; marker-end: url(#tip) }
    #tip path { fill: #7c899c; stroke: none; marker-end: none }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6eaf1 } .small { fill: #a5b0c0 }
      rect { fill: #262c37; stroke: #66728a } .good { fill: #1f3b28 } .bad { fill: #462a22 }
    }"""


def _svg(height: int, title: str, parts: Iterable[str]) -> str:
    tip = '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    body = "\n  ".join(parts)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">
  <title>{title}</title>
  <style>{STYLE}
  </style>
  <defs>{tip}<path d="M0 0L8 4L0 8z"/></marker></defs>
  {body}
</svg>
"""


def _box(x: float, y: float, width: float, name: str, inside: str = "", kind: str = "") -> str:
    middle, line = x + width / 2, y + (27 if inside else 37)
    box = f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{ROW}"/>'
    small = f'<text class="small" x="{middle:g}" y="{y + 47:g}">{escape(inside)}</text>' if inside else ""
    return f'{box}<text x="{middle:g}" y="{line:g}">{name}</text>{small}'


def _arrow(*points: tuple[float, float]) -> str:
    return f'<path d="M{"L".join(f"{x:g} {y:g}" for x, y in points)}"/>'


def layers(root: Path) -> list[list[str]]:
    """The modules of image2model that exist, highest layer first, as the import rules in pyproject.toml order them."""
    contracts = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [rule] = [contract for contract in contracts if contract["type"] == "layers"]
    named = [re.findall(r"\w+", line) for line in rule["layers"]]
    package = root / "image2model"
    exist = {path.stem for path in package.glob("*.py")} | {path.parent.name for path in package.glob("*/__init__.py")}
    return [present for names in named if (present := [name for name in names if name in exist])]


def summary(path: Path) -> str:
    """The first line of a module's docstring."""
    return str(ast.get_docstring(ast.parse(path.read_text()))).splitlines()[0]


def rooms(root: Path) -> str:
    """The rooms of the code: a row may import from those below it."""
    rows = [names for names in layers(root) if not {"__main__", "devtools"} & set(names)]
    parts = []
    for number, names in enumerate([["browser", "Python, JavaScript, curl", "REST"], *rows]):
        y, width = 2 + number * (ROW + GAP), (WIDTH - 4 - 12 * (len(names) - 1)) / len(names)
        for place, name in enumerate(names):
            x, room = 2 + place * (width + 12), root / "image2model" / name
            inner = sorted(path.parent.name for path in room.glob("*/__init__.py"))
            text = summary(room / "__init__.py").rstrip(".") if room.is_dir() and number else ""
            parts.append(
                _box(x, y, width, f"{name} ({', '.join(inner)})" if inner else name, text, "" if number else "good")
            )
        if number:
            parts.append(_arrow((WIDTH / 2, y - GAP), (WIDTH / 2, y - 2)))
    return _svg(len(rows) * (ROW + GAP) + ROW + 4, "The rooms of the code, from the ways in to the foundations", parts)


def job_states() -> str:
    """The states of a job: the way from `new` to `done`, and the other ends."""
    way = [*(state for state in UNFINISHED if state != "cancelling"), "done"]
    step = WIDTH / len(way)
    width = step - 18
    x = {state: number * step + 4 for number, state in enumerate(way)}
    rows = [2 + row * (ROW + GAP) for row in range(3)]

    def box(column: str, row: int, state: str, kind: str = "") -> str:
        return _box(x[column], rows[row], width, state, kind=kind)

    def arrow(column: str, row: int) -> str:
        return _arrow((x[column] + width, rows[row] + ROW / 2), (x[column] + step - 2, rows[row] + ROW / 2))

    def cause(column: str, row: int, text: str) -> str:
        return f'<text class="small" x="{x[column] + width / 2:g}" y="{rows[row] + ROW / 2 + 4:g}">{text}</text>'

    down = x["submitting"] + width / 2
    parts = [
        *(box(state, 0, state, "good" if state == "done" else "") for state in way),
        *(arrow(state, 0) for state in way[:-1]),
        _arrow((down, rows[0] + ROW), (down, rows[1] - 2)),
        cause("uploading", 1, "no answer"),
        box("submitting", 1, "unconfirmed", "bad"),
        cause("queued", 1, "from any state"),
        arrow("queued", 1),
        box("running", 1, "failed", "bad"),
        cause("queued", 2, "on request"),
        arrow("queued", 2),
        box("running", 2, "cancelling"),
        arrow("running", 2),
        box("downloading", 2, "cancelled", "bad"),
    ]
    return _svg(rows[2] + ROW + 2, "The states of a job", parts)
