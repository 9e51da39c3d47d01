"""The host's numbers in words: alerts, tiles, and the state of each part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ....errors import ErrorCode
from ....ops.health import Component
from ....plurals import pluralize
from ....services import FINISHED, UNSUCCESSFUL
from ..templating import ago, dollars, filesize, seconds

OWN_KEY = "|own"
"""Suffix that marks breakers of visitors' keys in the page's events."""
BUDGET_WARNING_PERCENT = 80
"""Percent of the day's budget from which on an alert is shown."""
FILE_NAMES = {"uploads": "pictures", "results": "meshes"}
"""Names of kinds of files where they differ from the kind."""
STATE_NAMES = {"new": "waiting"}
"""Names of states of jobs where they differ from the state."""
ALERTS_WITHOUT_PICTURES = {ErrorCode.TOO_MANY_TRIES, ErrorCode.PROXY_NOT_TRUSTED}
"""Codes of alerts whose count is not of pictures."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert for the host; `reset` is the breaker that a button beside it closes."""

    level: Literal["bad", "warn"]
    message: str
    hint: str = ""
    note: str = ""
    reset: str = ""


@dataclass(frozen=True, slots=True)
class Tile:
    """A number; `share` (percent) draws a bar under it."""

    name: str
    value: str
    note: str = ""
    share: int | None = None


@dataclass(frozen=True, slots=True)
class Disk:
    """Files in the data folder: `AdminService.disk_usage` and `bytes_written_by_day`."""

    usage: Mapping[str, Any]
    written: Sequence[int]


def alerts(overview: Mapping[str, Any], parts: Sequence[Component], name: Callable[[str], str]) -> list[Alert]:
    """All alerts, the worst first; `overview` is `AdminService.overview`, `name` returns the name of a generator."""
    listed = [
        *_attention_alerts(overview),
        *_part_alerts(parts),
        *_breaker_alerts(overview, name),
        *_budget_alerts(overview),
    ]
    return sorted(listed, key=lambda alert: alert.level)


def _attention_alerts(overview: Mapping[str, Any]) -> Iterator[Alert]:
    for problem in overview["attention"]:
        pictures = "" if problem["code"] in ALERTS_WITHOUT_PICTURES else f"{pluralize(problem['count'], 'picture')}, "
        yield Alert("bad", problem["message"], problem["hint"], f"{pictures}last {ago(problem['last_seen'])}")


def _part_alerts(parts: Sequence[Component]) -> Iterator[Alert]:
    for part in parts:
        if part.name != "fal_api" and part.status != "healthy":  # fal's are among those of `_attention_alerts`
            level: Literal["bad", "warn"] = "bad" if part.status == "unhealthy" else "warn"
            yield Alert(level, f"{COMPONENT_TEXTS[part.name][0]}: {status_text(part)}", HINTS.get(part.name, ""))


def _breaker_alerts(overview: Mapping[str, Any], name: Callable[[str], str]) -> Iterator[Alert]:
    keys = Counter((breaker["generator"], breaker["own_key"]) for breaker in overview["breakers"])
    waits = {(breaker["generator"], breaker["own_key"]): breaker["seconds_left"] for breaker in overview["breakers"]}
    for (generator, own), count in keys.items():
        key_text = f" on {pluralize(count, 'key')} of visitors" if own else ""
        wait = waits[generator, own]
        next_try = f"One is tried again in {seconds(wait)}." if wait else "One is tried now."
        yield Alert(
            "warn", f"{name(generator)} has failed three times in a row{key_text}; pictures wait.", next_try,
            reset=generator + (OWN_KEY if own else ""),
        )  # fmt: skip


def _budget_alerts(overview: Mapping[str, Any]) -> Iterator[Alert]:
    share = _share(overview["spent_today"], overview["daily_budget"])
    if share is not None and share >= BUDGET_WARNING_PERCENT:
        used = "used up" if share >= 100 else f"{share} % used"
        yield Alert("warn", f"Today's budget is {used}.", "DAILY_BUDGET sets it; the day begins at 0:00 UTC.")


def tiles(overview: Mapping[str, Any], batches: int, disk: Disk | None) -> list[Tile]:
    """`overview` is `AdminService.overview`; `batches` is the number of running ones."""
    return [*_job_tiles(overview, batches), *_money_tiles(overview), *_disk_tiles(overview, disk)]


def _job_tiles(overview: Mapping[str, Any], batches: int) -> Iterator[Tile]:
    open_jobs = sum(count for state, count in overview["states"].items() if state not in FINISHED)
    oldest = f"in {batches:,} batch{'' if batches == 1 else 'es'}, the oldest for {seconds(overview['oldest_seconds'])}"
    yield Tile("Pictures at work", f"{open_jobs:,}", oldest if open_jobs else "nobody waits")
    ended: Counter[str] = Counter()
    for row in overview["outcomes"]:
        ended[row["state"]] += row["count"]
    others = ", ".join(f"{ended[state]:,} {state}" for state in UNSUCCESSFUL if ended[state])
    yield Tile("Done in 24 hours", f"{ended['done']:,}", others or "none failed")
    kept = ", ".join(
        f"{count:,} {STATE_NAMES.get(state, state)}" for state, count in overview["states"].items() if count
    )
    yield Tile("Batches kept", f"{overview['counts']['batches']:,}", f"pictures: {kept}" if kept else "none yet")


def _money_tiles(overview: Mapping[str, Any]) -> Iterator[Tile]:
    budget = overview["daily_budget"]
    of = "no budget set" if budget is None else f"of {dollars(budget)}"
    yield Tile("Spent today", dollars(overview["spent_today"]), of, _share(overview["spent_today"], budget))
    yield Tile("Spent this month", dollars(overview["spent_this_month"]), "on the host's key")


def _disk_tiles(overview: Mapping[str, Any], disk: Disk | None) -> Iterator[Tile]:
    free, used = overview["disk_free_bytes"], overview["disk_used_bytes"]
    yield Tile("Disk free", filesize(free), f"{filesize(used)} used", _share(used, used + free))
    if disk is None:
        yield Tile("Data kept", "…", "being measured")
        return
    whole = disk.usage["data_bytes"]
    kinds = {kind: use["size"] for kind, use in disk.usage["kinds"].items() if use["size"] and kind != "cache"}
    shown = {FILE_NAMES.get(kind, kind): kinds[kind] for kind in sorted(kinds, key=lambda kind: -kinds[kind])[:3]}
    if rest := whole - sum(shown.values()):
        shown["the rest"] = rest
    note = ", ".join(f"{kind} {filesize(size)}" for kind, size in shown.items())
    yield Tile("Data kept", filesize(whole), note or "nothing yet")
    month = f"{filesize(sum(disk.written))} in {len(disk.written)} days, of what is kept"
    yield Tile("Written today", filesize(disk.written[-1]), month)


def is_used(part: Component) -> bool:
    """True if the host has configured this part."""
    return bool(part.details.get("configured", True)) or part.name == "fal_api"


def status_text(part: Component) -> str:
    """State of a part as a sentence."""
    details = part.details
    return details.get("reason") or " ".join(details.get("reasons", ())) or COMPONENT_TEXTS[part.name][1](details)


def _queue(details: Mapping[str, Any]) -> str:
    if not details["waiting"]:
        return "Nobody waits."
    return f"{pluralize(details['waiting'], 'picture')} wait, the oldest for {seconds(details['oldest_seconds'])}."


def _fal(details: Mapping[str, Any]) -> str:
    if not details["configured"]:
        return "Not used: no key is set."
    count = len(details["resting"])
    resting = f" {count} generator{' rests' if count == 1 else 's rest'}." if count else ""
    return f"{details['done']:,} done and {details['faults']:,} failed by its fault in 24 hours.{resting}"


def _generators(details: Mapping[str, Any]) -> str:
    usable = len(details["usable"])
    first = (
        ""
        if details["chosen_at_first"] in details["usable"]
        else f" {details['chosen_at_first']}, chosen at first, cannot."
    )
    return f"{usable} can be used.{first}"


COMPONENT_TEXTS: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], str]]] = {
    "database": ("Database", lambda details: f"Can be written to ({details['kind']})."),
    "queue": ("Queue", _queue),
    "disk_space": (
        "Disk",
        lambda details: f"{details['free_gb']:.1f} GB free; no new batches below {details['min_free_gb']:.1f} GB.",
    ),
    "fal_api": ("fal.ai", _fal),
    "generator": ("Generators", _generators),
    "redis": ("Redis", lambda details: "Answers." if details["configured"] else "Not used."),
    "celery": ("Celery", lambda details: f"{details['workers']} workers." if details["configured"] else "Not used."),
}
"""A part's name, and its state as a sentence where it gives no reason."""
HINTS = {
    "database": "See that its disk has room, and the logs.",
    "queue": "Start the app again if this stays.",
    "disk_space": "Free some under Disk, or set RETENTION_HOURS or MAX_DATA_GB.",
    "generator": "Set FAL_KEY, or GENERATOR=local.",
}


def _share(part: Any, whole: Any) -> int | None:
    """Percent, at most 100; None without a whole."""
    if whole is None:
        return None
    return 100 if not whole else min(100, int(100 * float(part) / float(whole)))
