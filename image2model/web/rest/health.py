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
    """It answers."""

    status: Literal["healthy"] = "healthy"
    service: str = SERVICE
    version: str = __version__
    timestamp: str


class Machine(BaseModel):
    """What it runs on."""

    platform: str
    python_version: str
    cpu_usage_percent: float = Field(description="Since the last look")
    memory_usage_percent: float
    memory_available_gb: float
    disk_usage_percent: float
    disk_free_gb: float
    load_average: list[float]


class Part(BaseModel):
    """How a part is."""

    name: str
    status: State
    response_time_ms: float
    details: dict[str, Any]


class Detailed(BaseModel):
    """How everything is; unhealthy where no new picture can be worked."""

    status: State
    service: str = SERVICE
    version: str = __version__
    timestamp: str
    system: Machine
    components: list[Part]
    uptime_seconds: float


class Alive(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"
    timestamp: str


class Ready(BaseModel):
    """It takes requests."""

    status: Literal["ready"] = "ready"
    timestamp: str


class NotReady(BaseModel):
    """What keeps it from taking requests."""

    status: Literal["not_ready"] = "not_ready"
    failed_components: list[str]
    timestamp: str


@router.get("")
async def health() -> Well:
    """Whether the app answers."""
    return Well(timestamp=iso_now())


@router.get("/detailed", responses={503: {"model": Detailed, "description": "Unhealthy"}})
async def detailed(health: HealthDep, services: ServicesDep, response: Response) -> Detailed:
    """How each part is, from what is known here; fal by the outcomes of the last 24 hours, not by a call."""
    parts = await health.components()
    components = [
        Part(name=one.name, status=one.status, response_time_ms=round(1000 * one.seconds, 2), details=one.details)
        for one in parts
    ]
    status = overall(parts)
    response.status_code = 503 if status == "unhealthy" else 200
    return Detailed(
        status=status, timestamp=iso_now(), system=Machine(**machine_stats(services)), components=components,
        uptime_seconds=round(uptime(), 1),
    )  # fmt: skip


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(health: HealthDep, services: ServicesDep) -> Response:
    """The numbers, in Prometheus' text format."""
    return Response(await exposition(services, health), media_type=CONTENT_TYPE, headers=NO_STORE)


@router.get("/liveness")
async def liveness() -> Alive:
    """Whether the process lives."""
    return Alive(timestamp=iso_now())


@router.get("/readiness", responses={503: {"model": NotReady, "description": "Not ready"}}, response_model=Ready)
async def readiness(health: HealthDep) -> Any:
    """Whether it can take requests."""
    if failed := await health.not_ready():
        body = NotReady(failed_components=failed, timestamp=iso_now())
        return Response(body.model_dump_json(), 503, NO_STORE, "application/json")
    return Ready(timestamp=iso_now())
