"""Every way in which fal says no, from the answer on the wire to the sentence for a person."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from image2model.errors import GenerationFailed
from image2model.generators.base import Finished
from image2model.generators.fal import STILL_AT_FAL
from image2model.generators.fal.failures import BY_STATUS, BY_TYPE, failure_of
from tests.fal_helpers import generator, run, task
from tests.fal_schemas import entry
from tests.fal_server import KEY, FalServer, Fault, Script


async def failure(fal: FalServer, folder: Path, **given: Any) -> GenerationFailed:
    """How one job fails; no sentence may tell the key or an address."""
    one = generator(fal, **given)
    with pytest.raises(GenerationFailed) as caught:
        await run(one, task(folder, one))
    told = str(caught.value)
    assert KEY not in told
    assert "http" not in told
    assert told
    return caught.value


def model_error(kind: str, **context: Any) -> dict[str, Any]:
    """A model's error in fal's form."""
    return {"detail": [entry("image_url", kind, "secret internals at http://10.0.0.1", **context)]}


def flat_error(kind: str) -> dict[str, Any]:
    """An error of fal's own machinery."""
    return {"detail": "secret internals at http://10.0.0.1", "error_type": kind}


ROWS: list[tuple[int, Any, str, bool]] = [
    (422, model_error("image_too_small", min_width=128, min_height=96), "image_too_small", False),
    (422, model_error("image_too_large", max_width=4096, max_height=4096), "image_too_large", False),
    (422, model_error("image_load_error"), "image_unreadable", False),
    (422, model_error("unsupported_image_format"), "image_unreadable", False),
    (422, model_error("file_download_error"), "image_unreadable", False),
    (422, model_error("file_too_large", max_size=10_000_000), "file_too_large", False),
    (422, model_error("content_policy_violation"), "refused_by_filter", False),
    (422, model_error("no_media_generated"), "nothing_built", False),
    (422, model_error("greater_than", gt=0), "option_out_of_range", False),
    (422, model_error("greater_than_equal", ge=0), "option_out_of_range", False),
    (422, model_error("less_than", lt=0), "option_out_of_range", False),
    (422, model_error("less_than_equal", le=0), "option_out_of_range", False),
    (422, model_error("multiple_of"), "option_out_of_range", False),
    (422, model_error("one_of"), "option_out_of_range", False),
    (422, model_error("missing"), "option_out_of_range", False),
    (422, model_error("literal_error"), "option_out_of_range", False),
    (422, model_error("something_new"), "fal_refused", False),
    (500, model_error("internal_server_error"), "fal_temporary", True),
    (500, model_error("downstream_service_unavailable"), "fal_temporary", True),
    (400, model_error("downstream_service_error"), "fal_temporary", True),
    (504, model_error("generation_timeout"), "fal_timeout", True),
    (504, flat_error("request_timeout"), "fal_timeout", True),
    (504, flat_error("startup_timeout"), "fal_timeout", True),
    (503, flat_error("runner_scheduling_failure"), "fal_temporary", True),
    (503, flat_error("runner_connection_timeout"), "fal_temporary", True),
    (503, flat_error("runner_disconnected"), "fal_temporary", True),
    (502, flat_error("runner_incomplete_response"), "fal_temporary", True),
    (500, flat_error("runner_server_error"), "fal_temporary", True),
    (500, flat_error("internal_error"), "fal_temporary", True),
    (503, flat_error("runner_of_a_new_kind"), "fal_temporary", True),
    (499, flat_error("client_cancelled"), "cancelled_at_fal", False),
    (499, flat_error("client_disconnected"), "cancelled_at_fal", False),
    (400, flat_error("bad_request"), "fal_refused", False),
    (400, {"detail": "what?"}, "fal_refused", False),
    (401, {"detail": "invalid key credentials"}, "key_refused", False),
    (403, {"detail": "User is locked. Reason: Exhausted balance."}, "account_locked", False),
    (404, {"detail": "Request not found"}, "result_expired", False),
    (422, "<html>what?</html>", "fal_refused", False),
    (422, ["what?"], "fal_refused", False),
    (422, {"detail": ["what?", {"type": 7, "loc": "x", "ctx": []}]}, "fal_refused", False),
    (418, {"detail": "teapot"}, "fal_odd_answer", True),
]


@pytest.mark.parametrize(("status", "body", "code", "retryable"), ROWS)
async def test_a_failed_job_says_what_happened(
    fal: FalServer, tmp_path: Path, status: int, body: Any, code: str, retryable: bool
):
    """The job is COMPLETED and its error is the result's: each kind has its code and its sentence."""
    fal.script = Script(error=(status, body))
    error = await failure(fal, tmp_path)
    assert (error.code, error.retryable) == (code, retryable)
    assert "internals" not in str(error)
    assert (fal.calls["submit"], len(fal.jobs)) == (1, 1)


def test_every_row_of_the_tables_has_been_tried():
    """A new row in the table wants a new row here."""
    types = {
        e.get("type") for _, body, *_ in ROWS if isinstance(body, dict) for e in body["detail"] if isinstance(e, dict)
    }
    types |= {body.get("error_type") for _, body, *_ in ROWS if isinstance(body, dict)}
    same_words = {row.code for kind, row in BY_TYPE.items() if kind in types}
    assert {row.code for row in BY_TYPE.values()} - same_words == {"fal_busy"}
    assert {row.code for row in BY_STATUS.values()} <= {code for *_, code, _ in ROWS} | {"fal_busy"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (model_error("image_too_small", min_width=128, min_height=96), "at least 128 × 96 pixels"),
        (model_error("image_too_large", max_width=4096, max_height=2048), "at most 4096 × 2048 pixels"),
        (model_error("file_too_large", max_size=10_000_000), "at most 10 MB"),
        ({"detail": [entry("face_limit", "less_than_equal", le=20_000)]}, "option 'face_limit'"),
    ],
)
def test_sizes_and_options_are_named(body: dict[str, Any], words: str):
    """A person learns what would have been right."""
    assert words in failure_of(httpx.Response(422, json=body)).message


@pytest.mark.parametrize(
    ("headers", "retryable"),
    [
        ({"X-Fal-Retryable": "false"}, False),
        ({"X-Fal-Retryable": "true"}, True),
        ({"X-Fal-Needs-Retry": "0"}, False),
        ({"X-Fal-Needs-Retry": "1"}, True),
        ({}, True),
    ],
)
async def test_fal_s_header_says_whether_a_passing_trouble_is_worth_another_try(
    fal: FalServer, tmp_path: Path, headers: dict[str, str], retryable: bool
):
    """Under its present name and its old one."""
    fal.script = Script(error=(500, model_error("internal_server_error")), error_headers=headers)
    assert (await failure(fal, tmp_path)).retryable is retryable


async def test_the_error_type_may_be_in_the_header_alone(fal: FalServer, tmp_path: Path):
    """A flat body without a type is explained by X-Fal-Error-Type."""
    fal.script = Script(error=(422, {"detail": "no"}), error_headers={"X-Fal-Error-Type": "content_policy_violation"})
    assert (await failure(fal, tmp_path)).code == "refused_by_filter"


@pytest.mark.parametrize(
    ("error_type", "code"),
    [("generation_timeout", "fal_timeout"), ("runner_gone", "fal_temporary"), (None, "fal_temporary")],
)
async def test_an_error_in_the_status_counts_although_there_is_a_result(
    fal: FalServer, tmp_path: Path, error_type: str | None, code: str
):
    """fal-client overlooks it."""
    fal.script = Script(status_error=("it broke", error_type))
    assert (await failure(fal, tmp_path)).code == code


async def test_a_wrong_key_is_told_from_an_empty_account(fal: FalServer, tmp_path: Path):
    """One needs another key, the other money."""
    wrong = await failure(fal, tmp_path, key="wrong")
    fal.faults["submit"].append(Fault("answer", 403, {"detail": "User is locked. Reason: Exhausted balance."}))
    locked = await failure(fal, tmp_path)
    assert (wrong.code, locked.code) == ("key_refused", "account_locked")
    assert "fal.ai/dashboard/keys" in wrong.hint
    assert "fal.ai/dashboard/billing" in locked.hint
    assert len(fal.jobs) == 0


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (429, flat_error("concurrent_requests_limit"), "fal_busy"),
        (429, "", "fal_busy"),
        (408, "", "fal_temporary"),
        (409, "", "fal_temporary"),
        (500, "<html>", "fal_temporary"),
        (503, "<html>nginx</html>", "fal_temporary"),
        (422, model_error("missing"), "option_out_of_range"),
        (413, "", "file_too_large"),
    ],
)
async def test_a_refused_submit_is_no_job_and_is_sent_once(
    fal: FalServer, tmp_path: Path, status: int, body: Any, code: str
):
    """An answer that says no is certain: whoever tries again later pays once. fal-client would send on its own."""
    fal.faults["submit"].extend([Fault("answer", status, body)])
    fal.script = Script(error=(500, "never asked"))
    error = await failure(fal, tmp_path)
    assert (error.code, fal.calls["submit"], fal.calls["status"]) == (code, 1, 0)


ODD_STATUSES: list[Any] = [
    {"status": "IN_QUEUE"}, {"status": "IN_PROGRESS"}, {"status": "COMPLETED"}, {"status": "DREAMING"}, {}, [], None,
    "x", {"status": None, "logs": 7},
    {"status": "IN_PROGRESS", "logs": 7}, {"status": "IN_QUEUE", "queue_position": "soon"},
]  # fmt: skip


@pytest.mark.parametrize("body", ODD_STATUSES)
async def test_a_few_odd_statuses_do_not_lose_a_job_that_is_paid_for(fal: FalServer, tmp_path: Path, body: Any):
    """Missing keys and strange words make fal-client raise; the next answer may be sound."""
    fal.faults["status"].extend([Fault("answer", 202, body if isinstance(body, dict) else b"garbage")] * 4)
    one = generator(fal)
    assert isinstance((await run(one, task(tmp_path, one)))[-1], Finished)
    assert len(fal.jobs) == 1


@pytest.mark.parametrize(
    "fault", [Fault("answer", 202, {}), Fault("answer", 500, "<html>"), Fault("answer", 502, "bad")]
)
async def test_when_fal_makes_no_sense_for_long_the_job_is_left_to_be_collected(
    fal: FalServer, tmp_path: Path, fault: Fault
):
    """The failure is one after which the same job is picked up, not paid again."""
    fal.faults["status"].extend([fault] * 50)
    error = await failure(fal, tmp_path)
    assert error.code in STILL_AT_FAL
    assert error.retryable


@pytest.mark.parametrize(
    "fault",
    [
        Fault("answer", 502, "<html>"),
        Fault("answer", 500, "<html>"),
        Fault("answer", 400, {"detail": "Request is still in progress"}),
        Fault("answer", 200, b"{"),
    ],
)
async def test_a_result_that_cannot_be_had_now_is_left_to_be_collected(fal: FalServer, tmp_path: Path, fault: Fault):
    """A gateway's trouble is not the model's failure."""
    fal.faults["result"].append(fault)
    assert (await failure(fal, tmp_path)).code in STILL_AT_FAL


async def test_an_upload_that_fails_costs_nothing_and_may_be_tried_again(fal: FalServer, tmp_path: Path):
    """Both ways of uploading are down."""
    fal.faults["upload"].append(Fault("answer", 500, "<html>"))
    fal.faults["initiate"].append(Fault("answer", 500, "<html>"))
    error = await failure(fal, tmp_path)
    assert (error.code, error.retryable, fal.calls["submit"]) == ("fal_temporary", True, 0)


async def test_failures_cross_processes(fal: FalServer, tmp_path: Path):
    """fal-client's own exceptions cannot be pickled; ours can."""
    import pickle

    error = await failure(fal, tmp_path, key="wrong")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301  our own bytes
    assert (again.code, str(again)) == (error.code, str(error))


async def test_one_failure_stops_no_other_job(fal: FalServer, tmp_path: Path):
    """Jobs share a key and connections, and nothing else."""
    fal.scripts.append(Script(error=(500, model_error("internal_server_error"))))
    one = generator(fal)

    async def work(number: int) -> object:
        return [event async for event in one.run(task(tmp_path / str(number), one))][-1]

    ends = await asyncio.gather(*(work(number) for number in range(5)), return_exceptions=True)
    await one.close()
    assert sorted(type(end).__name__ for end in ends) == ["Finished"] * 4 + ["GenerationFailed"]
