"""Views as HTML: Jinja templates in `templates/`, every value escaped."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from jinja2 import Environment, PackageLoader

from ...plurals import pluralize
from ...services import BatchView, Cost
from ...units import DAY, GB, HOUR, MB
from .icons import icon


def seconds(value: float) -> str:
    """A duration in seconds as text: `0.8 s`, `12 s`, `2 min 5 s`, `3 h 20 min`."""
    if value < 10:
        return f"{value:.1f} s"
    if value < 90:
        return f"{value:.0f} s"
    if value < 5400:
        return f"{int(value // 60)} min {int(value % 60)} s"
    return f"{int(value // 3600)} h {int(value % 3600 // 60)} min"


def short_name(generator_name: str) -> str:
    """A generator's name without "(built in)"."""
    return generator_name.removesuffix(" (built in)")


def stopwatch(value: float) -> str:
    """Elapsed seconds as text: `0:41`, `12:05`, `1:02:05`."""
    minutes, rest = divmod(int(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def filesize(value: float | None) -> str:
    """Bytes in decimal units: `12 kB`, `3.4 MB`."""
    if value is None:
        return ""
    if value < MB:
        return f"{max(1, round(value / 1000))} kB"
    return f"{value / MB:.1f} MB" if value < GB else f"{value / GB:.1f} GB"


def measure(value: float) -> str:
    """A length or volume with three significant digits: `1.25`, `0.0031`, `12,340`."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def dollars(value: Decimal | float) -> str:
    """US dollars with cents, with a third place where the price has one."""
    exact = f"{Decimal(str(value)):.3f}"
    return "$" + (exact[:-1] if exact.endswith("0") else exact)


def ago(value: float) -> str:
    """Time since a moment (seconds since 1970) as text."""
    passed = max(0.0, time.time() - value)
    for size, name in ((DAY, "day"), (HOUR, "hour"), (60, "minute")):
        if passed >= size:
            return f"{pluralize(int(passed // size), name)} ago"
    return "just now"


def day(value: float) -> str:
    """A moment (seconds since 1970) to the minute: `3 May, 14:05 UTC`."""
    moment = datetime.fromtimestamp(value, UTC)
    return f"{moment.day} {moment:%B, %H:%M} UTC"


def date(value: float) -> str:
    """The day of a moment (seconds since 1970): `29 Nov 2026`."""
    moment = datetime.fromtimestamp(value, UTC)
    return f"{moment.day} {moment:%b %Y}"


def seconds_left(value: float) -> str:
    """Remaining seconds, rounded as such estimates deserve: `5 s`, `40 s`, `3 min`."""
    if value < 90:
        return f"{max(5, 5 * round(value / 5))} s"
    return f"{round(value / 60)} min"


def kept(view: BatchView) -> str:
    """Remaining time until a batch is deleted; empty while it runs and without a rule of retention."""
    if view.pinned:
        return "kept for good"
    if not view.finished:
        return ""
    parts = [f"until {day(view.kept_until)}"] if view.kept_until else []
    parts += ["while there is space"] if view.kept_while_space else []
    return f"kept {' and '.join(parts)}" if parts else ""


def clock(value: float) -> str:
    """A moment (seconds since 1970) to the second: `14:05:22`."""
    return f"{datetime.fromtimestamp(value, UTC):%H:%M:%S}"


def plain_number(value: float | None) -> str:
    """A number as fields of HTML take it: `1`, `0.95`, `2000000`; empty for none."""
    return "" if value is None else f"{value:.15g}"


def capitalized(text: str) -> str:
    """The text with a capital letter first, and else unchanged: `Medium`, `PBR`."""
    return text[:1].upper() + text[1:]


def thousands(value: int) -> str:
    """A count with separators: `12,000`."""
    return f"{value:,}"


def money(cost: Cost) -> str:
    """Estimated and current cost of a batch as text."""
    uncertain = f", {dollars(cost.uncertain)} may have been billed" if cost.uncertain else ""
    return f"{dollars(cost.spent)} of about {dollars(cost.estimate)} spent{uncertain}"


_templates = Environment(
    loader=PackageLoader("image2model.web.ui"), autoescape=True, trim_blocks=True, lstrip_blocks=True
)
_templates.globals["icon"] = icon
_templates.filters.update(
    seconds=seconds, filesize=filesize, dollars=dollars, ago=ago, day=day, clock=clock, thousands=thousands,
    money=money, kept=kept, stopwatch=stopwatch, plain_number=plain_number, capitalized=capitalized,
)  # fmt: skip


def render(template: str, **values: Any) -> str:
    """Return the template of this name in `templates/`, filled."""
    return _templates.get_template(template).render(**values)


def admin(part: str, **values: Any) -> str:
    """A part of the Admin tab, from its template in `templates/admin`."""
    return render(f"admin/{part}.html", **values)
