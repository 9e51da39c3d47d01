"""The short form of the soak; `python -m tests.load.soak --kills 300` is the long one."""

from __future__ import annotations

import random
from pathlib import Path

from tests.load.soak import soak


def test_faults_and_kills_lose_nothing_and_pay_nothing_twice(tmp_path: Path):
    """After ten kills amid random faults every picture has a true end and nothing was paid for twice."""
    seed = random.SystemRandom().randrange(2**31)
    print(f"seed {seed}: python -m tests.load.soak --kills 10 --seed {seed}")
    report = soak(tmp_path, kills=10, seed=seed)
    assert report.problems == [], f"seed {seed}"
    assert report.pictures == 60
    assert report.states["done"] > 0
