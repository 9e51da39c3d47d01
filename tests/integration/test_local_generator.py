"""The embedded generator: events, refusals, cancelling and crashes, in a real pool of processes."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from image2model.errors import GenerationFailed, OptionRefused
from image2model.generators import local
from image2model.generators.base import Event, Finished, Queued, Running, Task
from image2model.generators.local import LocalGenerator, warm_up, worker
from image2model.process_pool import WorkerPool
from tests.support.local_shapes import assert_sound, disc


@pytest.fixture(scope="module")
def workers() -> Iterator[WorkerPool]:
    """One warm worker for all tests of this file."""
    pool = WorkerPool(1, warm_up)
    yield pool
    pool.close()


@pytest.fixture
def generator(workers: WorkerPool) -> LocalGenerator:
    """The generator under test."""
    return LocalGenerator(workers)


def a_task(folder: Path, image: Image.Image, **options: object) -> Task:
    """A task for `image` in its own folder."""
    image.save(folder / "input.png")
    return Task(folder / "input.png", folder, local.SPEC.check({"detail": "low"} | options, None))


async def collect(events: AsyncIterator[Event]) -> list[Event]:
    """All events until the end."""
    return [event async for event in events]


def endless(image: Path, *rest: object) -> None:
    """Stand for a picture that keeps its worker busy for good; writes the worker's process id beside it."""
    image.with_name("pid").write_text(str(os.getpid()))
    while True:
        pass


def wait_for(path: Path) -> int:
    """The process id that the worker writes to `path`."""
    while not (path.is_file() and path.read_text()):
        time.sleep(0.02)
    return int(path.read_text())


def names(folder: Path) -> list[str]:
    """Names of the files in `folder`."""
    return sorted(path.name for path in folder.iterdir())


def is_alive(pid: int) -> bool:
    """True if the process exists."""
    return Path(f"/proc/{pid}").exists()


async def test_a_picture_becomes_a_closed_mesh(generator: LocalGenerator, tmp_path: Path) -> None:
    """Events run from Queued through Running to Finished, and only the mesh is left behind."""
    events = await collect(generator.run(a_task(tmp_path, disc())))
    assert events[0] == Queued()
    assert all(isinstance(event, Running) for event in events[1:-1])
    assert events[-1] == Finished(tmp_path / "model.glb", cost=Decimal(0))
    assert_sound((tmp_path / "model.glb").read_bytes())
    assert names(tmp_path) == ["input.png", "model.glb"]


async def test_worker_reports_stages(
    generator: LocalGenerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the worker works, what it does is reported, with its fraction."""
    monkeypatch.setattr(local, "POLL_SECONDS", 0.01)
    task = a_task(tmp_path, Image.fromarray(np.asarray(disc())).resize((2000, 2000)), detail="high")
    stages = [event for event in await collect(generator.run(task)) if isinstance(event, Running)]
    assert "shaping" in [event.message for event in stages]
    assert [event.fraction for event in stages] == sorted(
        event.fraction for event in stages if event.fraction is not None
    )


async def test_no_subject_crosses_the_process_border(generator: LocalGenerator, tmp_path: Path) -> None:
    """A refusal in the worker arrives with its code and its hint."""
    with pytest.raises(GenerationFailed, match="relief card") as caught:
        await collect(generator.run(a_task(tmp_path, Image.new("RGB", (64, 64)))))
    assert caught.value.code == "no_subject"
    assert names(tmp_path) == ["input.png"]


async def test_cancelling_stops_the_worker(
    generator: LocalGenerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelling the task ends the work at once, and the pool goes on with the next picture."""
    task = a_task(tmp_path, disc())
    with monkeypatch.context() as patch:
        patch.setattr(worker, "generate", endless)
        running = asyncio.create_task(collect(generator.run(task)))
        pid = await asyncio.to_thread(wait_for, tmp_path / "pid")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert isinstance((await collect(generator.run(task)))[-1], Finished)
    assert not is_alive(pid)


async def test_a_crashed_worker_fails_only_its_own_picture(
    generator: LocalGenerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed worker gives a failure worth retrying, and the retry works."""
    task = a_task(tmp_path, disc())
    with monkeypatch.context() as patch:
        patch.setattr(worker, "generate", endless)
        running = asyncio.create_task(collect(generator.run(task)))
        os.kill(await asyncio.to_thread(wait_for, tmp_path / "pid"), signal.SIGKILL)
        with pytest.raises(GenerationFailed) as caught:
            await running
    assert (caught.value.code, caught.value.retryable) == ("local_worker_died", True)
    assert isinstance((await collect(generator.run(task)))[-1], Finished)


async def test_work_without_end_is_stopped(
    generator: LocalGenerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work past its time limit gives a failure worth retrying."""
    monkeypatch.setattr(worker, "generate", endless)
    monkeypatch.setattr(local, "TIMEOUT_SECONDS", 0.3)
    with pytest.raises(GenerationFailed) as caught:
        await collect(generator.run(a_task(tmp_path, disc())))
    assert (caught.value.code, caught.value.retryable) == ("local_timeout", True)


async def test_many_at_once_share_the_pool(generator: LocalGenerator, tmp_path: Path) -> None:
    """Several pictures at once all finish, each in its own folder."""
    folders = [tmp_path / str(number) for number in range(4)]
    for folder in folders:
        folder.mkdir()
    await asyncio.gather(*(collect(generator.run(a_task(folder, disc()))) for folder in folders))
    assert len({(folder / "model.glb").read_bytes() for folder in folders}) == 1


def test_local_generator_is_free_and_available(generator: LocalGenerator) -> None:
    """The description: free, available, called what it is."""
    spec = generator.spec
    assert (spec.id, spec.result_is, generator.unavailable) == ("local", "inflated preview", "")
    assert spec.price(spec.check({}, None)) == Decimal(0)


def test_missing_weights_make_it_unavailable(
    generator: LocalGenerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its weights the generator says so instead of failing on each picture."""
    monkeypatch.setattr(worker, "WEIGHTS", tmp_path / "none.onnx")
    assert "weights" in generator.unavailable


@pytest.mark.parametrize("given", [{"thickness": 3}, {"detail": "huge"}, {"thickness": "thick"}, {"quad": True}])
def test_options_out_of_range_are_refused(given: dict[str, object]) -> None:
    """Options out of range raise OptionRefused before any work."""
    with pytest.raises(OptionRefused):
        local.SPEC.check(given, None)


def test_the_weights_are_the_ones_of_the_notice() -> None:
    """The shipped weights are those whose checksum the notice gives."""
    digest = hashlib.sha256(worker.WEIGHTS.read_bytes()).hexdigest()
    assert digest in worker.WEIGHTS.with_name("NOTICE.md").read_text()
