"""The results of a batch as HTML: its head, a row for each job, and what a retry would cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...plurals import pluralize
from ...services import UNSUCCESSFUL, BatchView, JobView
from . import templating

GRID_THRESHOLD = 8
"""Up to this many results are shown as a list, more as a grid."""
STATE_TEXTS = {
    "new": "Waiting",
    "uploading": "Uploading",
    "submitting": "Sending",
    "queued": "Waiting",
    "running": "Making the model",
    "cancelling": "Cancelling…",
    "downloading": "Fetching the model",
    "finishing": "Measuring the model",
}
NEEDS_RELIEF_CARD = [("Make a relief card", "relief", ""), ("Other generator", "model", "")]
REMEDY_BUTTONS = {"no_subject": NEEDS_RELIEF_CARD, "no_outline": NEEDS_RELIEF_CARD}
"""Buttons where a retry cannot help, by the failure's code: label, kind, address."""
GONE = templating.render("board_gone.html")
WAITING = templating.render("board_waiting.html")


def board(view: BatchView, shared: bool) -> str:
    """The results column; `shared` where the batch is another browser's."""
    title, line = headline(view, shared)
    return templating.render(
        "board.html", view=view, shared=shared, title=title, line=line, ended=view.finished, retry=retry(view),
        shape="grid" if view.counts.total > GRID_THRESHOLD else "list", made_by=made_by(view), spent=spent(view),
        cancelling=any(job.state == "cancelling" for job in view.jobs), job_text=job_text, help=remedy_buttons,
        billing_text=lambda job: billing_text(view, job), cancelled_text=lambda job: cancelled_text(view, job),
    )  # fmt: skip


def headline(view: BatchView, shared: bool = False) -> tuple[str, str]:
    """Title of the whole batch, and the line below it."""
    total, done = view.counts.total, view.counts.done
    if not view.finished:
        left = view.seconds_left
        return f"{done} of {total} done", f"About {templating.seconds_left(left)} left" if left else "Working"
    title = pluralize(total, "model") if done == total else f"{done or 'None'} of {total} made"
    kept = templating.kept(view)
    if shared:
        return title, f"Made {templating.date(view.created_at)}" + (f" · {kept}" if kept else "")
    taken = f" in {templating.seconds(view.seconds_taken)}" if view.seconds_taken else ""
    parts = [f"All done{taken}" if done == total else "", spent(view), kept]
    return title, " · ".join(part for part in parts if part)


def spent(view: BatchView) -> str:
    """Cost of the batch, as a range where something may have been billed; empty where it was free."""
    return f"{dollars_spent(view)} spent" if view.cost.estimate or view.cost.spent else ""


def dollars_spent(view: BatchView) -> str:
    """Cost of the batch: `$0.60`, or `$0.60 to $1.50` where something may have been billed."""
    cost = view.cost
    range_end = f" to {templating.dollars(cost.spent + cost.uncertain)}" if cost.uncertain else ""
    return templating.dollars(cost.spent) + range_end


def made_by(view: BatchView) -> str:
    """Name of the generator, for `From cup.jpg by …`."""
    name = view.generator_name
    return name if name == templating.short_name(name) else "the built-in preview"


def job_text(job: JobView) -> str:
    """Text of a job that runs, waits or is done."""
    facts = job.facts or {}
    if job.state == "done":
        return f"{facts['faces']:,} faces" if "faces" in facts else "Done"
    if job.waiting:
        return job.message
    if job.state in ("new", "queued") and job.queue_position:
        return f"Waiting, {ordinal(job.queue_position + 1)} in line"
    if job.state == "running" and not job.message.startswith("Progress"):  # the bar shows it
        return job.message.replace("mesh", "model") or STATE_TEXTS["running"]
    return STATE_TEXTS[job.state]


def billing_text(view: BatchView, job: JobView) -> str:
    """A sentence on whether a job without a result was billed."""
    if not view.cost.estimate:
        return ""
    return " It may have been billed." if job.billed == "maybe" else " Not billed."


def cancelled_text(view: BatchView, job: JobView) -> str:
    """Text of a cancelled job: in time, or after it had begun."""
    if not view.cost.estimate:
        return "in time." if job.elapsed is None else f"after {templating.seconds(job.elapsed)}."
    if job.billed != "maybe":
        return "in time. Not billed."
    after = f"after {templating.seconds(job.elapsed)}" if job.elapsed is not None else "late"
    return f"{after}. It had begun and may be billed."


def remedy_buttons(job: JobView) -> Iterator[tuple[str, str, str]]:
    """Buttons of a job without a result: label, kind, address."""
    if job.state == "unconfirmed":
        yield "Look again, free", "look", ""
    elif job.error and job.error.code in REMEDY_BUTTONS:
        yield from REMEDY_BUTTONS[job.error.code]
    elif job.action and job.action["kind"] != "again":
        yield job.action["label"], job.action["kind"], job.action.get("url", "")


def retry(view: BatchView) -> dict[str, Any] | None:
    """Data of the retry button and its dialog, with the price of each job; None where there is nothing to retry."""
    jobs = [job for job in view.jobs if job.state in UNSUCCESSFUL]
    if not view.finished or not jobs:
        return None
    total = sum(job.retry_price or 0 for job in jobs)
    uncertain = [job.name for job in jobs if job.retry_may_be_billed_twice and job.retry_price]
    price = f" · {templating.dollars(total)}" if total else ""
    return {
        "label": f"Make {len(jobs)} again{price}",
        "title": f"Make {len(jobs)} again{f' for {templating.dollars(total)}' if total else ''}?",
        "numbers": [job.number for job in jobs],
        "needsConfirmation": bool(uncertain),
        "rows": [_retry_row(job) for job in jobs],
        "recheck": [job.number for job in jobs if job.state == "unconfirmed"],
        "hint": f"Looking again for {jobs[0].name if len(uncertain) == 1 else 'them'} is free and may find it finished."
        if any(job.state == "unconfirmed" for job in jobs) else "",
    }  # fmt: skip


def _retry_row(job: JobView) -> tuple[str, str, bool]:
    """A row of the dialog: name, price and billing in words, whether they are a warning."""
    price, uncertain = job.retry_price or 0, job.retry_may_be_billed_twice
    if job.billed == "maybe" and not uncertain:
        billed = "its result is collected"
    else:
        billed = "may be billed already" if uncertain else "was not billed"
    return job.name, f"{templating.dollars(price)} · {billed}", uncertain


def ordinal(number: int) -> str:
    """A position in a queue: `1st`, `2nd`, `13th`."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
