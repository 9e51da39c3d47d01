"""Health and metrics: honest words on each part, and numbers with few labels."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import gradio as gr
import httpx
import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from image2model.errors import GenerationFailed
from image2model.generators.base import Submitted
from image2model.jobs.db.connection import LOCK_SECONDS
from image2model.ops import health
from image2model.ops.health import CachedProbe, Component, Health, overall
from image2model.ops.log_files import statistics as statistics_of_logs
from image2model.ops.metrics import exposition
from image2model.process_pool import WorkerPool
from image2model.services import Services, SubmitRequest
from image2model.web.rest.admin import _disk_folders
from image2model.web.rest.app import create_app
from image2model.web.ui.admin.overview import Overview
from tests.support.browser import ROOT, App
from tests.support.fal_helpers import fal_generator, run, task
from tests.support.scripted import ScriptedGenerator, finished, picture, scripted_settings

PARTS = ["database", "queue", "disk_space", "fal_api", "generator", "redis", "celery"]
CONTRACT = {
    "http_requests_total", "http_request_duration_seconds", "active_jobs_total", "celery_tasks_total",
    "celery_task_duration_seconds", "system_cpu_usage_percent", "system_memory_usage_percent",
    "system_disk_usage_percent", "fal_api_requests_total", "fal_api_request_duration_seconds",
}  # fmt: skip


def samples(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    """Each metric's samples by the values of their labels, in the order of their names."""
    values: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            values.setdefault(sample.name, {})[tuple(sample.labels[name] for name in sorted(sample.labels))] = (
                sample.value
            )
    return values


@pytest.mark.parametrize("root", ["", "/api/v1"])
def test_health_answers_at_both_places(app: App, root):
    """At the root and under the prefix, with the contract's words."""
    body = httpx.get(f"{app.url}{root}/health").json()
    assert (body["status"], body["service"]) == ("healthy", "image2model")
    assert httpx.get(f"{app.url}{root}/health/liveness/").json()["status"] == "alive"
    assert httpx.get(f"{app.url}{root}/health/readiness").json()["status"] == "ready"


def test_detailed_health_lists_every_component(app: App):
    """Each component has a status, its time and details; what is not there says that it is not."""
    body = httpx.get(f"{app.url}/api/v1/health/detailed").json()
    assert [part["name"] for part in body["components"]] == PARTS
    assert all({"status", "response_time_ms", "details"} <= set(part) for part in body["components"])
    assert body["components"][-1]["details"] == {"configured": False}
    assert body["uptime_seconds"] > 0
    assert len(body["system"]["load_average"]) == 3
    assert str(app.data) not in str(body)


def test_the_metrics_have_the_contracts_names_and_bounded_labels(app: App):
    """Unknown paths and ids are never label values; a stream is counted under its route template."""
    for path in (
        "/api/v1/x",
        f"/{uuid.uuid4()}",
        f"/batches/{uuid.uuid4()}/zip",
        f"/api/v1/upload/status/{uuid.uuid4()}",
    ):
        httpx.get(app.url + path)
    answer = httpx.get(f"{app.url}/health/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert {line.split()[2] for line in answer.text.splitlines() if line.startswith("# TYPE")} >= CONTRACT
    routes = {labels[1] for labels in samples(answer.text)["http_requests_total"]}
    assert {"none", "/batches/{batch_id}/zip", "/api/v1/upload/status/{file_id}", "/alive"} <= routes
    assert all(len(route) < 80 and "-4" not in route for route in routes)


@pytest.fixture
def generator() -> ScriptedGenerator:
    """A generator as if at fal, on the host's key."""
    generator = ScriptedGenerator()
    generator.key_mark = "the host's"
    return generator


@pytest.fixture
async def services(tmp_path: Path, generator: ScriptedGenerator, pool: WorkerPool) -> AsyncIterator[Services]:
    """Started services with that generator and a budget."""
    services = Services(scripted_settings(tmp_path / "data", daily_budget="5"), [generator], pool)
    await services.start()
    yield services
    await services.close()


async def part(services: Services, name: str) -> Component:
    """Fresh state of a part."""
    return next(component for component in await Health(services).components() if component.name == name)


async def test_admin_tab_and_rest_share_one_probe(services):
    """The Admin tab and REST use the same Health, so that each component is probed once for both."""
    with gr.Blocks():
        assert Overview(services).health is create_app(services).state.health


async def test_locked_database_is_reported_until_it_is_free(services, tmp_path):
    """While another process locks the database the app is not ready and unhealthy; afterwards it recovers."""
    well = Health(services)
    with closing(sqlite3.connect(tmp_path / "data" / "image2model.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert await well.not_ready() == ["database"]
        parts = await well.components()
        assert overall(parts) == "unhealthy"
        other.execute("ROLLBACK")
    async with asyncio.timeout(60):
        while await well.not_ready():  # noqa: ASYNC110  nothing tells
            await asyncio.sleep(0.05)


def test_health_does_not_wait_for_a_hanging_database(app: App):
    """Health answers at once while the database is locked, is unhealthy after about a second, and recovers."""
    with closing(sqlite3.connect(app.data / "image2model.db", isolation_level=None)) as other, httpx.Client() as client:

        def ask(path: str) -> tuple[int, float]:
            began = time.perf_counter()
            return client.get(f"{app.url}/health/{path}").status_code, time.perf_counter() - began

        paths = ("readiness", "detailed", "metrics")
        assert [ask(path)[0] for path in paths] == [200, 200, 200]
        other.execute("BEGIN IMMEDIATE")
        time.sleep(2)
        by_path = {path: [ask(path) for _ in range(10)] for path in paths}
        other.execute("ROLLBACK")
        until = time.monotonic() + 10
        while ask("readiness")[0] == 503:
            assert time.monotonic() < until
    assert {path: {status for status, _ in answers} for path, answers in by_path.items()} == {
        "readiness": {503}, "detailed": {503}, "metrics": {200},
    }  # fmt: skip
    # who waited for the database would wait LOCK_SECONDS; `benchmarks.health` measures how quick the answers are
    assert max(seconds for answers in by_path.values() for _, seconds in answers) < LOCK_SECONDS / 2


async def test_hanging_probe_is_reported_after_its_timeout(monkeypatch):
    """A slow probe reports its previous result at once; an error stays an error while the probe runs again."""
    monkeypatch.setattr(health, "PROBE_TIMEOUT", 0.5)
    answers: asyncio.Queue[int] = asyncio.Queue()
    answers.put_nowait(1)
    look = CachedProbe(answers.get, max_age=0)
    assert (await look() or [])[0] == 1
    began = time.monotonic()
    assert (await look() or [])[0] == 1
    assert time.monotonic() - began < 0.4
    await asyncio.sleep(0.5)
    assert await look() is None
    answers.put_nowait(2)
    await asyncio.sleep(0.05)
    answers.put_nowait(3)
    assert (await look() or [])[0] == 3


async def test_services_that_are_not_started_are_not_ready(tmp_path):
    """Before the start the queue is not ready and the generators are healthy; after the end they are unhealthy."""
    services = Services(scripted_settings(tmp_path / "data"), [ScriptedGenerator()])
    assert await Health(services).not_ready() == ["queue"]
    assert (await part(services, "generator")).status == "healthy"
    await services.start()
    assert await Health(services).not_ready() == []
    await services.close()
    assert (await part(services, "generator")).status == "unhealthy"


async def test_app_that_accepts_no_batch_is_not_ready(start):
    """Below MIN_FREE_GB no batch is accepted, and readiness names `disk_space`."""
    services = await start(min_free_gb=10**6)
    assert await Health(services).not_ready() == ["disk_space"]


async def test_disk_usage_equals_df(services, monkeypatch):
    """Reserved blocks do not count as free, and all disk percentages agree with `df`."""
    reserved = os.statvfs_result((4096, 4096, 1000, 150, 50, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: reserved)
    percentages = {
        (await part(services, "disk_space")).details["usage_percent"],
        health.machine_stats(services)["disk_usage_percent"],
        statistics_of_logs(services.folders.data)["disk_usage"]["usage_percent"],
        _disk_folders(await services.admin.disk_usage()).output_dir.disk_usage_percent,
    }
    assert percentages == {94.4}


async def test_fal_is_judged_by_its_outcomes(services, generator, tmp_path):
    """fal is healthy until it refuses the key; then it alone is unhealthy, until a job is done."""
    assert (await part(services, "fal_api")).status == "healthy"
    generator.script = lambda _: [GenerationFailed("key_refused", "fal refuses the key.")]
    await finished(services, (await services.submit(SubmitRequest([picture(tmp_path, "a.png")]))).id)
    component = await part(services, "fal_api")
    assert (component.status, component.details["configured"]) == ("unhealthy", True)
    assert "refuses the host's key" in component.details["reasons"][0]
    assert overall([component]) == "degraded"


async def test_generator_failures_are_counted_and_reported(services, generator, tmp_path):
    """The metrics have the breaker, failures by code, automatic and manual retries, and jobs by state."""
    before = samples((await exposition(services, Health(services))).decode())
    failed = GenerationFailed("fal_temporary", "fal is busy.", retryable=True)
    generator.script = lambda _: [Submitted({"request_id": "r"}), failed]
    batch = await services.submit(SubmitRequest([picture(tmp_path, "a.png")]))
    await finished(services, batch.id)
    generator.script = lambda _: []
    await services.retry(batch.id)
    await finished(services, batch.id)
    after = samples((await exposition(services, Health(services))).decode())
    assert after["image2model_jobs"]["done",] == 1
    assert after["image2model_jobs"]["unconfirmed",] == 0
    assert after["active_jobs_total"][()] == 0
    assert after["image2model_spent_dollars"]["day",] == pytest.approx(0.3)
    assert after["image2model_daily_budget_dollars"][()] == 5
    assert after["image2model_breaker_open"]["scripted",] == 0
    grown = {by: after["image2model_retries_total"][by,] - before["image2model_retries_total"][by,]
             for by in ("itself", "collecting", "person")}  # fmt: skip
    assert grown == {"itself": 4, "collecting": 0, "person": 1}
    assert after["image2model_jobs_ended_total"]["fal_temporary", "failed"] >= 1
    assert after["celery_tasks_total"]["SUCCESS",] >= 1


async def test_open_breaker_is_reported(services, generator):
    """The gauge and the health of fal follow the breaker of the host's key."""
    breaker = services._scheduler.breakers.of(("scripted", ""))
    for _ in range(3):
        await breaker.record_failure()
    assert REGISTRY.get_sample_value("image2model_breaker_open", {"generator": "scripted"}) == 1
    component = await part(services, "fal_api")
    assert (component.status, component.details["resting"]) == ("degraded", ["scripted"])
    await services.admin.reset_breaker("scripted")
    assert REGISTRY.get_sample_value("image2model_breaker_open", {"generator": "scripted"}) == 0


async def test_concurrent_requests_share_one_probe():
    """A part is asked by one at a time and not again while its answer is fresh; an error is no answer."""
    asked = []

    async def ask() -> int:
        asked.append(1)
        await asyncio.sleep(0.01)
        return len(asked)

    look = CachedProbe(ask, max_age=3600)
    assert {found[0] for found in await asyncio.gather(*(look() for _ in range(20)))} == {1}
    assert asked == [1]

    async def fail() -> None:
        raise OSError("a secret")

    assert await CachedProbe(fail, max_age=0)() is None


async def test_fal_calls_are_counted_by_operation(fal, tmp_path):
    """One job is one submit, with its upload, its looks and its download."""

    def count(operation: str) -> float:
        wanted = {"operation": operation, "status": "200"}
        return REGISTRY.get_sample_value("fal_api_requests_total", wanted) or 0

    before = {name: count(name) for name in ("submit", "upload", "status", "result", "download")}
    generator = fal_generator(fal)
    await run(generator, task(tmp_path / "job", generator))
    grown = {name: count(name) - number for name, number in before.items()}
    assert grown["submit"] == 1
    assert all(grown.values())


def test_several_processes_are_added_up(tmp_path):
    """With PROMETHEUS_MULTIPROC_DIR a process reports the sum of what two others have counted."""
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}

    def python(code: str) -> str:
        return subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, check=True, capture_output=True,
                              text=True).stdout  # fmt: skip

    for _ in range(2):
        python("from image2model.metrics import job_ended; job_ended('done', '', 1.0)")
    metrics = samples(python("from image2model.ops.metrics import counters; print(counters().decode())"))
    assert metrics["image2model_jobs_ended_total"]["", "done"] == 2
    assert metrics["celery_task_duration_seconds_count"]["SUCCESS",] == 2
