"""Pictures judged before they are paid for: cut-outs and warnings."""

from __future__ import annotations

import asyncio
import io
import queue
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import httpx
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter
from starlette.responses import JSONResponse

from image2model.generators.local import segment, warm_up
from image2model.generators.local.cutout import MARGIN, Inspection, cut_out, inspect
from image2model.generators.local.worker import generate
from image2model.images.decoding import Source
from image2model.process_pool import WorkerPool
from image2model.services import Picture, Services, SubmitRequest
from image2model.web.middleware.upload_guard import UploadGuardMiddleware
from image2model.web.ui.object_grouping import NO_OVERRIDES
from image2model.web.ui.picture_cache import PictureCache
from image2model.web.ui.pictures import Pictures
from tests.support.pictures import decoded, encoded
from tests.support.scripted import ScriptedGenerator, finished, scripted_settings

CUP = Path(__file__).parents[2] / "examples" / "mug.jpg"


def saved(folder: Path, image: Image.Image) -> Path:
    """The image as a PNG file."""
    path = folder / "picture.png"
    path.write_bytes(encoded(image))
    return path


def two_balls() -> Image.Image:
    """Two things of one size, far apart."""
    image = Image.new("RGB", (900, 500), (235, 235, 235))
    draw = ImageDraw.Draw(image)
    draw.ellipse((80, 120, 330, 370), fill=(180, 40, 40))
    draw.ellipse((560, 120, 810, 370), fill=(40, 60, 160))
    return image


def without_background(image: Image.Image) -> Image.Image:
    """The image with the colour of its corner made transparent."""
    background = image.getpixel((0, 0))
    pixels = np.asarray(image)
    alpha = np.where((pixels == background).all(axis=2), 0, 255).astype(np.uint8)
    return Image.fromarray(np.dstack([pixels, alpha]))


@pytest.mark.parametrize(
    ("make", "warnings"),
    [
        (lambda cup: cup, ()),
        (lambda cup: cup.filter(ImageFilter.GaussianBlur(10)), ("blurred",)),
        (lambda cup: cup.resize((100, 100)), ("small",)),
        (lambda cup: two_balls(), ("several_subjects",)),
        (lambda cup: without_background(two_balls()), ("several_subjects",)),
        (lambda cup: Image.new("RGB", (300, 300), (120, 120, 120)), ("no_subject",)),
    ],
    ids=["good", "blurred", "small", "several", "several cut out", "none"],
)
def test_a_picture_that_will_likely_fail_is_warned_of(make, warnings):
    """A blurred, a tiny, a crowded and an empty picture each get their own warning, a good one none."""
    with Image.open(CUP) as cup:
        inspection = inspect(encoded(make(cup.convert("RGB"))))
    assert inspection.warnings == warnings
    assert (inspection.cutout is None) == ("no_subject" in warnings)


def test_the_network_runs_once_for_the_inspection_of_a_picture_and_its_generation(tmp_path: Path, monkeypatch):
    """The network's answer for an inspection is used again for the cut-out and for the model."""
    with Image.open(CUP) as cup:
        picture = saved(tmp_path, cup.resize((1500, 1500)))
    inspect(picture.read_bytes())
    monkeypatch.setattr(segment, "inference_session", None)  # whoever runs the network now fails
    cut_out(picture, tmp_path / "cutout.png")
    generate(picture, tmp_path / "model.glb", tmp_path / "progress", {}, None)
    assert (tmp_path / "model.glb").read_bytes().startswith(b"glTF")


@pytest.mark.parametrize("size", [(900, 500), (2400, 1600)])
def test_the_mask_lies_over_the_picture(size: tuple[int, int]):
    """A brush that corrects the cut-out begins where the subject was found: same shape, at most 512 pixels long."""
    image = Image.new("RGBA", size, (0, 0, 0, 0))
    left, top, right, bottom = (round(share * size[axis % 2]) for axis, share in enumerate((0.1, 0.2, 0.5, 0.9)))
    image.paste((200, 60, 60, 255), (left, top, right, bottom))
    with Image.open(io.BytesIO(inspect(encoded(image)).mask)) as mask:
        opaque = mask.getchannel("A").point(lambda alpha: 255 * (alpha > 127)).getbbox()
        assert max(mask.size) == 512
        assert mask.width / mask.height == pytest.approx(size[0] / size[1], rel=0.01)
        shares = [edge / mask.size[axis % 2] for axis, edge in enumerate(opaque)]
    assert shares == pytest.approx([0.1, 0.2, 0.5, 0.9], abs=0.01)


@pytest.mark.parametrize("data", [b"", b"no picture", encoded(two_balls())[:3000]])
async def test_inspection_ignores_files_that_are_no_picture(services: Services, tmp_path: Path, data: bytes):
    """Files that will be refused anyway have neither warnings nor cut-out."""
    (tmp_path / "broken.png").write_bytes(data)
    assert await services.picture_checks.inspect(tmp_path / "broken.png") == Inspection((), None)


async def test_animation_is_accepted_with_a_note(services: Services, tmp_path: Path):
    """The first frame of an animation is used, with a note on the page and a warning in the batch's answer."""
    path = tmp_path / "cup.png"
    with Image.open(CUP) as cup:
        path.write_bytes(encoded(cup, save_all=True, append_images=[cup.rotate(90)]))
    assert (await services.picture_checks.inspect(path)).warnings == ("first_frame",)
    batch = await services.submit(SubmitRequest([Picture(path, "cup.png")]))
    (warning,) = await services.picture_checks.warnings(batch)
    assert (warning["name"], warning["code"]) == ("cup.png", "first_frame")
    assert await services.picture_checks.notes(batch) == [f"cup.png: {warning['message']}"]


async def test_a_picture_is_decoded_once_between_drop_and_submit(services: Services, tmp_path: Path, monkeypatch):
    """A picture checked when it was dropped is not decoded again by the submission, even under another name."""
    with Image.open(CUP) as cup:
        (tmp_path / "dropped.png").write_bytes(encoded(cup))
    (tmp_path / "again.png").write_bytes((tmp_path / "dropped.png").read_bytes())
    assert [image.name async for image in services.uploads.check([tmp_path / "dropped.png"])] == ["dropped.png"]
    monkeypatch.setattr(Source, "decode", None)  # whoever decodes now fails
    batch = await services.submit(SubmitRequest([Picture(tmp_path / "again.png", "again.png")]))
    assert [job.name for job in batch.jobs] == ["again.png"]


async def test_an_upload_is_checked_while_others_arrive(services: Services, tmp_path: Path, monkeypatch):
    """A file that Gradio has taken is decoded at once, and not again for the submission, after which none is kept."""
    path, decodings = tmp_path / "cup.png", queue.SimpleQueue[None]()
    with Image.open(CUP) as cup:
        path.write_bytes(encoded(cup))
    decode = Source.decode
    monkeypatch.setattr(Source, "decode", lambda *args: (decodings.put(None), decode(*args))[1])
    guard = httpx.ASGITransport(UploadGuardMiddleware(JSONResponse([str(path)]), services))
    async with httpx.AsyncClient(transport=guard, base_url="http://localhost") as client:
        await client.post("/gradio_api/upload")
    await asyncio.to_thread(decodings.get, timeout=10)
    await services.submit(SubmitRequest([Picture(path, "cup.png")]))
    assert decodings.empty()
    await services.submit(SubmitRequest([Picture(path, "cup.png")]))
    assert decodings.qsize() == 1


def test_a_cut_out_is_square_centred_and_white_where_it_is_clear(tmp_path: Path):
    """The subject lies in the middle with a tenth of the side free, its longer side to the margins on both ends."""
    cut_out(CUP, tmp_path / "cutout.png")
    image = decoded((tmp_path / "cutout.png").read_bytes())
    assert (image.mode, image.width) == ("RGBA", image.height)
    left, top, right, bottom = image.getchannel("A").getbbox()
    assert max(right - left, bottom - top) == pytest.approx(image.width * (1 - 2 * MARGIN), abs=2)
    assert abs(left - (image.width - right)) <= 1
    assert abs(top - (image.height - bottom)) <= 1
    pixels = np.asarray(image)
    assert (pixels[pixels[..., 3] == 0][:, :3] == 255).all()


async def test_cut_out_choice_is_stored_with_the_batch(tmp_path: Path, pool: WorkerPool):
    """Cut out, the generator gets the subject alone, or, where there is none, the whole picture; else always that."""
    generator = ScriptedGenerator()
    services = Services(scripted_settings(tmp_path / "data"), [generator], pool)
    await services.start()
    fog = saved(tmp_path, Image.new("RGB", (300, 300), (120, 120, 120)))
    pictures = [Picture(CUP, "cup.jpg"), Picture(fog, "fog.png")]
    batch = await services.submit(SubmitRequest(pictures, cut_out=True))
    view = await finished(services, batch.id)
    assert (view.state, view.cut_out) == ("done", True)
    assert {task.image.parent.name: task.image.name for task in generator.runs} == {
        "1-cup": "cutout.png", "2-fog": "input.png",
    }  # fmt: skip
    assert [(refusal["name"], refusal["code"]) for refusal in await services.picture_checks.warnings(batch)] == [
        ("fog.png", "no_subject")
    ]
    plain = await services.submit(SubmitRequest(pictures[:1]))
    assert (await finished(services, plain.id)).cut_out is False
    assert generator.runs[-1].image.name == "input.jpg"
    await services.close()


async def test_concurrent_inspections_share_one_result(tmp_path: Path, pool: WorkerPool):
    """A picture is inspected once for simultaneous callers; a caller that leaves does not stop it for the others."""
    services = Services(scripted_settings(tmp_path / "data"), [ScriptedGenerator()], pool)
    gone, first, second = (asyncio.create_task(services.picture_checks.inspect(CUP)) for _ in range(3))
    await asyncio.sleep(0.05)
    gone.cancel()
    assert await first is await second is await services.picture_checks.inspect(CUP)
    assert (await first).cutout
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_tile_shows_checking_until_its_inspection_ends(services: Services, tmp_path: Path):
    """A tile appears at once with “Checking…”, and shows the result when the inspection ends."""
    with gr.Blocks():
        pictures = Pictures(services, PictureCache())
    with Image.open(CUP) as cup:
        images = [(str(saved(tmp_path, cup)), None)]
    request = SimpleNamespace(session_hash="a page")
    shown = pictures.show(images, [], NO_OVERRIDES, False, "scripted", "", request)
    first, second = [tiles async for _, tiles in shown]
    assert "Checking…" in first
    assert "Ready" in second
    assert "Checking…" not in second


async def test_tile_says_that_its_inspection_takes_long_and_tries_again(services, tmp_path: Path, monkeypatch):
    """A tile without a free worker in time says that it takes long, and the next attempt shows the result."""
    monkeypatch.setattr("image2model.services.picture_checks.INSPECTION_SECONDS", 0.001)
    monkeypatch.setattr("image2model.web.ui.pictures.INSPECTION_PAUSE", 0)
    with gr.Blocks():
        pictures = Pictures(services, PictureCache())
    with Image.open(CUP) as cup:
        images = [(str(saved(tmp_path, cup)), None)]
    shown = pictures.show(images, [], NO_OVERRIDES, False, "scripted", "", SimpleNamespace(session_hash="a page"))
    assert "Checking…" in (await anext(shown))[1]
    assert "Takes long; tried again soon" in (await anext(shown))[1]
    monkeypatch.undo()
    assert "Ready" in (await anext(shown))[1]


async def test_picture_that_comes_alone_is_shown_with_its_verdict(services: Services, tmp_path: Path, monkeypatch):
    """The first of a drop, which the page sends before the others, need not be asked for again."""
    monkeypatch.setattr("image2model.web.ui.pictures.FIRST_VERDICT_SECONDS", 60)
    with gr.Blocks():
        pictures = Pictures(services, PictureCache())
    with Image.open(CUP) as cup:
        images = [(str(saved(tmp_path, cup)), None)]
    assert await pictures.check_arrived(images, []) == ([images[0][0]], [None])
    shown = pictures.show(images, [], NO_OVERRIDES, False, "scripted", "", SimpleNamespace(session_hash="a page"))
    assert ["Ready" in tiles async for _, tiles in shown] == [True]


async def test_workers_are_warmed_up_once_for_many_visitors(services: Services, monkeypatch: pytest.MonkeyPatch):
    """Pages that are opened one after the other keep the workers busy no longer than the first one."""
    asked = []

    async def run(function, *args, seconds=60):
        asked.append(function)

    monkeypatch.setattr(services.workers, "run", run)
    for _ in range(10):
        await services.picture_checks.warm_up()
    assert asked == [warm_up] * services.workers.processes
