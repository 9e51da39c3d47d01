"""What every router needs: the studio."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request

from ...services import Studio

F = TypeVar("F", bound=Callable[..., Any])


def _studio(request: Request) -> Studio:
    return request.app.state.studio  # type: ignore[no-any-return]


StudioDep = Annotated[Studio, Depends(_studio)]


class Readable(APIRouter):
    """A router whose routes for GET answer HEAD too, which the description leaves out."""

    def get(self, path: str, **given: Any) -> Callable[[F], F]:
        """See FastAPI."""
        both = (
            self.api_route(path, methods=["HEAD"], **{**given, "include_in_schema": False}),
            super().get(path, **given),
        )

        def add(function: F) -> F:
            for one in both:
                one(function)
            return function

        return add


def now() -> str:
    """The time in UTC, as `timestamp` tells it (ISO 8601)."""
    return datetime.now(UTC).isoformat()


def moment(seconds: float | None) -> str | None:
    """A time in seconds since 1970 in ISO 8601."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
