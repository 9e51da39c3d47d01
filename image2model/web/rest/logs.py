"""What the log files tell, for whoever has a key: counted, summed up by day, taken away; and the files themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field, field_validator
from starlette.exceptions import HTTPException

from ...errors import ErrorCode, NotFound
from ...ops import log_config, log_files
from ...ops.log_analysis import Analysis, analyse
from ...ops.log_export import MEDIA_TYPES, ExportFormat, export
from ...ops.log_search import LogFilter, list_log_files, matching_lines, search
from ...services import Services
from ...units import MB
from ..responses import GeneratedResponse
from .auth import require_admin, require_log_reader
from .common import HeadRouter, ServicesDep, iso_now
from .errors import error_responses
from .request_params import params_openapi, parse_params

router = HeadRouter(prefix="/logs", tags=["logs"], responses=error_responses(403, 429))
reader_routes, admin_routes = (
    HeadRouter(dependencies=[Depends(require_log_reader)]),
    HeadRouter(dependencies=[Depends(require_admin)]),
)
"""Routes with API_KEY or ADMIN_API_KEY, and with ADMIN_API_KEY alone."""

TOP_COUNT = 10
"""Most errors and endpoints in a day's summary."""
MAX_PATTERNS = 100
"""Most patterns in an analysis."""
ALL_TYPES = ("all", "")
LOG_TYPES: Mapping[str, str] = {kind: kind for kind in log_config.LOG_KINDS} | {"celery_worker": "app"}
"""Log types by name, also by the names of the first image2model."""
TYPE_DESCRIPTIONS = {
    "app": "What goes on: starts, each batch and each state of its jobs, warnings, errors",
    "access": "Requests: method, route, status, duration",
}
DAY = timedelta(days=1)


class TimeRange(BaseModel):
    """What was looked at."""

    start: str
    end: str
    hours_analyzed: int


class SlowRequest(BaseModel):
    """A request that took more than five seconds."""

    endpoint: str
    duration_ms: float
    timestamp: str


class Performance(BaseModel):
    """How requests went."""

    avg_response_time: float = Field(description="Milliseconds until an answer began")
    slow_requests: list[SlowRequest] = Field(description="The latest that took more than five seconds")
    error_rate: float = Field(description="Percent of the requests that failed here (status 500 and above)")


class LogAnalysis(BaseModel):
    """What was counted."""

    time_range: TimeRange
    log_levels: dict[str, int]
    error_patterns: dict[str, int] = Field(description="Errors, with # in the place of numbers and ids")
    request_patterns: dict[str, int] = Field(description="Requests by method and route")
    performance_metrics: Performance
    lines_analyzed: int


class DaySummary(Performance):
    """How requests of a day went."""

    total_requests: int
    slowest_requests: list[SlowRequest]


class ErrorBreakdown(BaseModel):
    """Where errors came from."""

    by_logger: dict[str, int]
    by_status: dict[str, int] = Field(description="Requests answered with 400 and above")


class DailySummary(BaseModel):
    """A day (UTC)."""

    date: str
    total_log_entries: int
    total_requests: int
    error_count: int
    avg_response_time_ms: float
    log_levels: dict[str, int]
    top_errors: dict[str, int]
    top_endpoints: dict[str, int]
    error_breakdown: ErrorBreakdown
    performance_summary: DaySummary
    system_events: list[dict[str, Any]] = Field(description="Starts, stops and deletions: timestamp, level, event")


class LogStatistics(BaseModel):
    """What log files there are."""

    total_files: int
    total_size_mb: float
    oldest_file: str | None = Field(description="When it was last written to")
    newest_file: str | None
    by_type: dict[str, dict[str, Any]]
    log_directory: str
    disk_usage: dict[str, float]


class LogTypes(BaseModel):
    """The kinds of log files."""

    log_types: list[str]
    total_types: int
    details: dict[str, dict[str, Any]]


class LogHealth(BaseModel):
    """Whether all is well with the log files."""

    status: Literal["healthy", "warning", "critical"]
    timestamp: str
    statistics: LogStatistics
    issues: list[str]
    warnings: list[str]
    recommendations: list[str]


class Recent(BaseModel):
    """Some entries, newest first."""

    entries: list[dict[str, Any]]
    more: bool = Field(description="There are older ones")


class Rotated(BaseModel):
    """Which files were put aside."""

    rotated_files: list[str]
    skipped_files: list[str] = Field(description="Empty ones")
    errors: list[str]


class Removed(BaseModel):
    """What was removed."""

    status: Literal["success", "error"]
    removed_files: int
    total_size_removed_mb: float
    errors: list[str]
    files: list[str]


class Export(BaseModel):
    """Which lines to take away."""

    start_date: str = Field("", max_length=40, description="YYYY-MM-DD, or a moment; by default a day before the end")
    end_date: str = Field("", max_length=40, description="YYYY-MM-DD, that day included, or a moment; by default now")
    log_types: list[Annotated[str, Field(max_length=200)]] = Field(
        [], max_length=20, description="Kinds, also with commas between them; by default all"
    )
    format: ExportFormat = "json"

    @field_validator("log_types", mode="before")
    @classmethod
    def _listed(cls, given: Any) -> Any:
        return [given] if isinstance(given, str) else given


LogType = Annotated[str, Query(max_length=40, description="See /logs/types; `all` for all of them")]


@reader_routes.get("/analyze", responses=error_responses(404))
async def analyze(
    request: Request,
    services: ServicesDep,
    log_type: LogType = "all",
    hours_back: Annotated[int, Query(ge=1, le=168)] = 24,
) -> LogAnalysis:
    """What the lines of the last hours come to."""
    end = datetime.now(UTC)
    start = end - timedelta(hours=hours_back)
    analysis = await _analyse(request, services, LogFilter(kinds=_parse_log_types(log_type), since=start, until=end))
    endpoints = list(analysis.by_endpoint().items())[:MAX_PATTERNS]
    return LogAnalysis(
        time_range=TimeRange(start=start.isoformat(), end=end.isoformat(), hours_analyzed=hours_back),
        log_levels=analysis.levels,
        error_patterns=dict(analysis.errors.most_common(MAX_PATTERNS)),
        request_patterns={name: seen.count for name, seen in endpoints},
        performance_metrics=Performance(**_performance(analysis)),
        lines_analyzed=analysis.lines,
    )


@reader_routes.get("/summary/daily", responses=error_responses(400))
@reader_routes.get("/daily-summary", responses=error_responses(400))
async def daily_summary(
    request: Request,
    services: ServicesDep,
    date: Annotated[str, Query(max_length=40, description="YYYY-MM-DD; by default today (UTC)")] = "",
) -> DailySummary:
    """What the lines of a day come to."""
    day = _parse_time(date or iso_now()).replace(hour=0, minute=0, second=0, microsecond=0)
    analysis = await _analyse(request, services, LogFilter(since=day, until=day + DAY))
    total, performance = analysis.total(), _performance(analysis)
    endpoints = list(analysis.by_endpoint().items())[:TOP_COUNT]
    return DailySummary(
        date=day.date().isoformat(),
        total_log_entries=analysis.lines,
        total_requests=total.count,
        error_count=analysis.levels["ERROR"] + analysis.levels["CRITICAL"],
        avg_response_time_ms=performance["avg_response_time"],
        log_levels=analysis.levels,
        top_errors=dict(analysis.errors.most_common(TOP_COUNT)),
        top_endpoints={name: seen.count for name, seen in endpoints},
        error_breakdown=ErrorBreakdown(by_logger=analysis.error_loggers, by_status=analysis.by_status()),
        performance_summary=DaySummary(
            **performance, total_requests=total.count,
            slowest_requests=sorted(analysis.slow, key=lambda one: -one["duration_ms"])[:TOP_COUNT],
        ),
        system_events=list(analysis.system),
    )  # fmt: skip


async def _analyse(request: Request, services: Services, query: LogFilter) -> Analysis:
    """Analyse log lines; one request at a time, because it keeps a processor busy."""
    async with request.app.state.log_analysis_lock:
        return await asyncio.to_thread(analyse, log_config.log_folder(services.settings), query)


def _performance(analysis: Analysis) -> dict[str, Any]:
    total = analysis.total()
    rate = 100 * analysis.total(at_least=500).count / total.count if total.count else 0.0
    return {
        "avg_response_time": round(total.average, 3),
        "slow_requests": list(analysis.slow),
        "error_rate": round(rate, 3),
    }


def _parse_log_types(names: str) -> list[str]:
    """Log types from a comma-separated list; empty for all. Raises NotFound."""
    parsed = [name.strip() for name in names.split(",")]
    if unknown := [name for name in parsed if name not in LOG_TYPES and name not in ALL_TYPES]:
        raise NotFound(
            ErrorCode.LOG_TYPE_UNKNOWN, f"There are no logs of the type {unknown[0]!r}.", f"See {', '.join(LOG_TYPES)}."
        )
    return [] if any(name in ALL_TYPES for name in parsed) else [LOG_TYPES[name] for name in parsed]


def _parse_time(text: str) -> datetime:
    """A date or time (ISO 8601), in UTC unless it has another zone; raises HTTPException 400."""
    try:
        moment = datetime.fromisoformat(text)
        aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        _ = aware + DAY  # the last day there is has no end
    except (ValueError, OverflowError):
        raise HTTPException(400, "Invalid date format. Use YYYY-MM-DD format.") from None
    return aware


@reader_routes.get("/recent", responses=error_responses(404))
async def recent(
    services: ServicesDep,
    log_type: LogType = "all",
    level: Literal["debug", "info", "warning", "error", "critical"] = "debug",
    text: Annotated[str, Query(max_length=200)] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=10_000)] = 0,
) -> Recent:
    """The newest lines of at least a level, with a text."""
    query = LogFilter(kinds=_parse_log_types(log_type), level=level, text=text)
    page = await asyncio.to_thread(search, log_config.log_folder(services.settings), query, limit, offset)
    return Recent(entries=page.entries, more=page.more)


async def _export_params(request: Request) -> Export:
    return await parse_params(request, Export)


ExportDep = Annotated[Export, Depends(_export_params)]
EXPORT_ROUTE: dict[str, Any] = {
    "response_class": StreamingResponse,
    "responses": {200: {"content": {kind: {} for kind in MEDIA_TYPES.values()}}, **error_responses(400, 404, 422)},
}


@reader_routes.get("/export", openapi_extra={"parameters": params_openapi(Export)["parameters"]}, **EXPORT_ROUTE)
@reader_routes.post("/export", openapi_extra=params_openapi(Export), **EXPORT_ROUTE)
async def exported(params: ExportDep, services: ServicesDep) -> GeneratedResponse:
    """The lines themselves, as they are read."""
    end, whole_day = _parse_time(params.end_date or iso_now()), len(params.end_date) == len("YYYY-MM-DD")
    if whole_day:
        end += DAY
    start = _parse_time(params.start_date) if params.start_date else end - DAY
    if start > end or (whole_day and start == end):
        raise HTTPException(400, "The start date must be before the end date.")
    query = LogFilter(kinds=_parse_log_types(",".join(params.log_types)), since=start, until=end)
    first, last = (f"{day:%Y%m%d}".zfill(8) for day in (start, end - timedelta(microseconds=1)))
    name = f"image2model-logs-{first}-{last}.{params.format}"
    return GeneratedResponse(
        export(matching_lines(log_config.log_folder(services.settings), query), params.format),
        media_type=MEDIA_TYPES[params.format],
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@reader_routes.get("/statistics")
async def statistics(services: ServicesDep) -> LogStatistics:
    """What log files there are, and the disk they lie on."""
    return LogStatistics(**await asyncio.to_thread(log_files.statistics, log_config.log_folder(services.settings)))


@reader_routes.get("/types")
async def types(services: ServicesDep) -> LogTypes:
    """The kinds of log files."""
    files_by_kind = {
        kind: list_log_files(log_config.log_folder(services.settings), [kind]) for kind in log_config.LOG_KINDS
    }
    details = {
        kind: {
            "file_count": len(files),
            "latest_file": files[-1].path.name if files else None,
            "description": TYPE_DESCRIPTIONS[kind],
        }
        for kind, files in files_by_kind.items()
    }
    return LogTypes(log_types=list(details), total_types=len(details), details=details)


@reader_routes.get("/health")
async def health(services: ServicesDep) -> LogHealth:
    """Whether all is well with the log files, and what the host can do."""
    log_health = await asyncio.to_thread(log_files.check_log_health, services.settings)
    return LogHealth(
        status=log_health.status, timestamp=iso_now(), statistics=await statistics(services), issues=log_health.issues,
        warnings=log_health.warnings, recommendations=log_health.recommendations,
    )  # fmt: skip


@admin_routes.post("/rotate")
async def rotate() -> Rotated:
    """Begin new files; the old ones are compressed."""
    return Rotated(**await asyncio.to_thread(log_files.rotate))


@admin_routes.delete("/cleanup")
async def cleanup(
    services: ServicesDep,
    older_than_days: Annotated[int, Query(ge=1, le=3650, description="Put aside before then")] = 30,
) -> Removed:
    """Remove old log files; those that are being written stay."""
    removed = await asyncio.to_thread(log_files.remove_older, log_config.log_folder(services.settings), older_than_days)
    return Removed(
        status="error" if removed.errors else "success", removed_files=len(removed.names),
        total_size_removed_mb=round(removed.size / MB, 6), errors=removed.errors, files=removed.names,
    )  # fmt: skip


for part in (reader_routes, admin_routes):
    router.include_router(part)
