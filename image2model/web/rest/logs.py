"""Log files: analysis, daily summary, export, statistics, rotation and clean-up."""

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
    "app": "Starts, each batch and each state of its jobs, warnings, errors",
    "access": "Requests: method, route, status, duration",
}
DAY = timedelta(days=1)


class TimeRange(BaseModel):
    """Period of an analysis."""

    start: str
    end: str
    hours_analyzed: int


class SlowRequest(BaseModel):
    """A request that took more than five seconds."""

    endpoint: str
    duration_ms: float
    timestamp: str


class Performance(BaseModel):
    """Response times and error rate of requests."""

    avg_response_time: float = Field(description="Milliseconds until an answer began")
    slow_requests: list[SlowRequest] = Field(description="The latest that took more than five seconds")
    error_rate: float = Field(description="Percent of the requests answered with status 500 and above")


class LogAnalysis(BaseModel):
    """Counts of log lines, errors and requests."""

    time_range: TimeRange
    log_levels: dict[str, int]
    error_patterns: dict[str, int] = Field(description="Errors, with # in place of numbers and ids")
    request_patterns: dict[str, int] = Field(description="Requests by method and route")
    performance_metrics: Performance
    lines_analyzed: int


class DaySummary(Performance):
    """Number, response times and error rate of a day's requests."""

    total_requests: int
    slowest_requests: list[SlowRequest]


class ErrorBreakdown(BaseModel):
    """Errors by their origin."""

    by_logger: dict[str, int]
    by_status: dict[str, int] = Field(description="Requests answered with status 400 and above")


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
    """Number, size and age of the log files."""

    total_files: int
    total_size_mb: float
    oldest_file: str | None = Field(description="Time of its last line")
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
    """State of the log files, with recommendations."""

    status: Literal["healthy", "warning", "critical"]
    timestamp: str
    statistics: LogStatistics
    issues: list[str]
    warnings: list[str]
    recommendations: list[str]


class Recent(BaseModel):
    """A page of log entries, newest first."""

    entries: list[dict[str, Any]]
    more: bool = Field(description="True if there are older entries")


class Rotated(BaseModel):
    """Log files that were rotated."""

    rotated_files: list[str]
    skipped_files: list[str] = Field(description="Empty files")
    errors: list[str]


class Removed(BaseModel):
    """Log files that were deleted."""

    status: Literal["success", "error"]
    removed_files: int
    total_size_removed_mb: float
    errors: list[str]
    files: list[str]


class Export(BaseModel):
    """Selection of the log lines to export."""

    start_date: str = Field(
        "", max_length=40, description="Date (YYYY-MM-DD) or time (ISO 8601); by default a day before the end"
    )
    end_date: str = Field(
        "", max_length=40, description="Date (YYYY-MM-DD, inclusive) or time (ISO 8601); by default now"
    )
    log_types: list[Annotated[str, Field(max_length=200)]] = Field(
        [], max_length=20, description="Log types, also separated by commas; by default all"
    )
    format: ExportFormat = "json"

    @field_validator("log_types", mode="before")
    @classmethod
    def _listed(cls, given: Any) -> Any:
        return [given] if isinstance(given, str) else given


LogType = Annotated[str, Query(max_length=40, description="A type of /logs/types, or `all`")]


@reader_routes.get("/analyze", responses=error_responses(404))
async def analyze(
    request: Request,
    services: ServicesDep,
    log_type: LogType = "all",
    hours_back: Annotated[int, Query(ge=1, le=168)] = 24,
) -> LogAnalysis:
    """Analyse the log lines of the last hours."""
    end = datetime.now(UTC)
    start = end - timedelta(hours=hours_back)
    analysis = await _analyse(request, services, LogFilter(kinds=_parse_log_types(log_type), since=start, until=end))
    endpoints = list(analysis.by_endpoint().items())[:MAX_PATTERNS]
    return LogAnalysis(
        time_range=TimeRange(start=start.isoformat(), end=end.isoformat(), hours_analyzed=hours_back),
        log_levels=analysis.levels,
        error_patterns=dict(analysis.errors.most_common(MAX_PATTERNS)),
        request_patterns={name: requests.count for name, requests in endpoints},
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
    """Summarise the log lines of a day."""
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
        top_endpoints={name: requests.count for name, requests in endpoints},
        error_breakdown=ErrorBreakdown(by_logger=analysis.error_loggers, by_status=analysis.by_status()),
        performance_summary=DaySummary(
            **performance, total_requests=total.count,
            slowest_requests=sorted(analysis.slow, key=lambda request: -request["duration_ms"])[:TOP_COUNT],
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
        _ = aware + DAY  # year 9999 has no following day
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
    """Search the newest log lines, by minimum level and text."""
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
    """Export log lines as a file."""
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
    """Number, size and age of the log files, and the space on their disk."""
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
    """State of the log files, with recommendations to the host."""
    log_health = await asyncio.to_thread(log_files.check_log_health, services.settings)
    return LogHealth(
        status=log_health.status, timestamp=iso_now(), statistics=await statistics(services), issues=log_health.issues,
        warnings=log_health.warnings, recommendations=log_health.recommendations,
    )  # fmt: skip


@admin_routes.post("/rotate")
async def rotate() -> Rotated:
    """Rotate the log files and compress the old ones."""
    return Rotated(**await asyncio.to_thread(log_files.rotate))


@admin_routes.delete("/cleanup")
async def cleanup(
    services: ServicesDep,
    older_than_days: Annotated[int, Query(ge=1, le=3650, description="Delete files rotated longer ago than this")] = 30,
) -> Removed:
    """Delete old log files; never those being written."""
    removed = await asyncio.to_thread(log_files.remove_older, log_config.log_folder(services.settings), older_than_days)
    return Removed(
        status="error" if removed.errors else "success", removed_files=len(removed.names),
        total_size_removed_mb=round(removed.size / MB, 6), errors=removed.errors, files=removed.names,
    )  # fmt: skip


for part in (reader_routes, admin_routes):
    router.include_router(part)
