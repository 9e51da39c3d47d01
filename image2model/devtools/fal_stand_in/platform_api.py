"""fal's platform API as the stand-in gives it: models, prices, and the jobs that were sent."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .answers import platform_error_response
from .schemas import Endpoint
from .script import Job


class Platform:
    """fal's platform API at the stand-in."""

    endpoints: dict[str, Endpoint]
    jobs: dict[str, Job]
    prices: dict[str, float]
    unit: str
    currency: str
    deprecated: set[str]
    """Endpoints that the list of models says are on their way out."""

    async def _models(self, request: Request) -> Response:
        wanted = request.query_params.getlist("endpoint_id") or list(self.endpoints)
        models = [{"endpoint_id": name, "metadata": self._metadata(name)} for name in wanted if name in self.endpoints]
        return JSONResponse({"models": models, "next_cursor": None, "has_more": False})

    def _metadata(self, name: str) -> dict[str, str]:
        status = "deprecated" if name in self.deprecated else "active"
        return {"display_name": name, "status": status, "license_type": "commercial"}

    async def _requests(self, request: Request) -> Response:
        """One page of the jobs of an endpoint, the newest first."""
        asked = request.query_params
        limit, page = int(asked.get("limit", "50")), int(base64.b64decode(asked.get("cursor", "MQ==")))
        if not asked.get("endpoint_id") or not 1 <= limit <= 100 or asked.get("expand", "payloads") != "payloads":
            return platform_error_response(400, "validation_error", "Invalid query parameters")
        start = datetime.fromisoformat(asked.get("start") or "2000-01-01T00:00:00Z")
        jobs = [job for job in self.jobs.values() if job.endpoint == asked["endpoint_id"] and job.sent_at >= start]
        shown = jobs[::-1][(page - 1) * limit :]
        more = len(shown) > limit
        return JSONResponse(
            {
                "items": [_listed(job, "expand" in asked) for job in shown[:limit]],
                "next_cursor": base64.b64encode(str(page + 1).encode()).decode() if more else None,
                "has_more": more,
            }
        )

    async def _pricing(self, request: Request) -> Response:
        wanted = ",".join(request.query_params.getlist("endpoint_id")).split(",")
        prices = [
            {"endpoint_id": name, "unit_price": self.prices[name], "unit": self.unit, "currency": self.currency}
            for name in wanted
            if name in self.prices
        ]
        return JSONResponse({"prices": prices, "next_cursor": None, "has_more": False})


def _listed(job: Job, with_payloads: bool) -> dict[str, Any]:
    """A job in the list of requests."""
    sent = job.sent_at.isoformat()
    listed = {"request_id": job.id, "endpoint_id": job.endpoint, "sent_at": sent, "started_at": sent}
    return {**listed, "json_input": job.arguments} if with_payloads else listed
