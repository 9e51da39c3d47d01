"""Kills -9 while pictures are being handed to fal: how many submits are left in doubt, and what becomes of them.

    python -m tests.load.killed_submits --kills 20

Each time a batch is submitted, and the process is killed between a submit's beginning and the moment when its answer is
stored, which the stand-in for fal delays. Prints how many jobs were in doubt, and what came of these after the next
start: `done` was found in fal's list of requests by the address of its picture, and collected; `unconfirmed` was not.
Ends with status 1 where a picture was paid for twice, or one that fal has is unconfirmed.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from image2model.devtools.fal_stand_in import Fault, Script
from image2model.jobs.models import Batch, Job
from tests.load.soak import Process, SoakReport, _batches, _picture, _wait_until_idle
from tests.support.fal_server import FalServer

ANSWER_SECONDS = 0.4
"""Seconds after which fal answers a submit."""


def in_doubt(batches: list[Batch]) -> list[Job]:
    """Jobs whose intent is stored and whose answer is not."""
    return [job for batch in batches for job in batch.jobs if job.state == "submitting"]


def kill_while_submitting(folder: Path, kills: int, pictures: int, chance: random.Random) -> list[str]:
    """Kill so many processes while they submit; print the outcome and return its problems."""
    files = [str(_picture(folder / f"picture {number}.png", number)) for number in range(pictures)]
    doubtful: set[str] = set()
    with FalServer(Script(run_seconds=0.2)) as fal:
        process = Process(folder / "data", fal)
        for _ in range(kills):
            fal.faults["submit"].clear()
            fal.faults["submit"].extend(Fault(chance.choice(("slow", "late")), seconds=ANSWER_SECONDS) for _ in files)
            before = fal.calls["submit"]
            process.send({"submit": files})
            end = time.monotonic() + 20
            while fal.calls["submit"] == before and time.monotonic() < end:
                time.sleep(0.002)
            time.sleep(chance.uniform(0, ANSWER_SECONDS))
            process.kill()
            doubtful |= {job.id for job in in_doubt(_batches(folder / "data"))}
            fal.faults["submit"].clear()
            process.start()
        report = SoakReport(0)
        batches = _wait_until_idle(folder / "data", report)
        process.stop()
        taken = Counter(str(job.arguments.get("image_url")) for job in fal.jobs.values())
        jobs = [job for batch in batches for job in batch.jobs]
        states = Counter(job.state for job in jobs if job.id in doubtful)
        print(f"{kills} kills, {len(jobs)} pictures, {len(doubtful)} submits in doubt: {dict(states)}")
        print(f"{len(fal.paid)} paid for, all jobs: {dict(Counter(job.state for job in jobs))}")
        unconfirmed = [str((job.intent or {}).get("image_url")) for job in jobs if job.state == "unconfirmed"]
        known = [url for url in unconfirmed if taken[url]]
    return [
        *report.problems,
        *(f"{url} was bought {count} times" for url, count in taken.items() if count > 1),
        *(f"fal has {url}, which is unconfirmed" for url in known),
        *([f"{len(fal.paid)} paid for {len(jobs)} pictures"] if len(fal.paid) > len(jobs) else []),
    ]


def main() -> None:
    """Kill while pictures are submitted, and print the outcome."""
    parser = argparse.ArgumentParser(description="Kills while pictures are handed to fal.")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--pictures", type=int, default=6)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        problems = kill_while_submitting(Path(folder), given.kills, given.pictures, random.Random(given.seed))  # noqa: S311
    print("\n".join(problems) or "All is well.")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
