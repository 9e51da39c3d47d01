"""Time series as small SVG bar charts, as Gradio's plots load over a megabyte of scripts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ....units import DAY, HOUR
from .. import templating

SPANS: Mapping[str, tuple[float, float]] = {
    "24 hours": (DAY, HOUR), "7 days": (7 * DAY, 6 * HOUR), "30 days": (30 * DAY, DAY),
}  # fmt: skip
"""Spans of a plot: seconds in all, and in a bar."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its time and value as text, and its height in percent."""

    when: str
    amount: str
    height: float


@dataclass(frozen=True, slots=True)
class Plot:
    """A chart: `most` and `total` as text, an empty `total` for values without a sum."""

    title: str
    kind: str
    most: str
    total: str
    bars: Sequence[Bar]


def span_and_step(span: str) -> tuple[float, float]:
    """Arguments of `AdminService.time_series` for a span: hours, and seconds in a step."""
    whole, step = SPANS.get(span, SPANS["24 hours"])
    return whole / HOUR, step


def draw(span: str, series: Sequence[Mapping[str, Any]], written: Sequence[int] | None) -> str:
    """The charts of a span (`AdminService.time_series`), and of bytes written by day, where they are known."""
    _, step = span_and_step(span)
    times = [_when(row["at"], step) for row in series]
    charts = [
        _plot("Pictures finished", "jobs", times, [row["jobs"] for row in series], templating.thousands),
        _plot("Failures", "failed", times, [row["failed"] for row in series], templating.thousands),
        _plot(
            "Time for a mesh", "seconds", times, [row["seconds"] or 0 for row in series], templating.seconds, sums=False
        ),
        _plot("Cost on the host's key", "cost", times, [row["cost"] for row in series], templating.dollars),
    ]
    if written is not None and series:
        days = [_when(series[-1]["at"] - past * DAY, DAY) for past in reversed(range(len(written)))]
        charts.append(_plot("Written to disk", "disk", days, written, templating.filesize))
    return templating.admin("plots", charts=charts)


def _plot(
    title: str,
    kind: str,
    times: Sequence[str],
    values: Sequence[float],
    text: Callable[[Any], str],
    sums: bool = True,
) -> Plot:
    most = max(values, default=0)
    bars = [
        Bar(when, text(value), 100 * value / most if most else 0) for when, value in zip(times, values, strict=True)
    ]
    return Plot(title, kind, text(most) if most else "", text(sum(values)) if sums else "", bars)


def _when(at: float, step: float) -> str:
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment.day} {moment:%b}" if step >= DAY else f"{moment.day} {moment:%b, %H:%M}"
