"""The one error body: `{error, error_code, message, status_code, details}`."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from ...errors import ErrorCode, Image2ModelError, ImageRefused, LimitReached

log = logging.getLogger(__name__)

MESSAGES: Mapping[int, str] = {
    404: "There is nothing at this address. See /docs for what there is.",
    405: "This address does not take that method. See /docs for what it takes.",
    500: "Something went wrong here, and it is not your fault. Try again; if it stays, tell the host this answer's id.",
}


FILE_VALIDATION_CODES = (ErrorCode.TOO_MANY_IMAGES, ErrorCode.NO_IMAGES)


class ErrorBody(BaseModel):
    """An error, as a code for programs and a sentence for people."""

    error: bool = True
    error_code: str = Field(examples=["batch_not_found"])
    message: str = Field(description="A sentence for people that says what to do next")
    status_code: int
    details: dict[str, Any] = {}


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI descriptions of errors with these statuses, for `responses=` of a router or route."""
    return {status: {"model": ErrorBody, "description": HTTPStatus(status).phrase} for status in statuses}


def error_response(
    status: int,
    code: str,
    message: str,
    details: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A response with the error body."""
    body = ErrorBody(error_code=code, message=message, status_code=status, details=dict(details or {}))
    return JSONResponse(body.model_dump(), status, dict(headers or {}))


def add_error_handlers(app: FastAPI) -> None:
    """Answer every error of the application with the error body."""
    app.add_exception_handler(Image2ModelError, _image2model_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(Exception, _internal_error)


def response_to(error: Image2ModelError) -> JSONResponse:
    """The response for an error."""
    headers = retry_after_header(error.retry_after) if isinstance(error, LimitReached) else None
    return error_response(error.http_status, error.code, str(error), getattr(error, "details", None), headers)


def retry_after_header(seconds: float | None) -> dict[str, str] | None:
    """The header Retry-After; None where the time to wait is unknown."""
    return {"Retry-After": str(math.ceil(seconds))} if seconds else None


async def _image2model_error(_request: Request, error: Any) -> JSONResponse:
    if isinstance(error, ImageRefused) or error.code in FILE_VALIDATION_CODES:
        return error_response(400, "FILE_VALIDATION_ERROR", str(error), getattr(error, "details", None))
    return response_to(error)


async def _http_error(_request: Request, error: Any) -> JSONResponse:
    code = HTTPStatus(error.status_code).name
    return error_response(
        error.status_code, code, MESSAGES.get(error.status_code, str(error.detail)), None, error.headers
    )


async def _validation_error(_request: Request, error: Any) -> JSONResponse:
    invalid = [{"field": ".".join(map(str, item["loc"][1:])), "message": item["msg"]} for item in error.errors()]
    reasons = "; ".join(f"{item['field']}: {item['message']}" for item in invalid)
    return error_response(422, "VALIDATION_ERROR", f"Some values cannot be used. {reasons}", {"errors": invalid})


async def _internal_error(_request: Request, error: Exception) -> JSONResponse:
    log.error("a request failed", exc_info=error)
    return error_response(500, "INTERNAL_ERROR", MESSAGES[500])
