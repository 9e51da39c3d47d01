"""Every way in which fal says no, from the answer on the wire to the sentence for a person."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from image2model.devtools.fal_stand_in import Fault, Script
from image2model.devtools.fal_stand_in.schemas import error_entry
from image2model.errors import GenerationFailed
from image2model.generators.base import Finished
from image2model.generators.fal.errors import FAILURE_BY_TYPE, failure_from_response
from image2model.generators.providers import rules_of
from tests.support.fal_helpers import failure, fal_generator, run, task
from tests.support.fal_server import FalServer


async def failed(fal: FalServer, folder: Path, **given: Any) -> GenerationFailed:
    """The failure of one job."""
    generator = fal_generator(fal, **given)
    return await failure(generator, task(folder, generator))


def model_error(kind: str, **context: Any) -> dict[str, Any]:
    """A model's error in fal's form."""
    return {"detail": [error_entry("image_url", kind, "secret internals at http://10.0.0.1", **context)]}


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
    (500, model_error("downstream_service_error"), "fal_temporary", True),
    (400, model_error("downstream_service_error"), "model_failed", True),
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
    (422, {"detail": ["what?", {"type": 7, "loc": "x", "ctx": []}]}, "fal_refused", False),
]


@pytest.mark.parametrize(("status", "body", "code", "retryable"), ROWS)
async def test_failed_job_has_code_and_message(
    fal: FalServer, tmp_path: Path, status: int, body: Any, code: str, retryable: bool
):
    """The job is COMPLETED and its error is the result's: each kind has its code and its sentence."""
    fal.script = Script(error=(status, body))
    error = await failed(fal, tmp_path)
    assert (error.code, error.retryable) == (code, retryable)
    assert "internals" not in str(error)
    assert (fal.calls["submit"], len(fal.jobs)) == (1, 1)
    assert rules_of(error.code).billed == (fal.paid != [])


def test_every_row_of_the_table_has_been_tried():
    """Each row of the table of failures has a case in these tests."""
    tried = {code for *_, code, _ in ROWS}
    assert {row.code for row in FAILURE_BY_TYPE.values()} - tried == {"fal_busy"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (model_error("image_too_small", min_width=128, min_height=96), "at least 128 × 96 pixels"),
        (model_error("image_too_large", max_width=4096, max_height=2048), "at most 4096 × 2048 pixels"),
        (model_error("file_too_large", max_size=10_000_000), "at most 10 MB"),
        ({"detail": [error_entry("face_limit", "less_than_equal", le=20_000)]}, "option 'face_limit'"),
    ],
)
def test_sizes_and_options_are_named(body: dict[str, Any], words: str):
    """The message names the allowed sizes and the wrong option."""
    assert words in failure_from_response(httpx.Response(422, json=body)).message


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
async def test_fal_retryable_header_decides_about_a_retry(
    fal: FalServer, tmp_path: Path, headers: dict[str, str], retryable: bool
):
    """The header decides, under its present name and under its old name."""
    fal.script = Script(error=(500, model_error("internal_server_error")), error_headers=headers)
    assert (await failed(fal, tmp_path)).retryable is retryable


async def test_the_error_type_may_be_in_the_header_alone(fal: FalServer, tmp_path: Path):
    """A flat body without a type is explained by X-Fal-Error-Type."""
    fal.script = Script(error=(422, {"detail": "no"}), error_headers={"X-Fal-Error-Type": "content_policy_violation"})
    assert (await failed(fal, tmp_path)).code == "refused_by_filter"


@pytest.mark.parametrize(
    ("error_type", "code"),
    [
        ("content_policy_violation", "refused_by_filter"),
        ("generation_timeout", "model_failed"),
        ("runner_gone", "model_failed"),
        (None, "model_failed"),
    ],
)
async def test_an_error_in_the_status_explains_a_result_without_a_mesh(
    fal: FalServer, tmp_path: Path, error_type: str | None, code: str
):
    """fal-client overlooks it. The answer was no 5xx, so the run may be billed and is not repeated."""
    fal.script = Script(status_error=("it broke", error_type), result={})
    error = await failed(fal, tmp_path)
    assert error.code == code
    assert rules_of(error.code).billed


async def test_a_mesh_counts_although_the_status_speaks_of_an_error(fal: FalServer, tmp_path: Path):
    """A complete mesh is delivered although the job's status has an error."""
    fal.script = Script(status_error=("it broke", None))
    generator = fal_generator(fal)
    assert isinstance((await run(generator, task(tmp_path, generator)))[-1], Finished)


LOCKS = [
    ("User is locked. Reason: Exhausted balance. Top up your balance.", "balance_exhausted"),
    ("User is locked. Reason: TOP_UP", "balance_exhausted"),
    ("User is locked. Reason: Admin lock", "account_locked"),
    ("Forbidden", "key_refused"),
]


@pytest.mark.parametrize("operation", ["submit", "token"])
@pytest.mark.parametrize(("detail", "code"), LOCKS)
async def test_empty_account_locked_account_and_wrong_key_have_different_codes(
    fal: FalServer, tmp_path: Path, operation: str, detail: str, code: str
):
    """One needs money, one fal's support, one another key; nothing is submitted."""
    fal.faults[operation].append(Fault("answer", 403, {"detail": detail}))
    if operation == "token":
        fal.faults["initiate"].append(Fault("answer", 403, {"detail": detail}))
    error = await failed(fal, tmp_path)
    assert (error.code, error.retryable, len(fal.jobs)) == (code, False, 0)
    assert ("billing" in error.hint) == (code == "balance_exhausted")


async def test_wrong_key_message_has_a_hint(fal: FalServer, tmp_path: Path):
    """A wrong key is refused before any upload, with a hint where to get a key."""
    wrong = await failed(fal, tmp_path, key="wrong")
    assert (wrong.code, len(fal.jobs), fal.calls["upload"]) == ("key_refused", 0, 0)
    assert "fal.ai/dashboard/keys" in wrong.hint


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (429, flat_error("concurrent_requests_limit"), "fal_busy"),
        (429, "", "fal_busy"),
        (408, "", "fal_temporary"),
        (409, "", "fal_temporary"),
        (500, flat_error("internal_error"), "fal_temporary"),
        (504, flat_error("request_timeout"), "fal_timeout"),
        (503, "<html>nginx</html>", "fal_temporary"),
        (302, "", "fal_odd_answer"),
        (422, model_error("missing"), "option_out_of_range"),
        (413, "", "file_too_large"),
    ],
)
async def test_a_refused_submit_is_no_job_and_is_sent_once(
    fal: FalServer, tmp_path: Path, status: int, body: Any, code: str
):
    """A refused submit is certain and not sent again at once, though fal-client would: a later retry pays once."""
    fal.faults["submit"].extend([Fault("answer", status, body)])
    fal.script = Script(error=(500, "never asked"))
    error = await failed(fal, tmp_path)
    assert (error.code, fal.calls["submit"], fal.calls["status"]) == (code, 1, 0)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("1.5", 1.5),
        ("0", 0),
        ("-3", 0),
        ("Wed, 21 Oct 2015 07:28:30 GMT", 30),
        ("Wed, 21 Oct 2015 07:27:00 GMT", 0),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("", None),
    ],
)
async def test_retry_after_of_fal_is_passed_on(fal: FalServer, tmp_path: Path, header: str, seconds: float | None):
    """Both forms of Retry-After are read; a date counts by the server's own clock."""
    headers = {"retry-after": header, "date": "Wed, 21 Oct 2015 07:28:00 GMT"}
    assert failure_from_response(httpx.Response(429, headers=headers)).retry_after == seconds
    fal.faults["submit"].append(Fault("answer", 429, "", {"retry-after": "7"}))
    error = await failed(fal, tmp_path)
    assert (error.code, error.retry_after) == ("fal_busy", 7)


async def test_an_upload_that_fails_costs_nothing_and_may_be_tried_again(fal: FalServer, tmp_path: Path):
    """If both ways of uploading fail, nothing is submitted, and the job may be retried."""
    fal.faults["upload"].append(Fault("answer", 500, "<html>"))
    fal.faults["initiate"].append(Fault("answer", 500, "<html>"))
    error = await failed(fal, tmp_path)
    assert (error.code, error.retryable, fal.calls["submit"]) == ("fal_temporary", True, 0)


async def test_failures_cross_processes(fal: FalServer, tmp_path: Path):
    """fal-client's own exceptions cannot be pickled; ours can."""
    import pickle

    error = await failed(fal, tmp_path, key="wrong")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301  our own bytes
    assert (again.code, str(again)) == (error.code, str(error))


async def test_one_failure_stops_no_other_job(fal: FalServer, tmp_path: Path):
    """Jobs share a key and connections, and nothing else."""
    fal.scripts.append(Script(error=(500, model_error("internal_server_error"))))
    generator = fal_generator(fal)

    async def work(number: int) -> object:
        return [event async for event in generator.run(task(tmp_path / str(number), generator))][-1]

    ends = await asyncio.gather(*(work(number) for number in range(5)), return_exceptions=True)
    await generator.close()
    assert sorted(type(end).__name__ for end in ends) == ["Finished"] * 4 + ["GenerationFailed"]
