"""Liveness, readiness and health of the app, and its metrics for Prometheus."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Depends, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field

from ... import __version__
from ...ops.health import Health, State, machine_stats, overall, uptime
from ...ops.metrics import CONTENT_TYPE, exposition
from .common import HeadRouter, ServicesDep, iso_now

router = HeadRouter(prefix="/health", tags=["health"])
SERVICE = "image2model"
NO_STORE = {"Cache-Control": "no-store"}


async def get_health(request: Request) -> Health:
    """The health checks of the application."""
    return request.app.state.health  # type: ignore[no-any-return]


HealthDep = Annotated[Health, Depends(get_health)]


class Well(BaseModel):
    """Answer of an app that responds."""

    status: Literal["healthy"] = "healthy"
    service: str = SERVICE
    version: str = __version__
    timestamp: str


class Machine(BaseModel):
    """The machine that the app runs on."""

    platform: str
    python_version: str
    cpu_usage_percent: float = Field(description="Since the last request")
    memory_usage_percent: float
    memory_available_gb: float
    disk_usage_percent: float
    disk_free_gb: float
    load_average: list[float]


class Part(BaseModel):
    """State of one component."""

    name: str
    status: State
    response_time_ms: float
    details: dict[str, Any]


class Detailed(BaseModel):
    """State of the app and its components; unhealthy where no new picture can be processed."""

    status: State
    service: str = SERVICE
    version: str = __version__
    timestamp: str
    system: Machine
    components: list[Part]
    uptime_seconds: float


class Alive(BaseModel):
    """Answer of a live process."""

    status: Literal["alive"] = "alive"
    timestamp: str


class Ready(BaseModel):
    """Answer of an app that is ready for requests."""

    status: Literal["ready"] = "ready"
    timestamp: str


class NotReady(BaseModel):
    """Components that are not ready for requests."""

    status: Literal["not_ready"] = "not_ready"
    failed_components: list[str]
    timestamp: str


@router.get("")
async def health() -> Well:
    """Check that the app responds."""
    return Well(timestamp=iso_now())


@router.get("/detailed", responses={503: {"model": Detailed, "description": "Unhealthy"}})
async def detailed(health: HealthDep, services: ServicesDep, response: Response) -> Detailed:
    """State of each component. That of fal follows from the jobs of the last 24 hours; fal is not called."""
    parts = await health.components()
    components = [
        Part(name=part.name, status=part.status, response_time_ms=round(1000 * part.seconds, 2), details=part.details)
        for part in parts
    ]
    status = overall(parts)
    response.status_code = 503 if status == "unhealthy" else 200
    return Detailed(
        status=status, timestamp=iso_now(), system=Machine(**machine_stats(services)), components=components,
        uptime_seconds=round(uptime(), 1),
    )  # fmt: skip


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(health: HealthDep, services: ServicesDep) -> Response:
    """Metrics in Prometheus' text format."""
    return Response(await exposition(services, health), media_type=CONTENT_TYPE, headers=NO_STORE)


@router.get("/liveness")
async def liveness() -> Alive:
    """Liveness probe."""
    return Alive(timestamp=iso_now())


@router.get("/readiness", responses={503: {"model": NotReady, "description": "Not ready"}}, response_model=Ready)
async def readiness(health: HealthDep) -> Any:
    """Readiness probe."""
    if failed := await health.not_ready():
        body = NotReady(failed_components=failed, timestamp=iso_now())
        return Response(body.model_dump_json(), 503, NO_STORE, "application/json")
    return Ready(timestamp=iso_now())
