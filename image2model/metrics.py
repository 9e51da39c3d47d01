"""Metrics that are counted while the app runs; those read from the database are in `ops.metrics`.

Names are a contract with dashboards and with programs for the first image2model, which called a job's try a Celery
task. Every label has few values. With `PROMETHEUS_MULTIPROC_DIR` set, prometheus-client adds up all processes.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
JOB_SECONDS = (1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600, 1800, 3600)

REMOVED = Counter("image2model_removed_total", "Batches, orphans and cached files deleted", ["kind", "reason"])
FREED_BYTES = Counter("image2model_freed_bytes_total", "Bytes that deleting has freed", ["kind"])
REQUESTS = Counter("http_requests_total", "Requests answered, by route template", ["method", "route", "status"])
REQUEST_SECONDS = Histogram(
    "http_request_duration_seconds", "Seconds until an answer began", ["method", "route"], buckets=SECONDS
)
FAL_CALLS = Counter("fal_api_requests_total", "Requests to fal, by what they are for", ["operation", "status"])
FAL_SECONDS = Histogram(
    "fal_api_request_duration_seconds", "Seconds until fal's answer began", ["operation"], buckets=SECONDS
)
CELERY_TASKS = Counter("celery_tasks_total", "Jobs that ended, in Celery's words", ["state"])
TASK_SECONDS = Histogram(
    "celery_task_duration_seconds", "Seconds from a job's start to its end", ["state"], buckets=JOB_SECONDS
)
JOBS_ENDED = Counter(
    "image2model_jobs_ended_total", "Jobs that ended, and why those failed that did", ["state", "code"]
)
RETRIES = Counter("image2model_retries_total", "New tries: submitted anew, only collected, pressed by a person", ["by"])
BREAKER = Gauge(
    "image2model_breaker_open",
    "1 while a generator on the host's key rests",
    ["generator"],
    multiprocess_mode="livemax",
)

CELERY_STATES = {"done": "SUCCESS", "cancelled": "REVOKED"}
"""Whatever is not here is FAILURE."""
FAL_OPERATIONS = ("upload", "platform", "submit", "cancel", "status", "result", "download")

# What is known beforehand stands at 0 from the start, so that a dashboard sees the first event as a rise.
for by in ("itself", "collecting", "person"):
    RETRIES.labels(by)
for celery_state in (*CELERY_STATES.values(), "FAILURE"):
    CELERY_TASKS.labels(celery_state)
    TASK_SECONDS.labels(celery_state)
for job_state in CELERY_STATES:
    JOBS_ENDED.labels(job_state, "")
for operation in FAL_OPERATIONS:
    FAL_CALLS.labels(operation, "200")
    FAL_SECONDS.labels(operation)


def job_ended(state: str, code: str, seconds: float) -> None:
    """Count a job that is over; `code` says why it failed, `seconds` how long it ran."""
    JOBS_ENDED.labels(state, code).inc()
    celery_state = CELERY_STATES.get(state, "FAILURE")
    CELERY_TASKS.labels(celery_state).inc()
    TASK_SECONDS.labels(celery_state).observe(max(0.0, seconds))
