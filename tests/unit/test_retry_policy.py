"""The retry policy: by code, within the deadline, and never by a failure's words."""

from __future__ import annotations

import asyncio
import time

import pytest

from image2model.errors import GenerationFailed
from image2model.generators.fal import RESULT_KEPT_SECONDS
from image2model.generators.fal.errors import FAILURE_BY_STATUS, FAILURE_BY_TYPE
from image2model.generators.providers import failure_rules, rules_of
from image2model.jobs.retry_policy import COLLECT_BACKOFF, MAX_SUBMITS, MAX_WAIT, RESUBMIT_BACKOFF, RetryPolicy

POLICY = RetryPolicy(deadline=1800)
DAY = 86400.0
RETRIED = {code: RESUBMIT_BACKOFF[rules.retry] for code, rules in failure_rules().items() if rules.retry}
COLLECTED = sorted(code for code, rules in failure_rules().items() if rules.collectable == "automatic")


def failed(code: str, *, retryable: bool = True, retry_after: float | None = None) -> GenerationFailed:
    """A failure with a code and words that say nothing."""
    return GenerationFailed(code, "Something.", retryable=retryable, retry_after=retry_after)


def wait(
    failure: GenerationFailed, tries: int = 1, *, failures: int = 1, requested: float = 0, taken: float | None = None
):
    """Seconds until the next try; `requested` and `taken` are seconds ago."""
    now = time.time()
    kept_until = None if taken is None else now - taken + RESULT_KEPT_SECONDS
    return POLICY.wait_before_next(failure, tries, failures, now - requested, kept_until)


@pytest.mark.parametrize("code", sorted(RETRIED))
def test_waits_double_from_the_first_to_the_longest(code):
    """Each rule begins at its first wait, doubles, jitters by a fifth of the first and ends at its longest."""
    backoff = RETRIED[code]
    for number in range(1, 12):
        expected = min(backoff.first * 2 ** (number - 1), backoff.longest)
        assert expected <= backoff.seconds(number) <= min(expected + backoff.jitter * backoff.first, backoff.longest)


def test_the_published_waits():
    """Rate limits wait a minute doubling to a quarter of an hour, timeouts half a minute to five."""
    assert (RETRIED["fal_busy"].first, RETRIED["fal_busy"].longest) == (60, 900)
    assert (RETRIED["fal_timeout"].first, RETRIED["fal_timeout"].longest) == (30, 300)


def test_there_are_five_tries_and_no_sixth():
    """After the fifth accepted submit of one request nothing is sent again."""
    assert wait(failed("fal_temporary"), MAX_SUBMITS - 1, taken=1) is not None
    assert wait(failed("fal_temporary"), MAX_SUBMITS, taken=1) is None


def test_unaccepted_picture_is_retried_until_the_deadline():
    """The waits of a picture that is not accepted grow with each failure, until the deadline ends the retries."""
    waits = [wait(failed("fal_unreachable"), failures=count) for count in (1, 3, 30)]
    assert waits[0] < waits[1] < waits[2] <= 300
    assert wait(failed("fal_unreachable"), failures=30, requested=1600) is None


def test_retry_after_of_fal_is_respected():
    """Retry-After takes the place of our own wait, and is capped."""
    assert wait(failed("fal_busy", retry_after=7)) == 7
    assert wait(failed("fal_busy", retry_after=1e9)) == MAX_WAIT
    assert wait(failed("fal_busy", retry_after=-5)) == 0


def test_no_try_begins_after_the_deadline():
    """A wait that would end beyond the job's deadline is not begun."""
    assert wait(failed("fal_busy"), requested=1000) is not None
    assert wait(failed("fal_busy"), requested=1770) is None


@pytest.mark.parametrize("code", ["image_unreadable", "refused_by_filter", "key_refused", "unconfirmed", "no_subject"])
def test_permanent_failures_are_not_tried_again(code):
    """A bad picture, a bad key and a submit without an answer are never sent again by themselves."""
    assert wait(failed(code)) is None


def test_fal_s_own_word_against_a_retry_is_obeyed():
    """A temporary failure that fal calls not retryable is final."""
    assert wait(failed("fal_temporary", retryable=False)) is None


@pytest.mark.parametrize("code", COLLECTED)
def test_accepted_job_is_collected_as_long_as_fal_keeps_it(code):
    """An accepted job is collected until fal deletes its result, for any number of tries and past the deadline."""
    assert (
        wait(failed(code), MAX_SUBMITS + 50, failures=80, requested=5 * DAY, taken=5 * DAY) <= COLLECT_BACKOFF.longest
    )
    assert wait(failed(code), taken=RESULT_KEPT_SECONDS + 1) is None


def test_nothing_is_submitted_again_after_a_failure_that_may_be_billed():
    """Only failures that fal does not bill are submitted again."""
    after_submit = {row.code for row in (*FAILURE_BY_TYPE.values(), *FAILURE_BY_STATUS.values()) if row.retryable}
    unbilled = {code for code in RETRIED if not rules_of(code).billed}
    assert after_submit & set(RETRIED) <= unbilled | {"fal_busy", "fal_odd_answer"}


async def test_the_test_mode_does_not_sleep():
    """A delay factor of 0 removes all waits, stored ones too."""
    quick = RetryPolicy(delay_factor=0)
    assert quick.wait_before_next(failed("fal_busy"), 1, 1, time.time(), None) == 0
    start = time.monotonic()
    await quick.sleep_until(time.time() + 3600)
    assert time.monotonic() - start < 1


async def test_a_clock_that_jumps_makes_no_job_wait_for_ever(monkeypatch):
    """A stored moment a year ahead is waited for no longer than the longest wait."""
    monkeypatch.setattr("image2model.jobs.retry_policy.MAX_WAIT", 0.01)
    async with asyncio.timeout(5):
        await RetryPolicy().sleep_until(time.time() + 3e7)
