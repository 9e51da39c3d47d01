"""Views of a batch and of a job that tell nothing: for tests that say with `replace` what they are about."""

from __future__ import annotations

from image2model.jobs.views import BatchView, Cost, Counts, JobView

BLANK_JOB = JobView(
    id="", number=1, name="", filename="", state="new", progress=0.0, message="", waiting=None, queue_position=None,
    elapsed=None, sequence=0, attempt=1, own_key=False, error=None, facts=None, cost=None, picture="", whole_picture="",
    sides=(), url=None, thumbnail="", turntable=None, action=None, retry_price=None,
    retry_may_be_billed_twice=False, billed="reserved",
)  # fmt: skip
BLANK_BATCH = BatchView(
    batch_id="", state="working", sequence=0, progress=0.0, message="", seconds_left=None,
    counts=Counts(0, 0, 0, 0, 0), generator="", generator_name="", result_is="", options={}, face_limit=None,
    cut_out=False, created_at=0.0, cost=Cost(0.0, 0.0, 0.0), rejected=(), jobs=(), zip=None, pinned=False,
    kept_until=None, kept_while_space=False, retry_price=0.0, retry_may_be_billed_twice=False,
    seconds_taken=None, visitor="",
)  # fmt: skip
