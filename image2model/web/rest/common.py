"""Shared parts of the routers: the services as a dependency, HEAD beside GET, times as text."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request

from ...services import Services

F = TypeVar("F", bound=Callable[..., Any])


async def get_services(request: Request) -> Services:
    """The services of the application."""
    return request.app.state.services  # type: ignore[no-any-return]


ServicesDep = Annotated[Services, Depends(get_services)]


class HeadRouter(APIRouter):
    """A router whose GET routes answer HEAD too, which the OpenAPI description leaves out."""

    def get(self, path: str, **options: Any) -> Callable[[F], F]:
        """See FastAPI."""
        both = (
            self.api_route(path, methods=["HEAD"], **{**options, "include_in_schema": False}),
            super().get(path, **options),
        )

        def add(function: F) -> F:
            for decorate in both:
                decorate(function)
            return function

        return add


def iso_now() -> str:
    """The time now in UTC (ISO 8601), as in `timestamp`."""
    return datetime.now(UTC).isoformat()


def iso_time(seconds: float | None) -> str | None:
    """Seconds since 1970 as UTC in ISO 8601."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
