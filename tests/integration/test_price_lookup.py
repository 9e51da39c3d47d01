"""Prices and what is on offer are looked up at fal in the background, and shown in every answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from image2model.devtools.fal_stand_in import KEY, Fault
from image2model.errors import Unavailable
from image2model.process_pool import WorkerPool
from image2model.services import Picture, Services, SubmitRequest
from image2model.settings import Settings
from image2model.web.gradio_api import GradioApi
from image2model.web.ui.controls import picker_value
from tests.support.fal_server import FalServer
from tests.support.pictures import encoded, photo
from tests.support.waiting import wait_until_async

TRELLIS, TRIPOSR = "fal-ai/trellis", "fal-ai/triposr"


@pytest.fixture
def start(fal: FalServer, tmp_path: Path, pool: WorkerPool) -> Callable[..., Any]:
    """Start the services on the stand-in."""

    @asynccontextmanager
    async def starting(**more: Any) -> AsyncIterator[Services]:
        settings = Settings(
            data_dir=tmp_path / "data", fal_key=KEY, fal_host=fal.url, generator="trellis", workers=1,
            min_free_gb=0, _env_file=None, **more,
        )  # fmt: skip
        services = Services(settings, workers=pool)
        await services.start()
        try:
            yield services
        finally:
            await services.close()

    return starting


async def listed_and_shown(services: Services, name: str) -> tuple[dict, dict]:
    """A generator as the API lists it and as the page shows it."""
    (listed,) = [item for item in await GradioApi(services).list_generators() if item["id"] == name]
    (shown,) = [item for item in picker_value(services)["items"] if item["id"] == name]
    return listed, shown


async def test_prices_are_fetched_at_the_start_and_shown_everywhere(fal: FalServer, start: Callable[..., Any]):
    """A price that fal has raised is on the page, in the list for programs and in a batch's estimate."""
    fal.unit, fal.prices[TRELLIS] = "generations", 0.07
    async with start() as services:
        await wait_until_async(
            lambda: services.generator("trellis").spec.price(services.generator().spec.check(None, None)) > 0.05
        )
        listed, shown = await listed_and_shown(services, "trellis")
        assert (listed["price"], shown["price"], shown["off"]) == (0.07, "$0.07", False)
        assert fal.calls["models"] == fal.calls["pricing"] == 1
    assert fal.leaks == []


async def test_ended_models_are_marked_unavailable(fal: FalServer, start: Callable[..., Any], tmp_path: Path):
    """A deprecated and a vanished model are off, each with its own reason, and refused before anything is stored."""
    fal.deprecated.add(TRELLIS)
    del fal.endpoints[TRIPOSR]
    (picture := tmp_path / "a.png").write_bytes(encoded(photo(48, 40)))
    async with start() as services:
        await wait_until_async(lambda: services.generator("triposr").unavailable)
        for name, words in (("trellis", "TRELLIS"), ("triposr", "TripoSR")):
            listed, shown = await listed_and_shown(services, name)
            reason = f"fal no longer offers {words}."
            assert (listed["available"], listed["unavailable_reason"]) == (False, reason)
            assert (shown["off"], shown["good_at"]) == (True, reason)
        assert not (await listed_and_shown(services, "tripo-v2.5"))[1]["off"]
        with pytest.raises(Unavailable, match="no longer offers"):
            await services.submit(SubmitRequest([Picture(picture, "a.png")]))
        assert fal.calls["token"] == fal.calls["submit"] == 0


@pytest.mark.parametrize(
    "fault",
    [
        Fault("drop_before"),
        Fault("answer", 401, {"error": {"type": "authorization_error", "message": "no"}}),
        Fault("answer", 500, "oops"),
        Fault("answer", 200, "<html>"),
        Fault("answer", 200, {"models": [{"metadata": 1}], "prices": [{"endpoint_id": TRELLIS}]}),
        Fault("truncate"),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status}",
)
@pytest.mark.parametrize("operation", ["models", "pricing"])
async def test_catalogue_prices_are_used_without_an_answer(
    fal: FalServer, start: Callable[..., Any], operation: str, fault: Fault
):
    """For each wrong answer to the list or the prices, all models stay available at their recorded prices."""
    fal.unit, fal.prices[TRELLIS] = "generations", 0.07
    fal.faults[operation].append(fault)
    async with start() as services:
        await wait_until_async(lambda: fal.calls[operation])
        await asyncio.sleep(0.1)
        listed, _ = await listed_and_shown(services, "trellis")
        assert (listed["price"], listed["available"]) == (0.02, True)


async def test_startup_does_not_wait_for_prices(fal: FalServer, start: Callable[..., Any]):
    """While fal's list hangs the services start, and they close without waiting for it."""
    fal.faults["models"].append(Fault("hang", seconds=30))
    async with start() as services:
        await wait_until_async(lambda: fal.calls["models"])
        assert (await listed_and_shown(services, "trellis"))[0]["available"]
