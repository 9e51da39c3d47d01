"""Money that is spent once: idempotency keys, what a retry costs, and a board that holds all of the ledger."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from image2model.errors import Conflict, GenerationFailed, NotFound, OptionRefused
from image2model.generators.base import Running, Submitted, Submitting
from image2model.generators.failure_rules import COMMON_RULES
from image2model.jobs.db import queries, submissions
from image2model.services import Caller, Picture, Services, SubmitRequest
from image2model.web.rest.app import create_app
from tests.support.scripted import ScriptedGenerator, finished, picture

ANN = Caller(visitor="ann")


@pytest.fixture
def request_(uploads: Path) -> SubmitRequest:
    """A request for two pictures, with a key."""
    pictures = [picture(uploads, "a.png"), picture(uploads, "b.png", "blue")]
    return SubmitRequest(pictures, options={"detail": "low"}, idempotency_key="one")


async def purchases(services: Services) -> int:
    """Number of purchases in the ledger."""
    return sum(row["images"] for row in await services.admin.spending("generator"))


async def test_eight_equal_requests_at_once_make_one_batch(services, request_):
    """All eight get its id, each picture is bought once, and nothing of the seven others stays on the disk."""
    made = await asyncio.gather(*(services.submit(request_, ANN) for _ in range(8)))
    assert len({batch.id for batch in made}) == 1
    await finished(services, made[0].id)
    assert await purchases(services) == 2
    assert [folder.name for folder in services.folders.batches.iterdir()] == [made[0].id]


async def test_repeated_request_returns_its_batch_even_after_a_failure(services, generator, request_):
    """Failed, done or under a generator that is gone meanwhile: the key answers with what it has made."""
    generator.script = lambda task: [GenerationFailed("no_subject", "There is no subject.")]
    batch = await services.submit(request_, ANN)
    await finished(services, batch.id)
    generator.unavailable = "It is away."
    assert (await services.submit(request_, ANN)).id == batch.id
    assert await purchases(services) == 2


async def test_an_upload_that_was_swept_away_is_refused_by_its_name(services, request_):
    """A picture whose upload has been swept away is refused by its name, and the others are made."""
    request_.pictures[0].path.unlink()
    batch = await services.submit(request_, ANN)
    view = await services.view(batch.id)
    assert [(refusal.name, refusal.code) for refusal in view.rejected] == [("a.png", "unreadable")]
    assert [job.name for job in view.jobs] == ["b.png"]


@pytest.mark.parametrize(
    "other",
    [
        lambda request, uploads: replace(request, pictures=request.pictures[:1]),
        lambda request, uploads: replace(request, pictures=request.pictures[::-1]),
        lambda request, uploads: replace(request, pictures=[picture(uploads, "a.png", "green"), request.pictures[1]]),
        lambda request, uploads: replace(request, pictures=[renamed(request.pictures[0]), request.pictures[1]]),
        lambda request, uploads: replace(request, options={"detail": "high"}),
        lambda request, uploads: replace(request, face_limit=100),
        lambda request, uploads: replace(request, cut_out=True),
    ],
)
async def test_a_key_with_other_contents_is_refused(services, request_, uploads, other: Callable[..., SubmitRequest]):
    """Another picture, order, name, option, face limit or cut-out under a used key starts nothing."""
    await services.submit(request_, ANN)
    with pytest.raises(Conflict) as refused:
        await services.submit(other(request_, uploads), ANN)
    assert refused.value.code == "idempotency_key_reused"
    assert await purchases(services) == 2


def renamed(original: Picture) -> Picture:
    """The same bytes under another name."""
    return Picture(original.path, "c.png")


async def test_equal_contents_are_recognised_in_other_files(services, request_, tmp_path):
    """Uploaded again, the same bytes lie elsewhere; a default that is written out is the same choice."""
    batch = await services.submit(request_, ANN)
    copies = [
        Picture(Path(shutil.copy(original.path, tmp_path / f"{n}")), original.name)
        for n, original in enumerate(request_.pictures)
    ]
    assert (await services.submit(replace(request_, pictures=copies, options={}), ANN)).id == batch.id


async def test_keys_belong_to_their_callers_and_end_after_a_day(services, request_, monkeypatch):
    """Another visitor's equal key is another key; without one each request is new; after a day a key is free again."""
    first = await services.submit(request_, ANN)
    assert (await services.submit(request_, Caller(visitor="bob"))).id != first.id
    keyless = replace(request_, idempotency_key="")
    assert (await services.submit(keyless, ANN)).id != (await services.submit(keyless, ANN)).id
    monkeypatch.setattr(submissions, "DAY", -1.0)
    time.sleep(0.01)  # noqa: ASYNC251  moments of two requests differ
    assert (await services.submit(request_, ANN)).id != first.id


async def test_idempotency_key_of_a_deleted_batch_buys_nothing(services, request_):
    """Repeating the request of a deleted batch raises NotFound and buys nothing."""
    batch = await services.submit(request_, ANN)
    await services.delete(batch.id)
    with pytest.raises(NotFound):
        await services.submit(request_, ANN)
    assert await purchases(services) == 2


async def test_a_request_that_was_refused_leaves_its_key_free(services, request_, uploads):
    """A limit or a bad picture stores nothing, so the same key works once that is corrected."""
    bad = uploads / "bad"
    bad.write_bytes(b"no picture")
    with pytest.raises(Exception, match="None of these pictures"):
        await services.submit(replace(request_, pictures=[Picture(bad, "bad.png")]), ANN)
    assert (await services.submit(request_, ANN)).jobs


@pytest.mark.parametrize("key", ["k" * 201, "two words", "schlüssel", "line\nbreak"])
async def test_a_key_that_cannot_be_one_is_refused(services, request_, key):
    """Keys are visible ASCII, at most 200 characters."""
    with pytest.raises(OptionRefused):
        await services.submit(replace(request_, idempotency_key=key), ANN)


async def test_rest_reads_the_header(services, request_):
    """The same upload with the same Idempotency-Key answers with the same ids; other contents are a 409."""
    app = httpx.ASGITransport(create_app(services))
    async with httpx.AsyncClient(transport=app, base_url="http://app/api/v1") as client:

        async def post(*names: str) -> httpx.Response:
            data = request_.pictures[0].path.read_bytes()
            files = [("files", (name, data, "image/png")) for name in names]
            return await client.post("/upload", files=files, headers={"Idempotency-Key": "k-1"})

        first, second, other = await post("a.png"), await post("a.png"), await post("b.png")
    assert first.json() == second.json()
    assert (other.status_code, other.json()["error_code"]) == (409, "idempotency_key_reused")


def failing(code: str) -> list[Any]:
    """A job that is taken and runs, and then fails with this code."""
    return [Submitting(), Submitted({"request_id": "r"}), Running(), GenerationFailed(code, "It failed.")]


async def test_page_total_equals_the_ledger(services, generator: ScriptedGenerator, uploads):
    """Amounts possibly billed before a retry stay in the total while the retry runs and afterwards."""
    generator.script = lambda task: failing("nothing_built")
    batch = await services.submit(SubmitRequest([picture(uploads, "a.png")]))
    view = await finished(services, batch.id)
    assert (view.cost.spent, view.cost.uncertain) == (0, 0.3)
    generator.script = lambda task: []
    assert (await services.retry(batch.id)).cost.uncertain == 0.3
    view = await finished(services, batch.id)
    assert (view.cost.spent, view.cost.uncertain) == (0.3, 0.3)
    held = await services._async_store.read(queries.payments, batch.id)
    assert sum(row["amount"] for rows in held.values() for row in rows) == view.cost.spent + view.cost.uncertain
    assert (await services.library(None))[0].cost == view.cost


async def test_view_has_retry_price_and_double_billing_risk(services, generator, uploads):
    """Nothing for a result that can be collected; what was never taken costs its price, and was not billed."""
    collected = next(code for code, rules in COMMON_RULES.items() if rules.collectable != "never" and not rules.retry)
    scripts = {
        "billed.png": failing("nothing_built"), "refused.png": [GenerationFailed("no_subject", "No subject.")],
        "kept.png": failing(collected), "done.png": [],
    }  # fmt: skip
    generator.script = lambda task: scripts[f"{task.image.parent.name.partition('-')[2]}.png"]
    batch = await services.submit(SubmitRequest([picture(uploads, name) for name in scripts]))
    view = await finished(services, batch.id)
    prices = {job.name: (job.retry_price, job.retry_may_be_billed_twice) for job in view.jobs}
    assert prices == {
        "billed.png": (0.3, True), "refused.png": (0.3, False), "kept.png": (0.0, False), "done.png": (None, False),
    }  # fmt: skip
    assert (view.retry_price, view.retry_may_be_billed_twice) == (0.6, True)
