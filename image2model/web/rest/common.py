"""What every router needs: the studio."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request

from ...studio import Studio


def _studio(request: Request) -> Studio:
    return request.app.state.studio  # type: ignore[no-any-return]


StudioDep = Annotated[Studio, Depends(_studio)]


def now() -> str:
    """The time in UTC, as `timestamp` tells it (ISO 8601)."""
    return datetime.now(UTC).isoformat()


def moment(seconds: float | None) -> str | None:
    """A time in seconds since 1970 in ISO 8601."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
