"""A new provider is a new folder beside `fal` and `local` and nothing else, through everything that a job strikes."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from image2model import generators
from image2model.generators.providers import failure_rules, providers, rules_of
from image2model.process_pool import WorkerPool
from image2model.services import Services, SubmitRequest
from tests.support.scripted import finished, picture, scripted_settings

FOLDER = Path(__file__).parents[1] / "support" / "more_generators"
COLOURS = {"cold.png": "red", "cracked.png": "green", "stuck.png": "blue", "unpaid.png": "black", "fine.png": "white"}


@pytest.fixture
async def services(tmp_path: Path, pool: WorkerPool, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Services]:
    """Services that find one more folder among its providers'."""
    monkeypatch.setattr(generators, "__path__", [*generators.__path__, str(FOLDER)])
    for cached in (providers, failure_rules):
        cached.cache_clear()
    services = Services(scripted_settings(tmp_path / "data", generator="kiln"), workers=pool)
    await services.start()
    yield services
    await services.close()
    sys.modules.pop("image2model.generators.kiln")
    monkeypatch.undo()
    for cached in (providers, failure_rules):
        cached.cache_clear()


async def test_a_second_provider_is_a_folder_and_nothing_else(services: Services, uploads: Path):
    """A second provider's jobs are submitted, retried, collected, billed, described and retried by a person."""
    pictures = [picture(uploads, name, colour) for name, colour in COLOURS.items()]
    batch = await services.submit(SubmitRequest(pictures, options={"glaze": True}))
    view = await finished(services, batch.id)
    jobs = {job.name: job for job in view.jobs}
    ended = {name: job.error.code if job.error else job.state for name, job in jobs.items()}
    assert ended == {
        "cold.png": "done", "cracked.png": "kiln_cracked", "stuck.png": "done", "unpaid.png": "kiln_unpaid",
        "fine.png": "done",
    }  # fmt: skip

    # Tried again: what went cold was submitted anew; what was behind a stuck door was collected, not bought twice.
    state = services.generator().state  # type: ignore[attr-defined]
    tickets = [ticket.split()[0] for ticket in state.fired]
    assert sorted(tickets) == ["blue", "red", "white"]
    assert next(state.numbers) == 5  # red twice, green, blue and white once
    assert (jobs["cold.png"].attempt, jobs["stuck.png"].attempt, jobs["fine.png"].attempt) == (2, 2, 1)

    # The ledger: paid for what was fired, perhaps for what cracked, nothing for what was never taken.
    details = await services.admin.batch_details(batch.id)
    paid = {job.view.name: [(row["state"], row["amount"]) for row in job.paid] for job in details.jobs}
    assert paid == {
        "cold.png": [("charged", 0.5)], "cracked.png": [("maybe", 0.5)], "stuck.png": [("charged", 0.5)],
        "unpaid.png": [("free", 0.0)], "fine.png": [("charged", 0.5)],
    }  # fmt: skip

    # What helps, and who is told: the visitor cannot pay the host's wood.
    assert jobs["cracked.png"].action is None
    assert jobs["unpaid.png"].action["kind"] == "key"
    (notice,) = (await services.admin.overview())["attention"]
    assert (notice["code"], notice["hint"], notice["count"]) == ("kiln_unpaid", "Pay for it.", 1)
    assert (await services.admin.remote_status())["faults"] == 0

    await services.retry(batch.id, [jobs["cracked.png"].number])
    again = await finished(services, batch.id)
    assert again.jobs[1].error.code == "kiln_cracked"
    (row,) = [job.paid for job in (await services.admin.batch_details(batch.id)).jobs if job.view.name == "cracked.png"]
    assert [entry["state"] for entry in row] == ["maybe", "maybe"]


async def test_the_generators_of_all_providers_are_on_offer(services: Services):
    """The embedded engine first, then the folders by name; a code of one is known to all that decide by codes."""
    names = list(services.generators)
    assert (names[0], names[-1]) == ("local", "kiln")
    assert rules_of("kiln_cold").retry
    assert not rules_of("kiln_cold").billed
