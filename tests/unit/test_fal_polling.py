"""The polling delays of fal and the progress in its log lines: pure functions, tested without waiting."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image2model.generators.fal.catalogue import FAL_MODELS
from image2model.generators.fal.polling import MAX_MESSAGE, MAX_POLLS_PER_SECOND, LogProgress, poll_delay

SECONDS = st.floats(0, 1000)


def watch(job: float, usual: float) -> tuple[int, float]:
    """Poll a job of `job` seconds on a scripted clock: the number of calls, and how late the end is noticed."""
    now, calls = 0.0, 1
    while now < job:
        now, calls = now + poll_delay(now, usual), calls + 1
    return calls, now - job


@pytest.mark.parametrize("job", [115 + n / 10 for n in range(101)])
def test_a_usual_two_minute_job_costs_under_forty_calls(job: float):
    """Two minutes, give or take five seconds, where two minutes are usual: with room for the result's own call."""
    assert watch(job, 120)[0] < 40


@pytest.mark.parametrize("usual", sorted({model.spec.usual_seconds for model in FAL_MODELS}))
def test_a_two_minute_job_of_any_model_costs_about_forty_calls(usual: float):
    """A job of two minutes costs at most 48 status calls for any usual time of its model."""
    assert watch(120, usual)[0] <= 48


@given(share=st.floats(0.75, 1.25), usual=st.sampled_from(sorted({model.spec.usual_seconds for model in FAL_MODELS})))
def test_the_end_near_its_usual_time_is_noticed_within_a_second_or_five_per_cent(share: float, usual: float):
    """The end of a job is noticed within a second or 5 % of the usual time, whichever is larger, for every model."""
    job = share * usual
    assert watch(job, usual)[1] <= max(1.0, 0.05 * job) * 1.05


@given(job=st.floats(0, 10), usual=st.floats(1, 300))
def test_the_end_in_the_first_ten_seconds_is_noticed_within_one(job: float, usual: float):
    """Quick jobs never wait for a slow schedule."""
    assert watch(job, usual)[1] <= 1.0


@given(job=st.floats(10, 1000), usual=st.floats(1, 300))
def test_end_is_noticed_within_a_fifth_of_the_job(job: float, usual: float):
    """The end of a job is noticed within a fifth of its time, or a second, for any usual time of its model."""
    assert watch(job, usual)[1] <= max(1.0, 0.2 * job)


@pytest.mark.parametrize("job", [0.0, 0.3, 0.99, 1.0, 1.01, 1.2])
def test_jobs_of_a_second_are_noticed_almost_at_once(job: float):
    """The end of a job of about a second is noticed within a quarter of a second."""
    assert watch(job, 120)[1] <= 0.25


@pytest.mark.parametrize("crowd", [1, 25, 100, 1000, 5000])
def test_a_crowd_costs_no_more_than_its_pace(crowd: int):
    """All jobs together poll fal at most fifty times a second, and a batch of 25 polls as often as a single job."""
    delays = [poll_delay(seconds, 120, crowd) for seconds in range(10, 600)]
    assert max(crowd / delay for delay in delays) <= MAX_POLLS_PER_SECOND
    assert crowd > 25 or delays == [poll_delay(seconds, 120) for seconds in range(10, 600)]


@given(elapsed=SECONDS, expected=SECONDS)
def test_next_call_is_always_scheduled(elapsed: float, expected: float):
    """No delay is zero, negative or without end."""
    assert 0.1 <= poll_delay(elapsed, expected) <= 1000


def line(message: object, timestamp: str = "t") -> dict[str, object]:
    """One line of fal's log."""
    return {"message": message, "timestamp": timestamp, "level": "INFO"}


@pytest.mark.parametrize(
    ("message", "fraction"),
    [
        ("progress: 40%", 0.4),
        ("Sampling:  62%|██████▏   | 31/50", 0.62),
        ("12.5 % done", 0.125),
        ("100%", 1.0),
        ("0%", 0.0),
        ("140%", None),
        ("version 1.2.3%", None),
        ("loading weights", None),
    ],
)
def test_percentages_are_read_from_the_log(message: str, fraction: float | None):
    """Percentages are read in the forms in which models write them, and in no others."""
    progress = LogProgress()
    progress.read([line(message)])
    assert progress.fraction == fraction


def test_progress_never_falls():
    """Many models count to 100 % more than once."""
    progress = LogProgress()
    progress.read([line("70%", "1")])
    progress.read([line("70%", "1"), line("20%", "2")])
    assert progress.fraction == 0.7


def test_lines_sent_again_are_not_news():
    """fal's log is a moving window: an old line does not become the latest one."""
    progress = LogProgress()
    progress.read([line("first", "1"), line("second", "2")])
    progress.read([line("first", "1")])
    assert progress.message == "second"


def test_messages_are_made_fit_for_people():
    """One line, of a sensible length, without addresses or control characters."""
    progress = LogProgress()
    progress.read([line("first\nsaved to https://v3.fal.media/files/secret \x1b[31m" + "x" * 500)])
    assert progress.message.startswith("saved to … ")
    assert len(progress.message) <= MAX_MESSAGE
    assert progress.message.isprintable()


@pytest.mark.parametrize("logs", [None, "text", 7, {}, [None], [7], [{}], [{"message": None}], [{"timestamp": "t"}]])
def test_logs_of_any_shape_do_no_harm(logs: object):
    """Logs of any shape are ignored if they cannot be read."""
    progress = LogProgress()
    progress.read(logs)
    assert (progress.fraction, progress.message) == (None, "")


def test_progress_of_the_model_sets_the_expected_end():
    """A quarter after 30 s means 120 s in all; without it the usual time counts."""
    progress = LogProgress()
    assert progress.expected_seconds(30, 60) == 60
    progress.read([line("25%")])
    assert progress.expected_seconds(30, 60) == 120
