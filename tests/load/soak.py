"""A soak: random faults of fal and kill -9 at random moments, then a comparison of results, ledger and fal's bill.

    python -m tests.load.soak --kills 300 --seed 7

Every other picture has a back, which is one job with it. At the end every object is delivered, failed with a true
reason, cancelled or unconfirmed; fal was paid for no more jobs than objects and retries; no file is left over; the
database is sound. The seed is printed first, and the same seed plays the same faults (at other moments: processes are
not deterministic).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from image2model.devtools.fal_stand_in import KEY, Fault, Script
from image2model.jobs.db.store import Store
from image2model.jobs.ledger import billing_outcome
from image2model.jobs.models import FINISHED, Batch
from tests.support.fal_server import FalServer
from tests.support.pictures import encoded, photo

ROOT = Path(__file__).parents[2]
BUSY = {"retry-after": "0"}
FAULTS = (
    Fault("drop_before"), Fault("drop_after"), Fault("truncate"), Fault("slow", seconds=0.3),
    Fault("answer", 500, "oops"), Fault("answer", 502, "<html>Bad Gateway</html>"), Fault("answer", 503, "busy"),
    Fault("answer", 504, ""), Fault("answer", 429, {"detail": "slow down"}, BUSY), Fault("answer", 408, "timeout"),
    Fault("answer", 200, "not json at all"), Fault("answer", 200, {"unexpected": []}),
    Fault("answer_after", 502, "<html>"), Fault("answer_after", 503, "busy"), Fault("answer_after", 500, "oops"),
)  # fmt: skip
OPERATIONS = ("token", "upload", "submit", "submit", "status", "status", "result", "download", "cancel")
OUTCOMES = (
    *[Script(run_seconds=0.2)] * 8,
    Script(run_seconds=0.6),
    Script(run_seconds=0.1, error=(422, {"detail": [{"loc": ["body"], "msg": "m", "type": "no_media_generated"}]})),
    Script(run_seconds=0.1, error=(500, {"detail": [{"loc": ["body"], "msg": "m", "type": "internal_server_error"}]})),
)


@dataclass
class SoakReport:
    """Outcome of a soak."""

    seed: int
    pictures: int = 0
    retries: int = 0
    """Pictures whose retry button was clicked."""
    kills: int = 0
    paid: int = 0
    states: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    """Violations found; empty if there are none."""


class Process:
    """The services' process, started again after each kill."""

    def __init__(self, data: Path, fal: FalServer) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("FAL_", "DATABASE_URL"))}
        self._environment = kept | {
            "FAL_KEY": KEY, "FAL_HOST": fal.url, "DATA_DIR": str(data), "RETRY_PACE": "0.01", "MIN_FREE_GB": "0",
            "WORKERS": "1", "GENERATOR": "trellis",
        }  # fmt: skip
        self._log = (data.parent / "log").open("ab")
        self.log = data.parent / "log"
        self.start()

    def start(self) -> None:
        """Start it; return once it answers."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.services_process"],
            cwd=ROOT, env=self._environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
        )  # fmt: skip
        if not self._answer(60):
            raise RuntimeError(f"the process does not start: {self.log.read_text()[-2000:]}")

    def send(self, command: dict[str, Any]) -> dict[str, Any] | None:
        """Send a command; return its answer, None if the process was killed before."""
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
        except OSError:
            return None
        return self._answer(30)

    def _answer(self, seconds: float) -> dict[str, Any] | None:
        assert self._process.stdout
        ready, _, _ = select.select([self._process.stdout], [], [], seconds)
        line = self._process.stdout.readline() if ready else ""
        return json.loads(line) if line else None

    def kill(self) -> None:
        """End it as a power cut does."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it regularly."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(60)


def soak(folder: Path, *, kills: int, seed: int, pictures: int = 6) -> SoakReport:
    """Run a soak in this folder and compare the books; one batch of `pictures` before each kill."""
    chance = random.Random(seed)  # noqa: S311
    report = SoakReport(seed, kills=kills)
    files = [_picture(folder / f"picture {n}.png", n) for n in range(pictures)]
    back_views = [_picture(folder / f"picture {n}_back.png", pictures + n) for n in range(0, pictures, 2)]
    with FalServer() as fal:
        process = Process(folder / "data", fal)
        stop = threading.Event()
        faults = threading.Thread(target=inject_faults, args=(fal, random.Random(seed + 1), stop), daemon=True)  # noqa: S311
        faults.start()
        for _ in range(kills):
            _run_until_killed(process, folder / "data", files, back_views, chance, report)
            process.kill()
            process.start()
        stop.set()
        faults.join()
        fal.faults.clear()
        batches = _wait_until_idle(folder / "data", report)
        process.stop()
        _compare_with_provider(folder / "data", fal, batches, report)
    return report


def _run_until_killed(
    process: Process, data: Path, files: list[Path], back_views: list[Path], chance: random.Random, report: SoakReport
) -> None:
    """A new batch with some objects of two sides, perhaps a retry or cancel of an old one, some time until the kill."""
    answer = process.send({"submit": [str(file) for file in files + back_views], "sides": "by_name"})
    if answer is None or "batch" not in answer:
        report.problems.append(f"a batch was not taken: {answer}")
        return
    report.pictures += len(files)
    time.sleep(chance.uniform(0, 1.5))
    for batch in chance.sample(old := _batches(data), min(len(old), 2)):
        again = [job.number for job in batch.jobs if job.state in ("failed", "unconfirmed", "cancelled")]
        if again and chance.random() < 0.5:
            report.retries += len(again)
            process.send({"retry": batch.id, "numbers": again})
        elif chance.random() < 0.15:
            process.send({"cancel": batch.id})
    time.sleep(chance.uniform(0, 0.5))


def inject_faults(fal: FalServer, chance: random.Random, stop: threading.Event) -> None:
    """Add a fault of a random operation about ten times a second, and choose the outcome of jobs."""
    while not stop.wait(0.1):
        queue = fal.faults[chance.choice(OPERATIONS)]
        if len(queue) < 3:
            queue.append(replace(chance.choice(FAULTS)))
        fal.script = chance.choice(OUTCOMES)


def _wait_until_idle(data: Path, report: SoakReport, seconds: float = 180) -> list[Batch]:
    """Wait until all jobs have ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        batches = _batches(data)
        if all(job.finished for batch in batches for job in batch.jobs):
            return batches
        time.sleep(0.3)
    left = [(job.state, job.waiting) for batch in batches for job in batch.jobs if not job.finished]
    report.problems.append(f"{len(left)} jobs never ended: {left[:3]}")
    return batches


def _batches(data: Path) -> list[Batch]:
    store = Store(f"sqlite:///{data / 'image2model.db'}")
    try:
        return store.list_batches(limit=100_000)
    finally:
        store.close()


def _compare_with_provider(data: Path, fal: FalServer, batches: list[Batch], report: SoakReport) -> None:
    jobs = [(batch, job) for batch in batches for job in batch.jobs]
    report.states = Counter(job.state for _, job in jobs)
    report.codes = Counter(job.failure.code for _, job in jobs if job.failure)
    report.paid = len(fal.paid)
    report_problem = report.problems.append
    if len(jobs) != report.pictures:
        report_problem(f"{report.pictures} pictures were given and {len(jobs)} jobs are there")
    if report.paid > report.pictures + report.retries:
        report_problem(f"{report.paid} jobs were paid for {report.pictures} pictures and {report.retries} retries")
    for code in report.codes.keys() & {"internal_error", "no_result"}:
        report_problem(f"{report.codes[code]} jobs failed with {code}, which is no true reason")
    for batch, job in jobs:
        folder = data / "batches" / batch.id / f"{job.number}-{job.stem}"
        has_mesh = (folder / "model.glb").is_file()
        if [other.side for other in job.sides] != (["back"] if (job.number - 1) % 2 == 0 else []):
            report_problem(f"{folder.name} has lost a side, or got one")
        if job.state == "done" and not has_mesh:
            report_problem(f"{folder.name} is done and has no mesh")
        if job.state not in FINISHED:
            continue
        if job.state == "done" and (left := [path.name for path in folder.rglob("*") if "work" in path.name]):
            report_problem(f"{folder.name} has left {left}")
    known = {batch.id for batch in batches}
    orphans = [path.name for path in (data / "batches").iterdir() if path.name not in known]
    if orphans:
        report_problem(f"{len(orphans)} folders have no row")
    _check_database(data / "image2model.db", jobs, report_problem)


def _check_database(path: Path, jobs: list[Any], report_problem: Any) -> None:
    database = sqlite3.connect(path)
    if database.execute("PRAGMA integrity_check").fetchone() != ("ok",):
        report_problem("the database is damaged")
    if rows := database.execute("PRAGMA foreign_key_check").fetchall():
        report_problem(f"{len(rows)} rows point nowhere")
    rows = database.execute("SELECT job_id, press, state FROM ledger")
    booked = {(job_id, purchase): state for job_id, purchase, state in rows}
    for _, job in jobs:
        expected = (
            billing_outcome(job, job.state, job.failure.code if job.failure else "") if job.finished else "reserved"
        )
        found = booked.get((job.id, job.purchase))
        if found != expected:
            report_problem(f"the ledger says {found} of a job that is {job.state}: {expected}")
    database.close()


def _picture(path: Path, number: int) -> Path:
    path.write_bytes(encoded(photo(48 + number, 40)))
    return path


def main() -> None:
    """Run a soak by hand."""
    parser = argparse.ArgumentParser(description="Random faults and kills, then a comparison with the bill.")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    parser.add_argument("--pictures", type=int, default=6)
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        report = soak(Path(folder), kills=given.kills, seed=given.seed, pictures=given.pictures)
    print(f"{report.kills} kills, {report.pictures} pictures, {report.retries} retried, {report.paid} paid for")
    print("states:", dict(report.states), "failures:", dict(report.codes))
    print("\n".join(report.problems) or "All is well.")
    sys.exit(bool(report.problems))


if __name__ == "__main__":
    main()
