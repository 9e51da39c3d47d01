"""Metrics for Prometheus: those of `image2model.metrics`, and present ones of the database and the machine.

Names are the contract's (`http_…`, `celery_…`, `fal_api_…`, `system_…`) and ours (`image2model_…`).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, generate_latest, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from ..errors import ErrorCode, SettingsError
from ..jobs.models import UNFINISHED
from ..services import Services
from ..services.admin import host_alerts
from ..settings import Settings
from .health import Component, Health, State, machine_stats

STATE_VALUES: Mapping[State, float] = {"healthy": 1.0, "degraded": 0.5, "unhealthy": 0.0}
__all__ = ["CONTENT_TYPE", "counters", "exposition", "serve_counters"]
MACHINE_GAUGES = {
    "cpu_usage_percent": "Processor time used since the last look",
    "memory_usage_percent": "Memory used",
    "disk_usage_percent": "Disk used, of the one that holds the data",
}


async def exposition(services: Services, health: Health) -> bytes:
    """Everything in Prometheus' text format 0.0.4; what the database does not tell in time is left out."""
    parts, queue, provider = await asyncio.gather(health.components(), health.queue_state(), health.provider_status())
    stored = [*_database_metrics(queue[0], services)] if queue else []
    attention = [_attention_metrics(provider[0]["attention"])] if provider else []
    registry = CollectorRegistry()
    registry.register(_SnapshotCollector([*_machine_metrics(services), _component_metrics(parts), *stored, *attention]))
    return counters() + generate_latest(registry)


def counters() -> bytes:
    """Counts of this process or, with `PROMETHEUS_MULTIPROC_DIR`, of all processes."""
    return generate_latest(_counter_registry())


@contextmanager
def serve_counters(settings: Settings) -> Iterator[None]:
    """Answer Prometheus at METRICS_PORT with `counters`, whatever path it asks for, while the block runs.

    For a process without a page. Raises SettingsError where the port is not free.
    """
    if not settings.metrics_port:
        yield
        return
    try:
        server, thread = start_http_server(settings.metrics_port, settings.host, _counter_registry())
    except OSError as error:
        message = f"METRICS_PORT={settings.metrics_port}: {error.strerror}."
        raise SettingsError(ErrorCode.SETTING_WRONG, message, "METRICS_PORT takes a free port.") from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _counter_registry() -> CollectorRegistry:
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


class _SnapshotCollector(Collector):
    """Values of this moment."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterator[Metric]:
        """See prometheus-client."""
        yield from self._families


def _machine_metrics(services: Services) -> Iterator[Metric]:
    known = machine_stats(services)
    for name, description in MACHINE_GAUGES.items():
        yield GaugeMetricFamily(f"system_{name}", description, known[name])
    free, floor = known["disk_free_gb"] * 1e9, float(services.settings.min_free_gb) * 1e9
    yield GaugeMetricFamily("image2model_disk_free_bytes", "Free on the disk of the data", free)
    yield GaugeMetricFamily("image2model_disk_floor_bytes", "Free space below which no new batch is taken", floor)


def _component_metrics(parts: Iterable[Component]) -> Metric:
    family = GaugeMetricFamily(
        "image2model_component", "How a part is: 1 healthy, 0.5 degraded, 0 unhealthy", labels=["component"]
    )
    for part in parts:
        if part.details.get("configured") is not False:
            family.add_metric([part.name], STATE_VALUES[part.status])
    return family


def _attention_metrics(alerts: Iterable[Mapping[str, Any]]) -> Metric:
    counts = dict.fromkeys(host_alerts(), 0) | {alert["code"]: alert["count"] for alert in alerts}
    description = "Pictures that failed or wait for something that only the host can do"
    family = GaugeMetricFamily("image2model_attention", description, labels=["code"])
    for code, count in counts.items():
        family.add_metric([code], count)
    return family


def _database_metrics(queue_state: dict[str, Any], services: Services) -> Iterator[Metric]:
    states, oldest = queue_state["states"], queue_state["oldest_seconds"]
    by_state = GaugeMetricFamily("image2model_jobs", "Jobs in each state", labels=["state"])
    for state, count in states.items():
        by_state.add_metric([state], count)
    yield by_state
    active = sum(states[state] for state in UNFINISHED)
    yield GaugeMetricFamily("active_jobs_total", "Jobs that are not over", active)
    yield GaugeMetricFamily("image2model_oldest_job_seconds", "Age of the oldest job that is not over", oldest)
    waiting = queue_state["tasks_waiting"]
    yield GaugeMetricFamily("image2model_tasks_waiting", "Tasks of a cluster that no worker has begun", waiting)
    spent = GaugeMetricFamily("image2model_spent_dollars", "Spent on the host's key, or reserved", labels=["period"])
    spent.add_metric(["day"], float(queue_state["spent_today"]))
    spent.add_metric(["month"], float(queue_state["spent_this_month"]))
    yield spent
    if (budget := services.settings.daily_budget) is not None:
        yield GaugeMetricFamily("image2model_daily_budget_dollars", "What may be spent in a day (UTC)", float(budget))
