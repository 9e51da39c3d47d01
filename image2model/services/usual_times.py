"""Usual durations of generators on this host: a range, from recent measurements."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable

USUAL_TIME_WINDOW = 30 * 24 * 3600.0
"""Seconds: jobs that ended longer ago do not count."""
MIN_JOBS = 5
"""Minimum number of jobs for a range."""


def usual_times(measured: Iterable[tuple[str, float]]) -> dict[str, tuple[float, float]]:
    """Return, by generator, the range of seconds of eight jobs out of ten; `measured` has one pair per job."""
    by_generator: defaultdict[str, list[float]] = defaultdict(list)
    for generator, seconds in measured:
        by_generator[generator].append(seconds)
    return {name: _percentiles_10_90(times) for name, times in by_generator.items() if len(times) >= MIN_JOBS}


def _percentiles_10_90(times: list[float]) -> tuple[float, float]:
    """The tenth and the ninetieth percentile."""
    tenths = statistics.quantiles(times, n=10, method="inclusive")
    return tenths[0], tenths[-1]
