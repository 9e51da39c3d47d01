"""Views as HTML: Jinja templates in `templates/`, every value escaped."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from ...services import BatchView, Cost, JobView


def _icon(path: str, size: int = 20) -> Markup:
    return Markup(  # noqa: S704  our own drawings
        f'<svg viewBox="0 0 24 24" width="{size}" height="{size}" fill="none" stroke="currentColor" stroke-width="1.8" '
        f'stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d="{path}"/></svg>'
    )


MOST_TOLD = 6
"""Of what a hostile mesh may have thousands of."""
ICONS = {
    "save": _icon("M12 4v11m0 0 4.5-4.5M12 15l-4.5-4.5M5 20h14", 18),
    "close": _icon("M6 6l12 12M18 6 6 18", 16),
    "bin": _icon("M5 7h14M10 7V4h4v3m3 0-1 13H8L7 7m3 4v5m4-5v5", 18),
    "cube": _icon("M12 3l8 4.5v9L12 21l-8-4.5v-9L12 3zm0 9 8-4.5M12 12v9m0-9L4 7.5", 56),
}


def seconds(value: float) -> str:
    """Seconds as a person says them: `0.8 s`, `12 s`, `2 min 5 s`, `3 h 20 min`."""
    if value < 10:
        return f"{value:.1f} s"
    if value < 90:
        return f"{value:.0f} s"
    if value < 5400:
        return f"{int(value // 60)} min {int(value % 60)} s"
    return f"{int(value // 3600)} h {int(value % 3600 // 60)} min"


def filesize(value: float | None) -> str:
    """Bytes in decimal units: `12 kB`, `3.4 MB`."""
    if value is None:
        return ""
    if value < 1_000_000:
        return f"{max(1, round(value / 1000))} kB"
    return f"{value / 1_000_000:.1f} MB" if value < 1_000_000_000 else f"{value / 1_000_000_000:.1f} GB"


def measure(value: float) -> str:
    """A length or volume with three digits that count: `1.25`, `0.0031`, `12,340`."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def dollars(value: Decimal | float) -> str:
    """US dollars with cents, with a third place where the price has one."""
    exact = f"{Decimal(str(value)):.3f}"
    return "$" + (exact[:-1] if exact.endswith("0") else exact)


def ago(value: float) -> str:
    """How long ago a moment (seconds since 1970) was."""
    passed = max(0.0, time.time() - value)
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if passed >= size:
            count = int(passed // size)
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "just now"


def day(value: float) -> str:
    """A moment (seconds since 1970) to the minute: `3 May, 14:05 UTC`."""
    moment = datetime.fromtimestamp(value, UTC)
    return f"{moment.day} {moment:%B, %H:%M} UTC"


def kept(view: BatchView) -> str:
    """How long a batch is kept; empty while it is worked and where no rule of the host ends it."""
    if view.pinned:
        return "kept for good"
    if not view.finished:
        return ""
    words = [f"until {day(view.kept_until)}"] if view.kept_until else []
    words += ["while there is space"] if view.kept_while_space else []
    return f"kept {' and '.join(words)}" if words else ""


def clock(value: float) -> str:
    """A moment (seconds since 1970) to the second: `14:05:22`."""
    return f"{datetime.fromtimestamp(value, UTC):%H:%M:%S}"


def thousands(value: int) -> str:
    """A count with separators: `12,000`."""
    return f"{value:,}"


def money(cost: Cost) -> str:
    """What a batch was estimated at and has come to."""
    uncertain = f", {dollars(cost.uncertain)} may have been billed" if cost.uncertain else ""
    return f"{dollars(cost.spent)} of about {dollars(cost.estimate)} spent{uncertain}"


_templates = Environment(
    loader=PackageLoader("image2model.web.ui"), autoescape=True, trim_blocks=True, lstrip_blocks=True
)
_templates.globals["icons"] = ICONS
_templates.filters.update(
    seconds=seconds, filesize=filesize, dollars=dollars, ago=ago, day=day, clock=clock, thousands=thousands,
    money=money, kept=kept,
)  # fmt: skip


def _render(template: str, **values: Any) -> str:
    return _templates.get_template(template).render(**values)


def board(view: BatchView) -> str:
    """The board of a batch."""
    return _render("board.html", view=view)


def empty(title: str, text: str) -> str:
    """The board's place when there is no batch to show."""
    return _render("empty.html", title=title, text=text)


def facts(view: BatchView, job: JobView) -> str:
    """What is known of one result."""
    return _render("facts.html", view=view, job=job, rows=_fact_rows(view, job))


def cutouts(seen: Sequence[Mapping[str, Any]], left: int) -> str:
    """The subjects found so far, with warnings, and how many pictures are still to be looked at."""
    return _render("cutouts.html", seen=seen, left=left)


def sides(**shown: Any) -> str:
    """The objects of several sides among the pictures, and the pictures that stand alone."""
    return _render("sides.html", **shown)


def viewer_bar() -> str:
    """The looks, backgrounds and companions that the viewer offers."""
    return _render("viewer_bar.html")


def beside(job: JobView) -> str:
    """What one result can be compared with: its picture, and the mesh from all sides."""
    return _render("beside.html", job=job)


def take_home(view: BatchView, job: JobView, formats: Sequence[Mapping[str, Any]]) -> str:
    """The form for one result, and its batch, in other formats and sizes."""
    return _render("take_home.html", view=view, job=job, formats=formats)


def _fact_rows(view: BatchView, job: JobView) -> list[tuple[str, str]]:
    known = job.facts or {}
    rows = [(label, f"{known[key]:,}") for key, label in (("faces", "Faces"), ("vertices", "Vertices")) if key in known]
    if limit := known.get("face_limit"):
        rows.append(("Face limit", f"{limit['obtained']:,} faces for {limit['asked']:,} asked"))
    if "size_bytes" in known:
        rows.append(("File size", filesize(known["size_bytes"])))
    if known.get("dimensions"):
        rows.append(("Width, height, depth", " × ".join(map(measure, known["dimensions"]))))
    if known.get("watertight") is not None:
        rows.append(("Closed", "yes" if known["watertight"] else _why_open(known)))
    if known.get("volume") is not None:
        rows.append(("Volume", measure(known["volume"])))
    if known.get("genus"):
        rows.append(("Handles", f"{known['genus']:,}"))
    if (known.get("parts") or 0) > 1:
        rows.append(("Pieces", f"{known['parts']:,}"))
    if known.get("materials"):
        rows.append(("Materials", f"{known['materials']:,}"))
    if known.get("textures"):
        rows.append(("Textures", _textures(known["textures"])))
    if known.get("extensions"):
        rows.append(("Extensions", ", ".join(known["extensions"][:MOST_TOLD])))
    rows.append(("Generator", view.generator_name))
    if job.sides:
        rows.append(("Made from", ", ".join(picture.side for picture in job.sides)))
    if job.elapsed is not None:
        rows.append(("Made in", seconds(job.elapsed)))
    rows.append(("Cost", dollars(job.cost) if job.cost else "free"))
    return rows


def _why_open(known: Mapping[str, Any]) -> str:
    if known.get("holes"):
        return "no, it has openings"
    return "no, edges join more than two faces" if known.get("nonmanifold_edges") else "no"


def _textures(sizes: Sequence[Sequence[int]]) -> str:
    """Each size once, with how many have it."""
    told = [f"{width:,} × {height:,}" if width else "unreadable" for width, height in sizes]
    counts = {one: told.count(one) for one in dict.fromkeys(told[:1000])}
    return ", ".join(f"{count} of {one}" if count > 1 else one for one, count in [*counts.items()][:MOST_TOLD])


def refused(items: Sequence[Mapping[str, Any]]) -> str:
    """The files that were not taken, each with its reason and whatever can be seen of it."""
    return _render("refused.html", refused=items)


def library(views: Sequence[BatchView]) -> str:
    """The batches of one browser."""
    return _render("library.html", batches=views)


def cost(count: int, price: Decimal, notice: str = "", objects: int = 0, object_price: Decimal = Decimal(0)) -> str:
    """What a batch of so many images, and objects of several views, will cost, and what should be known before."""
    lines = [(count, "image" if count == 1 else "images", price)]
    lines += [(objects, f"object{'' if objects == 1 else 's'} from several views", object_price)]
    lines = [line for line in lines if line[0]]
    total = sum((number * each for number, _, each in lines), Decimal(0))
    return _render("cost.html", lines=lines, total=total, price=price, notice=notice)


def data_uri(webp: bytes | None) -> str:
    """A small WebP as an address that needs no request; empty for None."""
    return "data:image/webp;base64," + base64.b64encode(webp).decode() if webp else ""


def admin(part: str, **values: Any) -> str:
    """A part of the Admin tab, from its template in `templates/admin`."""
    return _render(f"admin/{part}.html", **values)
