"""Every fault of every call to fal, through all services: one table of the required outcomes.

    python -m pytest tests/integration/test_fault_table.py
    FAULT_TABLE_ON=postgresql python -m pytest tests/integration/test_fault_table.py

Real services, real store, real fal-client, real HTTP to the stand-in; only the waits are left out. The second is on
PostgreSQL, with leases, as the scheduler of a cluster is.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from image2model.devtools.fal_stand_in import KEY, Fault, Script
from image2model.devtools.local_services import PostgresServer
from image2model.generators.base import Side
from image2model.generators.fal import FalAccount, FalGenerator, FalHosts, Timeouts
from image2model.generators.fal.platform_api import ModelListing
from image2model.jobs.models import Failure
from image2model.process_pool import WorkerPool
from image2model.services import Picture, Services, SubmitRequest
from image2model.settings import Settings
from tests.support.fal_helpers import MODELS, no_delay
from tests.support.fal_server import FalServer
from tests.support.pictures import encoded, photo
from tests.support.waiting import wait_until_async

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHORT_TIMEOUTS = Timeouts(submit=2.0, request=2.0, upload=30.0, cancel=2.0, chunk=2.0, download=6.0, retry_delay=0.01)
AWAY = 0.3
"""Seconds for which connections are refused, in the row `refuse`."""
BEFORE = {"upload": "token", "submit": "upload", "status": "submit", "result": "status", "download": "result"}


def model(status: int, kind: str) -> Fault:
    """An error in the form of fal's models."""
    return Fault("answer", status, {"detail": [{"loc": ["body", "image_url"], "msg": "m", "type": kind}]})


def flat(status: int, detail: str, **headers: str) -> Fault:
    """An error in the form of fal's queue."""
    return Fault("answer", status, {"detail": detail}, headers)


FAULTS = {
    "refuse": Fault("refuse"),
    "drop-before": Fault("drop_before"),
    "drop-after": Fault("drop_after"),
    "hang": Fault("hang", seconds=3),
    "slow": Fault("slow", seconds=0.2),
    "truncated": Fault("truncate"),
    "garbage": Fault("answer", 200, "no JSON at all"),
    "wrong-shape": Fault("answer", 200, {"unexpected": []}),
    "wrong-content": Fault("answer", 200, {"status": 7, "request_id": ["x"], "access_url": 5, "model_mesh": 3}),
    "401": flat(401, "invalid key credentials"),
    "403": flat(403, "Forbidden"),
    "403-balance": flat(403, "User is locked. Reason: Exhausted balance. Top up your balance."),
    "403-lock": flat(403, "User is locked. Reason: Admin lock."),
    "404": flat(404, "Not Found"),
    "408": flat(408, "Request timeout"),
    "409": flat(409, "Conflict"),
    "429": flat(429, "Too many requests"),
    "429-after": flat(429, "Too many requests", **{"retry-after": "0"}),
    "500": Fault("answer", 500, "oops"),
    "500-typed": model(500, "internal_server_error"),
    "502-html": Fault("answer", 502, "<html><h1>Bad Gateway</h1></html>"),
    "502-done": Fault("answer_after", 502, "<html><h1>Bad Gateway</h1></html>"),
    "503": Fault("answer", 503, "busy"),
    "504": Fault("answer", 504, ""),
    "504-typed": model(504, "generation_timeout"),
    **{f"422-{kind}": model(422, kind) for kind in (
        "image_too_small", "image_too_large", "image_load_error", "unsupported_image_format", "file_download_error",
        "file_too_large", "content_policy_violation", "no_media_generated", "less_than_equal", "one_of", "missing",
        "never_heard_of",
    )},
}  # fmt: skip
MESSAGES = {
    "account_locked": ("fal has locked the account.", "Ask fal's support why."),
    "balance_exhausted": ("The fal account has no credit left.", "Top up at fal.ai/dashboard/billing."),
    "fal_busy": ("fal is busy: too many requests at once.", "Try again in a few minutes."),
    "fal_odd_answer": ("fal gave an answer that makes no sense.", "Try again in a few minutes."),
    "fal_refused": ("fal refused the request.", "Try another picture or generator."),
    "fal_temporary": ("fal had a passing problem with this picture.", "Try again in a few minutes."),
    "fal_timeout": ("The generator took too long with this picture.", "Try again in a few minutes."),
    "fal_unreachable": ("fal could not be reached.", "Check the network and try again."),
    "file_too_large": ("The file is too large for this generator.", "Make it smaller."),
    "image_too_large": ("The picture is too large for this generator.", "Make it smaller."),
    "image_too_small": ("The picture is too small for this generator.", "Use a larger one."),
    "image_unreadable": (
        "The generator could not read this picture.",
        "Save the picture as PNG or JPEG and try again.",
    ),
    "key_refused": ("fal does not let this key use the generator.", "Check the key at fal.ai/dashboard/keys."),
    "key_refused 401": ("fal does not accept the key.", "Check the key at fal.ai/dashboard/keys."),
    "model_unavailable": ("fal no longer offers TRELLIS.", "Choose another generator."),
    "nothing_built": ("The generator found nothing to build in this picture.", "Try one with a clear subject."),
    "option_out_of_range": ("fal does not accept the option 'image_url'.", "Change the option and try again."),
    "refused_by_filter": ("The generator's safety filter refused this picture.", "Try another picture."),
    "result_expired": ("fal no longer keeps this result.", "Run the picture again."),
    "result_unusable": ("The generator's result is not a usable GLB file.", "Try another generator."),
    "unconfirmed": (
        "The connection broke while the picture was handed over; fal may have taken it.",
        "Running it again may cost again.",
    ),
}
"""The message and the hint shown to a person, by failure code."""

# How often the fault strikes: once or ten times, which is more than five tries sit out.
TIMES = {
    "token": 1, "upload": 1, "initiate": 10, "late-initiate": 10, "submit": 1, "submits": 10, "late-submits": 10,
    "unlisted": 1, "status": 10, "result": 10, "download": 10, "cancel": 1,
}  # fmt: skip
"""`initiate` is the way round an upload that fails, `submits` a submit that fails for long, `late-…` what strikes
when the host's deadline is over, `unlisted` a submit on a key that may not list jobs, so that nobody learns its end."""

# For each operation: state or failure's code, jobs that are paid for, calls of the operation, and after which faults.
# 0-1: an upload that is refused goes the way round or comes again, whichever meets fal first when it listens again.
TABLE = """
token
  done                 1   1   drop-before hang garbage wrong-shape 401 403-balance 404 429 500
upload
  done                 1 0-1   refuse
  done                 1   1   slow garbage wrong-shape 401 403-balance 404 500 500-typed 502-done 503
                               504-typed 422-image_load_error
  done                 1   2   drop-before drop-after hang truncated wrong-content 429
initiate
  done                 1  11   drop-before drop-after truncated 429
  done                 1  10   garbage wrong-shape wrong-content 404 500 500-typed 502-done 503 504-typed
  key_refused          0   1   401 403
  balance_exhausted    0   1   403-balance
  account_locked       0   1   403-lock
  image_unreadable     0   1   422-image_load_error
late-initiate
  fal_unreachable      0   2   drop-before drop-after truncated
  fal_odd_answer       0   1   garbage wrong-shape wrong-content 404
  fal_busy             0   2   429
  fal_temporary        0   1   500 500-typed 502-done 503
  fal_timeout          0   1   504-typed
submit
  done                 1   1   refuse drop-after slow truncated 502-done
  unconfirmed          0   1   drop-before hang garbage wrong-shape wrong-content 500 502-html 504
  key_refused          0   1   401 403
  balance_exhausted    0   1   403-balance
  account_locked       0   1   403-lock
  model_unavailable    0   1   404
  done                 1   2   408 409 429 429-after 500-typed 503 504-typed
  image_unreadable     0   1   422-image_load_error
submits
  done                 1  11   408 409 429 429-after 500-typed 503 504-typed
late-submits
  fal_temporary        0   1   408 409 500-typed 503
  fal_busy             0   1   429 429-after
  fal_timeout          0   1   504-typed
unlisted
  unconfirmed          0   1   drop-before hang garbage 502-html
  unconfirmed          1   1   drop-after truncated 502-done
status
  done                 1   1   refuse slow 404
  done                 1  11   drop-before drop-after truncated garbage wrong-shape wrong-content 401 403 403-balance
                               403-lock 408 409 429 429-after 500 500-typed 502-html 502-done 503 504 504-typed
                               422-image_load_error
  done                 1   2   hang
result
  done                 1   1   refuse slow
  done                 1  11   drop-before drop-after truncated garbage 401 403 403-balance 403-lock 404 408 409 429
                               429-after 500 502-html 502-done 503 504
  done                 1   2   hang
  result_unusable      1   2   wrong-shape wrong-content
  fal_temporary        0  10   500-typed
  fal_timeout          0  10   504-typed
  image_too_small      1   2   422-image_too_small
  image_too_large      1   2   422-image_too_large
  image_unreadable     1   2   422-image_load_error 422-unsupported_image_format 422-file_download_error
  file_too_large       1   2   422-file_too_large
  refused_by_filter    1   2   422-content_policy_violation
  nothing_built        1   2   422-no_media_generated
  option_out_of_range  1   2   422-less_than_equal 422-one_of 422-missing
  fal_refused          1   2   422-never_heard_of
download
  done                 1   1   refuse slow
  done                 1  11   drop-before drop-after truncated 401 403-balance 429 500 500-typed 502-done 503
                               504-typed 422-image_load_error
  done                 1   2   hang
  result_unusable      1   2   garbage wrong-shape wrong-content
  result_expired       1   2   404
cancel
  cancelled            1   2   drop-before drop-after truncated 408 409 429 429-after 500 500-typed 502-html 502-done
                               503 504 504-typed
  done                 1   1   hang garbage wrong-shape wrong-content 401 403 403-balance 403-lock 404
                               422-image_load_error
  cancelled            1   1   slow
"""


@dataclass(frozen=True)
class Row:
    """A fault of an operation, and what must come of it."""

    operation: str
    fault: str
    end: str
    paid: int
    calls: range

    def __str__(self) -> str:
        return f"{self.operation} {self.fault}"


def rows() -> list[Row]:
    """The table as rows."""
    found: list[Row] = []
    operation, outcome = "", ("", 0, range(0))
    for line in TABLE.strip().splitlines():
        words = line.split()
        if not line.startswith(" "):
            operation = line
            continue
        if words[0] not in FAULTS:
            end, paid, calls, *words = words
            fewest, _, most = calls.partition("-")
            outcome = end, int(paid), range(int(fewest), int(most or fewest) + 1)
        found += [Row(operation, fault, *outcome) for fault in words]
    return found


@pytest.fixture(scope="module")
def new_database(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Makes the URL of the services' database: SQLite's in its folder, unless FAULT_TABLE_ON names PostgreSQL."""
    if os.environ.get("FAULT_TABLE_ON") != "postgresql":
        return lambda: ""
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.database


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def services(
    stand_in: FalServer,
    tmp_path_factory: pytest.TempPathFactory,
    pool: WorkerPool,
    new_database: Callable[[], str],
) -> AsyncIterator[Services]:
    """Services for the whole table, with one model of fal."""
    folder = tmp_path_factory.mktemp("table")
    account = FalAccount(KEY, FalHosts.at(stand_in.url), SHORT_TIMEOUTS)
    settings = Settings(
        data_dir=folder / "data", generator="trellis", workers=1, retry_pace=0, min_free_gb=0,
        database_url=new_database(), _env_file=None
    )  # fmt: skip
    services = Services(settings, [FalGenerator(MODELS["trellis"], account, no_delay)], pool)
    await services.start()
    await wait_until_async(lambda: stand_in.calls["pricing"])
    yield services
    await services.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def late_services(
    stand_in: FalServer,
    tmp_path_factory: pytest.TempPathFactory,
    pool: WorkerPool,
    services: Services,
    new_database: Callable[[], str],
) -> AsyncIterator[Services]:
    """One whose deadline is over when a picture comes: nothing is submitted again."""
    other = {"data_dir": tmp_path_factory.mktemp("late"), "database_url": new_database(), "job_minutes": 0}
    settings = services.settings.model_copy(update=other)
    account = FalAccount(KEY, FalHosts.at(stand_in.url), SHORT_TIMEOUTS)
    late = Services(settings, [FalGenerator(MODELS["trellis"], account, no_delay)], pool)
    await late.start()
    yield late
    await late.close()


async def as_new(services: Services, fal: FalServer) -> None:
    """Forget what the rows before have left: upload token, breaker, dropped model, calls."""
    generator: Any = services.generator()
    await generator.close()
    await services.admin.reset_breaker("trellis")
    generator.account.listing = ModelListing()
    fal.reset()


def prepare(fal: FalServer, row: Row) -> str:
    """Lay the fault in the way; return the operation whose calls count."""
    operation, fault = row.operation.removeprefix("late-"), FAULTS[row.fault]
    if operation == "initiate":
        fal.faults["upload"].extend([Fault("answer", 500, "oops")] * 10)
    if operation == "unlisted":
        fal.faults["requests"].extend([flat(403, "Forbidden")] * 10)
    if operation == "cancel":
        fal.script = Script(run_seconds=600)
    operation = {"submits": "submit", "unlisted": "submit"}.get(operation, operation)
    if fault.kind == "refuse":
        fal.outage_after[BEFORE[operation]] = AWAY
    elif operation == "result" and fault.body and "typed" in row.fault:  # fal's own failure, which it does not bill
        fal.script = Script(error=(fault.status, fault.body))
    else:
        fal.faults[operation].extend([fault] * (1 if fault.kind == "hang" else TIMES[row.operation]))
    return operation


async def outcome(services: Services, fal: FalServer, row: Row, sides: Sequence[Side] = ()) -> dict[str, Any]:
    """One object's job, from submit to its end; what is cancelled and goes on ends once fal was asked to stop it."""
    path = services.folders.data.parent / "a.png"
    path.write_bytes(encoded(photo(48, 40)))
    batch = await services.submit(
        SubmitRequest([Picture(path, "a.png", {side: Picture(path, f"a_{side}.png") for side in sides})])
    )
    if row.operation == "cancel":
        await wait_until_async(lambda: fal.calls["status"])
        await services.cancel(batch.id)
        if row.end == "done":
            await wait_until_async(lambda: fal.calls["cancel"])
            fal.job().script = Script()
    async with asyncio.timeout(60):
        *_, view = [view async for view in services.watch(batch.id)]
    (job,) = view.jobs
    return job


@pytest.mark.parametrize("row", rows(), ids=str)
async def test_fault_ends_as_the_table_says(services: Services, late_services: Services, stand_in: FalServer, row: Row):
    """The job's final state, the paid requests, the number of calls and the message shown are those of the table."""
    services = late_services if row.operation.startswith("late-") else services
    await as_new(services, stand_in)
    operation = prepare(stand_in, row)
    job = await outcome(services, stand_in, row)
    error = job.error or Failure("", "")
    assert (error.code or job.state, len(stand_in.paid)) == (row.end, row.paid)
    assert stand_in.calls[operation] in row.calls
    assert stand_in.leaks == []
    if row.end in MESSAGES:
        words = MESSAGES.get(f"{row.end} {row.fault}", MESSAGES[row.end])
        assert (error.message, error.hint) == words
        assert job.state == ("unconfirmed" if row.end == "unconfirmed" else "failed")


SUBMITS = [row for row in rows() if row.operation == "submit" and row.fault != "refuse"]
"""Nobody listens from the upload before on, which of three pictures is not the last."""


@pytest.mark.parametrize("row", SUBMITS, ids=str)
async def test_several_sides_of_one_object_fare_as_one_picture(services: Services, stand_in: FalServer, row: Row):
    """A job of three pictures is submitted and paid for as often as a job of one, for each fault of the submit."""
    await as_new(services, stand_in)
    operation = prepare(stand_in, row)
    job = await outcome(services, stand_in, row, sides=("back", "left"))
    assert (job.error.code if job.error else job.state, len(stand_in.paid)) == (row.end, row.paid)
    assert stand_in.calls[operation] in row.calls
    assert all(len(job.arguments["image_urls"]) == 3 for job in stand_in.jobs.values())
