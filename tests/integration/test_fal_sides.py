"""Several sides of one object as one job of fal, over real HTTP."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from image2model.devtools.fal_stand_in import Fault
from image2model.devtools.fal_stand_in.files import picture_crc
from image2model.devtools.fal_stand_in.schemas import ENDPOINTS
from image2model.errors import GenerationFailed
from image2model.generators.base import Finished, Submitted, Submitting
from tests.support.fal_helpers import MODELS, failure, fal_generator, gltf, run, task
from tests.support.fal_server import FalServer

SEVERAL = [name for name, model in MODELS.items() if model.spec.sides]


def sent_pictures(fal: FalServer) -> list[int]:
    """The marks of the pictures that the only job names, in the order of its fields."""
    job = fal.job()
    fields = [name for name in job.arguments if name in ENDPOINTS[job.endpoint].image_fields]
    values = [job.arguments[name] for name in fields]
    urls = [url for value in values for url in (value if isinstance(value, list) else [value])]
    return [picture_crc(fal.files[url.removeprefix(f"{fal.url}/files/")][1]) for url in urls]


@pytest.mark.parametrize("model", SEVERAL)
async def test_several_sides_are_one_job_with_each_picture_uploaded_once(fal: FalServer, tmp_path: Path, model: str):
    """Four pictures make four uploads, one submit, one paid job, and one mesh made of the front."""
    generator = fal_generator(fal, model)
    work = task(tmp_path, generator, sides=generator.spec.sides[1:])
    *_, end = await run(generator, work)
    assert isinstance(end, Finished)
    assert gltf(end.glb)["asset"]["extras"]["picture"] == picture_crc(work.image.read_bytes())
    pictures = {"front": work.image, **work.sides}
    assert sent_pictures(fal) == [picture_crc(pictures[side].read_bytes()) for side in generator.spec.sides]
    assert (fal.calls["upload"], fal.calls["submit"], len(fal.paid)) == (4, 1, 1)
    assert (fal.job().endpoint, fal.job().errors) == (MODELS[model].endpoint_for(multiview=True), [])
    assert fal.leaks == []


async def test_a_side_that_cannot_be_uploaded_leaves_nothing_to_pay(fal: FalServer, tmp_path: Path):
    """No job is submitted if the third picture does not arrive."""
    generator = fal_generator(fal)
    fal.faults["upload"].extend([Fault("trickle", seconds=0), Fault("trickle", seconds=0)])
    fal.faults["upload"].extend([Fault("answer", 403, {"detail": "no"})] * 3)
    fal.faults["initiate"].extend([Fault("answer", 403, {"detail": "no"})] * 3)
    await failure(generator, task(tmp_path, generator, sides=("back", "left")))
    assert fal.jobs == {}


async def test_a_submit_of_several_sides_without_an_answer_is_found_again(fal: FalServer, tmp_path: Path):
    """The job is found by its front picture in the request list of the multi-view endpoint, and not submitted again."""
    generator = fal_generator(fal)
    fal.faults["submit"].append(Fault("drop_after"))
    running = generator.run(task(tmp_path, generator, sides=("back",)))
    _, submitting = await anext(running), await anext(running)
    with pytest.raises(GenerationFailed, match="may have taken"):
        await anext(running)
    assert isinstance(submitting, Submitting)
    remote = await generator.find(submitting.intent)
    assert remote is not None
    assert (remote["request_id"], remote["endpoint"]) == (fal.job().id, "tripo3d/tripo/v2.5/multiview-to-3d")
    more = await run(fal_generator(fal), task(tmp_path / "again", generator, remote=remote))
    assert isinstance(more[-1], Finished)
    assert not any(isinstance(event, Submitted) for event in more)
    assert len(fal.jobs) == 1


async def test_job_of_several_sides_costs_the_price_of_its_endpoint(fal: FalServer, tmp_path: Path):
    """The price per unit is that of the endpoint for several sides, not of that for a single picture."""
    generator = fal_generator(fal, "meshy-v6")
    fal.prices["fal-ai/meshy/v6/multi-image-to-3d"] = 0.9
    await generator.refresh()
    *_, end = await run(generator, task(tmp_path, generator, sides=("back",)))
    assert end.cost == Decimal("0.9")


async def test_only_one_picture_is_accepted_while_the_multiview_endpoint_is_unavailable(fal: FalServer):
    """An endpoint that fal has dropped takes the sides away and leaves the model."""
    generator = fal_generator(fal)
    assert generator.spec.sides
    fal.endpoints.pop("tripo3d/tripo/v2.5/multiview-to-3d")
    await generator.refresh()
    await generator.close()
    assert (generator.spec.sides, generator.unavailable) == ((), "")
    assert fal_generator(fal, "rodin").spec.sides
