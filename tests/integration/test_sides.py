"""Several sides of one object as one job, through the services: accepted, sent, stored, refused, retried."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import text

from image2model.errors import GenerationFailed, ImageRefused, NotFound, OptionRefused, PicturesRefused
from image2model.file_names import group_by_object
from image2model.generators.base import SIDES
from image2model.jobs.db.connection import connect, migrate
from image2model.jobs.db.store import Store
from image2model.services import Caller, Picture, Services, SubmitRequest, group_sides
from image2model.web.ui.object_grouping import NO_OVERRIDES, decide, objects
from tests.support.pictures import encoded
from tests.support.scripted import ScriptedGenerator, finished, picture, scripted_settings

CUP = Path(__file__).parents[2] / "examples" / "mug.jpg"


@pytest.fixture
def generator() -> ScriptedGenerator:
    """Takes four sides, which cost ten cents more than one picture."""
    scripted = ScriptedGenerator()
    price = lambda params: Decimal("0.40") if params.multiview else Decimal("0.30")  # noqa: E731
    scripted.spec = replace(scripted.spec, sides=SIDES, price=price)
    return scripted


def cup(uploads: Path, *sides: str) -> Picture:
    """A cup's front and other sides, each of another colour."""
    others = {side: picture(uploads, f"cup_{side}.png", "green") for side in sides}
    return replace(picture(uploads, "cup_front.png"), sides=others)


async def test_several_sides_are_one_job_at_its_own_price(services, generator, uploads):
    """Beside a single picture: two jobs, each with its pictures, results named after the object, each its price."""
    batch = await services.submit(SubmitRequest([cup(uploads, "back", "left"), picture(uploads, "cat.png")]))
    view = await finished(services, batch.id)
    assert [(job.filename, job.cost) for job in view.jobs] == [("cup.glb", 0.4), ("cat.glb", 0.3)]
    assert (view.cost.estimate, view.cost.spent, view.counts.total) == (0.7, 0.7, 2)
    first, second = sorted(generator.runs, key=lambda task: task.image.parent.name)
    assert first.image.name == "input.png"
    assert {side: path.name for side, path in first.sides.items()} == {
        "back": "input-back.png", "left": "input-left.png",
    }  # fmt: skip
    assert (first.params.multiview, second.sides, second.params.multiview) == (True, {}, False)
    (paid,) = await services.admin.spending("batch")
    assert (paid["images"], paid["amount"]) == (2, Decimal("0.7"))


async def test_sides_are_served_listed_and_deleted_with_the_batch(services, uploads):
    """The view and the manifest name the sides, their pictures have addresses, and deleting leaves nothing."""
    batch = await services.submit(SubmitRequest([cup(uploads, "back")]))
    (job,) = (await finished(services, batch.id)).jobs
    assert [(side.side, side.name) for side in job.sides] == [
        ("front", "cup_front.png"), ("back", "cup_back.png"),
    ]  # fmt: skip
    for side in job.sides:
        served = await services.file(batch.id, 1, side.picture.rpartition("/")[2])
        assert served.path.read_bytes()[8:12] == b"WEBP"
    assert (await services.file(batch.id, 1, "input-back.png")).media_type == "image/png"
    with pytest.raises(NotFound):
        await services.file(batch.id, 1, "input-left.png")
    archive = zipfile.ZipFile(io.BytesIO(b"".join((await services.archive(batch.id)).chunks)))
    (entry,) = json.loads(archive.read("manifest.json"))["jobs"]
    assert entry["sides"] == [{"side": side.side, "name": side.name} for side in job.sides]
    await services.delete(batch.id)
    assert list(services.folders.batches.iterdir()) == []


async def test_the_cut_out_is_made_of_each_side(services, generator, uploads):
    """Cut out, each side is sent without its background; one without a subject goes as it is."""
    fog = uploads / "fog.png"
    fog.write_bytes(encoded(Image.new("RGB", (300, 300), (120, 120, 120))))
    sides = {"back": Picture(CUP, "cup_back.jpg"), "left": Picture(fog, "cup_left.png")}
    batch = await services.submit(SubmitRequest([Picture(CUP, "cup_front.jpg", sides)], cut_out=True))
    await finished(services, batch.id)
    (task,) = generator.runs
    sent = [task.image.name, *(path.name for path in task.sides.values())]
    assert sent == ["cutout.png", "cutout-back.png", "input-left.png"]
    warned = await services.picture_checks.warnings(batch)
    assert [(refusal["name"], refusal["code"]) for refusal in warned] == [("cup_left.png", "no_subject")]


async def test_sides_survive_a_restart_and_are_sent_again_by_a_retry(tmp_path, generator, uploads, pool):
    """A job that failed before the restart is tried again with all its sides after it, booked a second time once."""
    first = Services(scripted_settings(tmp_path / "data"), [generator], pool)
    await first.start()
    generator.script = lambda task: [GenerationFailed("no_subject", "There is no subject.")]
    batch = await first.submit(SubmitRequest([cup(uploads, "back", "right")]))
    assert (await finished(first, batch.id)).counts.failed == 1
    await first.close()
    second = Services(scripted_settings(tmp_path / "data"), [generator], pool)
    await second.start()
    generator.script = lambda task: []
    await second.retry(batch.id)
    view = await finished(second, batch.id)
    await second.close()
    assert (view.state, view.cost.spent) == ("done", 0.4)
    assert [list(task.sides) for task in generator.runs] == [["back", "right"]] * 2
    assert all(path.is_file() for path in generator.runs[-1].sides.values())


async def test_the_pictures_of_a_job_go_back_to_the_page_as_one_object(services, uploads):
    """Lent for another try with another model, their names say again what they show."""
    batch = await services.submit(SubmitRequest([cup(uploads, "back", "left"), picture(uploads, "cat.jpg")]))
    published = [path.name for path in await services.publish_pictures_to_gradio_cache(batch.id, 1)]
    assert published == ["cup_front.png", "cup_back.png", "cup_left.png"]
    assert group_by_object(published) == [{"front": 0, "back": 1, "left": 2}]
    assert [path.name for path in await services.publish_pictures_to_gradio_cache(batch.id, 2)] == ["cat.png"]
    await finished(services, batch.id)


async def test_object_with_one_refused_side_is_refused_as_a_whole(services, uploads):
    """One side that is no picture leaves the object out, says which and why, and stops no other."""
    broken = cup(uploads, "back", "left")
    broken.sides["left"].path.write_text("not a picture")
    batch = await services.submit(SubmitRequest([broken, picture(uploads, "cat.png")]))
    view = await finished(services, batch.id)
    assert [job.name for job in view.jobs] == ["cat.png"]
    (refusal,) = view.rejected
    assert refusal.name == "cup_left.png"
    assert refusal.message.endswith("So the object of cup_front.png was left out with all its sides.")
    with pytest.raises(ImageRefused, match="None of these"):
        await services.submit(SubmitRequest([broken]))
    with pytest.raises(PicturesRefused):
        await services.submit(SubmitRequest([broken, picture(uploads, "dog.png")], all_or_nothing=True))


async def test_sides_that_a_generator_does_not_take_are_refused_before_anything_is_stored(services, generator, uploads):
    """A generator of one picture, and a missing front, say so; nothing is kept, booked or run."""
    generator.spec = replace(generator.spec, sides=())
    with pytest.raises(OptionRefused, match="takes one picture of each object"):
        await services.submit(SubmitRequest([cup(uploads, "back")]))
    generator.spec = replace(generator.spec, sides=("front", "left", "back"), sides_positional=True)
    with pytest.raises(OptionRefused, match="needs the left too"):
        await services.submit(SubmitRequest([cup(uploads, "back")]))
    assert (generator.runs, list(services.folders.batches.iterdir())) == ([], [])
    assert await services.admin.spending("batch") == []


async def test_every_side_counts_as_a_picture_of_the_batch(services, uploads):
    """Seven objects of four sides are 28 pictures, three too many; for money and per hour they are seven."""
    object_ = cup(uploads, "back", "left", "right")
    with pytest.raises(OptionRefused, match="too many files: 28"):
        await services.submit(SubmitRequest([object_] * 7))


async def test_an_hour_s_images_are_counted_by_object(tmp_path, generator, uploads, pool):
    """Two objects of four sides each count as two towards a visitor's hourly limit."""
    services = Services(scripted_settings(tmp_path / "data", images_per_hour=2), [generator], pool)
    await services.start()
    batch = await services.submit(SubmitRequest([cup(uploads, "back", "left", "right")] * 2), Caller(client="ann"))
    assert (await finished(services, batch.id)).state == "done"
    await services.close()


def named(*names: str) -> list[Picture]:
    """Pictures of these names."""
    return [Picture(Path(name), name) for name in names]


def test_sides_are_grouped_by_name_or_by_request():
    """Sides are grouped by file name or by given numbers, also as JSON text; an object takes its front's place."""
    pictures = named("a.png", "cup_back.png", "cup_front.png", "b.png")
    by_name = group_sides(pictures, "by_name")
    assert [(object_.name, [other.name for other in object_.sides.values()]) for object_ in by_name] == [
        ("a.png", []), ("cup_front.png", ["cup_back.png"]), ("b.png", []),
    ]  # fmt: skip
    assert group_sides(pictures, [{"back": 2, "front": 3}]) == by_name
    assert group_sides(pictures, '[{"front": 3, "back": 2}]') == by_name
    assert [group_sides(pictures, nothing) for nothing in (None, "", [])] == [pictures] * 3


@pytest.mark.parametrize(
    "given",
    [
        "by name", "[", '"front"', [{"front": 1, "top": 2}], [{"front": 1, "back": 9}], [{"front": 0, "back": 1}],
        [{"front": 1, "back": 1}], [{"front": 1}, {"front": 1, "back": 2}], [["front", 1]], 7, {"front": 1},
        [{"back": 1, "left": 2}], [{"front": "x"}], [None], '[{"front": 1e999}]', "[" * 100_000,
    ],
)  # fmt: skip
def test_malformed_sides_are_refused_with_an_example(given):
    """Unknown sides, numbers out of range, a picture used twice, no front, and what is no list at all."""
    with pytest.raises(OptionRefused) as caught:
        group_sides(named("a.png", "b.png"), given)
    assert caught.value.code in ("sides_unreadable", "side_missing")
    assert caught.value.hint


FRONT, BACK, CAT, DOG = PATHS = ["u/cup_front.png", "u/cup_back.png", "u/cat.png", "u/dog.png"]
TAKES = replace(ScriptedGenerator().spec, sides=SIDES)


@pytest.mark.parametrize(
    ("acts", "found"),
    [
        ([], [{"front": FRONT, "back": BACK}]),
        ([("apart", [FRONT, BACK], "")], []),
        ([("apart", [FRONT, BACK], ""), ("join", [BACK, FRONT], "")], [{"front": BACK, "back": FRONT}]),
        ([("join", [CAT, DOG], "")], [{"front": CAT, "back": DOG}, {"front": FRONT, "back": BACK}]),
        ([("join", [CAT, BACK], "")], [{"front": CAT, "back": BACK}]),
        ([("side", [BACK], "left")], [{"front": FRONT, "left": BACK}]),
        ([("side", [BACK], "front")], [{"front": BACK, "back": FRONT}]),
        ([("side", [CAT], "left")], [{"front": FRONT, "back": BACK}]),
        ([("side", [BACK], "top"), ("join", [CAT], ""), ("join", PATHS * 2, ""), ("burn", PATHS, "")],
         [{"front": FRONT, "back": BACK}]),
    ],
)  # fmt: skip
def test_decisions_of_a_person_override_file_names(acts, found):
    """Joined, taken apart, turned to a side that another had; what makes no sense changes nothing."""
    decided = NO_OVERRIDES
    for act, chosen, side in acts:
        decided = decide(PATHS, decided, act, chosen, side, TAKES)
    assert objects(PATHS, decided) == found


def test_object_without_its_front_is_ungrouped():
    """The remaining sides of an object without its front are separate pictures; other decisions stay."""
    decided = decide(PATHS, NO_OVERRIDES, "join", [CAT, DOG], "", TAKES)
    assert objects([FRONT, BACK, DOG], decided) == [{"front": FRONT, "back": BACK}]
    assert objects([BACK, CAT, DOG], decided) == [{"front": CAT, "back": DOG}]


def test_jobs_of_before_keep_their_price_and_have_one_picture(tmp_path):
    """A database from before sides is brought over: each job has its batch's price, and no other side."""
    url = f"sqlite:///{tmp_path / 'old.db'}"
    engine = connect(url)
    migrate(engine, "0003")
    with engine.begin() as connection:
        connection.execute(text(
            "INSERT INTO batches (id, task_id, work_id, visitor, generator, options, cut_out, price, refusals, "
            "sequence, pinned, correlation_id, created_at) "
            "VALUES ('b', 't', 'w', '', 'x', '{}', 0, 300000, '[]', 0, 0, '', 1)"
        ))  # fmt: skip
        connection.execute(text(
            "INSERT INTO jobs (id, batch_id, number, name, stem, state, attempt, press, key_mark, tries, sequence, "
            "progress, message, created_at, pressed_at) "
            "VALUES ('j', 'b', 1, 'a.png', 'a', 'new', 1, 1, '', 1, 0, 0, '', 1, 1)"
        ))  # fmt: skip
    engine.dispose()
    store = Store(url)
    batch = store.batch("b")
    assert ([(job.price, job.sides) for job in batch.jobs], batch.estimate) == (
        [(Decimal("0.3"), ())], Decimal("0.3"),
    )  # fmt: skip
    store.close()
