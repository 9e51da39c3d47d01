"""The Celery application: its settings, its two kinds of tasks, and the function that sends them to workers.

Messages hold ids and numbers only, and Redis may lose them: who waits for a task sends another (`jobs.task_executor`).
"""

from __future__ import annotations

from celery import Celery

from ..errors import ErrorCode, SettingsError
from ..jobs.db.listener import can_listen
from ..jobs.task_executor import Send
from ..services.retention import SWEEP_INTERVAL
from ..settings import Settings

RUN_TASK, RETENTION, CLEAN_HOLDERS = (
    "image2model.run_task",
    "image2model.retention",
    "image2model.forget_dead",
)
EXPIRY_SECONDS = 900
"""Seconds after which a message is not worth a look: it was sent again long ago."""
FORGET_SECONDS = 3600.0


def make_app(settings: Settings) -> Celery:
    """The application on the host's broker; raises SettingsError where there is none, or no PostgreSQL beside it."""
    if not settings.celery_broker_url or not can_listen(settings.database):
        raise SettingsError(
            ErrorCode.SETTING_WRONG,
            "A cluster needs CELERY_BROKER_URL and a PostgreSQL in DATABASE_URL.",
            "Set both to the same values for all its processes.",
        )
    app = Celery("image2model", broker=settings.celery_broker_url, set_as_current=False)
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        worker_prefetch_multiplier=1,
        worker_soft_shutdown_timeout=10,
        worker_proc_alive_timeout=120,  # what a process warms up may take longer than the four seconds it gets else
        worker_max_tasks_per_child=200,
        worker_hijack_root_logger=False,
        worker_send_task_events=True,  # for Flower
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            # Redis keeps no copy of what a worker has: closing a lost connection would put such copies back, which ends
            # the worker (kombu 5.7.0), and nobody needs them, as who waits for a task sends it again.
            "ack_emulation": False,
            "socket_connect_timeout": 2,
            "socket_timeout": 5,
        },
        beat_schedule={
            "retention": {"task": RETENTION, "schedule": SWEEP_INTERVAL},
            "forget dead processes": {"task": CLEAN_HOLDERS, "schedule": FORGET_SECONDS},
        },
    )
    return app


def sender(settings: Settings) -> Send:
    """Function that sends the workers a task. Raises SettingsError as `make_app`."""
    app = make_app(settings)

    def send(task_id: str, message: int, seconds: float) -> None:
        app.send_task(RUN_TASK, [task_id, message], time_limit=seconds + 1, expires=EXPIRY_SECONDS, retry=False)

    return send
