"""Faults of a cluster: a batch through nginx for each fault of its processes and services, and the outcome.

    python -m tests.load.cluster_faults
    python -m tests.load.cluster_faults "Redis is unavailable" "a scheduler is suspended" --trouble --seed 7
    python -m tests.load.cluster_faults --trouble --minutes 2

Real nginx, PostgreSQL, Redis and Celery, two web replicas, a scheduler, two workers and beat; the stand-in plays fal.
Each fault is injected once fal has half of the pictures. A picture that fal was about to get when its scheduler died,
and that is not in fal's list of requests, is `unconfirmed`: it may have been bought, and is not bought again. Prints
the duration of the batch, the states of its pictures, and the answers to visitors meanwhile other than 200.

With `--trouble` fal answers with random faults as well, as in `tests.load.soak`, and pictures may fail. With
`--minutes` random faults follow each other on the same cluster until that time is over: a soak. Ends with status 1
where a picture is lost, or paid for twice.
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
from tests.load.soak import inject_faults
from tests.support.fal_server import FalServer
from tests.support.pictures import encoded, photo

PICTURES = 6
RUN_SECONDS = 2.0
LEASE_SECONDS = 3
FAULT_SECONDS = 2.0 * LEASE_SECONDS
"""Seconds for which a service is unavailable or a process suspended: longer than a lease, and than waits for Redis."""
LONGEST_SECONDS = 90.0
"""Seconds after which a batch counts as lost."""
FILES = [("files", (f"{number}.png", encoded(photo(64 + number)), "image/png")) for number in range(PICTURES)]


def kill_and_restart(*names: str) -> Callable[[Cluster], None]:
    """Kill processes with -9, all at once, and start them again."""

    def fault(cluster: Cluster) -> None:
        for name in names:
            cluster.kill(name)
        for name in names:
            cluster.run(name)

    return fault


def suspend(name: str) -> Callable[[Cluster], None]:
    """Suspend a process until its lease has lapsed and another has its jobs."""

    def fault(cluster: Cluster) -> None:
        cluster.signal(name, SIGSTOP)
        time.sleep(FAULT_SECONDS)
        cluster.signal(name, SIGCONT)

    return fault


def stop_redis(cluster: Cluster) -> None:
    """Kill Redis with -9, and start it again with what it has kept."""
    cluster.kill("redis")
    time.sleep(FAULT_SECONDS)
    cluster.run("redis")


def flush_redis(cluster: Cluster) -> None:
    """Delete all messages and counts in Redis, and close every connection to it."""
    with Redis.from_url(cluster.settings("test")["CELERY_BROKER_URL"]) as redis:
        redis.flushall()
    disconnect_redis(cluster)


def stop_postgres(cluster: Cluster) -> None:
    """Stop PostgreSQL without a checkpoint, and start it again."""
    cluster.postgres.stop()
    time.sleep(FAULT_SECONDS)
    cluster.postgres.start()


def disconnect_redis(cluster: Cluster) -> None:
    """Close every connection to Redis."""
    with Redis.from_url(cluster.settings("test")["CELERY_BROKER_URL"]) as redis:
        for kind in ("normal", "pubsub"):
            redis.client_kill_filter(_type=kind)


def disconnect_postgres(cluster: Cluster) -> None:
    """Close every connection to PostgreSQL."""
    with psycopg.connect(cluster.database_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")


FAULTS: Mapping[str, Callable[[Cluster], None]] = {
    "nothing": lambda _: None,
    "a scheduler dies": kill_and_restart("scheduler"),
    "a worker dies": kill_and_restart("worker-1"),
    "all workers die": kill_and_restart("worker-1", "worker-2"),
    "a web replica dies": kill_and_restart("web-1"),
    "beat dies": kill_and_restart("beat"),
    "nginx dies": kill_and_restart("nginx"),
    "scheduler, worker and web replica die": kill_and_restart("scheduler", "worker-2", "web-2"),
    "a scheduler is suspended": suspend("scheduler"),
    "a worker is suspended": suspend("worker-1"),
    "Redis is unavailable": stop_redis,
    "Redis closes all connections": disconnect_redis,
    "Redis forgets everything": flush_redis,
    "PostgreSQL is unavailable": stop_postgres,
    "PostgreSQL closes all connections": disconnect_postgres,
}


class Visitor:
    """A client that repeats each request through nginx until it succeeds, and counts the failures."""

    def __init__(self, cluster: Cluster) -> None:
        self._client = httpx.Client(base_url=cluster.url, timeout=30, trust_env=False)
        self.refusals: Counter[str] = Counter()

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Return the first answer with status 200; raises TimeoutError without one."""
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
        """Wait until a batch has ended; return its last state."""
        end = time.monotonic() + LONGEST_SECONDS
        while time.monotonic() < end:
            state = str(self.request("GET", f"/api/v1/status/tasks/{batch['task_id']}/status").json()["status"])
            if state in ("completed", "failed"):
                return state
            time.sleep(0.1)
        return state


def run_batch(
    cluster: Cluster, fal: FalServer, fault: Callable[[Cluster], None], trouble: random.Random | None
) -> list[str]:
    """Inject one fault while a batch is made; print the outcome and return its problems."""
    visitor, began, jobs_before, paid_before = Visitor(cluster), time.monotonic(), len(fal.jobs), len(fal.paid)

    def inject_with_provider_faults(cluster: Cluster) -> None:
        """Let fal answer with random faults until the fault is over."""
        stop = threading.Event()
        thread = threading.Thread(target=inject_faults, args=(fal, trouble, stop))
        thread.start()
        fault(cluster)
        stop.set()
        thread.join()
        fal.faults.clear()
        fal.script = Script(run_seconds=RUN_SECONDS)

    batch = visitor.request("POST", "/api/v1/upload", files=FILES, headers={"Idempotency-Key": str(began)}).json()
    while len(fal.jobs) < jobs_before + PICTURES / 2 and time.monotonic() < began + LONGEST_SECONDS:
        time.sleep(0.02)
    with ThreadPoolExecutor(1) as executor:
        injection = executor.submit(inject_with_provider_faults if trouble else fault, cluster)
        state = visitor.wait_until_completed(batch)
        injection.result()
    urls = visitor.request("GET", f"/api/v1/download/{batch['job_id']}/all").json()["download_urls"]
    delivered = sum(visitor.request("GET", url).content.startswith(b"glTF") for url in urls)
    states, paid = job_states(cluster, batch["task_id"]), len(fal.paid) - paid_before
    seconds, others = time.monotonic() - began, dict(visitor.refusals)
    print(f"{seconds:5.1f} s, {delivered} meshes, {paid} paid for, {dict(states)}, {others}", flush=True)
    problems = []
    if delivered != states["done"]:
        problems.append(f"{states['done']} are done and {delivered} have a mesh")
    if paid > PICTURES or (not trouble and paid != delivered):
        problems.append(f"{paid} were paid for, and {delivered} of {PICTURES} came")
    ends = FINISHED if trouble else {"done", "unconfirmed"}
    if states.total() != PICTURES or not states.keys() <= ends:
        problems.append(f"not every picture has its end: {dict(states)}, the batch is {state}")
    if visitor.refusals["500"]:
        problems.append("a visitor was answered 500")
    return problems


def job_states(cluster: Cluster, task_id: str) -> Counter[str]:
    """Number of a batch's jobs in each state."""
    query = "SELECT jobs.state FROM jobs JOIN batches ON batch_id = batches.id WHERE task_id = %s"
    with psycopg.connect(cluster.database_url.replace("+psycopg", "")) as connection:
        return Counter(state for (state,) in connection.execute(query, (task_id,)))


def fault_names(names: Sequence[str], minutes: float | None, chance: random.Random) -> Iterator[str]:
    """Each name once or, with `minutes`, random names until the time is over."""
    if minutes is None:
        yield from names
        return
    until = time.monotonic() + 60 * minutes
    while time.monotonic() < until:
        yield chance.choice(names)


def main() -> None:
    """Inject the named faults, or all."""
    exit_on_sigterm()
    parser = argparse.ArgumentParser(description="Faults of a cluster, and the outcome of a batch meanwhile.")
    parser.add_argument("faults", nargs="*", help=f"of these: {', '.join(FAULTS)}")
    parser.add_argument("--trouble", action="store_true", help="fal answers with random faults as well")
    parser.add_argument("--minutes", type=float, help="inject random ones for so long, instead of each once")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="cluster-"))
    trouble = random.Random(given.seed) if given.trouble else None  # noqa: S311
    problems: list[str] = []
    kept = {name: value for name, value in os.environ.items() if not name.startswith(SETTING_PREFIXES)}
    with FalServer(Script(run_seconds=RUN_SECONDS)) as fal:
        more = {"FAL_KEY": KEY, "FAL_HOST": fal.url, "LEASE_SECONDS": str(LEASE_SECONDS), "WORKERS": "1"}
        cluster = Cluster(folder, {**kept, **more, "RETRY_PACE": "0.01", "UPLOADS_PER_MINUTE": "1000"})
        try:
            cluster.start()
            for name in fault_names(given.faults or list(FAULTS), given.minutes, random.Random(given.seed)):  # noqa: S311
                cluster.wait_for_replicas()
                print(f"{name:<38} ", end="", flush=True)
                problems += [f"{name}: {problem}" for problem in run_batch(cluster, fal, FAULTS[name], trouble)]
        finally:
            cluster.stop()
            shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(problems) or "All is well.")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
