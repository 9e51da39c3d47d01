"""Properties of the states: no order of events, cancels, retries and crashes loses a job or moves a finished one."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from image2model.jobs.db import leases, queries
from image2model.jobs.db.store import Store, new_id
from image2model.jobs.models import FINISHED, STATE_ORDER, UNSUCCESSFUL, Job, NewBatch, NewJob, Wait
from image2model.jobs.retry_policy import collectable_codes

STATES = st.sampled_from(sorted(STATE_ORDER))
CODES = st.sampled_from(["fal_temporary", "nothing_built", "fal_lost_contact", "internal_error", "unconfirmed"])
PRICE = Decimal("0.30")


class Jobs(RuleBasedStateMachine):
    """Two batches of two jobs, changed by workers, people and crashes in any order."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._open()
        self.batches = [self._batch(), self._batch()]
        self.before = self._all()

    def _open(self) -> None:
        self.store = Store(f"sqlite:///{Path(self._folder.name) / 'x.db'}")

    def _batch(self) -> str:
        jobs = [NewJob("a.png", "a", PRICE), NewJob("b.png", "b", PRICE)]
        return self.store.create(NewBatch(new_id(), "tripo", {}, None, False, jobs)).id

    def _all(self) -> dict[str, Job]:
        return {job.id: job for batch in self.batches for job in self.store.batch(batch).jobs}

    def _job(self, index: int) -> Job:
        return sorted(self._all().values(), key=lambda job: (job.batch_id, job.number))[index]

    @rule(index=st.integers(0, 3), state=STATES, late=st.integers(0, 1), progress=st.floats(0, 1), code=CODES)
    def tell(self, index: int, state: Any, late: int, progress: float, code: str) -> None:
        """A worker reports a state, perhaps of an earlier attempt."""
        job = self._job(index)
        fields: dict[str, Any] = {"progress": progress}
        if state == "queued":
            fields["remote"] = {"request_id": f"{job.id} {job.attempt}"}
        if state in ("failed", "unconfirmed"):
            fields["failure"] = {"code": code, "message": "m", "retryable": True}
        moved = self.store.transition(job.id, state, attempt=job.attempt - late, **fields)
        assert moved is None or not late
        if job.state in FINISHED:
            assert moved is None
        if moved and moved.state != job.state:
            assert STATE_ORDER[moved.state] >= STATE_ORDER[job.state]
        if moved and state == "queued":
            assert moved.remote == fields["remote"]

    @rule(index=st.integers(0, 3))
    def cancel(self, index: int) -> None:
        """A person cancels a job: at once if it is not submitted, else it becomes `cancelling`."""
        job = self._job(index)
        moved = self.store.cancel(job.id)
        if moved:
            taken = job.remote is not None or job.state in ("submitting", "cancelling")
            assert moved.state == ("cancelling" if taken else "cancelled")
            assert moved.remote == job.remote

    @rule(index=st.integers(0, 3), collects=st.booleans(), late=st.integers(0, 1))
    def schedule_next_attempt(self, index: int, collects: bool, late: int) -> None:
        """The policy gives another try, which keeps what was taken where it only collects."""
        job = self._job(index)
        remote = job.remote if collects else None
        moved = self.store.schedule_next_attempt(job.id, job.attempt - late, Wait("x", "m", 1.0), remote)
        assert moved is None or (not late and job.state not in FINISHED)
        if moved:
            assert (moved.attempt, moved.purchase) == (job.attempt + 1, job.purchase)
            assert moved.remote == (dict(remote) if remote else None)
            assert moved.state == ("cancelling" if job.state == "cancelling" else "new")

    @rule(which=st.integers(0, 1), numbers=st.none() | st.sets(st.integers(1, 2)))
    def retry(self, which: int, numbers: set[int] | None) -> None:
        """A person retries jobs that ended badly."""
        before = self._all()
        fresh = self.store.retry_jobs(self.batches[which], numbers, UNSUCCESSFUL, collectable_codes())
        for job in fresh:
            old = before[job.id]
            assert old.state in UNSUCCESSFUL
            kept = bool(old.remote and old.failure and old.failure.code in collectable_codes())
            assert (job.purchase == old.purchase) == kept
            assert (job.remote is not None) == kept

    @rule()
    def crash(self) -> None:
        """The process dies and another opens the same file: everything is as it was, and the other has what is left."""
        before = self._all()
        self.store.close()
        self._open()
        assert self._all() == before
        taken = {job.id for _, job in self.store.run_as_holder(leases.acquire_jobs, 10)}
        assert taken == {job.id for job in before.values() if not job.finished}
        for job_id in taken:
            job = before[job_id]
            assert self.store.transition(job_id, job.state, attempt=job.attempt, fence=job.fence) is None

    @invariant()
    def no_job_is_lost_and_no_finished_one_moves(self) -> None:
        """The four jobs remain; a finished job changes only by a retry, and progress and sequence numbers only grow."""
        now = self._all()
        assert now.keys() == self.before.keys()
        for job_id, old in self.before.items():
            job = now[job_id]
            if old.finished and job.attempt == old.attempt:
                assert job == old
            assert job.sequence >= old.sequence
            if job.attempt == old.attempt:
                assert job.progress >= old.progress
        self.before = now

    @invariant()
    def each_purchase_has_one_row_in_the_ledger(self) -> None:
        """Every purchase of every job is booked once, and what is finished is settled."""
        rows = self.store.read(queries.spending, "generator")
        assert sum(row["images"] for row in rows) == sum(job.purchase for job in self._all().values())
        open_jobs = sum(not job.finished for job in self._all().values())
        assert sum(row["images"] for row in rows if row["state"] == "reserved") == open_jobs

    def teardown(self) -> None:
        """Close the store and delete its file."""
        self.store.close()
        self._folder.cleanup()


TestJobs = Jobs.TestCase
TestJobs.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
