"""A job that fal has taken is watched and collected through every passing trouble, and never given up wrongly."""

from __future__ import annotations

import asyncio
import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from image2model.devtools.fal_stand_in import Fault, Script
from image2model.errors import GenerationFailed
from image2model.generators.base import Finished, Running
from image2model.generators.fal import FalAccount, FalGenerator, FalHosts
from image2model.generators.providers import rules_of
from tests.support.fal_helpers import MODELS, QUICK, failure, fal_generator, names, no_delay, run, submitted, task
from tests.support.fal_server import FalServer
from tests.support.waiting import wait_until_async

TYPED = {"detail": "no runner", "error_type": "runner_scheduling_failure"}
HTML = "<html>Bad Gateway</html>"
PASSING = [
    Fault("answer", 500, HTML),
    Fault("answer", 502, HTML),
    Fault("answer", 503, {"detail": "wait"}),
    Fault("answer", 504, ""),
    Fault("answer", 408, ""),
    Fault("answer", 409, {"detail": "conflict"}),
    Fault("answer", 429, {"detail": "slow down", "error_type": "concurrent_requests_limit"}),
    Fault("answer", 418, {"detail": "teapot"}),
    Fault("answer", 302, "", {"location": "http://127.0.0.1:9/"}),
    Fault("answer", 200, b"{"),
    Fault("answer", 200, b"[" * 100_000),
    Fault("answer", 200, b"\xff\xfe"),
    Fault("answer", 422, HTML),
    Fault("truncate"),
    Fault("drop_before"),
    Fault("drop_after"),
    Fault("hang", seconds=0.6),
]
"""None of these says what became of the job."""
STATUS_ONLY = [
    {}, [], None, "x", {"status": "DREAMING"}, {"status": None, "logs": 7}, {"status": ["COMPLETED"]},
]  # fmt: skip
TOLERABLE = [
    {"status": "IN_QUEUE"}, {"status": "IN_PROGRESS"}, {"status": "IN_PROGRESS", "logs": 7}, {"status": "COMPLETED"},
    {"status": "IN_QUEUE", "queue_position": "soon"},
]  # fmt: skip


def named(fault: Fault) -> str:
    """A test's name."""
    return f"{fault.kind}-{fault.status}"


async def collected(fal: FalServer, folder: Path, remote: Any = None) -> GenerationFailed | None:
    """Failure of a submitted job, None for success; it is never submitted again."""
    generator = fal_generator(fal)
    work = task(folder, generator)
    remote = remote or await submitted(generator, work)
    calls = fal.calls["submit"]
    try:
        events = await run(generator, replace(work, remote=remote))
    except GenerationFailed as error:
        assert fal.calls["submit"] == calls
        return error
    assert isinstance(events[-1], Finished)
    return None


@pytest.mark.parametrize("operation", ["status", "result"])
@pytest.mark.parametrize("fault", PASSING, ids=named)
async def test_transient_status_errors_are_retried(fal: FalServer, tmp_path: Path, operation: str, fault: Fault):
    """Two answers that say nothing, the third one is sound."""
    fal.faults[operation].extend([fault] * 2)
    assert await collected(fal, tmp_path) is None
    assert len(fal.jobs) == 1


@pytest.mark.parametrize("operation", ["status", "result"])
@pytest.mark.parametrize("fault", PASSING, ids=named)
async def test_after_a_longer_trouble_the_same_job_is_collected(
    fal: FalServer, tmp_path: Path, operation: str, fault: Fault
):
    """The try ends with a code that stands for collecting, and the next one brings the mesh."""
    generator = fal_generator(fal)
    remote = await submitted(generator, task(tmp_path, generator))
    fal.faults[operation].extend([fault] * 3)
    error = await collected(fal, tmp_path, remote)
    assert error is not None
    assert (error.code, error.retryable) == ("fal_lost_contact", True)
    assert fal.calls[operation] == 3
    assert await collected(fal, tmp_path, remote) is None
    assert len(fal.jobs) == len(fal.paid) == 1


@pytest.mark.parametrize("body", STATUS_ONLY)
async def test_malformed_status_is_requested_again(fal: FalServer, tmp_path: Path, body: Any):
    """fal-client raises KeyError and ValueError for such."""
    fal.faults["status"].extend([Fault("answer", 202, body)] * 2)
    assert await collected(fal, tmp_path) is None


@pytest.mark.parametrize("body", TOLERABLE)
async def test_a_status_with_fields_missing_is_understood(fal: FalServer, tmp_path: Path, body: Any):
    """A status response without some of its fields, even five in a row, does not fail the job."""
    fal.faults["status"].extend([Fault("answer", 202, body)] * 5)
    assert await collected(fal, tmp_path) is None


@pytest.mark.parametrize("operation", ["status", "result"])
@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_loses_no_job(fal: FalServer, tmp_path: Path, operation: str, status: int):
    """A key refused while collecting has its own code, so that the job is collected once the key works."""
    fal.faults[operation].append(Fault("answer", status, {"detail": "User is locked. Reason: Exhausted balance."}))
    error = await collected(fal, tmp_path)
    assert error is not None
    assert (error.code, rules_of(error.code).collectable == "automatic", fal.calls[operation]) == (
        "collect_refused",
        True,
        1,
    )


@pytest.mark.parametrize("key", ["", "two\nlines"])
async def test_without_a_usable_key_a_job_waits(fal: FalServer, tmp_path: Path, key: str):
    """Without a usable key a submitted job waits to be collected, since the host may restore the key."""
    generator = fal_generator(fal)
    remote = await submitted(generator, task(tmp_path, generator))
    keyless = fal_generator(fal, key=key)
    error = await failure(keyless, task(tmp_path, keyless, remote=remote))
    assert (error.code, fal.calls["status"]) == ("collect_refused", 0)


async def test_retry_after_ends_polling(fal: FalServer, tmp_path: Path):
    """A response with Retry-After ends the attempt without a second call, and its seconds are passed on."""
    fal.faults["status"].append(Fault("answer", 429, "", {"retry-after": "33"}))
    error = await collected(fal, tmp_path)
    assert error is not None
    assert (error.code, error.retry_after, fal.calls["status"]) == ("fal_lost_contact", 33, 1)


@pytest.mark.parametrize("status", [404, 410])
async def test_result_is_gone_when_status_and_result_agree(fal: FalServer, tmp_path: Path, status: int):
    """A result is expired when the status and the result endpoint both answer that there is no such job."""
    gone = Fault("answer", status, {"detail": "Request not found"})
    fal.faults["status"].append(gone)
    fal.faults["result"].extend([gone] * 2)
    error = await collected(fal, tmp_path)
    assert error is not None
    assert (error.code, rules_of(error.code).collectable == "automatic") == ("result_expired", False)


@pytest.mark.parametrize("operation", ["status", "result"])
async def test_job_unknown_to_one_endpoint_is_not_gone(fal: FalServer, tmp_path: Path, operation: str):
    """A job with a result but no status is collected; one with a status but no result may still appear."""
    fal.faults[operation].extend([Fault("answer", 404, {"detail": "Request not found"})] * 3)
    error = await collected(fal, tmp_path)
    assert (error and error.code) == (None if operation == "status" else "fal_lost_contact")


async def test_job_unknown_to_another_key_is_not_gone(fal: FalServer, tmp_path: Path):
    """Keys of one account know each other's jobs; one of another account does not, and the job waits for its own."""
    generator = fal_generator(fal)
    remote = {**await submitted(generator, task(tmp_path, generator)), "key_mark": "another"}
    assert await collected(fal, tmp_path / "same account", remote) is None
    fal.jobs.clear()
    error = await collected(fal, tmp_path / "other account", remote)
    assert error is not None
    assert (error.code, rules_of(error.code).collectable == "automatic") == ("job_elsewhere", True)
    assert await fal_generator(fal).cancel(remote) == "unknown"


@pytest.mark.parametrize("remote", [{}, {"request_id": "r"}, {"status_url": 7}])
async def test_unreachable_result_stays_collectable(fal: FalServer, tmp_path: Path, remote: dict[str, Any]):
    """A job whose result cannot be reached is not submitted again, and stays collectable."""
    error = await collected(fal, tmp_path, {"x": 1, **remote})
    assert error is not None
    assert error.code == "job_elsewhere"


async def test_failure_of_fal_needs_two_equal_responses(fal: FalServer, tmp_path: Path):
    """A single failed response is retried; two equal ones in a row fail the job."""
    fal.faults["result"].append(Fault("answer", 503, TYPED))
    assert await collected(fal, tmp_path) is None
    fal.faults["result"].extend([Fault("answer", 503, TYPED)] * 2)
    error = await collected(fal, tmp_path)
    assert error is not None
    assert (error.code, rules_of(error.code).billed) == ("fal_temporary", False)


@pytest.mark.parametrize(
    "faults",
    [
        [Fault("answer", 503, TYPED), Fault("answer", 422, {"detail": "x"}), Fault("answer", 503, TYPED)],
        [Fault("answer", 503, TYPED), Fault("answer", 502, HTML), Fault("answer", 502, HTML)],
        [Fault("answer", 200, {}), Fault("answer", 503, TYPED), Fault("drop_before")],
    ],
)
async def test_contradictory_answers_are_not_believed(fal: FalServer, tmp_path: Path, faults: list[Fault]):
    """After contradictory answers the job is polled again later."""
    fal.faults["result"].extend(faults)
    error = await collected(fal, tmp_path)
    assert error is not None
    assert error.code == "fal_lost_contact"


async def test_result_of_a_job_that_ignores_cancel_is_collected(fal: FalServer, tmp_path: Path):
    """The paid result of a job that ignores its cancel is kept; a cancelled job ends as `cancelled_at_fal`."""
    fal.scripts.extend([Script(run_seconds=0.1, ignores_cancel=True), Script(run_seconds=60)])
    ends = []
    for name in ("ignores_cancel", "obedient"):
        generator = fal_generator(fal)
        work = task(tmp_path / name, generator)
        remote = await submitted(generator, work)
        assert await generator.cancel(remote) == "accepted"
        ends.append(await collected(fal, tmp_path / name, remote))
    assert ends[0] is None
    assert ends[1] is not None
    assert ends[1].code == "cancelled_at_fal"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
async def test_full_or_read_only_disk_has_its_own_error(
    fal: FalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
):
    """A full or read-only disk raises its own OSError and leaves no model file."""

    def no_room(_: int) -> None:
        raise OSError(number, "no room")

    monkeypatch.setattr(os, "fsync", no_room)
    generator = fal_generator(fal)
    with pytest.raises(OSError, match="no room") as caught:
        await run(generator, task(tmp_path, generator))
    assert caught.value.errno == number
    assert not [name for name in names(tmp_path) if name.startswith("model")]


async def test_job_stays_collectable_after_any_other_failure(fal: FalServer, tmp_path: Path):
    """After an error of our own the job stays collectable, so that nothing is paid twice."""

    def mistake(elapsed: float, expected: float, crowd: int) -> float:
        raise ZeroDivisionError

    fal.script = Script(run_seconds=60)
    account = FalAccount(fal.key, FalHosts.at(fal.url), QUICK)
    generator = FalGenerator(MODELS["trellis"], account, mistake)
    assert (await failure(generator, task(tmp_path, generator))).code == "fal_lost_contact"


@pytest.mark.parametrize("submitted_at", [None, 0, -1e12, 1e12, float("nan"), "yesterday"])
async def test_no_clock_makes_a_job_wait(fal: FalServer, tmp_path: Path, submitted_at: Any):
    """A clock that was set wrong when the job was sent, or is now, changes nothing."""
    generator = fal_generator(fal)
    remote = {**await submitted(generator, task(tmp_path, generator)), "submitted_at": submitted_at}
    assert await collected(fal, tmp_path, remote) is None


async def test_long_network_outage_loses_no_job(tmp_path: Path):
    """Nobody listens any more, then fal is back at the same address."""
    with FalServer(Script(run_seconds=60)) as fal:
        generator = fal_generator(fal)
        remote = await submitted(generator, task(tmp_path, generator))
        port = int(fal.url.rpartition(":")[2])
        jobs = fal.jobs
    assert (await failure(generator, task(tmp_path, generator, remote=remote))).code == "fal_lost_contact"
    with FalServer(port=port) as back:
        back.jobs = {id: replace(job, script=Script()) for id, job in jobs.items()}
        events = await run(generator, task(tmp_path, generator, remote=remote))
        assert isinstance(events[-1], Finished)
        assert back.calls["submit"] == 0


async def test_shutdown_during_polling_does_not_cancel_the_job(fal: FalServer, tmp_path: Path):
    """At any moment; nothing unfinished is left in the folder."""
    fal.faults["download"].append(Fault("trickle", seconds=0.2))
    generator = fal_generator(fal)

    async def work() -> None:
        async for event in generator.run(task(tmp_path, generator)):
            assert not isinstance(event, Running)

    job = asyncio.create_task(work())
    await wait_until_async(lambda: fal.calls["download"])
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    await generator.close()
    assert names(tmp_path) == ["input.png"]
    assert no_delay(0, 0, 1) < 1
