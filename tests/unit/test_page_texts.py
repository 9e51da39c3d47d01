"""Numbers and short texts of the page."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from image2model.generators.failure_messages import FailureTemplate
from image2model.generators.local import SPEC, failure_messages
from image2model.jobs.models import Failure
from image2model.jobs.views import Cost, Counts
from image2model.services import Picture
from image2model.services.usual_times import usual_times
from image2model.web.ui import order, results, templating
from image2model.web.ui.admin.wording import Disk, _disk_tiles
from image2model.web.ui.controls import usual_time
from tests.support.blank_views import BLANK_BATCH, BLANK_JOB

SCRIPTS = Path(results.__file__).parent / "static" / "js"
RELIEF_CODES = {
    template.code
    for template in vars(failure_messages).values()
    if isinstance(template, FailureTemplate) and template.hint == failure_messages.RELIEF_HINT
}
"""Codes of the embedded engine's failures whose advice is a relief card."""


@pytest.mark.parametrize(
    ("measured", "text"),
    [
        (None, "about 2 s"),
        ((1.2, 1.4), "about 1 s"),
        ((1.2, 4.0), "1–4 s"),
        ((38.0, 83.0), "40–80 s"),
        ((61.0, 185.0), "1–3 min"),
        ((118.0, 121.0), "about 2 min"),
    ],
)
def test_usual_times_are_measured_ranges(measured, text):
    """A range in seconds or minutes where it was measured, the catalogue's word before."""
    assert usual_time(SPEC, measured) == text


def test_usual_time_needs_five_jobs():
    """Eight of ten lie between the two times; fewer than five jobs tell nothing."""
    measured = [("slow", float(seconds)) for seconds in range(1, 12)] + [("rare", 1.0)] * 4
    assert usual_times(measured) == {"slow": (2.0, 10.0)}


@pytest.mark.parametrize(("zone", "hour"), [("UTC", "14:13"), ("America/New_York", "10:13")])
def test_moments_are_named_as_people_name_them(zone: str, hour: str):
    """Today and yesterday by name, other days by their date, with the year where it is another, on their own clock."""
    now = 1_790_000_000  # 21 September 2026, 14:13 UTC
    asked = [now - days * 86_400 for days in (0, 1, 10, 400)]
    script = (
        f'import {{ localMoment }} from "{SCRIPTS / "page.js"}";'
        f"console.log(JSON.stringify({asked}.map((moment) => localMoment(moment, {now}000))))"
    )
    done = subprocess.run(
        ["node", "--input-type=module", "-e", script],
        env={**os.environ, "TZ": zone}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert json.loads(done.stdout) == [
        f"Today, {hour}",
        f"Yesterday, {hour}",
        f"11 Sept, {hour}",
        f"17 Aug 2025, {hour}",
    ]


def test_finished_batch_shows_its_actual_cost():
    """Two of three made: so many models, and what they have cost, stand above the button."""
    pictures = [Picture(Path(f"{number}.png"), f"{number}.png") for number in range(3)]
    wanted = order.Order(pictures, Decimal("0.3"), Decimal("0.3"))
    made = replace(BLANK_BATCH, state="done", counts=Counts(3, 2, 1, 0, 0), cost=Cost(0.9, 0.6, 0.0))
    html = order.cost_html(wanted, ("Try another generator", True), made=made, done="Made.")
    assert "<b>2 models</b><b>$0.60</b>" in html
    none = replace(BLANK_BATCH, state="failed", counts=Counts(3, 0, 3, 0, 0), cost=Cost(0.9, 0.0, 0.9))
    html = order.cost_html(wanted, ("Try another generator", True), made=none, done="Nothing was made.")
    assert "<b>No models</b><b>$0.00 to $0.90</b>" in html


def test_admins_data_adds_up():
    """The kinds of files on the tile of the data make up its sum; links in Gradio's cache are not counted twice."""
    sizes = {"uploads": 470_000, "results": 8_400_000, "exports": 30_000, "logs": 20_000, "database": 900_000}
    kinds = {**{kind: {"size": size} for kind, size in sizes.items()}, "cache": {"size": 8_400_000}}
    disk = Disk({"kinds": kinds, "data_bytes": sum(sizes.values())}, [0])
    _, kept, _ = _disk_tiles({"disk_free_bytes": 60e9, "disk_used_bytes": 40e9}, disk)
    assert (kept.value, kept.note) == ("9.8 MB", "meshes 8.4 MB, database 900 kB, pictures 470 kB, the rest 50 kB")


@pytest.mark.parametrize(
    ("number", "text"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (22, "22nd")]
)
def test_places_in_line(number: int, text: str):
    """Ordinals end as in English."""
    assert results.ordinal(number) == text


def test_running_seconds_and_those_to_come():
    """A stopwatch counts exactly, an estimate does not pretend to."""
    assert [templating.stopwatch(value) for value in (41.9, 725, 3725)] == ["0:41", "12:05", "1:02:05"]
    assert [templating.seconds_left(value) for value in (1, 38, 89, 150)] == ["5 s", "40 s", "90 s", "2 min"]


@pytest.mark.parametrize("code", sorted(RELIEF_CODES))
def test_advice_to_make_a_relief_card_has_its_button(code: str):
    """A failure that advises a relief card has a button to make one."""
    failure = Failure(code, "Something.", failure_messages.RELIEF_HINT, retryable=False)
    buttons = results.remedy_buttons(replace(BLANK_JOB, state="failed", error=failure))
    assert ("Make a relief card", "relief", "") in buttons


def test_buttons_belong_to_codes_that_are_raised():
    """No row of the table of buttons is for a code that the engine does not know."""
    assert set(results.REMEDY_BUTTONS) == RELIEF_CODES
