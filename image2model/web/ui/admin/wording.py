"""The host's numbers in words: what needs attention, tiles, and how each part is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ....errors import ErrorCode
from ....ops.health import Component
from ....services import FINISHED, UNSUCCESSFUL
from ..templating import ago, dollars, filesize, seconds

OWN_KEY = "|own"
"""Marks the breakers of visitors' keys in what the page tells."""
BUDGET_WARNING_PERCENT = 80
"""Percent of the day's budget from which on it is worth a look."""
STATES = {"new": "waiting"}
"""States of jobs that have another name here."""
NOT_OF_PICTURES = {ErrorCode.TOO_MANY_TRIES, ErrorCode.PROXY_NOT_TRUSTED}
"""What needs attention and holds up no picture."""


@dataclass(frozen=True, slots=True)
class Need:
    """What the host should know at once; `reset` is the breaker that a button beside it closes."""

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
    """What lies in the data folder: `AdminService.disk_usage` and `bytes_written_by_day`."""

    usage: Mapping[str, Any]
    written: Sequence[int]


def needs(known: Mapping[str, Any], parts: Sequence[Component], name: Callable[[str], str]) -> list[Need]:
    """What needs the host, what is worst first; `known` is `AdminService.overview`, `name` that of a generator."""
    listed = [*_held_against(known), *_broken(parts), *_resting(known, name), *_budget(known)]
    return sorted(listed, key=lambda need: need.level)


def _held_against(known: Mapping[str, Any]) -> Iterator[Need]:
    for one in known["attention"]:
        pictures = "" if one["code"] in NOT_OF_PICTURES else f"{_pictures(one['count'])}, "
        yield Need("bad", one["message"], one["hint"], f"{pictures}last {ago(one['last_seen'])}")


def _broken(parts: Sequence[Component]) -> Iterator[Need]:
    for part in parts:
        if part.name != "fal_api" and part.status != "healthy":  # what fal holds against us is told above
            level: Literal["bad", "warn"] = "bad" if part.status == "unhealthy" else "warn"
            yield Need(level, f"{PARTS[part.name][0]}: {status_text(part)}", HINTS.get(part.name, ""))


def _resting(known: Mapping[str, Any], name: Callable[[str], str]) -> Iterator[Need]:
    keys = Counter((one["generator"], one["own_key"]) for one in known["breakers"])
    left = {(one["generator"], one["own_key"]): one["seconds_left"] for one in known["breakers"]}
    for (generator, own), count in keys.items():
        whose = f" on {count} key{'s' if count > 1 else ''} of visitors" if own else ""
        wait = (
            f"One is tried again in {seconds(left[generator, own])}." if left[generator, own] else "One is tried now."
        )
        yield Need(
            "warn", f"{name(generator)} has failed three times in a row{whose}; pictures wait.", wait,
            reset=generator + (OWN_KEY if own else ""),
        )  # fmt: skip


def _budget(known: Mapping[str, Any]) -> Iterator[Need]:
    share = _share(known["spent_today"], known["daily_budget"])
    if share is not None and share >= BUDGET_WARNING_PERCENT:
        used = "used up" if share >= 100 else f"{share} % used"
        yield Need("warn", f"Today's budget is {used}.", "DAILY_BUDGET sets it; the day begins at 0:00 UTC.")


def tiles(known: Mapping[str, Any], batches: int, disk: Disk | None) -> list[Tile]:
    """`known` is `AdminService.overview`; `batches` are being worked."""
    return [*_work(known, batches), *_money(known), *_disk(known, disk)]


def _work(known: Mapping[str, Any], batches: int) -> Iterator[Tile]:
    open_jobs = sum(count for state, count in known["states"].items() if state not in FINISHED)
    oldest = f"in {batches:,} batch{'' if batches == 1 else 'es'}, the oldest for {seconds(known['oldest_seconds'])}"
    yield Tile("Pictures at work", f"{open_jobs:,}", oldest if open_jobs else "nobody waits")
    ended: Counter[str] = Counter()
    for one in known["outcomes"]:
        ended[one["state"]] += one["count"]
    others = ", ".join(f"{ended[state]:,} {state}" for state in UNSUCCESSFUL if ended[state])
    yield Tile("Done in 24 hours", f"{ended['done']:,}", others or "none failed")
    held = ", ".join(f"{count:,} {STATES.get(state, state)}" for state, count in known["states"].items() if count)
    yield Tile("Batches kept", f"{known['counts']['batches']:,}", f"pictures: {held}" if held else "none yet")


def _money(known: Mapping[str, Any]) -> Iterator[Tile]:
    budget = known["daily_budget"]
    of = "no budget set" if budget is None else f"of {dollars(budget)}"
    yield Tile("Spent today", dollars(known["spent_today"]), of, _share(known["spent_today"], budget))
    yield Tile("Spent this month", dollars(known["spent_this_month"]), "on the host's key")


def _disk(known: Mapping[str, Any], disk: Disk | None) -> Iterator[Tile]:
    free, used = known["disk_free_bytes"], known["disk_used_bytes"]
    yield Tile("Disk free", filesize(free), f"{filesize(used)} used", _share(used, used + free))
    if disk is None:
        yield Tile("Data kept", "…", "being measured")
        return
    kinds = {kind: use["size"] for kind, use in disk.usage["kinds"].items() if use["size"] and kind != "cache"}
    largest = sorted(kinds, key=lambda kind: -kinds[kind])[:3]
    most = ", ".join(f"{kind} {filesize(kinds[kind])}" for kind in largest)
    yield Tile("Data kept", filesize(disk.usage["data_bytes"]), most or "nothing yet")
    month = f"{filesize(sum(disk.written))} in {len(disk.written)} days, of what is kept"
    yield Tile("Written today", filesize(disk.written[-1]), month)


def is_used(part: Component) -> bool:
    """Whether a part that this host may have left out is there."""
    return bool(part.details.get("configured", True)) or part.name == "fal_api"


def status_text(part: Component) -> str:
    """How a part is, as a sentence."""
    details = part.details
    return details.get("reason") or " ".join(details.get("reasons", ())) or PARTS[part.name][1](details)


def _queue(details: Mapping[str, Any]) -> str:
    if not details["waiting"]:
        return "Nobody waits."
    return f"{_pictures(details['waiting'])} wait, the oldest for {seconds(details['oldest_seconds'])}."


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


PARTS: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], str]]] = {
    "database": ("Database", lambda details: f"Can be written to ({details['kind']})."),
    "queue": ("Queue", _queue),
    "disk_space": (
        "Disk",
        lambda details: f"{details['free_gb']:.1f} GB free; batches are taken down to {details['min_free_gb']:.1f}.",
    ),
    "fal_api": ("fal.ai", _fal),
    "generator": ("Generators", _generators),
    "redis": ("Redis", lambda details: "Answers." if details["configured"] else "Not used."),
    "celery": ("Celery", lambda details: f"{details['workers']} workers." if details["configured"] else "Not used."),
}
"""A part's name, and how it is where no reason is told."""
HINTS = {
    "database": "See that its disk has room, and the logs.",
    "queue": "Start the app again if this stays.",
    "disk_space": "Free some under Disk, or set RETENTION_HOURS or MAX_DATA_GB.",
    "generator": "Set FAL_KEY, or GENERATOR=local.",
}


def _pictures(count: int) -> str:
    return f"{count:,} picture{'' if count == 1 else 's'}"


def _share(part: Any, whole: Any) -> int | None:
    """Percent, at most 100; None without a whole."""
    if whole is None:
        return None
    return 100 if not whole else min(100, int(100 * float(part) / float(whole)))
