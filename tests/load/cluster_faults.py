"""Faults of a cluster: a batch through nginx for each harm to its processes and services, and the outcome.

    python -m tests.load.cluster_faults
    python -m tests.load.cluster_faults "Redis is away" "a scheduler sleeps" --trouble --seed 7
    python -m tests.load.cluster_faults --trouble --minutes 2

Real nginx, PostgreSQL, Redis and Celery, two web replicas, a scheduler, two workers and beat; the stand-in plays fal.
Each harm is done once fal has half of the pictures. A picture that fal was about to get when its scheduler died, and
that is not in fal's list of requests, is `unconfirmed`: what may be bought is not bought again. Prints how long the
batch took, how its pictures ended, and what visitors were answered meanwhile other than 200.

With `--trouble` fal answers with random faults as well, as in `tests.load.soak`, and pictures may fail. With
`--minutes` random harms follow each other on the same cluster until that time is over: a soak. Ends with status 1 where
a picture is lost, or paid for twice.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Any

import httpx
import psycopg
from redis import Redis

from image2model.devtools.app_process import SETTING_PREFIXES
from image2model.devtools.cluster import Cluster, exit_on_sigterm
from image2model.devtools.fal_stand_in import KEY, Script
from image2model.jobs.models import FINISHED
from tests.load.soak import _make_trouble
from tests.support.fal_server import FalServer
from tests.support.pictures import encoded, photo

PICTURES = 6
RUN_SECONDS = 2.0
LEASE_SECONDS = 3
AWAY_SECONDS = 2.0 * LEASE_SECONDS
"""How long a service is away, or a process asleep: longer than a lease and than what is waited for Redis."""
LONGEST_SECONDS = 90.0
"""After which a batch is lost."""
FILES = [("files", (f"{number}.png", encoded(photo(64 + number)), "image/png")) for number in range(PICTURES)]


def replace(*names: str) -> Callable[[Cluster], None]:
    """Kill processes with -9, all at once, and start them again."""

    def harm(cluster: Cluster) -> None:
        for name in names:
            cluster.kill(name)
        for name in names:
            cluster.run(name)

    return harm


def asleep(name: str) -> Callable[[Cluster], None]:
    """Stop a process until its lease has lapsed and another has its jobs."""

    def harm(cluster: Cluster) -> None:
        cluster.signal(name, SIGSTOP)
        time.sleep(AWAY_SECONDS)
        cluster.signal(name, SIGCONT)

    return harm


def without_redis(cluster: Cluster) -> None:
    """Kill Redis with -9, and start it again with what it has kept."""
    cluster.kill("redis")
    time.sleep(AWAY_SECONDS)
    cluster.run("redis")


def forgetful_redis(cluster: Cluster) -> None:
    """Let Redis forget everything, messages and counts, and close every connection to it."""
    with Redis.from_url(cluster.settings("test")["CELERY_BROKER_URL"]) as redis:
        redis.flushall()
    cut_redis(cluster)


def without_postgres(cluster: Cluster) -> None:
    """Stop PostgreSQL without a checkpoint, and start it again."""
    cluster.postgres.stop()
    time.sleep(AWAY_SECONDS)
    cluster.postgres.start()


def cut_redis(cluster: Cluster) -> None:
    """Close every connection to Redis."""
    with Redis.from_url(cluster.settings("test")["CELERY_BROKER_URL"]) as redis:
        for kind in ("normal", "pubsub"):
            redis.client_kill_filter(_type=kind)


def cut_postgres(cluster: Cluster) -> None:
    """Close every connection to PostgreSQL."""
    with psycopg.connect(cluster.database_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")


HARMS: Mapping[str, Callable[[Cluster], None]] = {
    "nothing": lambda _: None,
    "a scheduler dies": replace("scheduler"),
    "a worker dies": replace("worker-1"),
    "all workers die": replace("worker-1", "worker-2"),
    "a web replica dies": replace("web-1"),
    "beat dies": replace("beat"),
    "nginx dies": replace("nginx"),
    "scheduler, worker and web replica die": replace("scheduler", "worker-2", "web-2"),
    "a scheduler sleeps": asleep("scheduler"),
    "a worker sleeps": asleep("worker-1"),
    "Redis is away": without_redis,
    "Redis closes all connections": cut_redis,
    "Redis forgets everything": forgetful_redis,
    "PostgreSQL is away": without_postgres,
    "PostgreSQL closes all connections": cut_postgres,
}


class Visitor:
    """Someone who asks through nginx until an answer comes, and counts the others."""

    def __init__(self, cluster: Cluster) -> None:
        self._client = httpx.Client(base_url=cluster.url, timeout=30, trust_env=False)
        self.refusals: Counter[str] = Counter()

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """The first answer that is 200; raises TimeoutError where none comes."""
        end = time.monotonic() + LONGEST_SECONDS
        while time.monotonic() < end:
            try:
                answer = self._client.request(method, path, **more)
            except httpx.TransportError as error:
                self.refusals[type(error).__name__] += 1
            else:
                if answer.status_code == 200:
                    return answer
                self.refusals[str(answer.status_code)] += 1
            time.sleep(0.1)
        raise TimeoutError(f"{path} is not answered: {dict(self.refusals)}")

    def wait_until_completed(self, batch: Mapping[str, Any]) -> str:
        """Wait until a batch is through; return its last state."""
        end = time.monotonic() + LONGEST_SECONDS
        while time.monotonic() < end:
            state = str(self.ask("GET", f"/api/v1/status/tasks/{batch['task_id']}/status").json()["status"])
            if state in ("completed", "failed"):
                return state
            time.sleep(0.1)
        return state


def suffer(
    cluster: Cluster, fal: FalServer, harm: Callable[[Cluster], None], trouble: random.Random | None
) -> list[str]:
    """Do one harm while a batch is made; print what came of it and return what must not be."""
    visitor, began, jobs_before, paid_before = Visitor(cluster), time.monotonic(), len(fal.jobs), len(fal.paid)

    def harm_in_trouble(cluster: Cluster) -> None:
        """Let fal answer with random faults until the harm is done."""
        enough = threading.Event()
        feeder = threading.Thread(target=_make_trouble, args=(fal, trouble, enough))
        feeder.start()
        harm(cluster)
        enough.set()
        feeder.join()
        fal.faults.clear()
        fal.script = Script(run_seconds=RUN_SECONDS)

    batch = visitor.ask("POST", "/api/v1/upload", files=FILES, headers={"Idempotency-Key": str(began)}).json()
    while len(fal.jobs) < jobs_before + PICTURES / 2 and time.monotonic() < began + LONGEST_SECONDS:
        time.sleep(0.02)
    with ThreadPoolExecutor(1) as thread:
        harming = thread.submit(harm_in_trouble if trouble else harm, cluster)
        state = visitor.wait_until_completed(batch)
        harming.result()
    urls = visitor.ask("GET", f"/api/v1/download/{batch['job_id']}/all").json()["download_urls"]
    whole = sum(visitor.ask("GET", url).content.startswith(b"glTF") for url in urls)
    states, paid = job_states(cluster, batch["task_id"]), len(fal.paid) - paid_before
    took, others = time.monotonic() - began, dict(visitor.refusals)
    print(f"{took:5.1f} s, {whole} meshes, {paid} paid for, {dict(states)}, {others}", flush=True)
    wrongs = []
    if whole != states["done"]:
        wrongs.append(f"{states['done']} are done and {whole} have a mesh")
    if paid > PICTURES or (not trouble and paid != whole):
        wrongs.append(f"{paid} were paid for, and {whole} of {PICTURES} came")
    ends = FINISHED if trouble else {"done", "unconfirmed"}
    if states.total() != PICTURES or not states.keys() <= ends:
        wrongs.append(f"not every picture has its end: {dict(states)}, the batch is {state}")
    if visitor.refusals["500"]:
        wrongs.append("a visitor was answered 500")
    return wrongs


def job_states(cluster: Cluster, task_id: str) -> Counter[str]:
    """Number of a batch's jobs in each state."""
    query = "SELECT jobs.state FROM jobs JOIN batches ON batch_id = batches.id WHERE task_id = %s"
    with psycopg.connect(cluster.database_url.replace("+psycopg", "")) as connection:
        return Counter(state for (state,) in connection.execute(query, (task_id,)))


def sequence(names: Sequence[str], minutes: float | None, chance: random.Random) -> Iterator[str]:
    """Each name once or, with `minutes`, random ones of them until the time is over."""
    if minutes is None:
        yield from names
        return
    until = time.monotonic() + 60 * minutes
    while time.monotonic() < until:
        yield chance.choice(names)


def main() -> None:
    """Do the harms that are named, or all."""
    exit_on_sigterm()
    parser = argparse.ArgumentParser(description="Harms to a cluster, and what came of a batch meanwhile.")
    parser.add_argument("harms", nargs="*", help=f"of these: {', '.join(HARMS)}")
    parser.add_argument("--trouble", action="store_true", help="fal answers with random faults as well")
    parser.add_argument("--minutes", type=float, help="do random ones of the harms for so long, instead of each once")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="cluster-"))
    trouble = random.Random(given.seed) if given.trouble else None  # noqa: S311
    wrongs: list[str] = []
    kept = {name: value for name, value in os.environ.items() if not name.startswith(SETTING_PREFIXES)}
    with FalServer(Script(run_seconds=RUN_SECONDS)) as fal:
        more = {"FAL_KEY": KEY, "FAL_HOST": fal.url, "LEASE_SECONDS": str(LEASE_SECONDS), "WORKERS": "1"}
        cluster = Cluster(folder, {**kept, **more, "RETRY_PACE": "0.01", "UPLOADS_PER_MINUTE": "1000"})
        try:
            cluster.start()
            for name in sequence(given.harms or list(HARMS), given.minutes, random.Random(given.seed)):  # noqa: S311
                cluster.wait_for_replicas()
                print(f"{name:<38} ", end="", flush=True)
                wrongs += [f"{name}: {wrong}" for wrong in suffer(cluster, fal, HARMS[name], trouble)]
        finally:
            cluster.stop()
            shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(wrongs) or "All is well.")
    sys.exit(bool(wrongs))


if __name__ == "__main__":
    main()
